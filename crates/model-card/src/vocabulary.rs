//! The mapping between symbols (characters or bytes) and token ids.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::{Error, Result, Unit};

/// The distinct symbols of a text in ascending order; a symbol's id is its index.
///
/// At most two special tokens follow the symbols: the *boundary* between documents, and the *unknown* token, which
/// stands for every symbol outside the vocabulary. Neither has a text of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Vocabulary {
    unit: Unit,
    /// Scalar or byte values, ascending.
    symbols: Vec<u32>,
    boundary: bool,
    unknown: bool,
}

/// The JSON form: the characters as one string, or the byte values as a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stored {
    unit: Unit,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    characters: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<Vec<u8>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    boundary: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unknown: bool,
}

impl Vocabulary {
    /// A vocabulary of these scalar or byte values. They may come in any order and more than once.
    pub fn new(unit: Unit, symbols: impl IntoIterator<Item = u32>) -> Result<Self> {
        let symbols: BTreeSet<u32> = symbols.into_iter().collect();
        for &symbol in &symbols {
            match unit {
                Unit::Char if char::from_u32(symbol).is_none() => {
                    return Err(Error::InvalidSymbol(symbol, "Unicode scalar value"));
                }
                Unit::Byte if symbol > 255 => return Err(Error::InvalidSymbol(symbol, "byte")),
                _ => {}
            }
        }
        Ok(Self { unit, symbols: symbols.into_iter().collect(), boundary: false, unknown: false })
    }

    /// The vocabulary of a text as it stands; normalise the text first.
    pub fn from_text(unit: Unit, text: &str) -> Self {
        let symbols: BTreeSet<u32> = unit.symbols(text).collect();
        Self { unit, symbols: symbols.into_iter().collect(), boundary: false, unknown: false }
    }

    /// The same vocabulary with a token that separates documents.
    #[must_use]
    pub fn with_boundary(self) -> Self {
        Self { boundary: true, ..self }
    }

    /// The same vocabulary with a token for every symbol that is not in it.
    #[must_use]
    pub fn with_unknown(self) -> Self {
        Self { unknown: true, ..self }
    }

    /// What a token stands for.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// Number of tokens (V), the special ones included.
    pub fn len(&self) -> usize {
        self.symbols.len() + usize::from(self.boundary) + usize::from(self.unknown)
    }

    /// Whether there are no tokens at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The scalar or byte values in ascending order, without the special tokens.
    pub fn symbols(&self) -> &[u32] {
        &self.symbols
    }

    /// The id of the token between documents.
    pub fn boundary(&self) -> Option<u32> {
        self.boundary.then_some(self.symbols.len() as u32)
    }

    /// The id of the token for symbols outside the vocabulary. It is never sampled.
    pub fn unknown(&self) -> Option<u32> {
        self.unknown.then_some((self.symbols.len() + usize::from(self.boundary)) as u32)
    }

    /// The id of a scalar or byte value. A symbol outside the vocabulary gets the unknown token's id, if there is one.
    pub fn id(&self, symbol: u32) -> Option<u32> {
        self.symbols.binary_search(&symbol).ok().map(|place| place as u32).or_else(|| self.unknown())
    }

    /// The scalar or byte value of a token; `None` for the special tokens and for ids outside the vocabulary.
    pub fn symbol(&self, id: u32) -> Option<u32> {
        self.symbols.get(id as usize).copied()
    }

