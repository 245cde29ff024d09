//! A training as a table: a row for each optimizer step in the run's records, and one for each evaluation. What a row does not
//! have is empty.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{Entry, Log, Reached};

/// The file in a run's folder.
const FILE: &str = "log.csv";

const HEADER: &str =
    "step,epoch,characters,elapsed,learning_rate,loss,gradient_norm,seconds,train_loss,validation_loss,speed";

/// Where `loss` is in a row, which evaluations do not have.
const LOSS: usize = 5;

struct Table {
    path: PathBuf,
    file: File,
    reached: Reached,
}

pub fn open(run: &Path, through: usize) -> Result<Box<dyn Log>> {
    let path = run.join(FILE);
    let cannot_write = || format!("cannot write {}", path.display());
    let mut reached = Reached::default();
    match fs::read_to_string(&path) {
        Ok(text) => {
            let kept = keep(&text, through, &mut reached);
            if kept == 0 {
                bail!("{} is not a log of carve: move it away", path.display());
            }
            // Not the handle that appends: Windows would not let it.
            let file = OpenOptions::new().write(true).open(&path).with_context(cannot_write)?;
            file.set_len(kept as u64).with_context(cannot_write)?;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            durable::write(&path, format!("{HEADER}\n").as_bytes()).with_context(cannot_write)?;
        }
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            bail!("{} is not a log of carve: move it away", path.display());
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
    let file = OpenOptions::new().append(true).open(&path).with_context(cannot_write)?;
    Ok(Box::new(Table { path, file, reached }))
}

/// How many bytes of a table to keep: its header and the whole rows up to the step `through`. 0 if it is no such table.
fn keep(text: &str, through: usize, reached: &mut Reached) -> usize {
    let Some(rows) = text.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('\n')) else { return 0 };
    let mut kept = text.len() - rows.len();
    for row in rows.split_inclusive('\n') {
        let cells: Vec<&str> = row.trim_end_matches('\n').split(',').collect();
        let step = cells[0].parse().ok().filter(|step| *step <= through);
        let (Some(step), true) = (step, row.ends_with('\n') && cells.len() > LOSS) else { break };
        *(if cells[LOSS].is_empty() { &mut reached.evaluation } else { &mut reached.step }) = step;
        kept += row.len();
    }
    kept
}

impl Log for Table {
    fn reached(&self) -> Reached {
        // A table has no place for samples: it lacks none.
        Reached { sample: usize::MAX, ..self.reached }
    }

    fn write(&mut self, entry: &Entry<'_>, _wall_time: f64) -> Result<()> {
        let row = match entry {
            Entry::Step(record) => {
                let trainer::StepRecord { epoch, step, loss, gradient_norm, learning_rate, seconds, .. } = record;
                let (characters, elapsed) = (record.characters, record.elapsed);
                format!("{step},{epoch},{characters},{elapsed},{learning_rate},{loss},{gradient_norm},{seconds},,,\n")
            }
            Entry::Evaluation(metrics, times) => {
                let trainer::Metrics { epoch, step, train_loss, learning_rate, characters, .. } = metrics;
                let validation_loss = metrics.validation_loss.map_or(String::new(), |loss| loss.to_string());
                let (elapsed, speed) = (times.elapsed, times.speed);
                format!(
                    "{step},{epoch},{characters},{elapsed},{learning_rate},,,,{train_loss},{validation_loss},{speed}\n"
                )
            }
            Entry::Sample(_) => return Ok(()),
        };
        // One write, so that a kill leaves a row whole or cuts off the last one.
        self.file.write_all(row.as_bytes()).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_after_a_step_and_cut_off_rows_go() {
        let rows = ["1,1,9,0.1,0.1,2.5,1,0.1,,,\n", "2,1,18,0.2,0.1,2.4,1,0.1,,,\n", "2,1,18,0.2,0.1,,,,2.45,2.3,90\n"];
        let last = "3,1,27,0.3,0.1,2.3,1,0.1,,,\n";
        let table = format!("{HEADER}\n{}", rows.concat());
        let reached = |step, evaluation| Reached { step, evaluation, sample: 0 };
        let cases = [
            (table.clone(), 9, table.len(), reached(2, 2)),
            (format!("{table}{last}"), 2, table.len(), reached(2, 2)),
            (format!("{table}{}", &last[..last.len() - 1]), 9, table.len(), reached(2, 2)),
            (format!("{table}3"), 9, table.len(), reached(2, 2)),
            (format!("{table}\n"), 9, table.len(), reached(2, 2)),
            (table.clone(), 1, HEADER.len() + 1 + rows[0].len(), reached(1, 0)),
            (format!("{HEADER}\n"), 9, HEADER.len() + 1, reached(0, 0)),
            ("mine\n".into(), 9, 0, reached(0, 0)),
            (HEADER.into(), 9, 0, reached(0, 0)),
            (String::new(), 9, 0, reached(0, 0)),
        ];
        for (text, through, kept, expected) in cases {
            let mut reached = Reached::default();
            assert_eq!((keep(&text, through, &mut reached), reached), (kept, expected), "{text:?} up to {through}");
        }
    }
}
