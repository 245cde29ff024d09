//! What the blocks of a text add up to.

use xxhash_rust::xxh3::Xxh3;

use super::blocks::FileCounts;
use super::count::Histogram;
use super::splitter::{BlockTokens, SplitRule, Splitter};
use crate::{Documents, Index, Result, Settings, Shares, Split, SplitBy};

/// What the first pass found.
pub struct FirstPass {
    pub histogram: Histogram,
    /// Tokens in each split.
    pub tokens: [u64; 3],
    pub documents: u64,
    /// xxh3-64 of the hashes of the blocks.
    pub content: u64,
    pub files: FileCounts,
}

/// Adds up the blocks of a text, in order.
pub struct Totals {
    splitter: Splitter,
    documents: Documents,
    /// How the tokens are cut in the end, unless each document has its split.
    shares: Option<Shares>,
    tokens: [u64; 3],
    content: Xxh3,
}

impl Totals {
    /// No blocks yet.
    pub fn new(settings: &Settings) -> Self {
        let (rule, shares) = match settings.split_by {
            SplitBy::Document => (SplitRule::Documents(settings.split), None),
            SplitBy::Position => (SplitRule::Contiguous([u64::MAX, 0, 0]), Some(settings.split)),
        };
        let (splitter, documents) = (Splitter::new(rule), settings.documents);
        Self { splitter, documents, shares, tokens: [0; 3], content: Xxh3::new() }
    }

    /// Adds a block: the hash of its bytes, and its tokens.
    pub fn add(&mut self, hash: u64, tokens: &BlockTokens) -> Result<()> {
        self.content.update(&hash.to_le_bytes());
        self.splitter.assign(tokens, |split, range| {
            self.tokens[split as usize] += range.len() as u64;
            Ok(())
        })
    }

    /// The result, with what was counted beside.
    pub fn finish(self, histogram: Histogram, files: FileCounts) -> FirstPass {
        FirstPass {
            histogram,
            tokens: self.shares.map_or(self.tokens, |shares| shares.cut(self.tokens[0])),
            documents: if self.documents == Documents::Joined { 0 } else { self.splitter.documents() },
            content: self.content.digest(),
            files,
        }
    }
}

/// How the tokens of a text are assigned when all of it has been counted.
pub fn split_rule(index: &Index) -> SplitRule {
    match index.settings.split_by {
        SplitBy::Document => SplitRule::Documents(index.settings.split),
        SplitBy::Position => {
            SplitRule::Contiguous(Split::ALL.map(|split| index.split(split).map_or(0, |entry| entry.tokens)))
        }
    }
}
