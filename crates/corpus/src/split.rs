//! Training, validation and test splits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::{Error, Permutation, Result};

/// A split of a corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// What a model is trained on: the whole corpus if nothing was held out.
    Train,
    /// What a model is measured on during training.
    Validation,
    /// What a model is measured on once, at the end.
    Test,
}

impl Split {
    /// All splits, in their order in a corpus.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The name that options, the index and file names use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Split {
    type Err = Error;

    fn from_str(value: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|split| split.name() == value).ok_or_else(|| {
            Error::Options(format!("`{value}` is not a split; use {}", Self::ALL.map(Self::name).join(" or ")))
        })
    }
}

/// How a corpus is divided into splits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SplitBy {
    /// By position: the text is cut into contiguous parts.
    #[default]
    Position,
    /// By document: each goes to one split as a whole, which its number decides.
    Document,
}

impl SplitBy {
    /// Both ways.
    pub const ALL: [Self; 2] = [Self::Position, Self::Document];

    /// The name that options and JSON use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Position => "position",
            Self::Document => "document",
        }
    }
}

impl fmt::Display for SplitBy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for SplitBy {
    type Err = Error;

    fn from_str(value: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|by| by.name() == value).ok_or_else(|| {
            let choices = Self::ALL.map(Self::name).join(" or ");
            Error::Options(format!("`{value}` is not a way to split a text; use {choices}"))
        })
    }
}

/// The percentage of a corpus for each split: `90/5/5`, `90/10` or `100`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shares {
    percent: [u64; 3],
}

impl Shares {
    /// The percentage for a split.
    pub fn percent(self, split: Split) -> u64 {
        self.percent[split as usize]
    }

    /// Tokens for each split when the corpus is cut into contiguous parts.
    pub(crate) fn cut(self, tokens: u64) -> [u64; 3] {
        // u128, because the product of a count and 100 can exceed 2^64.
        let share = |percent: u64| (u128::from(tokens) * u128::from(percent) / 100) as u64;
        let train = share(self.percent[0]);
        let validation = share(self.percent[0] + self.percent[1]) - train;
        [train, validation, tokens - train - validation]
    }

    /// A scattered order of the numbers 0 to 99; see [`Shares::of_hundred`].
    pub(crate) fn order() -> [u8; 100] {
        let order = Permutation::new(100, 0);
        std::array::from_fn(|document| order.get(document) as u8)
    }

    /// The splits of a hundred documents, so that each split gets exactly its percentage. `order` scatters them, and a
    /// hash of the hundred's number rotates that order, so that the splits do not line up with any period in the
    /// documents.
    pub(crate) fn of_hundred(self, order: &[u8; 100], hundred: u64) -> [Split; 100] {
        let rotation = xxh3_64(&hundred.to_le_bytes()) % 100;
        order.map(|rank| match (u64::from(rank) + rotation) % 100 {
            rank if rank < self.percent[0] => Split::Train,
            rank if rank < self.percent[0] + self.percent[1] => Split::Validation,
            _ => Split::Test,
        })
    }
}

impl Default for Shares {
    fn default() -> Self {
        Self { percent: [100, 0, 0] }
    }
}

impl FromStr for Shares {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |reason: String| {
            Error::Options(format!(
                "`{text}` is not a split: {reason}; use the whole percentages for training, validation and test, such \
                 as 90/5/5 or 90/10"
            ))
        };
        let parts: Vec<&str> = text.split('/').map(str::trim).collect();
        if parts.len() > 3 {
            return Err(wrong(format!("it has {} parts, and there are three splits", parts.len())));
        }
        let mut percent = [0; 3];
        for (percent, part) in percent.iter_mut().zip(&parts) {
            let digits = part.strip_prefix('-').unwrap_or(part);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(wrong(format!("`{part}` is not a whole number")));
            }
            if part.starts_with('-') {
                return Err(wrong(format!("{part} is negative")));
            }
            *percent = part
                .parse()
                .ok()
                .filter(|&percent| percent <= 100)
                .ok_or_else(|| wrong(format!("{part} percent is more than the whole text")))?;
        }
        let sum: u64 = percent.iter().sum();
        if sum != 100 {
            return Err(wrong(format!("its parts add up to {sum} percent, not 100")));
        }
        if percent[0] == 0 {
            return Err(wrong("it leaves nothing to train on".into()));
        }
        Ok(Self { percent })
    }
}

