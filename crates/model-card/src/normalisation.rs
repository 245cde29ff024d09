//! What is done to a text before it is encoded. The card records it, and prompts are normalised in the same way.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::{Error, Result};

/// How line ends are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Newlines {
    /// They stay as they are.
    #[default]
    Keep,
    /// CR LF and a lone CR become LF.
    Lf,
}

impl Newlines {
    /// Both ways.
    pub const ALL: [Self; 2] = [Self::Keep, Self::Lf];

    /// The name that options and JSON use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Lf => "lf",
        }
    }
}

impl fmt::Display for Newlines {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Newlines {
    type Err = Error;

    fn from_str(value: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|newlines| newlines.name() == value).ok_or_else(|| Error::UnknownName {
            value: value.into(),
            what: "a way to treat line ends",
            choices: Self::ALL.map(Self::name).into(),
        })
    }
}

/// The normalisation steps, in the order in which they are applied: line ends, NFC, lower case, ASCII.
///
/// The lecture lower-cases before it drops non-ASCII characters, so a Kelvin sign becomes `k` and stays. Each character
/// is lower-cased by itself (without the final-sigma rule), so text that is normalised in pieces equals text that is
/// normalised whole. Pieces may start at any ASCII character other than a line feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Normalisation {
    /// How line ends are treated.
    pub newlines: Newlines,
    /// Canonical composition (Unicode NFC).
    pub nfc: bool,
    /// Characters become lower case.
    pub lowercase: bool,
    /// Characters outside ASCII are dropped.
    pub ascii: bool,
}

impl Normalisation {
    /// Whether this leaves every text as it is.
    pub fn is_identity(&self) -> bool {
        *self == Self::default()
    }

    /// The normalised text. It is borrowed if nothing changed.
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
    fn each_step_changes_what_it_should_and_nothing_else() {
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
    fn text_is_borrowed_where_no_step_applies() {
        let identity = Normalisation::default();
        let others = [
            Normalisation { newlines: Newlines::Lf, ..identity },
            Normalisation { nfc: true, ..identity },
            Normalisation { ascii: true, ..identity },
        ];
        for normalisation in [&[identity], &others[..]].concat() {
            assert!(matches!(normalisation.apply("Plain\n"), Cow::Borrowed("Plain\n")), "{normalisation:?}");
        }
        assert!(matches!(identity.apply("E\u{301}\r\n"), Cow::Borrowed(_)));
        assert!(identity.is_identity());
        for changed in others {
            assert!(!changed.is_identity(), "{changed:?}");
        }
    }

    #[test]
    fn names_are_those_of_the_json() {
        for newlines in Newlines::ALL {
            assert_eq!(newlines.name().parse::<Newlines>().unwrap(), newlines);
            assert_eq!(serde_json::to_value(newlines).unwrap(), newlines.to_string());
        }
        let message = "crlf".parse::<Newlines>().unwrap_err().to_string();
        assert_eq!(message, "`crlf` is not a way to treat line ends; use keep or lf");
    }

    #[test]
    fn pieces_normalise_to_the_same_text_as_the_whole() {
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
