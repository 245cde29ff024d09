//! Writes the shards of a part, and moves those of all parts into place.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::super::blocks::{Place, Span};
use super::super::encode::Encoder;
use super::super::job::Job;
use super::super::shards::{Shards, common_header, shard_tokens};
use super::plan::{Assigner, Plan, PlannedShard, Replay};
use super::work::WorkFolder;
use super::{Part, PartReport};
use crate::shard::map::MappedShard;
use crate::{Error, Index, Result, ShardEntry, Split};

/// The blocks that hold the tokens of a part.
struct Needed {
    /// Blocks of the text before them.
    before: u64,
    first: Place,
    last: Place,
    blocks: u64,
}

/// Writes those shards of a part that are not there yet.
pub fn write(job: &mut Job<'_>, work: &WorkFolder, part: Part, plan: &Plan) -> Result<PartReport> {
    let (folder, index) = (work.part(part), &plan.index);
    let own: Vec<&PlannedShard> = plan.shards.iter().filter(|shard| shard.part == part).collect();
    let shards: Vec<PathBuf> = own.iter().map(|shard| folder.join(&shard.name)).collect();
    // In each split, those from the first one on that is missing.
    let mut numbers = [(); 3].map(|()| 0..0);
    let mut new = 0;
    for shard in own {
        let numbers: &mut Range<usize> = &mut numbers[shard.split as usize];
        if !Range::is_empty(numbers) {
            numbers.end += 1;
        } else if find(work, shard, index)?.is_none() {
            *numbers = shard.number..shard.number + 1;
        }
        new += usize::from(!Range::is_empty(numbers));
    }
    let wanted = Split::ALL.map(|split| {
        let (numbers, most) = (&numbers[split as usize], shard_tokens(index));
        let tokens = index.split(split).map_or(0, |entry| entry.tokens);
        (numbers.start as u64 * most)..(numbers.end as u64 * most).min(tokens)
    });
    if let Some(needed) = needed(job, work, part, index, wanted.clone())? {
        write_shards(job, work, part, index, &numbers, wanted, &needed)?;
    }
    Ok(PartReport::Written { shards, new })
}

fn write_shards(
    job: &mut Job<'_>,
    work: &WorkFolder,
    part: Part,
    index: &Index,
    numbers: &[Range<usize>; 3],
    wanted: [Range<u64>; 3],
    needed: &Needed,
) -> Result<()> {
    let folder = work.part(part);
    let encoder = Encoder::new(&index.vocabulary);
    let width = encoder.width().bytes();
    let mut assigner = Assigner::new(Replay::new(work, part.of, job.cancelled), index, wanted);
    for _ in 0..needed.before {
        assigner.next()?;
    }
    let mut shards = Shards::some(index, &folder, numbers);
    let position = |place: Place| {
        let before: u64 = job.inputs.files[..place.input].iter().map(|input| input.bytes).sum();
        before + place.offset.min(job.inputs.files[place.input].bytes)
    };
    let bytes = position(needed.last) + job.block_bytes as u64 - position(needed.first);
    let bytes = bytes.min(job.inputs.bytes() - position(needed.first));
    let (mut blocks, mut changed) = (0, None);
    let written =
        job.encode_blocks(Span::Blocks(needed.first, needed.blocks), bytes, &encoder, |block, hash, tokens, ids| {
            let counted = assigner.next()?;
            let record = &assigner.record;
            let place = Place { input: block.input, offset: block.offset };
            if record.place != place || record.hash != hash || record.tokens.count != tokens.count {
                changed = Some((block.input, counted.unwrap_or(part)));
                return Err(Error::InputChanged);
            }
            blocks += 1;
            let pieces = assigner.pieces.iter();
            pieces
                .map(|(split, range)| (*split, range.start * width..range.end * width))
                .try_for_each(|(split, range)| shards.push(split, &ids[range]))
        });
    if written.is_ok() && blocks < needed.blocks {
        changed = Some((needed.last.input, part));
    }
    if let Some((input, part)) = changed {
        return Err(work.input_changed(part, job.inputs.files[input].path.display().to_string()));
    }
    written?;
    shards.finish()?;
    durable::sync_dir(&folder).map_err(|source| Error::Write { path: folder, source })
}

/// Finds the blocks that hold some tokens; `None` if no tokens are wanted.
fn needed(
    job: &Job<'_>,
    work: &WorkFolder,
    part: Part,
    index: &Index,
    wanted: [Range<u64>; 3],
) -> Result<Option<Needed>> {
    if wanted.iter().all(Range::is_empty) {
        return Ok(None);
    }
    let mut assigner = Assigner::new(Replay::new(work, part.of, job.cancelled), index, wanted);
    let mut needed: Option<Needed> = None;
    let mut number = 0;
    while assigner.next()?.is_some() {
        let last = assigner.record.place;
        if last.input >= job.inputs.files.len() {
            return Err(work.input_changed(part, "the list of inputs".into()));
        }
        if !assigner.pieces.is_empty() {
            let needed = needed.get_or_insert(Needed { before: number, first: last, last, blocks: 0 });
            needed.last = last;
            needed.blocks = number + 1 - needed.before;
        }
        number += 1;
    }
    Ok(needed)
}

/// A shard that is written: where it is, and its entry in the index.
pub struct Found {
    path: PathBuf,
    entry: ShardEntry,
}

/// All shards, if they are written.
pub fn collect(job: &Job<'_>, work: &WorkFolder, plan: &Plan) -> Result<Vec<Found>> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for shard in &plan.shards {
        super::check_cancelled(job.cancelled)?;
        match find(work, shard, &plan.index)? {
            Some(shard) => found.push(shard),
            None => missing.push(shard.part),
        }
    }
    missing.dedup();
    if missing.is_empty() {
        return Ok(found);
    }
    let what = format!("{} not written all shards", super::sentence(&missing));
    Err(Error::PartsMissing { what, advice: super::flags(&missing) })
}

/// A shard in the folder of its part, or where a merge put it that did not end.
fn find(work: &WorkFolder, shard: &PlannedShard, index: &Index) -> Result<Option<Found>> {
    let places = [(work.part(shard.part), false), (work.output().into(), true)];
    for (folder, verifies) in places {
        let mapped = match MappedShard::open(folder.join(&shard.name)) {
            Ok(mapped) => mapped,
            Err(error @ Error::Read { .. }) => return Err(error),
            // A shard that is missing or damaged has to be written.
            Err(_) => continue,
        };
        let (header, common) = (mapped.header(), common_header(index));
        let is_it = (header.width, header.vocabulary, header.run) == (common.width, common.vocabulary, common.run)
            && (header.offset, header.count) == (shard.offset, shard.count);
        // One of an earlier corpus may be the same. It may have been altered, too.
        if is_it && !(verifies && mapped.verify(index.vocabulary.len()).is_err()) {
            let (file, checksum) = (shard.name.clone(), header.checksum);
            let entry = ShardEntry { file, offset: shard.offset, count: shard.count, checksum };
            return Ok(Some(Found { path: mapped.path().into(), entry }));
        }
    }
    Ok(None)
}

/// Gives the shards their places in the output folder, where no index lists them yet.
pub fn move_into_place(output: &Path, shards: Vec<Found>) -> Result<Vec<ShardEntry>> {
    let mut entries = Vec::new();
    for Found { path, entry } in shards {
        let place = output.join(&entry.file);
        if path != place {
            fs::rename(&path, &place).map_err(|source| Error::Write { path: place, source })?;
        }
        entries.push(entry);
    }
    durable::sync_dir(output).map_err(|source| Error::Write { path: output.into(), source })?;
    Ok(entries)
}
