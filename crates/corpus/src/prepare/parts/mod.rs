//! Prepares a text in parts, which any scheduler can run: several processes, or machines that share a file system.
//!
//! Each part does two things. First it counts its share of the input bytes and leaves a record of every block that it
//! counted. When all parts have counted, every part can work out what one [`prepare`](super::prepare) would have
//! found: the vocabulary, the splits and the shards. Then each part writes its share of the shards, and reads the blocks
//! that these need. Last, [`merge_parts`] moves the shards into place by renaming them, and writes the index. All files
//! are byte for byte those of [`prepare`](super::prepare).
//!
//! The parts meet in a folder `.parts` in the output folder, with a folder for each part:
//!
//! - `.lock`: locked while the part is at work;
//! - `inputs`: the hashes of path, size and time of all inputs, as this part found them;
//! - `blocks`: the blocks that it counted, as `records` describes;
//! - `symbols.json`: how often each symbol occurs in them;
//! - `counted.json`: how they were counted. It is written last, so it marks that the part has counted;
//! - its shards. Each gets its name when it is complete, so the names mark what the part has written.
//!
//! A share is a range of bytes of the inputs, laid end to end. A block belongs to the share in which it starts. Where the
//! blocks of a file start depends on the blocks before them, so a part looks at the bytes around each earlier cut. Files
//! that have to be read from their start (compressed ones, and books whose end mark is looked for) belong to one share as a
//! whole.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use super::blocks::BLOCK_BYTES;
use super::inputs::Inputs;
use super::job::Job;
use super::output::OutputFolder;
use super::{Options, Outcome, Progress, Report, previous};
use crate::{Error, Index, Result, ShardEntry};

mod counting;
mod plan;
mod records;
mod work;
mod writing;

#[cfg(test)]
pub(super) mod tests;

use plan::Plan;
use work::{Description, WorkFolder};

/// Most parts.
pub const MOST_PARTS: u32 = 9999;

/// One of several parts: `3/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    number: u32,
    of: u32,
}

impl Part {
    /// Its number, from 1 on.
    pub fn number(self) -> u32 {
        self.number
    }

    /// How many parts there are.
    pub fn of(self) -> u32 {
        self.of
    }

    /// Several parts, such as `3/8, 4/8`, for a message.
    pub fn names(parts: &[Self]) -> String {
        list(parts, "")
    }

    /// All parts.
    pub fn all(of: u32) -> impl Iterator<Item = Self> {
        (1..=of).map(move |number| Self { number, of })
    }

