//! The index: one JSON file beside the shards that lists them and says what they hold and where it came from.

use std::fs;
use std::io;
use std::path::Path;

use model_card::{Normalisation, Unit, Vocabulary};
use serde::{Deserialize, Serialize};

use crate::split::{Shares, Split, SplitBy};
use crate::{Error, Result};

/// The index's file name.
pub const INDEX_FILE: &str = "index.json";
/// The version of the index that this crate writes and the only one that it reads.
pub const INDEX_VERSION: u32 = 1;

/// What a corpus is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// Version of this JSON form: [`INDEX_VERSION`].
    pub format_version: u32,
    /// The name under which the corpus was prepared.
    pub name: String,
    /// Identity of the corpus: a hash of the text as it was read, the settings and the vocabulary. It is the same
    /// whenever the same text is prepared in the same way, on any machine, and every shard repeats it.
    #[serde(with = "hexadecimal")]
    pub run: u64,
    /// Where the text comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Licence of the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// What was done to the text.
    pub settings: Settings,
    /// Tokens and their texts.
    pub vocabulary: Vocabulary,
    /// All tokens: characters (or bytes), and boundaries.
    pub tokens: u64,
    /// Boundaries between documents; none where the text is one.
    pub documents: u64,
    /// Characters (or bytes) that became the unknown token.
    pub unknown: u64,
    /// The windows that a text is cut into unless a recipe says otherwise.
    pub window: WindowShape,
    /// The parts of the corpus, in order; together they are the whole.
    pub splits: Vec<SplitEntry>,
    /// The shards, in order; together they are the whole.
    pub shards: Vec<ShardEntry>,
    /// What was read.
    pub inputs: Inputs,
}

/// Everything that decides which ids a text becomes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// What one token stands for.
    pub unit: Unit,
    /// What was done to the text, and is done to a prompt.
    pub normalisation: Normalisation,
    /// Whether bytes that are not UTF-8 became U+FFFD.
    pub lossy: bool,
    /// Where a boundary token stands.
    pub documents: Documents,
    /// Whether the header and licence of a Project Gutenberg e-text were left out.
    pub strip_gutenberg: bool,
    /// Characters that occur less often became the unknown token.
    pub min_count: Option<u64>,
    /// At most so many tokens: the rarest characters became the unknown token.
    pub max_vocabulary: Option<usize>,
    /// Percent of each split.
    pub split: Shares,
    /// What was dealt out to the splits.
    pub split_by: SplitBy,
    /// Bytes of ids in a shard at most.
    pub shard_bytes: u64,
}

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Documents {
    /// There are none: all inputs are one text, without a boundary.
    #[default]
    Joined,
    /// Each file is one.
    Files,
    /// Each line is one; its line end is not part of it, and an empty line is none.
    Lines,
}

/// The windows of the lecture over the training split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowShape {
    /// Tokens in a window.
    pub length: usize,
    /// Tokens from the start of a window to the start of the next.
    pub step: usize,
    /// How many there are in the training split.
    pub count: u64,
}

/// One part of the corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitEntry {
    /// Which part.
    pub split: Split,
    /// Tokens of the corpus before it.
    pub offset: u64,
    /// Tokens in it.
    pub tokens: u64,
}

/// One shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardEntry {
    /// Its file, in the index's folder.
    pub file: String,
    /// Tokens of the corpus before it.
    pub offset: u64,
    /// Tokens in it.
    pub count: u64,
    /// xxh3-64 of its ids' bytes.
    #[serde(with = "hexadecimal")]
    pub checksum: u64,
}

/// What was read, and how to tell whether it is still the same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Inputs {
    /// Files that were read.
    pub files: u64,
    /// Bytes that were read, as they lay on the disk.
    pub bytes: u64,
    /// Files of folders that were skipped because they hold NUL bytes.
    pub skipped_binary: u64,
    /// Files of folders that were skipped because they hold nothing.
    pub skipped_empty: u64,
    /// xxh3-64 of the hashes of the blocks that were read (decompressed): the cores hash them side by side.
    #[serde(with = "hexadecimal")]
    pub content: u64,
    /// xxh3-64 of the files' paths, sizes and times; 0 where there are none (standard input).
    #[serde(with = "hexadecimal")]
    pub stamp: u64,
}

impl Index {
    /// Characters (or bytes) of the text: the tokens without the boundaries.
    pub fn characters(&self) -> u64 {
        self.tokens - self.documents
    }

    /// Tokens before and in a split; nothing where there is no such split.
    pub fn split(&self, split: Split) -> Option<SplitEntry> {
        self.splits.iter().copied().find(|entry| entry.split == split)
    }

