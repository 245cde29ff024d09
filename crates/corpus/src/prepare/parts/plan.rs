//! What the parts found together, and which shards each of them writes.

use std::ops::Range;
use std::sync::atomic::AtomicBool;

use super::super::blocks::FileCounts;
use super::super::count::Histogram;
use super::super::job::Job;
use super::super::shards::shard_tokens;
use super::super::splitter::Splitter;
use super::super::totals::{FirstPass, Totals, split_rule};
use super::records::{Record, RecordReader};
use super::work::{BLOCKS, SYMBOLS, WorkFolder};
use super::{Part, check_cancelled};
use crate::shard::writer::shard_name;
use crate::{Error, Index, Result, Split};

/// What one prepare would have found.
pub struct Plan {
    /// The index, complete but for its shards.
    pub index: Index,
    /// What the parts counted.
    pub pass: FirstPass,
    /// The shards, in order.
    pub shards: Vec<PlannedShard>,
}

/// A shard that some part writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedShard {
    /// Who writes it.
    pub part: Part,
    pub split: Split,
    /// Shards of the split before it.
    pub number: usize,
    /// Tokens of the corpus before it.
    pub offset: u64,
    /// Number of tokens.
    pub count: u64,
    pub name: String,
}

impl Plan {
    /// Adds up what the parts counted.
    pub fn new(job: &Job<'_>, work: &WorkFolder, of: u32) -> Result<Self> {
        let mut totals = Totals::new(&job.settings);
        let mut replay = Replay::new(work, of, job.cancelled);
        let mut record = Record::default();
        while replay.next(&mut record)?.is_some() {
            totals.add(record.hash, &record.tokens)?;
        }
        let (mut histogram, mut files) = (Histogram::default(), FileCounts::default());
        for part in Part::all(of) {
            check_cancelled(job.cancelled)?;
            for (symbol, count) in work.read::<Vec<(u32, u64)>>(part, SYMBOLS)? {
                if char::from_u32(symbol).is_none() {
                    let path = work.part(part).join(SYMBOLS);
                    return Err(Error::PartDamaged { path, message: format!("{symbol} is no character") });
                }
                histogram.add_count(symbol, count);
            }
            let FileCounts { read, binary, empty, unmarked } = work.counted(part)?.files;
            files.read += read;
            files.binary += binary;
            files.empty += empty;
            files.unmarked += unmarked;
        }
        let pass = totals.finish(histogram, files);
        let index = job.index(&pass)?;
        let shards = shards(&index, of);
        Ok(Self { index, pass, shards })
    }
}

/// The shards, each with the part that writes it: the one in whose share of the tokens its middle is.
fn shards(index: &Index, of: u32) -> Vec<PlannedShard> {
    let most = shard_tokens(index);
    let mut shards = Vec::new();
    for entry in &index.splits {
        for number in 0..entry.tokens.div_ceil(most) {
            let (before, split) = (number * most, entry.split);
            let (offset, count) = (entry.offset + before, most.min(entry.tokens - before));
            let middle = 2 * u128::from(offset) + u128::from(count);
            let part = (middle * u128::from(of) / (2 * u128::from(index.tokens))) as u32;
            let part = Part { number: part.min(of - 1) + 1, of };
            let (number, name) = (number as usize, shard_name(split, number as usize, index.run));
            shards.push(PlannedShard { part, split, number, offset, count, name });
        }
    }
    shards
}

/// Reads the blocks of all parts, in the order of the text.
pub struct Replay<'w> {
    work: &'w WorkFolder,
    part: Part,
    reader: Option<RecordReader>,
    cancelled: &'w AtomicBool,
}

impl<'w> Replay<'w> {
    /// All blocks.
    pub fn new(work: &'w WorkFolder, of: u32, cancelled: &'w AtomicBool) -> Self {
        Self { work, part: Part { number: 1, of }, reader: None, cancelled }
    }

    /// Reads the next block. Returns the part that counted it, or `None` at the end.
    pub fn next(&mut self, record: &mut Record) -> Result<Option<Part>> {
        check_cancelled(self.cancelled)?;
        while self.part.number <= self.part.of {
            let reader = match &mut self.reader {
                Some(reader) => reader,
                none => {
                    let counted = self.work.counted(self.part)?;
                    let path = self.work.part(self.part).join(BLOCKS);
                    none.insert(RecordReader::open(&path, counted.blocks, counted.checksum)?)
                }
            };
            if reader.next(record)? {
                return Ok(Some(self.part));
            }
            self.reader = None;
            self.part.number += 1;
        }
        Ok(None)
    }
}

/// Finds in each block the tokens that are wanted.
pub struct Assigner<'w> {
    replay: Replay<'w>,
    splitter: Splitter,
    /// Tokens of each split so far.
    seen: [u64; 3],
    wanted: [Range<u64>; 3],
    /// The block.
    pub record: Record,
    /// The wanted tokens in it, and their splits.
    pub pieces: Vec<(Split, Range<usize>)>,
}

impl<'w> Assigner<'w> {
    /// Finds in each split the tokens of these positions.
    pub fn new(replay: Replay<'w>, index: &Index, wanted: [Range<u64>; 3]) -> Self {
        let splitter = Splitter::new(split_rule(index));
        Self { replay, splitter, seen: [0; 3], wanted, record: Record::default(), pieces: Vec::new() }
    }

    /// Goes on to the next block. Returns the part that counted it, or `None` at the end.
    pub fn next(&mut self) -> Result<Option<Part>> {
        let Self { replay, splitter, seen, wanted, record, pieces } = self;
        let part = replay.next(record)?;
        pieces.clear();
        if part.is_some() {
            splitter.assign(&record.tokens, |split, range| {
                let (seen, wanted) = (&mut seen[split as usize], &wanted[split as usize]);
                let here = *seen..*seen + range.len() as u64;
                let (start, end) = (here.start.max(wanted.start), here.end.min(wanted.end));
                if start < end {
                    let place = |token: u64| range.start + (token - here.start) as usize;
                    pieces.push((split, place(start)..place(end)));
                }
                *seen = here.end;
                Ok(())
            })?;
        }
        Ok(part)
    }
}