    /// The ids of a normalised text.
    ///
    /// # Errors
    /// [`Error::UnknownSymbol`] names the first symbol without an id, and its position.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let lookup = |(position, symbol): (usize, u32)| {
            self.id(symbol).ok_or_else(|| Error::UnknownSymbol {
                symbol: show_symbol(self.unit, symbol),
                position,
                vocabulary: self.len(),
            })
        };
        self.unit.symbols(text).enumerate().map(lookup).collect()
    }

    /// The text of a sequence of ids. Special tokens have none; bytes that are not UTF-8 become U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut decoder = Decoder::default();
        let mut text = String::new();
        for &id in ids {
            text.push_str(decoder.push(self, id));
        }
        text.push_str(decoder.finish());
        text
    }

    /// The text of one token for a person: a character as it is, `\xNN` for a byte that is no character of its own, U+25A0
    /// (a black square) for the boundary, and U+25A1 (a white one) for the unknown token.
    pub fn shown(&self, id: u32) -> String {
        match (self.unit, self.symbol(id)) {
            (Unit::Byte, Some(byte)) if byte >= 0x80 => format!("\\x{byte:02x}"),
            (_, Some(_)) => self.decode(&[id]),
            (_, None) if Some(id) == self.boundary() => "\u{25a0}".into(),
            (_, None) => "\u{25a1}".into(),
        }
    }

    /// A hash that tells vocabularies apart: xxh3-64 of the unit, the special tokens and the symbols.
    pub fn fingerprint(&self) -> u64 {
        let mut bytes = vec![u8::from(self.unit == Unit::Byte), u8::from(self.boundary), u8::from(self.unknown)];
        bytes.extend(self.symbols.iter().flat_map(|symbol| symbol.to_le_bytes()));
        xxh3_64(&bytes)
    }
}

/// Turns ids into text one at a time. A byte model needs up to four steps for a character.
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    pending: Vec<u8>,
    text: String,
}

impl Decoder {
    /// The bytes of a character that is not complete yet: at most three.
    pub fn pending(&self) -> &[u8] {
        &self.pending
    }

    /// A decoder with these bytes [`pending`](Self::pending).
    pub fn resume(pending: &[u8]) -> Self {
        Self { pending: pending.to_vec(), text: String::new() }
    }

    /// The text that this id completes. It is empty in the middle of a multi-byte character. A special token has no
    /// text of its own; it ends an unfinished character, as [`finish`](Self::finish) does.
    pub fn push(&mut self, vocabulary: &Vocabulary, id: u32) -> &str {
        self.text.clear();
        let Some(symbol) = vocabulary.symbol(id) else { return self.finish() };
        match vocabulary.unit {
            Unit::Char => self.text.extend(char::from_u32(symbol)),
            Unit::Byte => {
                self.pending.push(symbol as u8);
                self.drain();
            }
        }
        &self.text
    }

    /// Ends the text. An unfinished character becomes U+FFFD.
    pub fn finish(&mut self) -> &str {
        self.text.clear();
        if !self.pending.is_empty() {
            self.text.push_str(&String::from_utf8_lossy(&self.pending));
            self.pending.clear();
        }
        &self.text
    }

    /// Moves complete characters from `pending` to `text`, and sequences that cannot become one as U+FFFD.
    fn drain(&mut self) {
        loop {
            match std::str::from_utf8(&self.pending) {
                Ok(valid) => {
                    self.text.push_str(valid);
                    self.pending.clear();
                    return;
                }
                Err(error) => {
                    let valid = error.valid_up_to();
                    self.text.push_str(std::str::from_utf8(&self.pending[..valid]).unwrap_or_default());
                    self.pending.drain(..valid + error.error_len().unwrap_or(0));
                    if error.error_len().is_none() {
                        // The next byte may still complete it.
                        return;
                    }
                    self.text.push(char::REPLACEMENT_CHARACTER);
                }
            }
        }
    }
}

fn show_symbol(unit: Unit, symbol: u32) -> String {
    match (unit, char::from_u32(symbol)) {
        (Unit::Char, Some(character)) => format!("{character:?} (U+{symbol:04X})"),
        _ => format!("byte {symbol:#04x}"),
    }
}

impl From<Vocabulary> for Stored {
    fn from(vocabulary: Vocabulary) -> Self {
        let Vocabulary { unit, symbols, boundary, unknown } = vocabulary;
        let (characters, bytes) = match unit {
            Unit::Char => (Some(symbols.into_iter().filter_map(char::from_u32).collect()), None),
            Unit::Byte => (None, Some(symbols.into_iter().map(|symbol| symbol as u8).collect())),
        };
        Self { unit, characters, bytes, boundary, unknown }
    }
}

impl TryFrom<Stored> for Vocabulary {
    type Error = String;