impl TryFrom<String> for Shares {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Shares> for String {
    fn from(shares: Shares) -> Self {
        shares.to_string()
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [train, validation, test] = self.percent;
        write!(formatter, "{train}/{validation}/{test}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_whole_percentages_that_add_up_to_100() {
        let cases = [("90/5/5", "90/5/5"), ("90/10", "90/10/0"), ("100", "100/0/0"), (" 80 / 20", "80/20/0")];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Shares>().unwrap().to_string(), expected, "{text:?}");
        }
    }

    #[test]
    fn wrong_shares_are_refused_with_the_reason() {
        let cases = [
            ("", "`` is not a whole number"),
            ("x/5/5", "`x` is not a whole number"),
            ("89.5/10.5", "`89.5` is not a whole number"),
            ("90//10", "`` is not a whole number"),
            ("+90/10", "`+90` is not a whole number"),
            ("-10/110", "-10 is negative"),
            ("110/-10", "110 percent is more than the whole text"),
            ("18446744073709551615/1/100", "18446744073709551615 percent is more"),
            ("90", "add up to 90 percent, not 100"),
            ("90/5/4", "add up to 99 percent, not 100"),
            ("100/100/100", "add up to 300 percent, not 100"),
            ("0/50/50", "leaves nothing to train on"),
            ("90/5/5/0", "it has 4 parts"),
        ];
        for (text, reason) in cases {
            let message = text.parse::<Shares>().unwrap_err().to_string();
            let advice = format!("`{text}` is not a split: ");
            assert!(message.starts_with(&advice) && message.contains(reason), "{message:?} should say {reason:?}");
            assert!(message.contains("such as 90/5/5 or 90/10"), "{message:?}");
        }
    }

    #[test]
    fn names_are_those_of_the_json() {
        for split in Split::ALL {
            assert_eq!(split.name().parse::<Split>().unwrap(), split);
            assert_eq!(serde_json::to_value(split).unwrap(), split.to_string());
        }
        for by in SplitBy::ALL {
            assert_eq!(by.name().parse::<SplitBy>().unwrap(), by);
            assert_eq!(serde_json::to_value(by).unwrap(), by.to_string());
        }
        let message = "dev".parse::<Split>().unwrap_err().to_string();
        assert_eq!(message, "`dev` is not a split; use train or validation or test");
    }

    #[test]
    fn contiguous_parts_add_up_to_the_whole() {
        let shares: Shares = "90/5/5".parse().unwrap();
        for (tokens, expected) in
            [(1000, [900, 50, 50]), (19, [17, 1, 1]), (0, [0; 3]), (u64::MAX, shares.cut(u64::MAX))]
        {
            assert_eq!(shares.cut(tokens), expected, "{tokens}");
            assert_eq!(expected.iter().sum::<u64>(), tokens);
        }
    }

    #[test]
    fn every_hundred_documents_are_split_exactly() {
        let shares: Shares = "90/5/5".parse().unwrap();
        for hundred in 0..5 {
            let splits = shares.of_hundred(&Shares::order(), hundred);
            let counts = Split::ALL.map(|split| splits.iter().filter(|&&other| other == split).count());
            assert_eq!(counts, [90, 5, 5], "hundred {hundred}");
        }
        assert_ne!(
            shares.of_hundred(&Shares::order(), 0),
            shares.of_hundred(&Shares::order(), 1),
            "the order differs from hundred to hundred"
        );
    }
}
