//! Divides the ids of the splits among shards.

use std::ops::Range;
use std::path::Path;

use crate::shard::format::Width;
use crate::shard::writer::{CommonHeader, FinishedShard, ShardWriter, shard_name};
use crate::{Index, Result, Split};

/// Most ids in a shard.
pub fn shard_tokens(index: &Index) -> u64 {
    index.settings.shard_bytes / Width::of_vocabulary(index.vocabulary.len()).bytes() as u64
}

/// The part of the header that all shards of a corpus have in common.
pub fn common_header(index: &Index) -> CommonHeader {
    let width = Width::of_vocabulary(index.vocabulary.len());
    CommonHeader { width, vocabulary: index.vocabulary.fingerprint(), run: index.run }
}

/// The shards of all splits that are being written.
pub struct Shards<'s> {
    folder: &'s Path,
    common: CommonHeader,
    /// Most bytes of ids in a shard; a whole number of ids.
    limit: u64,
    /// Whether each shard gets its name as soon as it is complete, rather than together with the others.
    named_at_once: bool,
    splits: [SplitShards; 3],
}

#[derive(Default)]
struct SplitShards {
    current: Option<ShardWriter>,
    finished: Vec<FinishedShard>,
    /// Shards of the split before the current one.
    number: usize,
    /// Tokens of the corpus before the current shard.
    offset: u64,
}

impl<'s> Shards<'s> {
    /// All shards. They get their names later, together.
    pub fn all(index: &Index, folder: &'s Path) -> Self {
        Self::from(index, folder, [0; 3], false)
    }

    /// In each split the shards of these numbers, which get their names at once. The first token that is pushed to a
    /// split is the first of its first shard.
    pub fn some(index: &Index, folder: &'s Path, numbers: &[Range<usize>; 3]) -> Self {
        Self::from(index, folder, [0, 1, 2].map(|split| numbers[split].start), true)
    }

    fn from(index: &Index, folder: &'s Path, first: [usize; 3], named_at_once: bool) -> Self {
        let common = common_header(index);
        let limit = shard_tokens(index) * common.width.bytes() as u64;
        let splits = Split::ALL.map(|split| {
            let number = first[split as usize];
            let before = number as u64 * shard_tokens(index);
            let offset = index.split(split).map_or(0, |entry| entry.offset) + before;
            SplitShards { number, offset, ..SplitShards::default() }
        });
        Self { folder, common, limit, named_at_once, splits }
    }

    /// Appends whole ids, already encoded, to a split.
    pub fn push(&mut self, split: Split, mut ids: &[u8]) -> Result<()> {
        while !ids.is_empty() {
            let shards = &mut self.splits[split as usize];
            let writer = match &mut shards.current {
                Some(writer) => writer,
                none => none.insert(ShardWriter::create(self.folder, self.common)?),
            };
            let room = (self.limit - writer.bytes()).min(ids.len() as u64) as usize;
            writer.push(&ids[..room])?;
            ids = &ids[room..];
            if writer.bytes() == self.limit {
                shards.close(split, self.common)?;
                if self.named_at_once {
                    shards.publish()?;
                }
            }
        }
        Ok(())
    }

    /// The shards that have no names yet, in the order of the corpus.
    pub fn finish(mut self) -> Result<Vec<FinishedShard>> {
        let mut finished = Vec::new();
        for split in Split::ALL {
            let shards = &mut self.splits[split as usize];
            shards.close(split, self.common)?;
            if self.named_at_once {
                shards.publish()?;
            }
            finished.append(&mut shards.finished);
        }
        Ok(finished)
    }
}

impl SplitShards {
    fn close(&mut self, split: Split, common: CommonHeader) -> Result<()> {
        if let Some(writer) = self.current.take() {
            let shard = writer.finish(shard_name(split, self.number, common.run), self.offset)?;
            self.offset += shard.entry().count;
            self.number += 1;
            // In each split, at most one shard is being synced while the next one is written.
            self.finished.last_mut().map_or(Ok(()), FinishedShard::wait_for_sync)?;
            self.finished.push(shard);
        }
        Ok(())
    }

    fn publish(&mut self) -> Result<()> {
        for mut shard in self.finished.drain(..) {
            shard.wait_for_sync()?;
            shard.publish()?;
        }
        Ok(())
    }
}
