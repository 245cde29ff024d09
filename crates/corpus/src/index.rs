//! The index: a JSON file beside the shards, which lists them and describes the corpus.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::str::FromStr;

use model_card::{Normalisation, Unit, Vocabulary};
use serde::{Deserialize, Serialize};

use crate::split::{Shares, Split, SplitBy};
use crate::{Error, Result};

/// File name of the index.
pub const INDEX_FILE: &str = "index.json";
/// The version of the index that this crate writes and the only one that it reads.
pub const INDEX_VERSION: u32 = 1;

/// Everything that is known about a corpus, except its ids.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// Version of the JSON form: [`INDEX_VERSION`].
    pub format_version: u32,
    /// The name under which the corpus was prepared.
    pub name: String,
    /// Identity of the corpus: a hash of the text as it was read, the settings and the vocabulary. The same text
    /// prepared in the same way has the same identity on any machine. Every shard repeats it.
    #[serde(with = "hexadecimal")]
    pub run: u64,
    /// Where the text comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Licence of the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// How the text was prepared.
    pub settings: Settings,
    /// The vocabulary.
    pub vocabulary: Vocabulary,
    /// Number of tokens: characters (or bytes) and boundaries.
    pub tokens: u64,
    /// Number of documents, each of which ends with a boundary; 0 if the inputs are one text.
    pub documents: u64,
    /// Number of characters (or bytes) that became the unknown token.
    pub unknown: u64,
    /// The windows that training uses unless a recipe says otherwise.
    pub window: WindowShape,
    /// The splits, in order. Together they are the whole corpus.
    pub splits: Vec<SplitEntry>,
    /// The shards, in order. Together they are the whole corpus.
    pub shards: Vec<ShardEntry>,
    /// The files that were read.
    pub inputs: Inputs,
}

/// The settings that decide which ids a text becomes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// What one token stands for.
    pub unit: Unit,
    /// How the text was normalised. Prompts are normalised in the same way.
    pub normalisation: Normalisation,
    /// Whether bytes that are not UTF-8 became U+FFFD; otherwise they are an error.
    pub lossy: bool,
    /// What a document is.
    pub documents: Documents,
    /// Whether Project Gutenberg's header and licence were left out.
    pub strip_gutenberg: bool,
    /// Characters that occur less often than this became the unknown token.
    pub min_count: Option<u64>,
    /// Size limit of the vocabulary. The rarest characters became the unknown token.
    pub max_vocabulary: Option<usize>,
    /// The percentage for each split.
    pub split: Shares,
    /// How the corpus was divided into splits.
    pub split_by: SplitBy,
    /// Most bytes of ids in a shard.
    pub shard_bytes: u64,
}

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Documents {
    /// There are no documents: all inputs are one text, without boundaries.
    #[default]
    Joined,
    /// Each file is a document.
    Files,
    /// Each line is a document. Its line end is not part of it, and empty lines are skipped.
    Lines,
}

impl Documents {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Joined, Self::Files, Self::Lines];

    /// The name that options and JSON use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Files => "files",
            Self::Lines => "lines",
        }
    }
}

impl fmt::Display for Documents {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Documents {
    type Err = Error;

    fn from_str(value: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|documents| documents.name() == value).ok_or_else(|| {
            let choices = Self::ALL.map(Self::name).join(" or ");
            Error::Options(format!("`{value}` does not say what a document is; use {choices}"))
        })
    }
}

/// The shape and number of the lecture's windows in the training split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowShape {
    /// Tokens in a window.
    pub length: usize,
    /// Tokens from the start of one window to the start of the next.
    pub step: usize,
    /// Number of windows in the training split.
    pub count: u64,
}

/// A split in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitEntry {
    /// Which split.
    pub split: Split,
    /// Tokens of the corpus before it.
    pub offset: u64,
    /// Number of tokens.
    pub tokens: u64,
}

/// A shard in the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardEntry {
    /// File name, in the folder of the index.
    pub file: String,
    /// Tokens of the corpus before it.
    pub offset: u64,
    /// Number of tokens.
    pub count: u64,
    /// xxh3-64 of the bytes of its ids.
    #[serde(with = "hexadecimal")]
    pub checksum: u64,
}

