//! A suffix array: all suffixes of the training text in order, searched for the longest passage of another text.

use std::cmp::Ordering;

use corpus::Tokens;

/// Most bytes of ids in an index: a position is an `i32`.
const MAXIMUM_BYTES: usize = i32::MAX as usize;

/// Ids that are compared at a time once the first few agree.
const STRETCH: usize = 128;

/// Why a text cannot be measured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The training text is longer than an index can be.
    #[error(
        "the training text has {tokens} tokens, and an index of its passages holds {limit} (2147483647 bytes, {width} \
         a token): measure against a part of it"
    )]
    TooLong {
        /// Tokens in the training text.
        tokens: usize,
        /// Bytes of an id in the index.
        width: usize,
        /// Tokens that an index holds with such ids.
        limit: usize,
    },
}

/// The result of this module's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// A passage found in the training text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// Tokens in it; zero if the training text does not contain the first one.
    pub length: usize,
    /// Its position in the training text in tokens: one of possibly several.
    pub position: usize,
}

/// The suffixes of a training text in ascending order (Manber & Myers 1993), to find passages of other texts in it.
///
/// It keeps 4 bytes per token, and reads the tokens themselves from the view that it was built over. Building it takes 5
/// bytes per token for every byte of the largest id: 5 for a vocabulary of up to 256, 10 for one of up to 65,536.
/// A megabyte of text is sorted in a tenth of a second on one core, 100 MB in 12 s (50 s if it has 9,000 different characters);
/// a search takes some microseconds.
///
/// The ids may take up 2³¹ − 1 bytes: 2 GB of text, or 1 GB of a text with more than 256 different characters.
#[derive(Debug, Clone)]
pub struct PassageIndex<'t> {
    tokens: Tokens<'t>,
    /// The position where each suffix starts.
    order: Vec<i32>,
}

impl<'t> PassageIndex<'t> {
    /// Sorts the suffixes of a training text, in O(n log n).
    pub fn build(tokens: Tokens<'t>) -> Result<Self> {
        let width = id_width(tokens);
        check_length(tokens.len(), width)?;
        // The sorter knows bytes. Ids of a fixed width, the high byte first, sort as their bytes do, and the suffixes
        // of the bytes that begin within an id are left out again.
        let bytes = encode(tokens, width);
        let mut order = vec![0; bytes.len()];
        divsufsort::sort_in_place(&bytes, &mut order);
        drop(bytes);
        if width > 1 {
            let width = width as i32;
            order.retain(|start| start % width == 0);
            for start in &mut order {
                *start /= width;
            }
            order.shrink_to_fit();
        }
        Ok(Self { tokens, order })
    }

    /// The longest beginning of `text` that is in the training text. O(its length + log n), unless the training text repeats
    /// long passages many times.
    pub fn longest_match(&self, text: &[u32]) -> Match {
        let mut best = Match { length: 0, position: 0 };
        // Suffixes before `low` are less than the text, those from `high` on greater; and how much of it each of the
        // two at the edge shares is shared by all between them.
        let (mut low, mut high) = (0, self.order.len());
        let (mut shared_low, mut shared_high) = (0, 0);
        while low < high {
            let middle = low + (high - low) / 2;
            let position = self.order[middle] as usize;
            let (shared, ordering) = self.compare(position, text, shared_low.min(shared_high));
            if shared > best.length {
                best = Match { length: shared, position };
            }
            match ordering {
                Ordering::Less => (low, shared_low) = (middle + 1, shared),
                Ordering::Greater => (high, shared_high) = (middle, shared),
                Ordering::Equal => break,
            }
        }
        best
    }

    /// The longest match from every position of `text` on, in order.
    pub fn matches<'i>(&'i self, text: &'i [u32]) -> impl Iterator<Item = Match> + 'i {
        let mut last = Match { length: 0, position: 0 };
        (0..text.len()).map(move |start| {
            let rest = &text[start..];
            last = if last.length == rest.len() + 1 {
                // The match before reached the end of the text, so this one is the same without its first token. A text
                // that was copied whole would otherwise be compared from each place to its end.
                Match { length: rest.len(), position: last.position + 1 }
            } else {
                self.longest_match(rest)
            };
            last
        })
    }

    /// How many tokens `text` shares with the suffix at `position`, of which `known` are known, and how the suffix
    /// compares with it: equal if it begins with the whole text.
    fn compare(&self, position: usize, text: &[u32], known: usize) -> (usize, Ordering) {
        let mut buffer = [0; STRETCH];
        let mut shared = known;
        // Most comparisons end within a few tokens.
        let mut stretch = 8;
        loop {
            let left = (text.len() - shared).min(self.tokens.len() - position - shared);
            let suffix = &mut buffer[..left.min(stretch)];
            self.tokens.read(position + shared, suffix);
            let different = suffix.iter().zip(&text[shared..]).position(|(ours, theirs)| ours != theirs);
            if let Some(place) = different {
                return (shared + place, suffix[place].cmp(&text[shared + place]));
            }
            shared += suffix.len();
            if suffix.len() == left {
                // One of the two is at its end, and a suffix that ends before the text does is less.
                let ordering = if shared == text.len() { Ordering::Equal } else { Ordering::Less };
                return (shared, ordering);
            }
            stretch = STRETCH;
        }
    }
}

