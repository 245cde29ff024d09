//! The inputs as a sequence of blocks, cut where normalising the pieces gives the same text as normalising the whole.

use std::io::Read;
use std::sync::atomic::Ordering;

use unicode_normalization::char::{canonical_combining_class, is_combining_mark};
use unicode_normalization::{IsNormalized, is_nfc_quick};

use super::inputs::Input;
use super::reading::{Opened, Reading, Text, failure, open};
use crate::{Error, Result};

/// Bytes in a block: small enough for a core's cache, and large enough that the cost of handing it over does not
/// matter.
pub const BLOCK_BYTES: usize = 256 * 1024;

/// A piece of one input.
#[derive(Debug, Default)]
pub struct Block {
    /// Number of blocks before it.
    pub sequence: u64,
    /// Index of its input.
    pub input: usize,
    /// Bytes of that (decompressed) input before it.
    pub offset: u64,
    /// Whether it is the last block of its input.
    pub last: bool,
    /// Bytes that had been read from the disk when it was cut, for the progress.
    pub read: u64,
    /// Its contents.
    pub bytes: Vec<u8>,
}

/// Where a block may be cut.
#[derive(Debug, Clone, Copy)]
pub struct CutRules {
    /// The bytes are text: characters stay whole.
    pub text: bool,
    /// The text is normalised to NFC: sequences that compose stay whole.
    pub nfc: bool,
}

/// Reads the inputs one after another, in blocks.
pub struct Blocks<'i> {
    inputs: &'i [Input],
    reading: Reading<'i>,
    rules: CutRules,
    block_bytes: usize,
    next_input: usize,
    current: Option<Current<'i>>,
    sequence: u64,
    failed: bool,
    /// What has been read and skipped so far.
    pub counts: FileCounts,
}

/// How many files were read, and how many were skipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileCounts {
    /// Files that were read.
    pub read: u64,
    /// Files in folders that contain NUL bytes.
    pub binary: u64,
    /// Files in folders that are empty.
    pub empty: u64,
    /// Files without Project Gutenberg's marks, if those were looked for.
    pub unmarked: u64,
}

/// The input that is being read.
struct Current<'i> {
    input: usize,
    reader: Box<dyn Read + Send + 'i>,
    format: Option<&'static str>,
    offset: u64,
    carry: Vec<u8>,
}

impl<'i> Blocks<'i> {
    /// Blocks of at most `block_bytes` bytes.
    pub fn new(inputs: &'i [Input], reading: Reading<'i>, rules: CutRules, block_bytes: usize) -> Self {
        Self {
            inputs,
            reading,
            rules,
            block_bytes,
            next_input: 0,
            current: None,
            sequence: 0,
            failed: false,
            counts: FileCounts::default(),
        }
    }

    /// Reads the next block. Returns `false` at the end, and after a failure.
    pub fn next(&mut self, block: &mut Block) -> Result<bool> {
        // A failure has a place in the sequence too: the blocks before it are consumed first.
        block.sequence = self.sequence;
        if self.failed {
            return Ok(false);
        }
        let mut outcome = self.check_cancelled().and_then(|()| self.advance(block));
        if outcome.is_err() {
            // Cancelling makes reads fail, in their own way.
            outcome = self.check_cancelled().and(outcome);
        }
        self.failed = outcome.is_err();
        self.sequence += 1;
        outcome
    }

    fn check_cancelled(&self) -> Result<()> {
        if self.reading.cancelled.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
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
        let missing = self.block_bytes.saturating_sub(block.bytes.len());
        block.bytes.reserve(missing);
        let read = current
            .reader
            .by_ref()
            .take(missing as u64)
            .read_to_end(&mut block.bytes)
            .map_err(|source| failure(&self.inputs[current.input].path, current.format, source))?;
        block.read = self.reading.read.load(Ordering::Relaxed);
        block.last = read < missing;
        if !block.last {
            let cut = last_cut(&block.bytes, self.rules);
            current.carry.extend_from_slice(&block.bytes[cut..]);
            block.bytes.truncate(cut);
            current.offset += cut as u64;
            self.current = Some(current);
        }
        Ok(true)
    }

    fn open_next(&mut self) -> Result<Option<Current<'i>>> {
        while let Some(input) = self.inputs.get(self.next_input) {
            let index = self.next_input;
            self.next_input += 1;
            match open(input, self.reading)? {
                Opened::Binary => self.counts.binary += 1,
                Opened::Empty => self.counts.empty += 1,
                Opened::Text(Text { reader, format, dropped, unmarked }) => {
                    self.counts.read += 1;
                    self.counts.unmarked += u64::from(unmarked);
                    return Ok(Some(Current { input: index, reader, format, offset: dropped, carry: Vec::new() }));
                }
            }
        }
        Ok(None)
    }
}