    /// Its share of so many bytes.
    fn share(self, bytes: u64) -> Range<u64> {
        let end = |number: u32| (u128::from(bytes) * u128::from(number) / u128::from(self.of)) as u64;
        end(self.number - 1)..end(self.number)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Part {
    type Err = Error;

    fn from_str(value: &str) -> Result<Self> {
        let wrong = |what: &str| Err(Error::Options(format!("{value:?} is no part: {what}; use a form such as 3/8")));
        let Some((number, of)) = value.split_once('/') else { return wrong("it has no slash") };
        let (Ok(number), Ok(of)) = (number.parse::<u32>(), of.parse::<u32>()) else {
            return wrong("both sides of the slash have to be whole numbers");
        };
        match (number, of) {
            (_, 0) => wrong("there has to be at least one part"),
            (0, _) => wrong("parts are counted from 1"),
            _ if number > of => wrong(&format!("there are only {of} parts")),
            _ if of > MOST_PARTS => wrong(&format!("there can be at most {MOST_PARTS} parts")),
            _ => Ok(Self { number, of }),
        }
    }
}

/// What came of a part.
#[derive(Debug, Clone)]
pub enum PartReport {
    /// Nothing: the output folder has a corpus of these inputs and settings.
    Unchanged(Box<Index>),
    /// Its share is counted. It cannot write shards before these parts have counted too.
    Counted(Vec<Part>),
    /// Its shards are written.
    Written {
        /// All of them. There can be none, if there are fewer shards than parts.
        shards: Vec<PathBuf>,
        /// How many of them this call wrote.
        new: usize,
    },
}

/// Prepares one part of a text: counts its share, and writes its shards if all parts have counted. What an earlier call
/// has done is not done again.
///
/// # Errors
/// [`Error::OtherPart`] if another part was counted with other options or for another number of parts,
/// [`Error::PartInput`] if an input changed since then, [`Error::Busy`] if another process works on the same part.
pub fn prepare_part(
    options: &Options,
    part: Part,
    progress: &mut (dyn FnMut(Progress) + Send),
    cancelled: &AtomicBool,
) -> Result<PartReport> {
    part_in_blocks(options, part, progress, cancelled, BLOCK_BYTES)
}

/// The parts that have not counted yet. This looks at names only, so it can be asked often.
pub fn uncounted(options: &Options, of: u32) -> Vec<Part> {
    WorkFolder::of(&options.output).uncounted(of)
}

/// Makes a corpus of the parts, when all of them are done: moves their shards into place, without reading or copying
/// them, writes the index, and removes the folder in which the parts met.
///
/// # Errors
/// [`Error::PartsMissing`] names the parts that are not done, and the errors of [`prepare_part`].
pub fn merge_parts(
    options: &Options,
    progress: &mut (dyn FnMut(Progress) + Send),
    cancelled: &AtomicBool,
) -> Result<Report> {
    merge_in_blocks(options, progress, cancelled, BLOCK_BYTES)
}

fn part_in_blocks(
    options: &Options,
    part: Part,
    progress: &mut (dyn FnMut(Progress) + Send),
    cancelled: &AtomicBool,
    block_bytes: usize,
) -> Result<PartReport> {
    let mut job = begin(options, progress, cancelled, block_bytes)?;
    let description = Description::new(options, &job.settings, block_bytes);
    let work = WorkFolder::of(&options.output);
    // Before anything is made.
    work.check(part.of, &description, &job.inputs)?;
    let folder = OutputFolder::lock(&work.part(part))?;
    folder.remove_unfinished();
    if let Some(index) = unchanged(&job)? {
        return Ok(PartReport::Unchanged(Box::new(index)));
    }
    if !work.has_counted(part) {
        counting::count(&mut job, part, folder.path(), &description)?;
    }
    let missing = work.uncounted(part.of);
    if !missing.is_empty() {
        folder.stay();
        return Ok(PartReport::Counted(missing));
    }
    // Other parts may have counted meanwhile.
    work.check(part.of, &description, &job.inputs)?;
    let written = Plan::new(&job, &work, part.of).and_then(|plan| writing::write(&mut job, &work, part, &plan));
    folder.stay();
    written
}

fn merge_in_blocks(
    options: &Options,
    progress: &mut (dyn FnMut(Progress) + Send),
    cancelled: &AtomicBool,
    block_bytes: usize,
) -> Result<Report> {
    let job = begin(options, progress, cancelled, block_bytes)?;
    let description = Description::new(options, &job.settings, block_bytes);
    let work = WorkFolder::of(&options.output);
    let mut output = OutputFolder::lock(&options.output)?;
    if let Some(index) = unchanged(&job)? {
        // What a merge left that was killed after its index was in place.
        if work.parts()?.is_none_or(|of| work.check(of, &description, &job.inputs).is_ok()) {
            work.put_away()?;
        }
        output.leave(&index);
        return Ok(Report { outcome: Outcome::Unchanged, index, warnings: Vec::new() });
    }
    let Some(of) = work.parts()? else {
        return Err(Error::PartsMissing { what: "no part has been counted".into(), advice: "--part 1/N first".into() });
    };
    work.check(of, &description, &job.inputs)?;
    let missing = work.uncounted(of);
    if !missing.is_empty() {
        return Err(Error::PartsMissing {
            what: format!("{} not counted", sentence(&missing)),
            advice: flags(&missing),
        });
    }
    let plan = Plan::new(&job, &work, of)?;
    let warnings = job.warnings(&plan.pass);
    let shards = writing::collect(&job, &work, &plan)?;
    output.remove_unfinished();
    let entries: Vec<ShardEntry> = writing::move_into_place(&options.output, shards)?;
    let index = Index { shards: entries, ..plan.index };
    output.commit(&index)?;
    work.put_away()?;
    Ok(Report { outcome: Outcome::Written, index, warnings })
}

/// Finds the inputs, and checks everything that can be checked without reading them.
fn begin<'j>(
    options: &'j Options,
    progress: &'j mut (dyn FnMut(Progress) + Send),
    cancelled: &'j AtomicBool,
    block_bytes: usize,
) -> Result<Job<'j>> {
    options.check()?;
    let inputs = Inputs::find(&options.inputs, &options.include, cancelled)?;
    if let Some(path) = inputs.stream() {
        let what = if path.as_os_str() == super::STANDARD_INPUT {
            "standard input".into()
        } else {
            path.display().to_string()
        };
        return Err(Error::Options(format!(
            "{what} can be read only once, so it cannot be prepared in parts: write it to a file first"
        )));
    }
    let settings = options.settings(inputs.several)?;
    Ok(Job { options, settings, inputs, progress, cancelled, block_bytes })
}

/// The index of the corpus in the output folder, if it is of these inputs and settings.
fn unchanged(job: &Job<'_>) -> Result<Option<Index>> {
    if job.options.force {
        return Ok(None);
    }
    let (output, options) = (&job.options.output, job.options);
    let is_it = |index: &Index| {
        job.inputs.stamp == index.inputs.stamp && job.settings == index.settings && options.describe(index)
    };
    // The shards are read only of a corpus that it can be.
    match Index::read(output) {
        Ok(index) if is_it(&index) => Ok(previous(output, &job.settings, job.cancelled)?.filter(is_it)),
        _ => Ok(None),
    }
}

fn check_cancelled(cancelled: &AtomicBool) -> Result<()> {
    if cancelled.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
}

/// `part 3/8 has` or `parts 3/8, 4/8 have`.
fn sentence(parts: &[Part]) -> String {
    match parts {
        [part] => format!("part {part} has"),
        _ => format!("parts {} have", Part::names(parts)),
    }
}

/// `--part 3/8, --part 4/8`.
fn flags(parts: &[Part]) -> String {
    list(parts, "--part ")
}

fn list(parts: &[Part], before: &str) -> String {
    /// Most that are named.
    const MOST: usize = 10;
    let mut names: Vec<String> = parts.iter().take(MOST).map(|part| format!("{before}{part}")).collect();
    if parts.len() > MOST {
        names.push(format!("and {} more", parts.len() - MOST));
    }
    names.join(", ")
}
