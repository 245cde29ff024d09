//! Which part of a corpus is for what.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::Permutation;

/// A part of a corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// What a model learns from; the whole corpus where nothing was held out.
    Train,
    /// What is measured during training.
    Validation,
    /// What is measured once, at the end.
    Test,
}

impl Split {
    /// All of them, in the order in which they lie in a corpus.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// Its name, as the index and the files have it.
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
        formatter.write_str(self.name())
    }
}

/// What is dealt out to the splits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SplitBy {
    /// Positions: the text is cut in contiguous parts.
    #[default]
    Position,
    /// Whole documents, by their number: the same document always goes to the same split.
    Document,
}

/// Percent of a corpus for each split: `90/5/5`, `90/10`, `100`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shares {
    percent: [u64; 3],
}

impl Shares {
    /// How many percent a split gets.
    pub fn percent(self, split: Split) -> u64 {
        self.percent[split as usize]
    }

    /// How many tokens each split gets where the corpus is cut into contiguous parts.
    pub(crate) fn cut(self, tokens: u64) -> [u64; 3] {
        // u128: the product of a count and 100 may pass 2^64.
        let share = |percent: u64| (u128::from(tokens) * u128::from(percent) / 100) as u64;
        let train = share(self.percent[0]);
        let validation = share(self.percent[0] + self.percent[1]) - train;
        [train, validation, tokens - train - validation]
    }

    /// The order in which the documents of a hundred are dealt out, before it is rotated.
    pub(crate) fn order() -> [u8; 100] {
        let order = Permutation::new(100, 0);
        std::array::from_fn(|document| order.get(document) as u8)
    }

    /// The splits of a hundred documents: each gets exactly its percent of them. The places are scattered, and rotated
    /// from hundred to hundred by a hash, so that nothing which recurs in the documents recurs with them.
    pub(crate) fn of_hundred(self, order: &[u8; 100], hundred: u64) -> [Split; 100] {
        let rotation = xxh3_64(&hundred.to_le_bytes()) % 100;
        order.map(|place| match (u64::from(place) + rotation) % 100 {
            place if place < self.percent[0] => Split::Train,
            place if place < self.percent[0] + self.percent[1] => Split::Validation,
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
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no split: give whole percents that make 100, such as 90/5/5 or 90/10");
        let mut percent = [0; 3];
        let mut parts = text.split('/');
        for (place, part) in percent.iter_mut().zip(parts.by_ref()) {
            *place = part.trim().parse().map_err(|_| wrong())?;
        }
        let whole = percent.iter().try_fold(0_u64, |sum, &part| sum.checked_add(part));
        if parts.next().is_some() || whole != Some(100) || percent[0] == 0 {
            return Err(wrong());
        }
        Ok(Self { percent })
    }
}

impl TryFrom<String> for Shares {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
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
    fn shares_are_whole_percents_that_make_a_hundred() {
        let cases = [
            ("90/5/5", Some("90/5/5")),
            ("90/10", Some("90/10/0")),
            ("100", Some("100/0/0")),
            (" 80 / 20", Some("80/20/0")),
        ];
        let wrong =
            ["", "90", "90/5", "90/5/4", "0/50/50", "90/5/5/0", "x/5/5", "-10/110", "18446744073709551615/1/100"];
        for (text, expected) in cases.into_iter().chain(wrong.map(|text| (text, None))) {
            let shares = text.parse::<Shares>().ok().map(|shares| shares.to_string());
            assert_eq!(shares.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn contiguous_parts_make_the_whole() {
        let shares: Shares = "90/5/5".parse().unwrap();
        for (tokens, expected) in
            [(1000, [900, 50, 50]), (19, [17, 1, 1]), (0, [0; 3]), (u64::MAX, shares.cut(u64::MAX))]
        {
            assert_eq!(shares.cut(tokens), expected, "{tokens}");
            assert_eq!(expected.iter().sum::<u64>(), tokens);
        }
    }

    #[test]
    fn every_hundred_documents_are_shared_exactly() {
        let shares: Shares = "90/5/5".parse().unwrap();
        for hundred in 0..5 {
            let splits = shares.of_hundred(&Shares::order(), hundred);
            let counts = Split::ALL.map(|split| splits.iter().filter(|&&other| other == split).count());
            assert_eq!(counts, [90, 5, 5], "hundred {hundred}");
        }
        assert_ne!(
            shares.of_hundred(&Shares::order(), 0),
            shares.of_hundred(&Shares::order(), 1),
            "the places differ from hundred to hundred"
        );
    }
}