    fn try_from(stored: Stored) -> std::result::Result<Self, String> {
        let symbols = match (stored.unit, stored.characters, stored.bytes) {
            (Unit::Char, Some(characters), None) => ascending(characters.chars().map(u32::from)),
            (Unit::Byte, None, Some(bytes)) => ascending(bytes.into_iter().map(u32::from)),
            _ => return Err("a vocabulary holds `characters` or `bytes`, as its unit says".into()),
        };
        let symbols = symbols.ok_or("the vocabulary is not in ascending order")?;
        Ok(Self { unit: stored.unit, symbols, boundary: stored.boundary, unknown: stored.unknown })
    }
}

/// The symbols, if they are in ascending order; there are at most as many as there are characters then.
fn ascending(symbols: impl Iterator<Item = u32>) -> Option<Vec<u32>> {
    let mut ascending = Vec::new();
    for symbol in symbols {
        if ascending.last().is_some_and(|&last| last >= symbol) {
            return None;
        }
        ascending.push(symbol);
    }
    Some(ascending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_the_order_of_the_symbols() {
        let vocabulary = Vocabulary::from_text(Unit::Char, "hello \u{1f40b}");
        assert_eq!(vocabulary.decode(&[0, 1, 2, 3, 4, 5]), " ehlo\u{1f40b}");
        assert_eq!(vocabulary.encode("hole").unwrap(), [2, 4, 3, 1]);
    }

    #[test]
    fn symbols_that_their_unit_does_not_have_are_refused() {
        let whole = Vocabulary::new(Unit::Byte, [255, 0, 255]).unwrap();
        assert_eq!((whole.symbols(), whole.unit()), (&[0, 255][..], Unit::Byte));
        assert_eq!(Vocabulary::new(Unit::Char, [0x10_ffff, 0xe000, 256]).unwrap().symbols(), [256, 0xe000, 0x10_ffff]);
        let cases = [
            (Unit::Byte, 256, "0x100 is not a byte"),
            (Unit::Char, 0xd800, "0xd800 is not a Unicode scalar value"),
            (Unit::Char, 0x11_0000, "0x110000 is not a Unicode scalar value"),
        ];
        for (unit, symbol, message) in cases {
            let error = Vocabulary::new(unit, [0, symbol]).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn a_vocabulary_is_empty_until_it_has_a_token() {
        let empty = Vocabulary::from_text(Unit::Char, "");
        assert!(empty.is_empty());
        assert!(!empty.clone().with_boundary().is_empty() && !empty.with_unknown().is_empty());
        assert!(!Vocabulary::from_text(Unit::Char, "a").is_empty());
    }

    #[test]
    fn an_unknown_byte_is_named_with_its_position() {
        let message = Vocabulary::from_text(Unit::Byte, "abc").encode("a\u{e9}").unwrap_err().to_string();
        assert!(message.contains("byte 0xc3 at position 1 is not in the model's vocabulary of 3"), "{message}");
    }

    #[test]
    fn an_unknown_character_is_named_with_its_position() {
        let message = Vocabulary::from_text(Unit::Char, "abc").encode("ab\u{e9}").unwrap_err().to_string();
        assert!(message.contains("'\u{e9}' (U+00E9) at position 2"), "{message}");
    }

    #[test]
    fn special_tokens_come_last_and_have_no_text() {
        let vocabulary = Vocabulary::from_text(Unit::Char, "ab").with_boundary().with_unknown();
        assert_eq!((vocabulary.len(), vocabulary.boundary(), vocabulary.unknown()), (4, Some(2), Some(3)));
        assert_eq!(vocabulary.encode("az").unwrap(), [0, 3]);
        assert_eq!(vocabulary.decode(&[0, 2, 1, 3]), "ab");
    }

    #[test]
    fn a_character_comes_with_the_byte_that_completes_it() {
        // What each byte of the text completes; at the end, what is left.
        let cases: [(&[u8], &[&str]); 4] = [
            ("h\u{e9}\u{1f40b}".as_bytes(), &["h", "", "\u{e9}", "", "", "", "\u{1f40b}", ""]),
            (b"\xff\xc3a", &["\u{fffd}", "", "\u{fffd}a", ""]),
            (b"\xf0\x9f\xc3\xa9", &["", "", "\u{fffd}", "\u{e9}", ""]),
            (b"a\xe6\xbc", &["a", "", "", "\u{fffd}"]),
        ];
        let vocabulary = Vocabulary::new(Unit::Byte, 0..256).unwrap();
        for (bytes, expected) in cases {
            let mut decoder = Decoder::default();
            let pushed = bytes.iter().map(|&byte| decoder.push(&vocabulary, u32::from(byte)).to_owned());
            let mut found: Vec<String> = pushed.collect();
            found.push(decoder.finish().to_owned());
            assert_eq!(found, expected, "{bytes:x?}");
        }
    }

    #[test]
    fn every_token_can_be_shown() {
        let characters = Vocabulary::from_text(Unit::Char, "a\n\u{e9}").with_boundary().with_unknown();
        let bytes = Vocabulary::from_text(Unit::Byte, "a\u{e9}").with_unknown();
        let cases: [(Vocabulary, &[&str]); 2] = [
            (characters, &["\n", "a", "\u{e9}", "\u{25a0}", "\u{25a1}"]),
            (bytes, &["a", "\\xa9", "\\xc3", "\u{25a1}"]),
        ];
        for (vocabulary, expected) in cases {
            let shown: Vec<String> = (0..vocabulary.len() as u32).map(|id| vocabulary.shown(id)).collect();
            assert_eq!(shown, expected);
        }
    }

    #[test]
    fn bytes_are_decoded_one_at_a_time() {
        let cases: [(&[u8], &str); 6] = [
            ("h\u{e9}\u{1f40b}!".as_bytes(), "h\u{e9}\u{1f40b}!"),
            (b"\xc3", "\u{fffd}"),
            (b"\xc3a", "\u{fffd}a"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
            (b"\xf0\x9f\x90a", "\u{fffd}a"),
            (b"\x80\xc3\xa9", "\u{fffd}\u{e9}"),
        ];
        let vocabulary = Vocabulary::new(Unit::Byte, 0..256).unwrap();
        for (bytes, text) in cases {
            let ids: Vec<u32> = bytes.iter().copied().map(u32::from).collect();
            assert_eq!(vocabulary.decode(&ids), text, "{bytes:x?}");
            assert_eq!(vocabulary.decode(&ids), String::from_utf8_lossy(bytes), "{bytes:x?}");
        }
    }

    #[test]
    fn json_round_trips() {
        for vocabulary in [
            Vocabulary::from_text(Unit::Char, "a\u{0}\r\n\"\u{1f40b}").with_boundary(),
            Vocabulary::from_text(Unit::Byte, "a\u{e9}").with_unknown(),
        ] {
            let json = serde_json::to_string(&vocabulary).unwrap();
            assert_eq!(serde_json::from_str::<Vocabulary>(&json).unwrap(), vocabulary, "{json}");
        }
    }

    #[test]
    fn a_contradictory_vocabulary_is_refused() {
        for json in [
            r#"{"unit":"char","characters":"ba"}"#,
            r#"{"unit":"char","characters":"aa"}"#,
            r#"{"unit":"char","bytes":[1]}"#,
            r#"{"unit":"byte"}"#,
        ] {
            assert!(serde_json::from_str::<Vocabulary>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn the_fingerprint_is_what_shards_were_written_with() {
        // xxhash.xxh3_64_hexdigest(bytes([byte, boundary, unknown]) + struct.pack("<2I", 97, 98)) in Python.
        let plain = Vocabulary::from_text(Unit::Char, "ab");
        assert_eq!(plain.fingerprint(), 0x9edc_5077_0fec_b629);
        let special = Vocabulary::from_text(Unit::Byte, "ab").with_boundary().with_unknown();
        assert_eq!(special.fingerprint(), 0x79f8_97b6_62ce_3a7a);
    }

    #[test]
    fn the_fingerprint_tells_vocabularies_apart() {
        let plain = Vocabulary::from_text(Unit::Char, "ab");
        let others = [
            Vocabulary::from_text(Unit::Char, "abc"),
            Vocabulary::from_text(Unit::Byte, "ab"),
            plain.clone().with_boundary(),
            plain.clone().with_unknown(),
        ];
        for other in others {
            assert_ne!(plain.fingerprint(), other.fingerprint(), "{other:?}");
        }
    }
}
