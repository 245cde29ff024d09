//! What a run says of itself, read back from its folder: for a report, a plot or an event file.

use std::fs;
use std::path::Path;

use crate::records::{Best, Metrics, ProgressSample, StepRecord, Times};
use crate::run::{self, RunConfig};
use crate::{Error, Result, checkpoint, runs};

/// Everything that a run recorded. What an earlier version did not record, or an imported network never had, is empty.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The run's name: its folder's.
    pub name: String,
    /// What determines the run; `None` for an imported network.
    pub config: Option<RunConfig>,
    /// Recorded optimizer steps.
    pub steps: Vec<StepRecord>,
    /// Evaluations.
    pub metrics: Vec<Metrics>,
    /// The times of the evaluations.
    pub times: Vec<Times>,
    /// The best evaluation.
    pub best: Option<Best>,
    /// Numbers in the network; `None` if there is no checkpoint.
    pub parameters: Option<usize>,
    /// Samples of one prompt and one seed along the way, the earliest first.
    pub progress: Vec<ProgressSample>,
    /// The files of samples that training shows, the earliest first.
    pub samples: Vec<Sample>,
}

/// A file of `samples/`: what the model wrote after an evaluation, at several temperatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Optimizer steps so far.
    pub step: usize,
    /// The text of the file, headings included.
    pub text: String,
}

impl History {
    /// Reads what a run recorded.
    ///
    /// # Errors
    /// [`Error::NoRun`] if the folder holds neither a configuration nor a checkpoint, [`Error::DamagedConfig`] if the
    /// configuration cannot be understood, [`Error::Read`] if a file cannot be read.
    pub fn read(run: &Path) -> Result<Self> {
        let best_checkpoint = runs::best_checkpoint(run).ok();
        let config = match RunConfig::read(run) {
            Ok(config) => Some(config),
            Err(Error::NoRun { .. }) if best_checkpoint.is_some() => None,
            Err(error) => return Err(error),
        };
        let card = best_checkpoint.and_then(|checkpoint| checkpoint::card(&checkpoint).ok());
        Ok(Self {
            name: run.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            config,
            steps: run::steps(run)?,
            metrics: run::metrics(run)?,
            times: run::times(run)?,
            best: run::best(run),
            parameters: card.map(|card| card.size.parameters()),
            progress: run::progress(run)?,
            samples: samples(run),
        })
    }

    /// Seconds of training until a step: from the evaluation at that step, or the nearest recorded step before it.
    pub fn seconds_at(&self, step: usize) -> Option<f64> {
        let evaluated = self.times.iter().find(|times| times.step == step).map(|times| times.elapsed);
        let recorded = || self.steps.iter().rev().find(|record| record.step <= step).map(|record| record.elapsed);
        evaluated.or_else(recorded)
    }
}

/// The samples of a run. A file that is no text, or is not named after a step, is none.
fn samples(run: &Path) -> Vec<Sample> {
    let entries = fs::read_dir(run::samples(run)).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut samples: Vec<Sample> = entries
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
        .filter_map(|path| {
            let step = path.file_stem()?.to_str()?.parse().ok()?;
            Some(Sample { step, text: fs::read_to_string(&path).ok()? })
        })
        .collect();
    samples.sort_by_key(|sample| sample.step);
    samples
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plans;

    #[test]
    fn what_was_not_recorded_is_empty() {
        let place = tempfile::tempdir().unwrap();
        let run = place.path().join("old");
        fs::create_dir_all(run.join("samples")).unwrap();
        assert!(matches!(History::read(&run), Err(Error::NoRun { .. })));

        let config = RunConfig {
            recipe: crate::recipe::Recipe::named("lecture").unwrap(),
            seed: 1,
            device: "cpu".into(),
            dataset: "tale".into(),
            shards: "shards".into(),
            corpus: 3,
            init_from: None,
            plans: Plans::default(),
            repeats: None,
        };
        fs::write(run.join("config.json"), serde_json::to_string(&config).unwrap()).unwrap();
        fs::write(run.join("times.jsonl"), r#"{"step":10,"elapsed":2.5,"speed":4.0}"#).unwrap();
        for (name, bytes) in [("00000020.txt", &b"later"[..]), ("00000010.txt", b"early"), ("notes.txt", b"mine")] {
            fs::write(run.join("samples").join(name), bytes).unwrap();
        }
        let history = History::read(&run).unwrap();
        assert_eq!((history.name.as_str(), history.config.as_ref()), ("old", Some(&config)));
        assert!(history.steps.is_empty() && history.metrics.is_empty() && history.best.is_none());
        assert!(history.progress.is_empty());
        let samples: Vec<_> = history.samples.iter().map(|sample| (sample.step, sample.text.as_str())).collect();
        assert_eq!(samples, [(10, "early"), (20, "later")]);
        assert_eq!((history.seconds_at(10), history.seconds_at(20)), (Some(2.5), None));
    }
}
