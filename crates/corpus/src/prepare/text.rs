//! Normalises a block and finds the boundaries between documents in it.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr_iter;
use model_card::{Normalisation, Unit};

use super::blocks::Block;
use crate::{Documents, Settings};

/// A part of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'t> {
    /// Characters; each is a token.
    Characters(&'t str),
    /// Bytes; each is a token.
    Bytes(&'t [u8]),
    /// The end of a document. Within a block, a boundary never follows another.
    Boundary,
}

/// Turns blocks into pieces as the settings say.
#[derive(Debug, Clone, Copy)]
pub struct Normaliser {
    unit: Unit,
    normalisation: Normalisation,
    lossy: bool,
    documents: Documents,
}

impl Normaliser {
    /// A normaliser for these settings.
    pub fn new(settings: &Settings) -> Self {
        let Settings { unit, normalisation, lossy, documents, .. } = *settings;
        Self { unit, normalisation, lossy, documents }
    }

    /// Whether the input must be text. Bytes that stay as they are can be anything.
    pub fn needs_text(self) -> bool {
        self.unit == Unit::Char || !self.normalisation.is_identity()
    }

    /// Whether documents end with a boundary.
    pub fn has_boundaries(self) -> bool {
        self.documents != Documents::Joined
    }

    /// Passes the pieces of a block to `receive`, in order. Fails with the position in the block of the first byte that
    /// is not UTF-8.
    pub fn pieces(self, block: &Block, receive: impl FnMut(Piece<'_>)) -> Result<(), usize> {
        if !self.needs_text() {
            self.split(block, &block.bytes, |range| Piece::Bytes(&block.bytes[range]), receive);
            return Ok(());
        }
        let text = match std::str::from_utf8(&block.bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) if self.lossy => String::from_utf8_lossy(&block.bytes),
            Err(error) => return Err(error.valid_up_to()),
        };
        // Before characters are dropped: CR, a dropped character and LF are not a line end, in one block or in two.
        let text = match self.documents {
            Documents::Lines if text.contains("\r\n") => Cow::Owned(text.replace("\r\n", "\n")),
            _ => text,
        };
        let text = self.normalisation.apply(&text);
        let bytes = text.as_bytes();
        match self.unit {
            Unit::Char => self.split(block, bytes, |range| Piece::Characters(&text[range]), receive),
            Unit::Byte => self.split(block, bytes, |range| Piece::Bytes(&bytes[range]), receive),
        }
        Ok(())
    }

    /// Splits text into lines if they are documents, and ends the last document at the end of the input.
    fn split<'t>(
        self,
        block: &Block,
        bytes: &[u8],
        piece: impl Fn(Range<usize>) -> Piece<'t>,
        mut receive: impl FnMut(Piece<'t>),
    ) {
        // Whether the last piece was a boundary. The splitter drops a boundary that follows one of the block before.
        let mut after_boundary = false;
        let mut start = 0;
        if self.documents == Documents::Lines {
            for end in memchr_iter(b'\n', bytes) {
                let crlf = !self.needs_text() && end > start && bytes[end - 1] == b'\r';
                let stop = end - usize::from(crlf);
                if stop > start {
                    receive(piece(start..stop));
                    after_boundary = false;
                }
                if !after_boundary {
                    receive(Piece::Boundary);
                    after_boundary = true;
                }
                start = end + 1;
            }
        }
        if start < bytes.len() {
            receive(piece(start..bytes.len()));
            after_boundary = false;
        }
        if block.last && self.has_boundaries() && !after_boundary {
            receive(Piece::Boundary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Shares, SplitBy};

    fn pieces(unit: Unit, documents: Documents, bytes: &[u8], last: bool) -> Result<Vec<String>, usize> {
        let settings = Settings {
            unit,
            normalisation: Normalisation::default(),
            lossy: false,
            documents,
            strip_gutenberg: false,
            min_count: None,
            max_vocabulary: None,
            split: Shares::default(),
            split_by: SplitBy::Position,
            shard_bytes: 64,
        };
        let block = Block { bytes: bytes.into(), last, ..Block::default() };
        let mut shown = Vec::new();
        Normaliser::new(&settings).pieces(&block, |piece| {
            shown.push(match piece {
                Piece::Characters(text) => text.into(),
                Piece::Bytes(bytes) => format!("{bytes:?}"),
                Piece::Boundary => "|".into(),
            });
        })?;
        Ok(shown)
    }

    #[test]
    fn documents_end_with_boundaries() {
        use Documents::{Files, Joined, Lines};
        let cases: [(Documents, &str, bool, &[&str]); 12] = [
            (Joined, "a\nb\n", true, &["a\nb\n"]),
            (Files, "a\nb\n", false, &["a\nb\n"]),
            (Files, "a\nb\n", true, &["a\nb\n", "|"]),
            (Files, "", true, &["|"]),
            (Lines, "a\nb\n", true, &["a", "|", "b", "|"]),
            (Lines, "a\nb", true, &["a", "|", "b", "|"]),
            (Lines, "a\nb", false, &["a", "|", "b"]),
            (Lines, "a\n\n\nb\n", true, &["a", "|", "b", "|"]),
            (Lines, "\n\na\n", true, &["|", "a", "|"]),
            (Lines, "a\r\n\r\nb\r\n", true, &["a", "|", "b", "|"]),
            (Lines, "a\rb\r", true, &["a\rb\r", "|"]),
            (Lines, "", true, &["|"]),
        ];
        for (documents, text, last, expected) in cases {
            let found = pieces(Unit::Char, documents, text.as_bytes(), last).unwrap();
            assert_eq!(found, expected, "{documents:?} {text:?} {last}");
        }
    }

    #[test]
    fn bytes_may_be_anything() {
        assert_eq!(pieces(Unit::Byte, Documents::Lines, b"\xff\na", true).unwrap(), ["[255]", "|", "[97]", "|"]);
        assert_eq!(pieces(Unit::Char, Documents::Lines, b"ab\xffc", true), Err(2));
    }
}
