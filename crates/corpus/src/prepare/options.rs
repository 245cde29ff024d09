//! What to prepare and how, the progress on the way, and the result.

use std::path::PathBuf;

use model_card::{Normalisation, Unit};
use serde::Serialize;

use super::inputs::patterns;
use crate::{Documents, Error, Index, Result, Settings, Shares, SplitBy};

/// What to prepare, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Files, folders, or `-` for standard input, in this order.
    pub inputs: Vec<PathBuf>,
    /// The folder to write to.
    pub output: PathBuf,
    /// A name for the corpus.
    pub name: String,
    /// Where the text comes from.
    pub source: Option<String>,
    /// Licence of the text.
    pub licence: Option<String>,
    /// What one token stands for.
    pub unit: Unit,
    /// How the text is normalised.
    pub normalisation: Normalisation,
    /// Replace bytes that are not UTF-8 by U+FFFD; otherwise they are an error.
    pub lossy: bool,
    /// What a document is. Unless given, each file is one if there are several inputs or a folder.
    pub documents: Option<Documents>,
    /// Patterns for the files to read in folders and zip archives. Unless given, all files in a folder, and the only
    /// text file in an archive.
    pub include: Vec<String>,
    /// Leave out the header and licence of Project Gutenberg e-texts.
    pub strip_gutenberg: bool,
    /// Characters that occur less often than this become the unknown token; at least 1.
    pub min_count: Option<u64>,
    /// Size limit of the vocabulary, special tokens included; at least 3. The rarest characters become the unknown
    /// token.
    pub max_vocabulary: Option<usize>,
    /// The percentage for each split.
    pub split: Shares,
    /// How the corpus is divided into splits.
    pub split_by: SplitBy,
    /// Tokens in a window; at least 1.
    pub window: usize,
    /// Tokens from the start of one window to the start of the next; at least 1.
    pub step: usize,
    /// Most bytes of ids in a shard; at least 4.
    pub shard_bytes: u64,
    /// Number of threads; one per core unless given.
    pub threads: Option<usize>,
    /// Prepare again what has not changed.
    pub force: bool,
}

impl Default for Options {
    /// One text as it is, nothing held out, and the lecture's windows. Inputs, output and name are empty.
    fn default() -> Self {
        Self {
            inputs: Vec::new(),
            output: PathBuf::new(),
            name: String::new(),
            source: None,
            licence: None,
            unit: Unit::Char,
            normalisation: Normalisation::default(),
            lossy: false,
            documents: None,
            include: Vec::new(),
            strip_gutenberg: false,
            min_count: None,
            max_vocabulary: None,
            split: Shares::default(),
            split_by: SplitBy::Position,
            window: 40,
            step: 3,
            shard_bytes: 256 << 20,
            threads: None,
            force: false,
        }
    }
}

/// How far the work has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Bytes of the inputs that this stage has read from the disk.
    pub bytes: u64,
    /// Bytes that this stage will read, if that is known.
    pub total: Option<u64>,
}

/// A stage of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Standard input is being copied, because it can be read only once.
    Copying,
    /// The first pass: characters are being counted.
    Counting,
    /// The second pass: ids are being written.
    Writing,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Shards were written.
    Written,
    /// Nothing: the inputs have the same sizes and times as before, and the settings are the same.
    Unchanged,
    /// The inputs were read and contain the same text as before, so only the index was written.
    SameText,
}

/// The result of a prepare.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was done.
    pub outcome: Outcome,
    /// The index of the corpus.
    pub index: Index,
    /// What the user should know about the text.
    pub warnings: Vec<String>,
}

impl Options {
    /// Checks everything that can be checked before a file is read.
    ///
    /// # Errors
    /// [`Error::Options`].
    pub fn check(&self) -> Result<()> {
        let wrong = |message: &str| Err(Error::Options(message.into()));
        if self.inputs.is_empty() {
            return wrong("there is no input; name a file, a folder, or - for standard input");
        }
        if self.name.is_empty() {
            return wrong("the corpus has no name; give it one");
        }
        if self.window == 0 {
            return wrong("a window of 0 characters is empty; use --window 1 or more");
        }
        if self.step == 0 {
            return wrong("windows cannot be 0 characters apart; use --step 1 or more");
        }
        if self.shard_bytes < 4 {
            return wrong("a shard must hold at least one id of 4 bytes; use a larger shard size");
        }
        if self.min_count == Some(0) {
            return wrong("every character occurs at least 0 times; use --min-count 1 or more");
        }
        if self.max_vocabulary.is_some_and(|most| most < 3) {
            return wrong("a vocabulary of fewer than 3 tokens is too small; use --max-vocabulary 3 or more");
        }
        if self.split_by == SplitBy::Document && self.documents == Some(Documents::Joined) {
            return Err(no_documents());
        }
        patterns(&self.include).map(drop)
    }

    /// The settings of the corpus. `several` says whether there are several inputs or a folder.
    pub(crate) fn settings(&self, several: bool) -> Result<Settings> {
        let documents = self.documents.unwrap_or(if several { Documents::Files } else { Documents::Joined });
        if self.split_by == SplitBy::Document && documents == Documents::Joined {
            return Err(no_documents());
        }
        Ok(Settings {
            unit: self.unit,
            normalisation: self.normalisation,
            lossy: self.lossy,
            documents,
            strip_gutenberg: self.strip_gutenberg,
            min_count: self.min_count,
            max_vocabulary: self.max_vocabulary,
            split: self.split,
            split_by: self.split_by,
            shard_bytes: self.shard_bytes,
        })
    }

    /// Whether an index already has the name, source, licence and windows of these options.
    pub(crate) fn describe(&self, index: &Index) -> bool {
        (&self.name, &self.source, &self.licence) == (&index.name, &index.source, &index.licence)
            && (self.window, self.step) == (index.window.length, index.window.step)
    }
}

fn no_documents() -> Error {
    Error::Options("one text has no documents to split by; use a folder, several files or --lines".into())
}
