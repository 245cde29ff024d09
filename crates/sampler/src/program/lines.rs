//! Reads a text line by line in constant memory, and turns lines into tokens.

use std::{
    borrow::Cow,
    io::{BufRead, Read},
};

use model_card::{ModelCard, Unit};

use super::Failure;

/// A longer line is taken in pieces.
const LONGEST: usize = 1 << 16;

/// A line, or a piece of a very long one, with its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: u64,
    /// Where it begins in the file, in bytes.
    pub offset: u64,
    /// What stands there.
    pub bytes: Vec<u8>,
}

/// The lines of a text.
pub struct Lines<R> {
    reader: R,
    name: String,
    number: u64,
    offset: u64,
    rest: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// The lines of what is read; `name` is for messages.
    pub fn new(reader: R, name: String) -> Self {
        Self { reader, name, number: 1, offset: 0, rest: Vec::new() }
    }

    /// The next line. A piece ends before an ASCII character, where normalisation may be cut.
    pub fn next(&mut self) -> Result<Option<Line>, Failure> {
        let mut bytes = std::mem::take(&mut self.rest);
        let room = LONGEST - bytes.len();
        let read = self.reader.by_ref().take(room as u64).read_until(b'\n', &mut bytes);
        let read = read.map_err(|error| Failure::Input(format!("cannot read {}: {error}", self.name)))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let line = Line { number: self.number, offset: self.offset, bytes: Vec::new() };
        if bytes.ends_with(b"\n") {
            self.number += 1;
        } else if read == room {
            let cut = bytes.iter().rposition(u8::is_ascii).filter(|&cut| cut > 0);
            let cut = cut.or_else(|| bytes.iter().rposition(|byte| byte & 0xc0 != 0x80).filter(|&cut| cut > 0));
            self.rest = bytes.split_off(cut.unwrap_or(bytes.len()));
        }
        self.offset += bytes.len() as u64;
        Ok(Some(Line { bytes, ..line }))
    }

    /// The name for messages.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Turns lines into tokens.
pub struct Encoder<'c> {
    card: &'c ModelCard,
    lossy: bool,
    skip_unknown: bool,
    /// Characters that were left out.
    pub skipped: u64,
}

impl<'c> Encoder<'c> {
    /// For a model; `lossy` takes bytes that are no UTF-8 as U+FFFD, `skip_unknown` leaves unknown characters out.
    pub fn new(card: &'c ModelCard, lossy: bool, skip_unknown: bool) -> Self {
        Self { card, lossy, skip_unknown, skipped: 0 }
    }

    /// The tokens of a line of the text `name`.
    pub fn encode(&mut self, line: &Line, name: &str) -> Result<Vec<u32>, Failure> {
        let vocabulary = &self.card.vocabulary;
        if vocabulary.unit() == Unit::Byte && self.card.normalisation.is_identity() {
            return line
                .bytes
                .iter()
                .map(|&byte| u32::from(byte))
                .filter_map(|byte| self.token(byte, line, name))
                .collect();
        }
        let text = match std::str::from_utf8(&line.bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) if self.lossy => String::from_utf8_lossy(&line.bytes),
            Err(error) => {
                let place = line.offset + error.valid_up_to() as u64;
                let message = format!("{name} is not UTF-8 at byte {place} (line {}); --lossy reads on", line.number);
                return Err(Failure::Input(message));
            }
        };
        let text = self.card.normalisation.apply(&text);
        match vocabulary.unit() {
            Unit::Char => text.chars().filter_map(|character| self.token(character.into(), line, name)).collect(),
            Unit::Byte => text.bytes().filter_map(|byte| self.token(byte.into(), line, name)).collect(),
        }
    }

    /// The token of a symbol. In a model of documents that knows no line ends, a line is a document.
    fn token(&mut self, symbol: u32, line: &Line, name: &str) -> Option<Result<u32, Failure>> {
        let vocabulary = &self.card.vocabulary;
        let line_end = symbol == u32::from('\n') && vocabulary.symbols().binary_search(&symbol).is_err();
        if let Some(boundary) = vocabulary.boundary().filter(|_| line_end) {
            return Some(Ok(boundary));
        }
        if let Some(token) = vocabulary.id(symbol) {
            return Some(Ok(token));
        }
        if self.skip_unknown {
            self.skipped += 1;
            return None;
        }
        let shown = match (vocabulary.unit(), char::from_u32(symbol)) {
            (Unit::Char, Some(character)) => format!("character {character:?} (U+{symbol:04X})"),
            _ => format!("byte {symbol:#04x}"),
        };
        let message =
            format!("{shown} in {name}, line {}, is unknown to the model; --skip-unknown leaves it out", line.number);
        Some(Err(Failure::Input(message)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_ends_and_long_ones_come_in_pieces() {
        let long = format!("{}\u{e9}\n", "ab ".repeat(50_000));
        let text = format!("one\r\n\ntwo\n{long}{}last", "\u{4e16}".repeat(60_000));
        let mut lines = Lines::new(text.as_bytes(), "text".into());
        let mut pieces = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            assert!(line.bytes.len() <= LONGEST);
            assert!(std::str::from_utf8(&line.bytes).is_ok(), "cut inside a character at {}", line.offset);
            assert_eq!(line.offset as usize, pieces.iter().map(|line: &Line| line.bytes.len()).sum::<usize>());
            pieces.push(line);
        }
        assert_eq!(pieces.iter().map(|line| line.number).collect::<Vec<_>>(), [1, 2, 3, 4, 4, 4, 5, 5, 5]);
        assert_eq!(pieces.iter().flat_map(|line| line.bytes.clone()).collect::<Vec<_>>(), text.as_bytes());
    }
}
