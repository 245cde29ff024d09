//! What is done to a text before its symbols are looked up; recorded in the card and applied to prompts again.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// What becomes of line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Newlines {
    /// They stay as they are.
    #[default]
    Keep,
    /// CR LF and a lone CR become LF.
    Lf,
}

/// The steps, in the order in which they are applied: line ends, composition, lower case, ASCII.
///
/// The lecture lower-cases and then drops what is not ASCII, so a Kelvin sign becomes `k` before it could be dropped.
/// Lower-casing is character by character (no final-sigma rule), so that text normalised in pieces equals text
/// normalised whole. A piece may be cut before any ASCII character but a line feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Normalisation {
    /// What becomes of line ends.
    pub newlines: Newlines,
    /// Canonical composition (Unicode NFC).
    pub nfc: bool,
    /// Every character becomes its lower-case form.
    pub lowercase: bool,
    /// Characters outside ASCII are dropped.
    pub ascii: bool,
}

impl Normalisation {
    /// Whether every text stays as it is.
    pub fn is_identity(&self) -> bool {
        *self == Self::default()
    }

    /// The normalised text; borrowed where nothing changed.
    pub fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        if self.newlines == Newlines::Lf && text.contains('\r') {
            text = Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"));
        }
        if self.nfc && is_nfc_quick(text.chars()) != IsNormalized::Yes {
            text = Cow::Owned(text.nfc().collect());
        }
        if self.lowercase {
            if text.is_ascii() {
                text.to_mut().make_ascii_lowercase();
            } else {
                text = Cow::Owned(text.chars().flat_map(char::to_lowercase).collect());
            }
        }
        if self.ascii && !text.is_ascii() {
            text.to_mut().retain(|character| character.is_ascii());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_does_its_work_and_no_more() {
        let identity = Normalisation::default();
        let lowercase = Normalisation { lowercase: true, ..identity };
        let ascii = Normalisation { ascii: true, ..identity };
        let lecture = Normalisation { lowercase: true, ascii: true, ..identity };
        let newlines = Normalisation { newlines: Newlines::Lf, ..identity };
        let nfc = Normalisation { nfc: true, ..identity };
        let cases = [
            (identity, "\u{feff}A\r\nE\u{301}", "\u{feff}A\r\nE\u{301}"),
            (lowercase, "ABC \u{c9}\u{130}", "abc \u{e9}i\u{307}"),
            (lowercase, "ABC", "abc"),
            (ascii, "\u{feff}Caf\u{e9}\r\n", "Caf\r\n"),
            (lecture, "\u{212a}ELVIN \u{c9}", "kelvin "),
            (newlines, "a\r\nb\rc\n\r\r\n", "a\nb\nc\n\n\n"),
            (nfc, "E\u{301}", "\u{c9}"),
        ];
        for (normalisation, text, expected) in cases {
            assert_eq!(normalisation.apply(text), expected, "{normalisation:?} of {text:?}");
        }
    }

    #[test]
    fn text_cut_before_an_ascii_character_normalises_alike() {
        let normalisation = Normalisation { newlines: Newlines::Lf, nfc: true, lowercase: true, ascii: false };
        let text = "Ae\u{301}\r\nB\u{c9}\rC \u{1100}\u{1161}x";
        let whole = normalisation.apply(text);
        for (cut, character) in text.char_indices().filter(|(_, c)| c.is_ascii() && *c != '\n') {
            let (left, right) = text.split_at(cut);
            let pieces = normalisation.apply(left).into_owned() + &normalisation.apply(right);
            assert_eq!(pieces, whole, "cut before {character:?} at {cut}");
        }
    }
}
