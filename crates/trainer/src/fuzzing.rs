//! What the fuzz targets need of the crate's insides.

use std::path::Path;

use crate::run;

/// Reads one file of a run as the next session does. What cannot be understood is left out, or an error.
pub fn read_record(folder: &Path, file: &str) -> usize {
    match file {
        "metrics.jsonl" => run::metrics(folder).map_or(0, |lines| lines.len()),
        "times.jsonl" => run::times(folder).map_or(0, |lines| lines.len()),
        "steps.jsonl" => run::steps(folder).map_or(0, |lines| lines.len()),
        "best.json" => usize::from(run::best(folder).is_some()),
        _ => usize::from(run::RunConfig::read(folder).is_ok()),
    }
}
