//! Turns text into shards.
//!
//! The inputs are read twice, in blocks that all cores share. The first pass counts the symbols (characters or bytes),
//! from which the vocabulary and the width of an id follow. The second pass writes the ids. Neither keeps more than a
//! few blocks of the text in memory.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Corpus, Error, Index, Result, Settings};

mod blocks;
mod count;
mod encode;
mod gutenberg;
pub(crate) mod inputs;
mod job;
mod options;
mod output;
pub mod parts;
mod pipeline;
pub(crate) mod reading;
mod shards;
mod splitter;
mod text;
mod totals;
mod zip;

#[cfg(test)]
mod tests;

use blocks::BLOCK_BYTES;
use inputs::Inputs;
use job::Job;
use output::OutputFolder;

pub use inputs::STANDARD_INPUT;
pub use options::{Options, Outcome, Progress, Report, Stage};

/// Prepares a text.
///
/// `progress` is called after every block. When `cancelled` becomes true, the work stops with [`Error::Interrupted`];
/// every loop polls it. Only a read that blocks, such as that of a pipe without a writer, delays this. After any
/// failure, the output folder contains what it did before.
pub fn prepare(
    options: &Options,
    progress: &mut (dyn FnMut(Progress) + Send),
    cancelled: &AtomicBool,
) -> Result<Report> {
    prepare_in_blocks(options, progress, cancelled, BLOCK_BYTES)
}

/// [`prepare`] with blocks of a given size, so that tests can cut a text in many places.
fn prepare_in_blocks(
    options: &Options,
    progress: &mut (dyn FnMut(Progress) + Send),
    cancelled: &AtomicBool,
    block_bytes: usize,
) -> Result<Report> {
    options.check()?;
    let mut inputs = Inputs::find(&options.inputs, &options.include, cancelled)?;
    let settings = options.settings(inputs.several)?;
    let mut output = OutputFolder::lock(&options.output)?;
    output.remove_unfinished();
    let before = if options.force { None } else { previous(&options.output, &settings, cancelled)? };
    if let Some(index) = &before
        && inputs.stamp != 0
        && inputs.stamp == index.inputs.stamp
        && options.describe(index)
    {
        output.leave(index);
        return Ok(Report { outcome: Outcome::Unchanged, index: index.clone(), warnings: Vec::new() });
    }
    inputs.spool(output.path(), cancelled, |bytes| {
        progress(Progress { stage: Stage::Copying, bytes, total: None });
    })?;
    let mut job = Job { options, settings, inputs, progress, cancelled, block_bytes };
    let pass = job.count()?;
    let index = job.index(&pass)?;
    let warnings = job.warnings(&pass);
    let (outcome, index) = match before {
        Some(before) if before.run == index.run => (Outcome::SameText, Index { shards: before.shards, ..index }),
        _ => {
            let shards = job.write(&index, output.path())?;
            let entries = shards.iter().map(|shard| shard.entry().clone()).collect();
            output.publish(shards)?;
            (Outcome::Written, Index { shards: entries, ..index })
        }
    };
    output.commit(&index)?;
    Ok(Report { outcome, index, warnings })
}

/// The index of an earlier prepare with the same settings, if its shards are undamaged.
fn previous(folder: &Path, settings: &Settings, cancelled: &AtomicBool) -> Result<Option<Index>> {
    let Ok(corpus) = Corpus::open(folder) else { return Ok(None) };
    if corpus.index().settings != *settings {
        return Ok(None);
    }
    for verdict in corpus.verdicts() {
        if cancelled.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        if verdict.is_err() {
            return Ok(None);
        }
    }
    Ok(Some(corpus.index().clone()))
}
