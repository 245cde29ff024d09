//! Which split each token goes to.

use std::ops::Range;

use crate::{Result, Shares, Split};

/// Where the boundaries of a block are.
#[derive(Debug, Default)]
pub struct Shape {
    /// Tokens in the block.
    pub tokens: usize,
    /// For each boundary, the tokens up to and with it.
    pub ends: Vec<usize>,
}

impl Shape {
    /// Forgets all, keeps the memory.
    pub fn clear(&mut self) {
        self.tokens = 0;
        self.ends.clear();
    }
}

/// Deals the tokens of the blocks out, in order.
#[derive(Debug)]
pub struct Layout {
    rule: Rule,
    /// Whether a boundary now would end an empty document.
    fresh: bool,
    position: u64,
    document: u64,
    order: [u8; 100],
    /// The splits of the hundred documents that this one is of.
    hundred: [Split; 100],
}

/// How tokens are dealt out.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// By position: the first so many, the next so many, the rest.
    Contiguous([u64; 3]),
    /// By document.
    Documents(Shares),
}

impl Layout {
    /// Nothing dealt out yet.
    pub fn new(rule: Rule) -> Self {
        let hundred = [Split::Train; 100];
        let mut layout = Self { rule, fresh: true, position: 0, document: 0, order: Shares::order(), hundred };
        layout.deal_hundred();
        layout
    }

    /// Documents that ended so far.
    pub fn documents(&self) -> u64 {
        self.document
    }

    /// Hands the ranges of a block's tokens to `receive` with their splits. A boundary right after another, or before
    /// anything, is in no range.
    pub fn deal(&mut self, shape: &Shape, mut receive: impl FnMut(Split, Range<usize>) -> Result<()>) -> Result<()> {
        let empty_document = self.fresh && shape.ends.first() == Some(&1);
        let mut start = usize::from(empty_document);
        let ends = &shape.ends[start..];
        if shape.tokens > start {
            self.fresh = ends.last() == Some(&shape.tokens);
        }
        match self.rule {
            Rule::Documents(_) => {
                // Neighbours of one split are handed over together: a document may be a word long.
                for &end in ends {
                    let split = self.split();
                    self.document += 1;
                    if self.document.is_multiple_of(100) {
                        self.deal_hundred();
                    }
                    if self.split() != split {
                        receive(split, start..end)?;
                        start = end;
                    }
                }
                if start < shape.tokens {
                    receive(self.split(), start..shape.tokens)?;
                }
            }
            Rule::Contiguous(counts) => {
                self.document += ends.len() as u64;
                let mut limit = 0_u64;
                for (split, count) in Split::ALL.into_iter().zip(counts) {
                    limit = limit.saturating_add(count);
                    let here = limit.saturating_sub(self.position).min((shape.tokens - start) as u64) as usize;
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

    fn deal_hundred(&mut self) {
        if let Rule::Documents(shares) = self.rule {
            self.hundred = shares.of_hundred(&self.order, self.document / 100);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deal(rule: Rule, shapes: &[(usize, &[usize])]) -> (Vec<(Split, usize, Range<usize>)>, u64) {
        let mut layout = Layout::new(rule);
        let mut dealt = Vec::new();
        for (block, &(tokens, ends)) in shapes.iter().enumerate() {
            let shape = Shape { tokens, ends: ends.into() };
            layout
                .deal(&shape, |split, range| {
                    dealt.push((split, block, range));
                    Ok(())
                })
                .unwrap();
        }
        (dealt, layout.documents())
    }

    #[test]
    fn positions_are_cut_across_blocks() {
        use Split::{Test, Train, Validation};
        let (dealt, documents) = deal(Rule::Contiguous([12, 5, 3]), &[(10, &[]), (10, &[4, 10])]);
        assert_eq!(dealt, [(Train, 0, 0..10), (Train, 1, 0..2), (Validation, 1, 2..7), (Test, 1, 7..10)]);
        assert_eq!(documents, 2);
    }

    #[test]
    fn an_empty_document_is_none() {
        // A boundary first of all, one after a boundary in the block before, and one after text in the block before.
        let (dealt, documents) = deal(Rule::Contiguous([99, 0, 0]), &[(3, &[1, 3]), (2, &[1]), (1, &[1]), (1, &[1])]);
        let ranges: Vec<_> = dealt.into_iter().map(|(_, block, range)| (block, range)).collect();
        assert_eq!(ranges, [(0, 1..3), (1, 1..2), (2, 0..1)]);
        assert_eq!(documents, 2);
    }

    #[test]
    fn documents_go_whole_wherever_their_blocks_end() {
        let shares: Shares = "50/50".parse().unwrap();
        let (dealt, documents) = deal(Rule::Documents(shares), &[(5, &[2]), (5, &[1, 5])]);
        let split = |document: usize| shares.of_hundred(&Shares::order(), 0)[document];
        let tokens =
            |(split, block, range): (Split, usize, Range<usize>)| range.map(move |token| (split, block, token));
        let dealt: Vec<_> = dealt.into_iter().flat_map(tokens).collect();
        let expected = [(split(0), 0, 0..2), (split(1), 0, 2..5), (split(1), 1, 0..1), (split(2), 1, 1..5)];
        assert_eq!(dealt, expected.into_iter().flat_map(tokens).collect::<Vec<_>>());
        assert_eq!(documents, 3);
    }
}