/// The last position before the end where the bytes may be cut. It is never 0, because a block must not be empty.
///
/// It is never between CR and LF. In text, it is never inside a character or an invalid sequence that decodes to a
/// single U+FFFD. With NFC, the character after it composes with none before it. If a whole block (a quarter of a
/// million bytes) has no such character, it is cut anyway, and that one composition is lost.
fn last_cut(bytes: &[u8], rules: CutRules) -> usize {
    let cuts = || (1..bytes.len()).rev().filter(|&cut| !(bytes[cut] == b'\n' && bytes[cut - 1] == b'\r'));
    if !rules.text {
        return cuts().next().unwrap_or(bytes.len());
    }
    let composed = |cut: usize| !rules.nfc || starts_composition(&bytes[cut..]);
    let between_characters = |cut: usize| {
        // A character has at most four bytes, so a continuation byte after three others belongs to none.
        !is_continuation(bytes[cut]) || cut >= 3 && bytes[cut - 3..cut].iter().all(|&byte| is_continuation(byte))
    };
    cuts()
        .find(|&cut| between_characters(cut) && composed(cut))
        .or_else(|| cuts().find(|&cut| between_characters(cut)))
        .unwrap_or(bytes.len())
}

/// Whether the first character neither composes with one before it nor is reordered before one; `false` if it is cut
/// off.
fn starts_composition(bytes: &[u8]) -> bool {
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
    use std::sync::atomic::{AtomicBool, AtomicU64};

    use super::super::inputs::Inputs;
    use super::*;

    #[test]
    fn blocks_are_cut_where_nothing_belongs_together() {
        let rules = |text, nfc| CutRules { text, nfc };
        let (bytes, text, composed) = (rules(false, false), rules(true, false), rules(true, true));
        let cases: [(&[u8], CutRules, usize); 16] = [
            (b"abcd", text, 3),
            // Never between CR and LF, but before any other LF.
            (b"abc\r\n", text, 3),
            (b"abc\r\n", bytes, 3),
            (b"abc\n\n", text, 4),
            // Bytes can be cut anywhere; characters stay whole.
            ("ab\u{1f40b}".as_bytes(), bytes, 5),
            ("ab\u{1f40b}".as_bytes(), text, 2),
            ("ab\u{1f40b}".as_bytes(), composed, 2),
            ("a\u{6f22}\u{5b57}".as_bytes(), composed, 4),
            // Characters that compose, or could with what follows, stay together.
            ("ae\u{301}\u{323}".as_bytes(), text, 4),
            ("ae\u{301}\u{323}".as_bytes(), composed, 1),
            ("a\u{1100}\u{1161}\u{11a8}".as_bytes(), composed, 1),
            // Not inside an invalid sequence, but between bytes that belong to none.
            (b"ab\xf0\x9f\x90", text, 2),
            (b"a\x80\x80\x80\x80\x80", text, 5),
            // There is no good cut, so a bad one is used.
            ("\u{301}\u{301}\u{301}".as_bytes(), composed, 4),
            (b"\r\n", text, 2),
            (b"a", text, 1),
        ];
        for (block, rules, cut) in cases {
            assert_eq!(last_cut(block, rules), cut, "{block:x?} {rules:?}");
        }
    }
    #[test]
    fn reading_can_be_cancelled_at_every_step() {
        let folder = tempfile::tempdir().unwrap();
        for (name, contents) in [("a", "a\0"), ("b", "b\0"), ("c", "text"), ("d", "d\0")] {
            std::fs::write(folder.path().join(name), contents).unwrap();
        }
        let cancelled = AtomicBool::new(false);
        let inputs = Inputs::find(&[folder.path().into()], &[], &cancelled).unwrap();
        let read = AtomicU64::new(0);
        let reading =
            Reading { drop_byte_order_mark: true, strip_gutenberg: false, read: &read, cancelled: &cancelled };
        let blocks = || Blocks::new(&inputs.files, reading, CutRules { text: true, nfc: false }, 2);
        let mut block = Block::default();
        let cancel = || cancelled.store(true, Ordering::Relaxed);

        // Among files that are skipped.
        let mut skipping = blocks();
        cancel();
        assert!(matches!(skipping.next(&mut block), Err(Error::Interrupted)));
        assert!(matches!(skipping.next(&mut block), Ok(false)), "a failure is the end");
        assert_eq!((skipping.counts, read.load(Ordering::Relaxed)), (FileCounts::default(), 0));

        // Inside a file, of which everything has been read from the disk.
        cancelled.store(false, Ordering::Relaxed);
        let mut inside = blocks();
        assert!(inside.next(&mut block).unwrap() && block.bytes == b"t", "{block:?}");
        cancel();
        assert!(matches!(inside.next(&mut block), Err(Error::Interrupted)));

        // In whatever reads the disk: decompression, the search for marks, the directory of an archive.
        assert!(open(&inputs.files[2], reading).is_err());
        cancelled.store(false, Ordering::Relaxed);
        assert!(open(&inputs.files[2], reading).is_ok());
    }
}
