//! Counts the share of a part.

use std::io;
use std::path::Path;

use super::super::blocks::Span;
use super::super::job::Job;
use super::Part;
use super::records::RecordWriter;
use super::work::{self, BLOCKS, Counted, Description, INPUTS, SYMBOLS};
use crate::{Error, Result};

/// Counts, and leaves the result in the part's folder; the marker comes last.
pub fn count(job: &mut Job<'_>, part: Part, folder: &Path, description: &Description) -> Result<()> {
    let share = part.share(job.inputs.bytes());
    let bytes = share.end - share.start;
    let path = folder.join(BLOCKS);
    let unwritable = |source| Error::Write { path: path.clone(), source };
    let mut outcome = None;
    let written = durable::write_with(&path, |file| {
        let mut records = RecordWriter::new(file);
        let counted = job.count_blocks(Span::Bytes(share), bytes, |block, hash, tokens| {
            records.add(block, hash, tokens).map_err(unwritable)
        });
        let failed = counted.is_err();
        let (blocks, checksum) = records.finish()?;
        outcome = Some(counted.map(|(histogram, files)| (histogram, files, blocks, checksum)));
        // No file is put in place then.
        if failed { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
    });
    let (histogram, files, blocks, checksum) = match outcome {
        Some(outcome) => outcome?,
        None => return written.map_err(unwritable),
    };
    written.map_err(unwritable)?;

    let stamps: Vec<u8> = job.inputs.files.iter().flat_map(|input| input.stamp.to_le_bytes()).collect();
    let counts: Vec<(u32, u64)> = histogram.counts().collect();
    let symbols = serde_json::to_vec(&counts).unwrap_or_default();
    for (name, bytes) in [(INPUTS, stamps), (SYMBOLS, symbols)] {
        let path = folder.join(name);
        durable::write(&path, &bytes).map_err(|source| Error::Write { path, source })?;
    }
    let stamp = job.inputs.stamp;
    work::mark(folder, &Counted { description: description.clone(), stamp, files, blocks, checksum })
}