/// The files that were read, and how to tell whether they have changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Inputs {
    /// Number of files that were read.
    pub files: u64,
    /// Their size in bytes, on disk.
    pub bytes: u64,
    /// Files in folders that were skipped because they contain NUL bytes.
    pub skipped_binary: u64,
    /// Files in folders that were skipped because they are empty.
    pub skipped_empty: u64,
    /// xxh3-64 of the hashes of the (decompressed) blocks, which the cores hash in parallel.
    #[serde(with = "hexadecimal")]
    pub content: u64,
    /// xxh3-64 of the paths, sizes and modification times; 0 if an input has none (standard input).
    #[serde(with = "hexadecimal")]
    pub stamp: u64,
}

impl Index {
    /// Number of characters (or bytes): the tokens without the boundaries.
    pub fn characters(&self) -> u64 {
        self.tokens - self.documents
    }

    /// The entry of a split, or `None` if the text was prepared without it. An index that was read always has
    /// [`Split::Train`].
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

    /// Parses an index and checks that its parts agree. `path` is only used in error messages.
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
            return Err(format!("it has {} tokens, more than this machine can address", self.tokens));
        }
        if self.documents > self.tokens {
            return Err(format!("it has {} documents but only {} tokens", self.documents, self.tokens));
        }
        if self.window.length == 0 || self.window.step == 0 {
            return Err("the length or the step of its windows is 0".into());
        }
        // Only plain names, so that no index can name a file outside its folder.
        match self.shards.iter().find(|shard| !is_plain_name(&shard.file)) {
            Some(shard) => Err(format!("{:?} is not a plain file name", shard.file)),
            None => Ok(()),
        }
    }
}

impl Settings {
    /// Bytes that differ between settings, to hash.
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
            return Err(format!("{name} starts at token {offset}, but what is before it ends at {end}"));
        }
        end = end.checked_add(count).ok_or_else(|| format!("{name} has {count} tokens"))?;
    }
    if end == tokens { Ok(()) } else { Err(format!("its {what} have {end} tokens in all, but it states {tokens}")) }
}

/// 64-bit hashes as text, because many JSON readers keep only 53 bits of a number.
pub(crate) mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{value:016x}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        match u64::from_str_radix(&text, 16) {
            Ok(value) if text.len() == 16 => Ok(value),
            _ => Err(D::Error::custom(format!("{text:?} is not a hash of 16 hexadecimal digits"))),
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
    fn json_round_trips() {
        assert_eq!(Index::from_json(&index().to_json(), Path::new("i")).unwrap(), index());
        assert_eq!(index().characters(), 98);
    }

    #[test]
    fn names_are_those_of_the_json() {
        for documents in Documents::ALL {
            assert_eq!(documents.name().parse::<Documents>().unwrap(), documents);
            assert_eq!(serde_json::to_value(documents).unwrap(), documents.to_string());
        }
        let message = "pages".parse::<Documents>().unwrap_err().to_string();
        assert_eq!(message, "`pages` does not say what a document is; use joined or files or lines");
    }

    #[test]
    fn contradictions_are_named() {
        let refuse = |change: fn(&mut Index), part: &str| {
            let mut index = index();
            change(&mut index);
            let message = Index::from_json(&index.to_json(), Path::new("the-index")).unwrap_err().to_string();
            assert!(message.contains(part) && message.contains("the-index"), "{message:?} should say {part:?}");
        };
        refuse(|index| index.format_version = 2, "version 2");
        refuse(|index| index.tokens = 99, "shards have 100 tokens in all, but it states 99");
        refuse(|index| index.shards[1].offset = 91, "validation.shard starts at token 91");
        refuse(|index| index.shards[1].count = u64::MAX, "validation.shard has");
        refuse(|index| index.splits[1].tokens = 9, "splits have 99");
        refuse(|index| index.splits.reverse(), "starts at token 90");
        refuse(|index| index.splits[1].split = Split::Train, "out of order");
        refuse(|index| index.splits[0].split = Split::Validation, "out of order");
        refuse(|index| index.documents = 101, "101 documents");
        refuse(|index| index.window.step = 0, "the step of its windows is 0");
        for name in ["../train.shard", "/etc/passwd", "", ".", "a\\b", "a/b"] {
            let mut index = index();
            index.shards[0].file = name.into();
            let message = Index::from_json(&index.to_json(), Path::new("i")).unwrap_err().to_string();
            assert!(message.contains("is not a plain file name"), "{message}");
        }
        let message = Index::from_json("{", Path::new("i")).unwrap_err().to_string();
        assert!(message.contains("damaged"), "{message}");
    }
}
