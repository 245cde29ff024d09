//! The runs of one text: which there are, which is the newest, and which checkpoint of one is to be used.
//!
//! A folder of runs holds one folder per run. An imported network is a run that has checkpoints and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;

use crate::recipe::Recipe;
use crate::run::{self, RunConfig};
use crate::{Error, Result, checkpoint};

pub use crate::run::{best, metrics, progress, steps, times};

/// What is known of a run from its files.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The run's name.
    pub run: String,
    /// The run's folder.
    #[serde(skip)]
    pub path: PathBuf,
    /// Fingerprint of the prepared text that it was trained on: [`corpus::Index::run`].
    #[serde(skip)]
    pub preparation: Option<u64>,
    /// The recipe's name; `imported` for an imported network.
    pub recipe: String,
    /// The seed.
    pub seed: Option<u64>,
    /// Epochs so far.
    pub epoch: usize,
    /// Optimizer steps so far.
    pub step: usize,
    /// The last one, in nats per character.
    pub train_loss: Option<f64>,
    /// The lowest one, in nats per character.
    pub best_validation_loss: Option<f64>,
    /// The loss of the best checkpoint, in nats per character: on the validation split, or on the text that is trained on
    /// if nothing is held out.
    pub best_loss: Option<f64>,
    /// Characters per second since the evaluation before the last.
    pub speed: Option<f64>,
    /// Seconds of training.
    pub elapsed: Option<f64>,
    /// What the run does.
    pub state: State,
}

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A trainer works on it.
    Training,
    /// Nothing is left to train.
    Finished,
    /// It can be resumed.
    Stopped,
    /// It was trained elsewhere.
    Imported,
    /// Its `config.json` is damaged.
    Damaged,
}

impl State {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Imported => "imported",
            Self::Damaged => "damaged",
        }
    }
}

/// All runs in a folder of runs, by name. There are none if the folder does not exist.
pub fn list(runs: &Path) -> Vec<Summary> {
    let mut summaries: Vec<Summary> = folders(runs).iter().filter_map(|run| summary(run)).collect();
    summaries.sort_by(|one, other| one.run.cmp(&other.run));
    summaries
}

/// The run with the newest checkpoint, trained or imported.
///
/// # Errors
/// [`Error::NoRuns`] if no run has a checkpoint.
pub fn latest(runs: &Path) -> Result<PathBuf> {
    newest(runs, |_| true)
}

/// The run with the newest checkpoint among those that were trained here and can be resumed.
///
/// # Errors
/// [`Error::NoRuns`] if there is none.
pub fn latest_trained(runs: &Path) -> Result<PathBuf> {
    newest(runs, |run| !matches!(RunConfig::read(run), Err(Error::NoRun { .. })))
}

/// The checkpoint of a run that is to be used: the best one, or the newest if the best one is not known.
///
/// # Errors
/// [`Error::NoCheckpoint`] if there is none.
pub fn best_checkpoint(run: &Path) -> Result<PathBuf> {
    let folder = run::checkpoints(run);
    let best = best(run).map(|best| folder.join(checkpoint::name(best.step)));
    match best.filter(|path| path.is_dir()) {
        Some(best) => Ok(best),
        None => checkpoint::last(&folder).ok().flatten().ok_or_else(|| Error::NoCheckpoint { path: run.into() }),
    }
}

/// The checkpoint that a path names: a checkpoint's folder, or a run's, which stands for its best checkpoint.
///
/// # Errors
/// [`Error::NoCheckpointAt`] if it is neither.
pub fn checkpoint_at(path: &Path) -> Result<PathBuf> {
    if path.join(model_card::CARD_FILE).exists() {
        Ok(path.into())
    } else if run::checkpoints(path).is_dir() {
        best_checkpoint(path)
    } else {
        Err(Error::NoCheckpointAt { path: path.into() })
    }
}

/// Why a new run cannot have this folder, if there is something: [`Error::Busy`] if a trainer works there, otherwise
/// [`Error::RunExists`].
pub fn taken(run: &Path) -> Error {
    run::taken(run)
}

/// The folder of the checkpoint of an imported network in a run's folder.
pub(crate) fn imported_checkpoint(run: &Path) -> PathBuf {
    run::checkpoints(run).join(checkpoint::name(0))
}

fn newest(runs: &Path, counts: impl Fn(&Path) -> bool) -> Result<PathBuf> {
    let newest = folders(runs).into_iter().filter_map(|run| Some((newest_checkpoint(&run)?, run)));
    let (_, run) = newest
        .filter(|(_, run)| counts(run))
        .max_by(|(one, _), (other, _)| one.cmp(other))
        .ok_or_else(|| Error::NoRuns { path: runs.into() })?;
    Ok(run)
}

/// When the newest checkpoint of a run was written.
fn newest_checkpoint(run: &Path) -> Option<SystemTime> {
    let folders = checkpoint::all(&run::checkpoints(run)).ok()?;
    folders.iter().filter_map(|folder| fs::metadata(folder.join(model_card::CARD_FILE)).ok()?.modified().ok()).max()
}

fn summary(path: &Path) -> Option<Summary> {
    let config = RunConfig::read(path);
    let (recipe, seed) = match &config {
        Ok(config) => (config.recipe.name.clone(), Some(config.seed)),
        Err(Error::NoRun { .. }) => (newest_checkpoint(path).map(|_| "imported".to_owned())?, None),
        Err(_) => ("?".into(), None),
    };
    let metrics = metrics(path).unwrap_or_default();
    let times = times(path).unwrap_or_default();
    let elapsed = times.last().map(|times| times.elapsed);
    let state = match &config {
        _ if run::is_locked(path) => State::Training,
        Ok(config) if is_finished(path, &config.recipe) => State::Finished,
        Ok(_) => State::Stopped,
        Err(Error::NoRun { .. }) => State::Imported,
        Err(_) => State::Damaged,
    };
    Some(Summary {
        run: path.file_name()?.to_string_lossy().into_owned(),
        path: path.into(),
        preparation: config.as_ref().ok().map(|config| config.corpus),
        recipe,
        seed,
        epoch: metrics.last().map_or(0, |line| line.epoch),
        step: metrics.last().map_or(0, |line| line.step),
        train_loss: metrics.last().map(|line| line.train_loss),
        best_validation_loss: metrics.iter().filter_map(|line| line.validation_loss).min_by(f64::total_cmp),
        best_loss: best(path).map(|best| best.loss),
        speed: times.last().map(|times| times.speed),
        elapsed,
        state,
    })
}

/// Whether nothing is left to train, by the last checkpoint.
fn is_finished(run: &Path, recipe: &Recipe) -> bool {
    let last = checkpoint::last(&run::checkpoints(run)).ok().flatten();
    let position = last.and_then(|last| checkpoint::position(&last).ok());
    position.is_some_and(|position| position.is_finished(recipe))
}

/// The folders in a folder, without those that are still being written.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect()
}
