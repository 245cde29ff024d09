//! What one token stands for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What one token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// A Unicode scalar value.
    #[default]
    Char,
    /// A byte of the UTF-8 text, or of anything else.
    Byte,
}

impl Unit {
    /// Both units.
    pub const ALL: [Self; 2] = [Self::Char, Self::Byte];

    /// The name that options and JSON use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Char => "char",
            Self::Byte => "byte",
        }
    }

    /// The scalar values of a text, or its bytes.
    pub fn symbols(self, text: &str) -> impl Iterator<Item = u32> {
        let (characters, bytes) = match self {
            Self::Char => (text, ""),
            Self::Byte => ("", text),
        };
        characters.chars().map(u32::from).chain(bytes.bytes().map(u32::from))
    }

    /// A scalar value or a byte, for a message: `character '\n' (U+000A)` or `byte 0x0a`.
    pub fn describe(self, symbol: u32) -> String {
        match (self, char::from_u32(symbol)) {
            (Self::Char, Some(character)) => format!("character {character:?} (U+{symbol:04X})"),
            _ => format!("byte {symbol:#04x}"),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Unit {
    type Err = Error;

    fn from_str(value: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|unit| unit.name() == value).ok_or_else(|| Error::UnknownName {
            value: value.into(),
            what: "a unit",
            choices: Self::ALL.map(Self::name).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_json() {
        for unit in Unit::ALL {
            assert_eq!(unit.name().parse::<Unit>().unwrap(), unit);
            assert_eq!(serde_json::to_value(unit).unwrap(), unit.to_string());
        }
        let message = "word".parse::<Unit>().unwrap_err().to_string();
        assert_eq!(message, "`word` is not a unit; use char or byte");
    }

    #[test]
    fn a_text_has_symbols_that_can_be_described() {
        assert_eq!(Unit::Char.symbols("a\u{e9}").collect::<Vec<_>>(), [0x61, 0xe9]);
        assert_eq!(Unit::Byte.symbols("a\u{e9}").collect::<Vec<_>>(), [0x61, 0xc3, 0xa9]);
        assert_eq!(Unit::Char.describe(0xa), r"character '\n' (U+000A)");
        assert_eq!(Unit::Byte.describe(0xa), "byte 0x0a");
    }
}
