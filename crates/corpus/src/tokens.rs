//! A view of token ids, in shards or in memory.

use std::ops::Range;

use crate::shard::set::ShardSet;

/// A view of token ids: a corpus, a split of it, or a range of either. Copying a view is free.
///
/// In a corpus that passed [`Corpus::verify`](crate::Corpus::verify), every id is below the size of the vocabulary,
/// unless another program changes the files while they are open.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'c> {
    ids: Ids<'c>,
    start: usize,
    len: usize,
}

#[derive(Debug, Clone, Copy)]
enum Ids<'c> {
    Shards(&'c ShardSet),
    Memory(&'c [u32]),
}

impl<'c> Tokens<'c> {
    /// A view of ids in memory, for tests and short texts.
    pub fn of(ids: &'c [u32]) -> Self {
        Self { ids: Ids::Memory(ids), start: 0, len: ids.len() }
    }

    pub(crate) fn of_shards(shards: &'c ShardSet, range: Range<usize>) -> Self {
        Self { ids: Ids::Shards(shards), start: range.start, len: range.len() }
    }

    /// Number of ids.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no ids.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies ids from `start` on to `output`.
    ///
    /// # Panics
    /// If the view ends before `output` is full.
    pub fn read(&self, start: usize, output: &mut [u32]) {
        assert!(
            start.checked_add(output.len()).is_some_and(|end| end <= self.len),
            "{} ids from {start} on, of a view of {}",
            output.len(),
            self.len
        );
        let start = self.start + start;
        match self.ids {
            Ids::Shards(shards) => shards.read(start, output),
            Ids::Memory(ids) => output.copy_from_slice(&ids[start..start + output.len()]),
        }
    }

    /// The id at a position.
    ///
    /// # Panics
    /// If the view ends before that.
    pub fn get(&self, position: usize) -> u32 {
        let mut id = [0];
        self.read(position, &mut id);
        id[0]
    }

    /// A part of the view.
    ///
    /// # Panics
    /// If the range is not inside the view.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len, "ids {range:?} of a view of {}", self.len);
        Self { ids: self.ids, start: self.start + range.start, len: range.len() }
    }

    /// The ids of a part as a vector.
    ///
    /// # Panics
    /// If the range is not inside the view.
    pub fn to_vec(&self, range: Range<usize>) -> Vec<u32> {
        let mut ids = vec![0; range.len()];
        self.read(range.start, &mut ids);
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_of_a_slice_counts_from_its_own_start() {
        let ids: Vec<u32> = (100..120).collect();
        let part = Tokens::of(&ids).slice(5..15).slice(2..6);
        assert_eq!((part.len(), part.get(0)), (4, 107));
        assert_eq!(part.to_vec(1..4), [108, 109, 110]);
        assert!(part.slice(4..4).is_empty());
    }

    #[test]
    #[should_panic(expected = "of a view of 10")]
    fn reading_past_the_view_panics() {
        let ids: Vec<u32> = (0..20).collect();
        Tokens::of(&ids).slice(0..10).get(10);
    }
}
