//! Assigns tokens to splits.

use std::ops::Range;

use crate::{Result, Shares, Split};

/// The number of tokens in a block, and where documents end in it.
#[derive(Debug, Default)]
pub struct BlockTokens {
    /// Number of tokens.
    pub count: usize,
    /// For each boundary, the number of tokens up to and including it.
    pub ends: Vec<usize>,
}

impl BlockTokens {
    /// Clears it, but keeps the memory.
    pub fn clear(&mut self) {
        self.count = 0;
        self.ends.clear();
    }
}

/// Assigns the tokens of the blocks to splits, in order.
#[derive(Debug)]
pub struct Splitter {
    rule: SplitRule,
    /// Whether a boundary now would end an empty document.
    after_boundary: bool,
    position: u64,
    document: u64,
    order: [u8; 100],
    /// The splits of the hundred documents that the current one belongs to.
    hundred: [Split; 100],
}

/// How tokens are assigned.
#[derive(Debug, Clone, Copy)]
pub enum SplitRule {
    /// By position: the number of tokens in each split, in order.
    Contiguous([u64; 3]),
    /// By document.
    Documents(Shares),
}

impl Splitter {
    /// A splitter at the start of the text.
    pub fn new(rule: SplitRule) -> Self {
        let hundred = [Split::Train; 100];
        let mut splitter =
            Self { rule, after_boundary: true, position: 0, document: 0, order: Shares::order(), hundred };
        splitter.next_hundred();
        splitter
    }

    /// Number of documents that have ended.
    pub fn documents(&self) -> u64 {
        self.document
    }

    /// Passes the ranges of a block's tokens to `receive`, with their splits. A boundary right after another one, or at
    /// the start of the text, is in no range: it would end an empty document.
    pub fn assign(
        &mut self,
        block: &BlockTokens,
        mut receive: impl FnMut(Split, Range<usize>) -> Result<()>,
    ) -> Result<()> {
        let empty_document = self.after_boundary && block.ends.first() == Some(&1);
        let mut start = usize::from(empty_document);
        let ends = &block.ends[start..];
        if block.count > start {
            self.after_boundary = ends.last() == Some(&block.count);
        }
        match self.rule {
            SplitRule::Documents(_) => {
                // Neighbouring documents in one split are passed on together, because a document may be a single word.
                for &end in ends {
                    let split = self.split();
                    self.document += 1;
                    if self.document.is_multiple_of(100) {
                        self.next_hundred();
                    }
                    if self.split() != split {
                        receive(split, start..end)?;
                        start = end;
                    }
                }
                if start < block.count {
                    receive(self.split(), start..block.count)?;
                }
            }
            SplitRule::Contiguous(counts) => {
                self.document += ends.len() as u64;
                let mut limit = 0_u64;
                for (split, count) in Split::ALL.into_iter().zip(counts) {
                    limit = limit.saturating_add(count);
                    let here = limit.saturating_sub(self.position).min((block.count - start) as u64) as usize;
                    if here > 0 {
                        receive(split, start..start + here)?;
                        start += here;
                        self.position += here as u64;
                    }
                }
            }
        }
        Ok(())
    }

    /// The split of the current document.
    fn split(&self) -> Split {
        self.hundred[(self.document % 100) as usize]
    }

    fn next_hundred(&mut self) {
        if let SplitRule::Documents(shares) = self.rule {
            self.hundred = shares.of_hundred(&self.order, self.document / 100);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assign(rule: SplitRule, blocks: &[(usize, &[usize])]) -> (Vec<(Split, usize, Range<usize>)>, u64) {
        let mut splitter = Splitter::new(rule);
        let mut assigned = Vec::new();
        for (block, &(tokens, ends)) in blocks.iter().enumerate() {
            let tokens = BlockTokens { count: tokens, ends: ends.into() };
            splitter
                .assign(&tokens, |split, range| {
                    assigned.push((split, block, range));
                    Ok(())
                })
                .unwrap();
        }
        (assigned, splitter.documents())
    }

    #[test]
    fn positions_are_cut_across_blocks() {
        use Split::{Test, Train, Validation};
        let (assigned, documents) = assign(SplitRule::Contiguous([12, 5, 3]), &[(10, &[]), (10, &[4, 10])]);
        assert_eq!(assigned, [(Train, 0, 0..10), (Train, 1, 0..2), (Validation, 1, 2..7), (Test, 1, 7..10)]);
        assert_eq!(documents, 2);
    }

    #[test]
    fn empty_documents_are_dropped() {
        // A boundary at the very start, one after a boundary in the block before, and one after text in the block
        // before.
        let (assigned, documents) =
            assign(SplitRule::Contiguous([99, 0, 0]), &[(3, &[1, 3]), (2, &[1]), (1, &[1]), (1, &[1])]);
        let ranges: Vec<_> = assigned.into_iter().map(|(_, block, range)| (block, range)).collect();
        assert_eq!(ranges, [(0, 1..3), (1, 1..2), (2, 0..1)]);
        assert_eq!(documents, 2);
    }

    #[test]
    fn documents_stay_whole_across_blocks() {
        let shares: Shares = "50/50".parse().unwrap();
        let (assigned, documents) = assign(SplitRule::Documents(shares), &[(5, &[2]), (5, &[1, 5])]);
        let split = |document: usize| shares.of_hundred(&Shares::order(), 0)[document];
        let tokens =
            |(split, block, range): (Split, usize, Range<usize>)| range.map(move |token| (split, block, token));
        let assigned: Vec<_> = assigned.into_iter().flat_map(tokens).collect();
        let expected = [(split(0), 0, 0..2), (split(1), 0, 2..5), (split(1), 1, 0..1), (split(2), 1, 1..5)];
        assert_eq!(assigned, expected.into_iter().flat_map(tokens).collect::<Vec<_>>());
        assert_eq!(documents, 3);
    }
}
