//! The inputs as a sequence of blocks, cut where normalising the pieces gives the same text as normalising the whole.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};
use unicode_normalization::{IsNormalized, is_nfc_quick};

use super::inputs::Input;
use super::reading::{Opened, Reading, Text, failure, open, open_at};
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

/// Where a block starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// Index of its input.
    pub input: usize,
    /// Bytes of that (decompressed) input before it.
    pub offset: u64,
}

/// Which blocks of the inputs are read. The blocks are the same ones whoever reads them.
#[derive(Debug, Clone)]
pub enum Span {
    /// Those that start in a range of bytes, if the files were laid end to end as they are on the disk. A file that
    /// cannot be cut (see [`Text::seekable`]) belongs to the range in which it starts, as a whole.
    Bytes(Range<u64>),
    /// So many from this place on.
    Blocks(Place, u64),
}

impl Span {
    /// All of them.
    pub const ALL: Self = Self::Bytes(0..u64::MAX);
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
    span: Span,
    next_input: usize,
    /// Bytes on the disk of the inputs before the next one.
    before: u64,
    /// Blocks that may still be read.
    left: u64,
    current: Option<Current<'i>>,
    sequence: u64,
    failed: bool,
    /// What has been read and skipped so far.
    pub counts: FileCounts,
}

/// How many files were read, and how many were skipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Blocks that start before this are skipped.
    from: u64,
    /// Blocks that start here or later are not read.
    until: u64,
    carry: Vec<u8>,
}