    /// The index as JSON.
    ///
    /// # Panics
    /// Never: every field has a JSON form.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("an index has a JSON form") + "\n"
    }

    /// Reads an index and checks that it agrees with itself; `path` is for the messages alone.
    pub fn from_json(json: &str, path: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        let damaged = |message: String| Error::Index { path: path.into(), message };
        let Version { format_version } = serde_json::from_str(json).map_err(|error| damaged(error.to_string()))?;
        if format_version != INDEX_VERSION {
            return Err(damaged(format!("it has version {format_version}, and this program reads {INDEX_VERSION}")));
        }
        let index: Self = serde_json::from_str(json).map_err(|error| damaged(error.to_string()))?;
        index.validate().map_err(damaged)?;
        Ok(index)
    }

    /// Reads the index of a folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(INDEX_FILE);
        let bytes = fs::read(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::NotPrepared(folder.into()),
            _ => Error::Read { path: path.clone(), source },
        })?;
        let json = String::from_utf8(bytes)
            .map_err(|error| Error::Index { path: path.clone(), message: error.utf8_error().to_string() })?;
        Self::from_json(&json, &path)
    }

    fn validate(&self) -> std::result::Result<(), String> {
        let shards = self.shards.iter().map(|shard| (shard.file.as_str(), shard.offset, shard.count));
        let splits = self.splits.iter().map(|entry| (entry.split.name(), entry.offset, entry.tokens));
        contiguous("shards", shards, self.tokens)?;
        contiguous("splits", splits, self.tokens)?;
        if !self.splits.is_sorted_by(|left, right| left.split < right.split) {
            return Err("its splits are out of order".into());
        }
        if self.split(Split::Train).is_none() {
            return Err("it has no training split".into());
        }
        if usize::try_from(self.tokens).is_err() {
            return Err(format!("{} tokens are more than this machine can count", self.tokens));
        }
        if self.documents > self.tokens {
            return Err(format!("it counts {} documents in {} tokens", self.documents, self.tokens));
        }
        if self.window.length == 0 || self.window.step == 0 {
            return Err("its windows have no length or no step".into());
        }
        // A name is all that may be said of a shard: no index reaches out of its own folder.
        match self.shards.iter().find(|shard| !is_plain_name(&shard.file)) {
            Some(shard) => Err(format!("{:?} is no file name", shard.file)),
            None => Ok(()),
        }
    }
}

impl Settings {
    /// A hash that differs between settings.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.chars().all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character))
}

fn contiguous<'n>(
    what: &str,
    parts: impl Iterator<Item = (&'n str, u64, u64)>,
    tokens: u64,
) -> std::result::Result<(), String> {
    let mut end = 0_u64;
    for (name, offset, count) in parts {
        if offset != end {
            return Err(format!("{name} starts at token {offset}, and what is before it ends at {end}"));
        }
        end = end.checked_add(count).ok_or_else(|| format!("{name} has {count} tokens"))?;
    }
    if end == tokens { Ok(()) } else { Err(format!("its {what} hold {end} tokens, and it counts {tokens}")) }
}

/// 64-bit hashes as text: JSON's numbers are exact to 53 bits in many a reader.
mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{value:016x}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        match u64::from_str_radix(&text, 16) {
            Ok(value) if text.len() == 16 => Ok(value),
            _ => Err(D::Error::custom(format!("{text:?} is no hash of 16 hexadecimal digits"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let shard = |file: &str, offset, count| ShardEntry { file: file.into(), offset, count, checksum: u64::MAX };
        Index {
            format_version: INDEX_VERSION,
            name: "novel".into(),
            run: 1,
            source: Some("a shelf".into()),
            licence: None,
            settings: Settings {
                unit: Unit::Char,
                normalisation: Normalisation { lowercase: true, ..Normalisation::default() },
                lossy: false,
                documents: Documents::Files,
                strip_gutenberg: false,
                min_count: Some(2),
                max_vocabulary: None,
                split: "90/10".parse().unwrap(),
                split_by: SplitBy::Document,
                shard_bytes: 64,
            },
            vocabulary: Vocabulary::from_text(Unit::Char, "abc").with_boundary().with_unknown(),
            tokens: 100,
            documents: 2,
            unknown: 1,
            window: WindowShape { length: 40, step: 3, count: 17 },
            splits: vec![
                SplitEntry { split: Split::Train, offset: 0, tokens: 90 },
                SplitEntry { split: Split::Validation, offset: 90, tokens: 10 },
            ],
            shards: vec![shard("train.shard", 0, 90), shard("validation.shard", 90, 10)],
            inputs: Inputs::default(),
        }
    }

    #[test]
    fn an_index_survives_its_json() {
        assert_eq!(Index::from_json(&index().to_json(), Path::new("i")).unwrap(), index());
        assert_eq!(index().characters(), 98);
    }

    #[test]
    fn contradictions_are_named() {
        let lie = |change: fn(&mut Index), part: &str| {
            let mut index = index();
            change(&mut index);
            let message = Index::from_json(&index.to_json(), Path::new("the-index")).unwrap_err().to_string();
            assert!(message.contains(part) && message.contains("the-index"), "{message:?} should say {part:?}");
        };
        lie(|index| index.format_version = 2, "version 2");
        lie(|index| index.tokens = 99, "shards hold 100 tokens, and it counts 99");
        lie(|index| index.shards[1].offset = 91, "validation.shard starts at token 91");
        lie(|index| index.shards[1].count = u64::MAX, "validation.shard has");
        lie(|index| index.splits[1].tokens = 9, "splits hold 99");
        lie(|index| index.splits.reverse(), "starts at token 90");
        lie(|index| index.splits[1].split = Split::Train, "out of order");
        lie(|index| index.splits[0].split = Split::Validation, "out of order");
        lie(|index| index.documents = 101, "101 documents");
        lie(|index| index.window.step = 0, "no step");
        for name in ["../train.shard", "/etc/passwd", "", ".", "a\\b", "a/b"] {
            let mut index = index();
            index.shards[0].file = name.into();
            let message = Index::from_json(&index.to_json(), Path::new("i")).unwrap_err().to_string();
            assert!(message.contains("is no file name"), "{message}");
        }
        let message = Index::from_json("{", Path::new("i")).unwrap_err().to_string();
        assert!(message.contains("damaged"), "{message}");
    }
}
