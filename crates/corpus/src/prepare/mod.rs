//! Text to shards.
//!
//! The inputs are read twice, as blocks that all cores share: the first reading counts the symbols, which gives the
//! vocabulary and the width of an id; the second writes the ids. Neither holds more of the text than a few blocks.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use model_card::{Normalisation, Unit};

use crate::index::{INDEX_FILE, Index, Settings};
use crate::shard::writer::{sync_folder, write_atomically};
use crate::{Corpus, Documents, Error, Result, Shares, SplitBy};

mod blocks;
mod count;
mod encode;
mod gutenberg;
mod inputs;
mod job;
mod layout;
mod pipeline;
mod reading;
mod text;
mod workplace;
mod zip;

#[cfg(test)]
mod tests;

use blocks::BLOCK_BYTES;
use inputs::Inputs;
use job::Job;
use workplace::Workplace;

pub use inputs::STANDARD_INPUT;

/// What to prepare, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Files, folders, or `-` for standard input; in this order.
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
    /// What is done to the text.
    pub normalisation: Normalisation,
    /// Whether bytes that are not UTF-8 become U+FFFD.
    pub lossy: bool,
    /// What a document is; unless given, files are documents where there are several inputs or a folder.
    pub documents: Option<Documents>,
    /// Patterns for the files of folders; all files where there is none.
    pub include: Vec<String>,
    /// Whether to leave out the header and licence of Project Gutenberg e-texts.
    pub strip_gutenberg: bool,
    /// Characters that occur less often become the unknown token.
    pub min_count: Option<u64>,
    /// At most so many tokens, special ones included; the rarest characters become the unknown token.
    pub max_vocabulary: Option<usize>,
    /// Percent of each split.
    pub split: Shares,
    /// What is dealt out to the splits.
    pub split_by: SplitBy,
    /// Tokens in a window.
    pub window: usize,
    /// Tokens from the start of a window to the start of the next.
    pub step: usize,
    /// Bytes of ids in a shard at most.
    pub shard_bytes: u64,
    /// Cores to use; all unless given.
    pub threads: Option<usize>,
    /// Whether to prepare again what has not changed.
    pub force: bool,
}

impl Default for Options {
    /// The lecture's windows over one text as it stands, nothing held out; inputs, output and name are to be filled in.
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

/// How far the work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Bytes of the inputs read at this stage, as they lie on the disk.
    pub bytes: u64,
    /// Bytes to read at this stage, where that is known.
    pub total: Option<u64>,
}

/// A stage of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Standard input is copied, for it can be read only once.
    Copying,
    /// Symbols are counted.
    Counting,
    /// Ids are written.
    Writing,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Shards were written.
    Written,
    /// Nothing was done: the inputs have the sizes and times that they had, and the settings are the same.
    Unchanged,
    /// The inputs were read and hold the same text as before; only the index was written.
    SameText,
}

/// What was prepared.
#[derive(Debug, Clone)]
pub struct Report {
    /// What became of it.
    pub outcome: Outcome,
    /// The corpus.
    pub index: Index,
    /// What the user may want to know about the text.
    pub warnings: Vec<String>,
}

/// Prepares a text.
///
/// `progress` is told after each block; when `cancelled` becomes true the work ends with [`Error::Interrupted`]. Whatever
/// the failure, the output folder holds what it held before.
pub fn prepare(
    options: &Options,
    progress: &mut (dyn FnMut(Progress) + Send),
    cancelled: &AtomicBool,
) -> Result<Report> {
    prepare_in_blocks(options, progress, cancelled, BLOCK_BYTES)
}

/// As [`prepare`], with blocks of a given size: small ones put every cut to the test.
fn prepare_in_blocks(
    options: &Options,
    progress: &mut (dyn FnMut(Progress) + Send),
    cancelled: &AtomicBool,
    block_bytes: usize,
) -> Result<Report> {
    options.validate()?;
    let mut inputs = Inputs::find(&options.inputs, &options.include, cancelled)?;
    let settings = options.settings(inputs.several)?;
    let workplace = Workplace::enter(&options.output)?;
    workplace.sweep()?;
    let before = if options.force { None } else { previous(&options.output, &settings) };
    if let Some(index) = &before
        && inputs.stamp != 0
        && inputs.stamp == index.inputs.stamp
        && options.describe(index)
    {
        workplace.keep(index)?;
        return Ok(Report { outcome: Outcome::Unchanged, index: index.clone(), warnings: Vec::new() });
    }
    inputs.spool(workplace.folder(), cancelled, |bytes| {
        progress(Progress { stage: Stage::Copying, bytes, total: None });
    })?;
    let mut job = Job { options, settings, inputs, progress, cancelled, block_bytes };
    let counted = job.count()?;
    let index = job.index(&counted)?;
    let warnings = job.warnings(&counted);
    let (outcome, index) = match before {
        Some(before) if before.run == index.run => (Outcome::SameText, Index { shards: before.shards, ..index }),
        _ => {
            let shards = job.write(&index, workplace.folder())?;
            let entries = shards.iter().map(|shard| shard.entry().clone()).collect();
            workplace.publish(shards)?;
            (Outcome::Written, Index { shards: entries, ..index })
        }
    };
    write_atomically(workplace.folder(), INDEX_FILE, index.to_json().as_bytes())?;
    sync_folder(workplace.folder());
    workplace.keep(&index)?;
    Ok(Report { outcome, index, warnings })
}

/// What an earlier run wrote with the same settings, if all of it is still as it was written.
fn previous(folder: &Path, settings: &Settings) -> Option<Index> {
    let corpus = Corpus::open(folder).ok()?;
    if corpus.index().settings != *settings {
        return None;
    }
    corpus.verify().ok()?;
    Some(corpus.index().clone())
}

impl Options {
    fn validate(&self) -> Result<()> {
        let wrong = |message: &str| Err(Error::Options(message.into()));
        if self.inputs.is_empty() {
            return wrong("no input: name a file, a folder, or - for standard input");
        }
        if self.name.is_empty() {
            return wrong("a corpus needs a name");
        }
        if self.window == 0 || self.step == 0 {
            return wrong("a window holds at least one character, and its step is at least 1");
        }
        if self.shard_bytes < 4 {
            return wrong("a shard holds at least one id of 4 bytes");
        }
        if self.max_vocabulary.is_some_and(|most| most < 3) {
            return wrong(
                "a vocabulary of fewer than 3 tokens (one may be the boundary, one the unknown) says nothing",
            );
        }
        Ok(())
    }

    fn settings(&self, several: bool) -> Result<Settings> {
        let documents = self.documents.unwrap_or(if several { Documents::Files } else { Documents::Joined });
        if self.split_by == SplitBy::Document && documents == Documents::Joined {
            let message =
                "documents can be dealt out only where there are some: give a folder, several files or --lines";
            return Err(Error::Options(message.into()));
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

    /// Whether an index says of a corpus what these options would.
    fn describe(&self, index: &Index) -> bool {
        (&self.name, &self.source, &self.licence) == (&index.name, &index.source, &index.licence)
            && (self.window, self.step) == (index.window.length, index.window.step)
    }
}