impl<'i> Blocks<'i> {
    /// Blocks of at most `block_bytes` bytes.
    pub fn new(inputs: &'i [Input], reading: Reading<'i>, rules: CutRules, block_bytes: usize, span: Span) -> Self {
        let (next_input, left) = match &span {
            Span::Bytes(_) => (0, u64::MAX),
            Span::Blocks(from, blocks) => (from.input, *blocks),
        };
        Self {
            inputs,
            reading,
            rules,
            block_bytes,
            span,
            next_input,
            before: 0,
            left,
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
        while self.left > 0 {
            let current = match self.current.take() {
                Some(current) => current,
                None => match self.open_next()? {
                    Some(current) => current,
                    None => return Ok(false),
                },
            };
            let from = current.from;
            self.fill(current, block)?;
            if block.offset >= from {
                self.left -= 1;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads a block of an input.
    fn fill(&mut self, mut current: Current<'i>, block: &mut Block) -> Result<()> {
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
            self.current = Some(current).filter(|current| current.offset < current.until);
        }
        Ok(())
    }

    fn open_next(&mut self) -> Result<Option<Current<'i>>> {
        while let Some(input) = self.inputs.get(self.next_input) {
            let (index, start) = (self.next_input, self.before);
            let end = start + input.bytes;
            let (from, until, is_first) = match &self.span {
                Span::Bytes(span) if start >= span.end => return Ok(None),
                Span::Bytes(span) => {
                    // The blocks of a file that ends in the span are all before its end.
                    let until = if end <= span.end { u64::MAX } else { span.end - start };
                    (span.start.saturating_sub(start), until, start >= span.start)
                }
                Span::Blocks(place, _) => (if index == place.input { place.offset } else { 0 }, u64::MAX, true),
            };
            self.next_input += 1;
            self.before = end;
            if !is_first && from >= input.bytes {
                continue;
            }
            match open(input, self.reading)? {
                Opened::Binary => self.counts.binary += u64::from(is_first),
                Opened::Empty => self.counts.empty += u64::from(is_first),
                Opened::Text(text) => {
                    self.counts.read += u64::from(is_first);
                    self.counts.unmarked += u64::from(is_first && text.unmarked);
                    if let Some(current) = self.start(index, text, from, until, is_first)? {
                        return Ok(Some(current));
                    }
                }
            }
        }
        Ok(None)
    }

    /// An input from its first block on that starts at `from` or later.
    fn start(
        &self,
        index: usize,
        text: Text<'i>,
        from: u64,
        until: u64,
        is_first: bool,
    ) -> Result<Option<Current<'i>>> {
        let Text { mut reader, format, dropped, seekable, .. } = text;
        let (mut offset, mut until) = (dropped, until);
        if !seekable {
            if !is_first {
                return Ok(None);
            }
            until = u64::MAX;
        } else if from > dropped {
            let input = &self.inputs[index];
            offset = match &self.span {
                Span::Blocks(..) => from,
                Span::Bytes(_) => match self.next_start(input, dropped, from)? {
                    Some(offset) if offset < until => offset,
                    _ => return Ok(None),
                },
            };
            reader = open_at(input, self.reading, offset)?;
        }
        Ok(Some(Current { input: index, reader, format, offset, from, until, carry: Vec::new() }))
    }

    /// Where the first block starts that does not start before `from`; `None` if they all do. Only the bytes around each
    /// cut are read.
    fn next_start(&self, input: &Input, first: u64, from: u64) -> Result<Option<u64>> {
        /// Bytes before the end of a block in which nearly every cut is.
        const NEAR: u64 = 1024;
        let unreadable = |source| failure(&input.path, None, source);
        let mut file = input.open()?;
        let (length, size) = (file.metadata().map_err(unreadable)?.len(), self.block_bytes as u64);
        let mut bytes = Vec::new();
        let mut start = first;
        while start < from {
            self.check_cancelled()?;
            let end = start + size;
            if end > length {
                return Ok(None);
            }
            let mut read = |from: u64, bytes: &mut Vec<u8>| {
                bytes.resize((end - from) as usize, 0);
                file.seek(SeekFrom::Start(from)).and_then(|_| file.read_exact(bytes)).map_err(unreadable)
            };
            let near = end - size.min(NEAR);
            read(near, &mut bytes)?;
            // Four bytes before a cut can matter.
            start = if let Some(cut) = good_cut(&bytes, self.rules).filter(|&cut| cut >= 4) {
                near + cut as u64
            } else {
                read(start, &mut bytes)?;
                start + last_cut(&bytes, self.rules) as u64
            };
        }
        Ok(Some(start))
    }
}

/// The last position before the end where the bytes may be cut. It is never 0, because a block must not be empty.
///
/// It is never between CR and LF. In text, it is never inside a character or an invalid sequence that decodes to a
/// single U+FFFD. With NFC, the character after it composes with none before it. If a whole block (a quarter of a
/// million bytes) has no such character, it is cut anyway, and that one composition is lost.
fn last_cut(bytes: &[u8], rules: CutRules) -> usize {
    let any = || cuts(bytes).find(|&cut| !rules.text || between_characters(bytes, cut));
    good_cut(bytes, rules).or_else(any).unwrap_or(bytes.len())
}

/// The last cut that parts nothing.
fn good_cut(bytes: &[u8], rules: CutRules) -> Option<usize> {
    let composed = |cut: usize| !rules.nfc || starts_composition(&bytes[cut..]);
    cuts(bytes).find(|&cut| !rules.text || between_characters(bytes, cut) && composed(cut))
}

/// The positions that are not between CR and LF, from the last one on.
fn cuts(bytes: &[u8]) -> impl Iterator<Item = usize> {
    (1..bytes.len()).rev().filter(|&cut| !(bytes[cut] == b'\n' && bytes[cut - 1] == b'\r'))
}

fn between_characters(bytes: &[u8], cut: usize) -> bool {
    // A character has at most four bytes, so a continuation byte after three others belongs to none.
    !is_continuation(bytes[cut]) || cut >= 3 && bytes[cut - 3..cut].iter().all(|&byte| is_continuation(byte))
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
        let blocks = || Blocks::new(&inputs.files, reading, CutRules { text: true, nfc: false }, 2, Span::ALL);
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
