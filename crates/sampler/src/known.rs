//! A text that samples must not quote.

use crate::{Result, check_memory};

/// A text of which samples have no more than some tokens in a row. See [`Plan::known`](crate::Plan::known).
///
/// It is the suffix array of the text (Manber and Myers 1993), sorted by the first N tokens only and with one place for
/// each run of N: what may not follow N-1 tokens stands side by side in it.
#[derive(Debug, PartialEq, Eq)]
pub struct KnownText {
    /// The text. Tokens outside the vocabulary stand for symbols that the model does not write.
    tokens: Vec<u32>,
    /// Where the runs of N tokens begin, in the order of the runs, each once.
    places: Vec<u32>,
    /// N.
    length: usize,
}

impl KnownText {
    /// The most tokens of a text.
    pub const MOST_TOKENS: usize = u32::MAX as usize;

    /// A text of which no `length` tokens in a row are to be written. This sorts the text: a second for a few megabytes.
    ///
    /// # Panics
    /// If `length` is 0, or there are more than [`MOST_TOKENS`](Self::MOST_TOKENS).
    pub fn new(tokens: Vec<u32>, length: usize) -> Result<Self> {
        assert!(length > 0 && tokens.len() <= Self::MOST_TOKENS, "{} tokens, {length} in a row", tokens.len());
        check_memory(4 * tokens.len())?;
        let runs = (tokens.len() + 1).saturating_sub(length);
        let mut places: Vec<u32> = (0..runs as u32).collect();
        let run = |place: u32| &tokens[place as usize..][..length];
        places.sort_unstable_by(|&left, &right| run(left).cmp(run(right)));
        places.dedup_by(|left, right| run(*left) == run(*right));
        Ok(Self { tokens, places, length })
    }

    /// N: this many tokens in a row are not written.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The tokens that would complete a run of the text if they followed `written`; ascending.
    pub fn completions(&self, written: &[u32]) -> impl Iterator<Item = u32> {
        let last = self.length - 1;
        let written = written.len().checked_sub(last).map(|start| &written[start..]);
        let run = move |&place: &u32| &self.tokens[place as usize..][..last];
        let first =
            written.map_or(self.places.len(), |written| self.places.partition_point(|place| run(place) < written));
        let places = self.places[first..].iter().take_while(move |place| Some(run(place)) == written);
        places.map(move |&place| self.tokens[place as usize + last])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{prop, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn completions_are_those_of_a_search(
            text in prop::collection::vec(0_u32..3, 0..60),
            written in prop::collection::vec(0_u32..3, 0..8),
            length in 1_usize..6,
        ) {
            let known = KnownText::new(text.clone(), length).unwrap();
            let is_quoted = |token: u32| {
                let sample = [&written[..], &[token]].concat();
                sample.len() >= length && text.windows(length).any(|run| run == &sample[sample.len() - length..])
            };
            let expected: BTreeSet<u32> = (0..3).filter(|&token| is_quoted(token)).collect();
            let found: Vec<u32> = known.completions(&written).collect();
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