/// Bytes that the largest id takes.
fn id_width(tokens: Tokens<'_>) -> usize {
    let mut largest: u32 = 0;
    for_each_block(tokens, |ids| largest = ids.iter().copied().max().unwrap_or(0).max(largest));
    (u32::BITS - largest.leading_zeros()).div_ceil(8).max(1) as usize
}

/// Refuses a text that has more positions than an index can count.
fn check_length(tokens: usize, width: usize) -> Result<()> {
    let limit = MAXIMUM_BYTES / width;
    if tokens > limit { Err(Error::TooLong { tokens, width, limit }) } else { Ok(()) }
}

/// The ids one after another, `width` bytes each, the high byte first.
fn encode(tokens: Tokens<'_>, width: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(tokens.len() * width);
    for_each_block(tokens, |ids| match width {
        1 => bytes.extend(ids.iter().map(|&id| id as u8)),
        _ => bytes.extend(ids.iter().flat_map(|id| id.to_be_bytes().into_iter().skip(4 - width))),
    });
    bytes
}

fn for_each_block(tokens: Tokens<'_>, mut visit: impl FnMut(&[u32])) {
    let mut block = [0; 1 << 12];
    for start in (0..tokens.len()).step_by(block.len()) {
        let block = &mut block[..(tokens.len() - start).min(1 << 12)];
        tokens.read(start, block);
        visit(block);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::novelty::SEPARATOR;

    /// The reference: the text laid against every place of the training text.
    fn naive_length(training: &[u32], text: &[u32]) -> usize {
        let shared = |suffix: &[u32]| suffix.iter().zip(text).take_while(|(ours, theirs)| ours == theirs).count();
        (0..training.len()).map(|start| shared(&training[start..])).max().unwrap_or(0)
    }

    fn check(training: &[u32], text: &[u32]) {
        let index = PassageIndex::build(Tokens::of(training)).unwrap();
        let found: Vec<Match> = index.matches(text).collect();
        assert_eq!(found.len(), text.len());
        for (start, Match { length, position }) in found.into_iter().enumerate() {
            assert_eq!(length, naive_length(training, &text[start..]), "{text:?} from {start} on in {training:?}");
            assert_eq!(text[start..start + length], training[position..position + length], "{text:?} from {start} on");
        }
    }

    /// Alphabets of which every second one would find matches that begin within an id, were they not left out.
    const ALPHABETS: [[u32; 4]; 5] = [
        [0, 1, 2, 3],
        [0, 0x7f, 0x80, 0xff],
        [0x001, 0x100, 0x101, 0x201],
        [0, 0xff, 0x100, 0xffff],
        [0x00_0001, 0x01_0000, 0x01_0100, 0x10_ffff],
    ];

    proptest! {
        #[test]
        fn matches_are_those_of_the_quadratic_search(
            alphabet in prop::sample::select(&ALPHABETS[..]),
            letters in 1..=4_usize,
            training in prop::collection::vec(0..4_usize, 0..60),
            text in prop::collection::vec(0..4_usize, 0..40),
            copied in (0..60_usize, 0..60_usize),
        ) {
            let ids = |places: Vec<usize>| -> Vec<u32> {
                places.into_iter().map(|place| alphabet[place % letters]).collect()
            };
            let (training, mut text) = (ids(training), ids(text));
            // A copy, so that long matches are not left to chance.
            let end = copied.1.min(training.len());
            text.extend_from_slice(&training[copied.0.min(end)..end]);
            check(&training, &text);
        }
    }

    #[test]
    fn long_matches_are_followed_to_their_end() {
        // Longer than the stretches that are compared at a time, by one more or less.
        for length in [STRETCH + 7, STRETCH + 8, STRETCH + 9, 3 * STRETCH] {
            let training: Vec<u32> = (0..600).map(|place: u32| place * place % 251).collect();
            let mut text = training[100..100 + length].to_vec();
            check(&training, &text);
            text.push(255);
            check(&training, &text);
        }
    }

    #[test]
    fn a_text_of_one_letter_is_no_special_case() {
        check(&[7; 500], &[7; 300]);
        check(&[7; 30], &[7; 50]);
    }

    #[test]
    fn an_id_takes_as_many_bytes_as_the_largest() {
        for (largest, expected) in [(0, 1), (255, 1), (256, 2), (65_535, 2), (65_536, 3), (SEPARATOR, 4)] {
            assert_eq!(id_width(Tokens::of(&[1, largest, 0])), expected, "{largest}");
        }
        assert_eq!(encode(Tokens::of(&[1, 0x0203]), 2), [0, 1, 2, 3]);
        assert_eq!(encode(Tokens::of(&[0x01_0203]), 3), [1, 2, 3]);
    }

    #[test]
    fn a_text_past_the_limit_is_refused_with_the_limit() {
        for (tokens, width, message) in [
            (MAXIMUM_BYTES, 1, None),
            (MAXIMUM_BYTES + 1, 1, Some("has 2147483648 tokens, and an index of its passages holds 2147483647 ")),
            (MAXIMUM_BYTES / 2, 2, None),
            (MAXIMUM_BYTES / 2 + 1, 2, Some("holds 1073741823 (2147483647 bytes, 2 a token)")),
        ] {
            let found = check_length(tokens, width).err().map(|error| error.to_string());
            assert_eq!(found.is_some(), message.is_some(), "{tokens} of {width}: {found:?}");
            let (found, message) = (found.unwrap_or_default(), message.unwrap_or_default());
            assert!(found.contains(message), "{found:?} should say {message:?}");
        }
    }
}
