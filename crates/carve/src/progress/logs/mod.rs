//! Logs of a training for other programs: event files for TensorBoard, a table as CSV.
//!
//! All that is in a log is in the run's own records too. So a log goes on where it was when a run is resumed, without a
//! step twice; and one that is asked for late, or lost its end with the power, is completed from the records.

use std::collections::HashMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use clap::ValueEnum;
use trainer::{Event, Metrics, Observer, ProgressSample, StepRecord, Times, runs};

use super::TrainingProgress;

mod csv;
mod tensorboard;

/// What a training can be logged as, in its run's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// tensorboard/: event files that TensorBoard opens
    Tensorboard,
    /// log.csv: a table
    Csv,
}

/// Shows a training and logs it.
pub struct Logs<'p> {
    progress: TrainingProgress<'p>,
    formats: Vec<LogFormat>,
    open: Vec<Box<dyn Log>>,
    /// Optimizer steps between two that are logged, as in the run's own records; 0 for none.
    every: usize,
    failure: Option<anyhow::Error>,
}

/// A file that a training is logged in.
trait Log {
    /// The last step of each kind of entry that is there.
    fn reached(&self) -> Reached;
    /// Appends an entry; `wall_time` is in seconds since 1970.
    fn write(&mut self, entry: &Entry<'_>, wall_time: f64) -> Result<()>;
}

/// The last optimizer step that is logged, 0 if there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Reached {
    step: usize,
    evaluation: usize,
    sample: usize,
}

/// What is logged.
enum Entry<'r> {
    Step(&'r StepRecord),
    Evaluation(&'r Metrics, &'r Times),
    Sample(&'r ProgressSample),
}

impl Entry<'_> {
    fn step(&self) -> usize {
        match self {
            Self::Step(record) => record.step,
            Self::Evaluation(metrics, _) => metrics.step,
            Self::Sample(sample) => sample.step,
        }
    }

    /// Seconds of training so far.
    fn elapsed(&self) -> f64 {
        match self {
            Self::Step(record) => record.elapsed,
            Self::Evaluation(_, times) => times.elapsed,
            Self::Sample(sample) => sample.elapsed,
        }
    }
}

impl<'p> Logs<'p> {
    /// Shows a training by `progress`, and logs it in these formats.
    pub fn new(progress: TrainingProgress<'p>, formats: &[LogFormat]) -> Self {
        let is_asked = |format: &LogFormat| formats.contains(format);
        let formats = LogFormat::value_variants().iter().copied().filter(is_asked).collect();
        Self { progress, formats, open: vec![], every: 0, failure: None }
    }

    /// What went wrong with a log, if anything did. Training goes on without it.
    pub fn failure(self) -> Option<anyhow::Error> {
        self.failure
    }

    /// Opens the logs of a run whose records reach up to `step`, and completes them from the records.
    fn open_all(&mut self, run: &Path, step: usize) {
        for format in std::mem::take(&mut self.formats) {
            let opened = match format {
                LogFormat::Tensorboard => tensorboard::open(run, step),
                LogFormat::Csv => csv::open(run, step),
            };
            match opened.and_then(|mut log| complete(&mut *log, run).map(|()| log)) {
                Ok(log) => self.open.push(log),
                Err(error) => self.fail(error),
            }
        }
    }

    fn write(&mut self, entry: &Entry<'_>) {
        let mut failed = vec![];
        self.open.retain_mut(|log| log.write(entry, now()).map_err(|error| failed.push(error)).is_ok());
        for error in failed {
            self.fail(error);
        }
    }

    fn fail(&mut self, error: anyhow::Error) {
        self.progress.say(&format!("training goes on without a log: {error:#}"));
        self.failure = Some(error);
    }
}

impl Observer for Logs<'_> {
    fn observe(&mut self, event: &Event<'_>) {
        self.progress.observe(event);
        match event {
            Event::Started(announcement) => {
                self.every = announcement.record_steps;
                self.open_all(&announcement.run, announcement.resumed_after.unwrap_or(0));
            }
            Event::Step(record) if self.every > 0 && record.step.is_multiple_of(self.every) => {
                self.write(&Entry::Step(record));
            }
            Event::Evaluated { metrics, times, .. } => self.write(&Entry::Evaluation(metrics, times)),
            Event::ProgressSample(sample) => self.write(&Entry::Sample(sample)),
            _ => {}
        }
    }
}

/// Writes what a run's records have and a log does not. It is dated back by the time that training took since.
fn complete(log: &mut dyn Log, run: &Path) -> Result<()> {
    let (steps, metrics, samples) = (runs::steps(run)?, runs::metrics(run)?, runs::progress(run)?);
    let times: HashMap<usize, Times> = runs::times(run)?.into_iter().map(|times| (times.step, times)).collect();
    let reached = log.reached();
    let mut entries: Vec<Entry<'_>> =
        steps.iter().filter(|record| record.step > reached.step).map(Entry::Step).collect();
    let evaluations = metrics.iter().filter(|metrics| metrics.step > reached.evaluation);
    entries.extend(evaluations.filter_map(|metrics| Some(Entry::Evaluation(metrics, times.get(&metrics.step)?))));
    entries.extend(samples.iter().filter(|sample| sample.step > reached.sample).map(Entry::Sample));
    entries.sort_by_key(Entry::step);
    let (now, end) = (now(), entries.last().map_or(0.0, Entry::elapsed));
    entries.iter().try_for_each(|entry| log.write(entry, now - (end - entry.elapsed())))
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
