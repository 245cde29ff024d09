//! The inputs as a sequence of blocks, cut where normalising in pieces changes nothing.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use unicode_normalization::char::{canonical_combining_class, is_combining_mark};
use unicode_normalization::{IsNormalized, is_nfc_quick};

use super::inputs::Input;
use super::reading::{Opened, open};
use crate::{Error, Result};

/// Bytes of a block: what a core's cache holds, and enough that a turn costs nothing beside the work.
pub const BLOCK_BYTES: usize = 256 * 1024;

/// A piece of one input.
#[derive(Debug, Default)]
pub struct Block {
    /// Blocks before it.
    pub sequence: u64,
    /// Which input it is of.
    pub input: usize,
    /// Bytes of that input (decompressed) before it.
    pub offset: u64,
    /// Whether the input ends with it.
    pub last: bool,
    /// Bytes read from the disk when it was cut, for the progress.
    pub read: u64,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// What decides where a block may be cut.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The bytes are text: no character is cut in two.
    pub text: bool,
    /// The text is composed: what composes stays together.
    pub nfc: bool,
    /// Project Gutenberg's header and licence are left out.
    pub strip_gutenberg: bool,
}

/// Reads the inputs one after another.
pub struct Blocks<'i> {
    inputs: &'i [Input],
    rules: Rules,
    block_bytes: usize,
    next_input: usize,
    current: Option<Current>,
    sequence: u64,
    failed: bool,
    read: Arc<AtomicU64>,
    /// What was left out so far.
    pub tally: Tally,
}

/// What became of the files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files that were read.
    pub files: u64,
    /// Files of folders with NUL bytes.
    pub binary: u64,
    /// Files of folders with nothing in them.
    pub empty: u64,
    /// Files without Project Gutenberg's marks, where those were looked for.
    pub unmarked: u64,
}

struct Current {
    input: usize,
    reader: Box<dyn Read + Send>,
    format: Option<&'static str>,
    offset: u64,
    carry: Vec<u8>,
}

impl<'i> Blocks<'i> {
    /// Blocks of so many bytes at most.
    pub fn new(inputs: &'i [Input], rules: Rules, block_bytes: usize) -> Self {
        let read = Arc::new(AtomicU64::new(0));
        let tally = Tally::default();
        Self { inputs, rules, block_bytes, next_input: 0, current: None, sequence: 0, failed: false, read, tally }
    }

    /// Reads the next block; `false` when there is none. After a failure there is none.
    pub fn next(&mut self, block: &mut Block) -> Result<bool> {
        // A failure has a place in the order too: the blocks before it are consumed first.
        block.sequence = self.sequence;
        if self.failed {
            return Ok(false);
        }
        let outcome = self.advance(block);
        self.failed = outcome.is_err();
        self.sequence += 1;
        outcome
    }

    fn advance(&mut self, block: &mut Block) -> Result<bool> {
        let mut current = match self.current.take() {
            Some(current) => current,
            None => match self.open_next()? {
                Some(current) => current,
                None => return Ok(false),
            },
        };
        block.input = current.input;
        block.offset = current.offset;
        block.bytes.clear();
        block.bytes.append(&mut current.carry);
        let path = &self.inputs[current.input].path;
        let missing = self.block_bytes.saturating_sub(block.bytes.len());
        block.bytes.reserve(missing);
        let read = current
            .reader
            .by_ref()
            .take(missing as u64)
            .read_to_end(&mut block.bytes)
            .map_err(|source| failure(path, current.format, source))?;
        block.read = self.read.load(Ordering::Relaxed);
        block.last = read < missing;
        if !block.last {
            let cut = last_cut(&block.bytes, self.rules);
            current.carry.extend_from_slice(&block.bytes[cut..]);
            block.bytes.truncate(cut);
            current.offset += cut as u64;
            self.current = Some(current);
        } else if block.offset == 0 && block.bytes.is_empty() && self.inputs[current.input].named {
            return Err(Error::Empty(path.clone()));
        }
        Ok(true)
    }

