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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::AtomicBool;

    use model_card::{Unit, Vocabulary};

    use super::*;
    use crate::prepare::{Options, prepare};

    /// A text of 26 letters in shards of 4 ids, with its index.
    fn prepared(folder: &Path) -> Index {
        let text = folder.join("text.txt");
        fs::write(&text, ('a'..='z').collect::<String>()).unwrap();
        let output = folder.join("shards");
        let options = Options {
            inputs: vec![text],
            output,
            name: "test".into(),
            shard_bytes: 4,
            window: 1,
            ..Options::default()
        };
        prepare(&options, &mut |_| (), &AtomicBool::new(false)).unwrap().index
    }

    #[test]
    fn ids_are_read_across_shards() {
        let folder = tempfile::tempdir().unwrap();
        let index = prepared(folder.path());
        assert_eq!(index.shards.len(), 7);
        let set = ShardSet::open(&folder.path().join("shards"), &index).unwrap();
        let all: Vec<u32> = (0..26).collect();
        for start in 0..=26 {
            for end in start..=26 {
                let mut output = vec![99; end - start];
                set.read(start, &mut output);
                assert_eq!(output, all[start..end], "{start}..{end}");
            }
        }
    }

    #[test]
    fn each_shard_is_verified() {
        let folder = tempfile::tempdir().unwrap();
        let index = prepared(folder.path());
        let shards = folder.path().join("shards");
        let third = shards.join(&index.shards[2].file);
        let mut bytes = fs::read(&third).unwrap();
        bytes[64] ^= 1;
        fs::write(&third, bytes).unwrap();
        let set = ShardSet::open(&shards, &index).unwrap();
        let verdicts: Vec<_> = set.verify_each(26).map(Result::err).collect();
        assert_eq!(verdicts.len(), 7);
        for (number, verdict) in verdicts.iter().enumerate() {
            let altered = matches!(verdict, Some(Error::ShardAltered(path)) if *path == third);
            assert_eq!(altered, number == 2, "{number}: {verdict:?}");
            assert_eq!(verdict.is_some(), number == 2, "{number}: {verdict:?}");
        }
    }

    #[test]
    fn shards_that_do_not_belong_to_the_index_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let index = prepared(folder.path());
        let refuse = |shard: usize, change: fn(&mut Index), part: &str| {
            let mut index = index.clone();
            change(&mut index);
            let message = ShardSet::open(&folder.path().join("shards"), &index).unwrap_err().to_string();
            let name = &index.shards[shard].file;
            assert!(message.contains(name) && message.contains(part), "{message:?} should say {part:?} of {name}");
        };
        refuse(0, |index| index.run ^= 1, "belongs to another corpus");
        refuse(0, |index| index.vocabulary = Vocabulary::from_text(Unit::Char, "b"), "was written for vocabulary");
        refuse(6, |index| index.shards[6].offset += 1, "contradicts the index");
        refuse(6, |index| index.shards[6].count += 1, "contradicts the index");
        refuse(6, |index| index.shards[6].checksum ^= 1, "contradicts the index");
        refuse(6, |index| index.shards[6].file = "gone.shard".into(), "is missing");
    }
}
