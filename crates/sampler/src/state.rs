//! A text that goes on later: everything that its next characters depend on, as a file.
//!
//! All numbers are little-endian. A list is its length as `u32`, then its items.
//!
//! | part | meaning |
//! | --- | --- |
//! | 8 bytes | `SCRIMTXT` |
//! | `u32` | version of this format: 1 |
//! | `u64` | xxh3-64 of what tells the model apart: the checksum of its weights, its vocabulary, its context |
//! | 3 `u64` | random numbers: the seed, the stream, how many were taken |
//! | `u64` | tokens written, which say where a cycle of temperatures is |
//! | `u64` | characters beyond the length that was asked for |
//! | list of `u8` | one item: whether the text ends within a word |
//! | list of `u32` | recent tokens, for the repetition penalty |
//! | list of `u32` | how often each token was chosen, for the frequency penalty |
//! | list of `u8` | the end of the text, for stop texts |
//! | list of `u8` | bytes of a character that is not complete |
//! | list of `u32` | the last tokens, where a known text is not to be quoted |
//! | list of `u32` | the window, if the model reads windows |
//! | list of `f32` | otherwise the state (2, L, H) |
//! | list of `f32` | and the logits (V) after it |
//! | `u64` | xxh3-64 of all before |

use model_card::{Context, ModelCard};
use xxhash_rust::xxh3::xxh3_64;

use crate::{End, Error, Plan, Result, Sampler, Writer, sampler::Reading, writer::Progress};

const MAGIC: &[u8; 8] = b"SCRIMTXT";
const VERSION: u32 = 1;

/// Bytes of a file besides what depends on the model's sizes, generously: the end of the text is as long as stop texts are.
const REST: u64 = 1 << 20;

/// No file of a state is larger for this model.
pub fn largest_state(card: &ModelCard) -> u64 {
    let window = if let Context::Window { length } = card.context { length } else { 0 };
    let numbers = 2 * card.size.layers * card.size.hidden + 2 * card.size.vocabulary + window;
    4 * numbers as u64 + REST
}

impl Sampler {
    /// Everything that the next characters of the sample depend on, for [`load_state`](Self::load_state). `weights` is the
    /// [`weights_checksum`](crate::weights_checksum) of the model's file.
    ///
    /// Write the sample with [`Plan::continued`], and without [`Plan::words`], which drops the character that ends a word.
    /// A sample that ended with a document goes on with the next one.
    pub fn save_state(&mut self, writer: &mut Writer, weights: &str) -> Result<Vec<u8>> {
        match (writer.end(), writer.take_last()) {
            (Some(End::Boundary), _) => self.reset()?,
            (_, Some(token)) => self.feed_token(token)?,
            (_, None) => {}
        }
        let Reading { window, state, logits } = self.reading()?;
        let Progress { random, tokens, surplus, in_word, recent, counts, tail, pending, run } = writer.progress();
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        for number in [&[model(self.card(), weights)][..], &random, &[tokens, surplus]].concat() {
            bytes.extend(number.to_le_bytes());
        }
        put(&mut bytes, [in_word.into()], u8::to_le_bytes);
        put(&mut bytes, recent, u32::to_le_bytes);
        put(&mut bytes, counts, u32::to_le_bytes);
        put(&mut bytes, tail.into_bytes(), u8::to_le_bytes);
        put(&mut bytes, pending, u8::to_le_bytes);
        put(&mut bytes, run, u32::to_le_bytes);
        put(&mut bytes, window, u32::to_le_bytes);
        put(&mut bytes, state, f32::to_le_bytes);
        put(&mut bytes, logits, f32::to_le_bytes);
        bytes.extend(xxh3_64(&bytes).to_le_bytes());
        Ok(bytes)
    }