    fn open_next(&mut self) -> Result<Option<Current>> {
        while let Some(input) = self.inputs.get(self.next_input) {
            let index = self.next_input;
            self.next_input += 1;
            match open(input, self.rules.strip_gutenberg, &self.read)? {
                Opened::Binary => self.tally.binary += 1,
                Opened::Empty => self.tally.empty += 1,
                Opened::Text { reader, format, dropped, unmarked } => {
                    self.tally.files += 1;
                    self.tally.unmarked += u64::from(unmarked);
                    return Ok(Some(Current { input: index, reader, format, offset: dropped, carry: Vec::new() }));
                }
            }
        }
        Ok(None)
    }
}

/// A reading error, blamed on the compression where there is one.
pub fn failure(path: &Path, format: Option<&'static str>, source: std::io::Error) -> Error {
    match format {
        Some(format) => Error::Decompress { path: path.into(), format, source },
        None => Error::Read { path: path.into(), source },
    }
}

/// The last place before the end where the bytes may be cut; never 0, for a block must not be empty.
///
/// It is never between CR and LF. In text it is never inside a character or a broken sequence that decodes to one
/// U+FFFD. Where text is composed, the character after it is one that no other composes with: without such a one in the
/// whole block (a quarter of a million bytes of combining marks), the composition is given up there.
fn last_cut(bytes: &[u8], rules: Rules) -> usize {
    let places = || (1..bytes.len()).rev().filter(|&cut| !(bytes[cut] == b'\n' && bytes[cut - 1] == b'\r'));
    if !rules.text {
        return places().next().unwrap_or(bytes.len());
    }
    let composed = |cut: usize| !rules.nfc || stands_alone(&bytes[cut..]);
    let between_characters = |cut: usize| {
        // A continuation byte with three others before it belongs to no character: none is longer than four bytes.
        !is_continuation(bytes[cut]) || cut >= 3 && bytes[cut - 3..cut].iter().all(|&byte| is_continuation(byte))
    };
    places()
        .find(|&cut| between_characters(cut) && composed(cut))
        .or_else(|| places().find(|&cut| between_characters(cut)))
        .unwrap_or(bytes.len())
}

/// Whether the first character neither composes with one before it nor moves before one; `false` when it is cut off.
fn stands_alone(bytes: &[u8]) -> bool {
    let length = match bytes[0] {
        0..=0x7f => return true,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    };
    let character = bytes.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()?.chars().next());
    character.is_some_and(|character| {
        canonical_combining_class(character) == 0
            && !is_combining_mark(character)
            && is_nfc_quick(std::iter::once(character)) == IsNormalized::Yes
    })
}

fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_cut_where_nothing_joins() {
        let rules = |text, nfc| Rules { text, nfc, strip_gutenberg: false };
        let (bytes, text, composed) = (rules(false, false), rules(true, false), rules(true, true));
        let cases: [(&[u8], Rules, usize); 16] = [
            (b"abcd", text, 3),
            // Between CR and LF never; before any other LF.
            (b"abc\r\n", text, 3),
            (b"abc\r\n", bytes, 3),
            (b"abc\n\n", text, 4),
            // Bytes anywhere, characters whole.
            ("ab\u{1f40b}".as_bytes(), bytes, 5),
            ("ab\u{1f40b}".as_bytes(), text, 2),
            ("ab\u{1f40b}".as_bytes(), composed, 2),
            ("a\u{6f22}\u{5b57}".as_bytes(), composed, 4),
            // What composes, and what could with more to come, stays together.
            ("ae\u{301}\u{323}".as_bytes(), text, 4),
            ("ae\u{301}\u{323}".as_bytes(), composed, 1),
            ("a\u{1100}\u{1161}\u{11a8}".as_bytes(), composed, 1),
            // Broken sequences: not inside one, but between bytes that belong to none.
            (b"ab\xf0\x9f\x90", text, 2),
            (b"a\x80\x80\x80\x80\x80", text, 5),
            // Nothing to hold on to: some cut is better than none.
            ("\u{301}\u{301}\u{301}".as_bytes(), composed, 4),
            (b"\r\n", text, 2),
            (b"a", text, 1),
        ];
        for (block, rules, cut) in cases {
            assert_eq!(last_cut(block, rules), cut, "{block:x?} {rules:?}");
        }
    }
}
