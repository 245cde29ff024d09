//! The shards of a corpus, read as one sequence of ids.

use std::path::Path;

use super::map::MappedShard;
use crate::{Error, Index, Result, ShardEntry};

/// All shards of a corpus, in order.
#[derive(Debug)]
pub struct ShardSet(Vec<Placed>);

/// A shard and its place in the corpus.
#[derive(Debug)]
struct Placed {
    shard: MappedShard,
    offset: usize,
    count: usize,
}

impl ShardSet {
    /// Maps the shards of an index and checks that they belong to it. The ids are not read.
    pub fn open(folder: &Path, index: &Index) -> Result<Self> {
        let vocabulary = index.vocabulary.fingerprint();
        let open = |entry: &ShardEntry| {
            let shard = MappedShard::open(folder.join(&entry.file))?;
            let (header, path) = (shard.header(), shard.path().to_owned());
            if header.run != index.run {
                return Err(Error::OtherRun { path, found: header.run, expected: index.run });
            }
            if header.vocabulary != vocabulary {
                return Err(Error::OtherVocabulary { path, found: header.vocabulary, expected: vocabulary });
            }
            if (header.offset, header.count, header.checksum) != (entry.offset, entry.count, entry.checksum) {
                return Err(Error::ShardHeader { path, message: "its header contradicts the index".into() });
            }
            // The index was checked to hold no more tokens than a usize can count.
            Ok(Placed { shard, offset: entry.offset as usize, count: entry.count as usize })
        };
        Ok(Self(index.shards.iter().map(open).collect::<Result<_>>()?))
    }

    /// Copies ids from `start` on to `output`, across shards. [`crate::Tokens::read`] checks that there are enough.
    pub fn read(&self, start: usize, mut output: &mut [u32]) {
        // A binary search for the first shard that ends after `start`.
        let first = self.0.partition_point(|placed| placed.offset + placed.count <= start);
        let mut position = start;
        for placed in &self.0[first..] {
            if output.is_empty() {
                return;
            }
            let inside = position - placed.offset;
            let (now, later) = output.split_at_mut(output.len().min(placed.count - inside));
            placed.shard.read(inside, now);
            position += now.len();
            output = later;
        }
    }

    /// Verifies the shards one by one, in the order of the index.
    pub fn verify_each(&self, vocabulary: usize) -> impl Iterator<Item = Result<()>> + '_ {
        self.0.iter().map(move |placed| placed.shard.verify(vocabulary))
    }
}