    /// Goes on with a sample that [`save_state`](Self::save_state) saved, whatever this text was before. The plan's length is
    /// that of what follows, and its seed does not count.
    ///
    /// # Errors
    /// [`Error::NotAState`], [`Error::StateVersion`], [`Error::StateDamaged`] and [`Error::StateModel`]; the text is then what
    /// it was.
    pub fn load_state(&mut self, bytes: &[u8], plan: &Plan, weights: &str) -> Result<Writer> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(Error::NotAState)?;
        let (version, _) = rest.split_first_chunk().ok_or(Error::StateDamaged)?;
        if u32::from_le_bytes(*version) != VERSION {
            return Err(Error::StateVersion(u32::from_le_bytes(*version)));
        }
        let (content, checksum) = bytes.split_last_chunk().ok_or(Error::StateDamaged)?;
        if xxh3_64(content) != u64::from_le_bytes(*checksum) {
            return Err(Error::StateDamaged);
        }
        let mut parts = Parts(content.get(MAGIC.len() + size_of::<u32>()..).ok_or(Error::StateDamaged)?);
        if parts.number()? != model(self.card(), weights) {
            return Err(Error::StateModel);
        }
        let (progress, reading) = parts.read(self.card())?;
        let writer = Writer::resume(plan, &self.card().vocabulary, &progress)?;
        self.set_reading(reading)?;
        Ok(writer)
    }
}

/// A number that tells models apart.
fn model(card: &ModelCard, weights: &str) -> u64 {
    let window = if let Context::Window { length } = card.context { length as u64 } else { 0 };
    let numbers = [card.vocabulary.fingerprint(), window].map(u64::to_le_bytes);
    xxh3_64(&[weights.as_bytes(), numbers.as_flattened()].concat())
}

/// Appends a list.
fn put<T, const N: usize>(
    bytes: &mut Vec<u8>,
    items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
    encode: fn(T) -> [u8; N],
) {
    let items = items.into_iter();
    bytes.extend((items.len() as u32).to_le_bytes());
    bytes.extend(items.flat_map(encode));
}

/// The rest of a file. A file that ends too early is damaged.
struct Parts<'b>(&'b [u8]);

impl Parts<'_> {
    fn number(&mut self) -> Result<u64> {
        let (number, rest) = self.0.split_first_chunk().ok_or(Error::StateDamaged)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*number))
    }

    /// A list, which has its items in the file and `fits` in their number.
    fn list<T, const N: usize>(&mut self, decode: fn([u8; N]) -> T, fits: impl Fn(usize) -> bool) -> Result<Vec<T>> {
        let (count, rest) = self.0.split_first_chunk().ok_or(Error::StateDamaged)?;
        let count = u32::from_le_bytes(*count) as usize;
        let length = count.checked_mul(N).filter(|_| fits(count));
        let (items, rest) = length.and_then(|length| rest.split_at_checked(length)).ok_or(Error::StateDamaged)?;
        self.0 = rest;
        Ok(items.as_chunks().0.iter().copied().map(decode).collect())
    }

    fn read(&mut self, card: &ModelCard) -> Result<(Progress, Reading)> {
        let size = card.size;
        let (longest, state, logits) = match card.context {
            Context::Window { length } => (length, 0, 0),
            Context::Stateful => (0, 2 * size.layers * size.hidden, size.vocabulary),
        };
        let progress = Progress {
            random: [self.number()?, self.number()?, self.number()?],
            tokens: self.number()?,
            surplus: self.number()?,
            in_word: self.list(u8::from_le_bytes, |count| count == 1)? == [1],
            recent: self.list(u32::from_le_bytes, |_| true)?,
            counts: self.list(u32::from_le_bytes, |count| count <= size.vocabulary)?,
            tail: String::from_utf8(self.list(u8::from_le_bytes, |_| true)?).map_err(|_| Error::StateDamaged)?,
            pending: self.list(u8::from_le_bytes, |count| count < 4)?,
            run: self.list(u32::from_le_bytes, |_| true)?,
        };
        let reading = Reading {
            window: self.list(u32::from_le_bytes, |count| count <= longest && (count > 0) == (longest > 0))?,
            state: self.list(f32::from_le_bytes, |count| count == state)?,
            logits: self.list(f32::from_le_bytes, |count| count == logits)?,
        };
        let mut tokens = reading.window.iter().chain(&progress.recent).chain(&progress.run);
        if !self.0.is_empty() || tokens.any(|&token| token as usize >= size.vocabulary) {
            return Err(Error::StateDamaged);
        }
        Ok((progress, reading))
    }
}
