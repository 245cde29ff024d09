//! A checkpoint: a folder with the model as others read it, and beside it what training needs to resume as if it had
//! never stopped.
//!
//! ```text
//! card.json  model.safetensors          the model to use (averaged weights if the recipe averages)
//! training.json  training.safetensors   the position; optimizer state, last weights, averages, LSTM states
//! ```

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use lstm::CharLstm;
use model_card::{CARD_FILE, ModelCard, WEIGHTS_FILE};
use serde::{Deserialize, Serialize};

use crate::plan::Plans;
use crate::recipe::Recipe;
use crate::records::{Best, Metrics};
use crate::training::Progress;
use crate::{Error, Result};

/// Where training is, beside the tensors.
const POSITION_FILE: &str = "training.json";
/// The tensors that the next step depends on.
const TENSORS_FILE: &str = "training.safetensors";
/// The version of [`Position`]'s JSON form.
const FORMAT_VERSION: u32 = 1;

/// Where a training is and what it has reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Position {
    format_version: u32,
    /// Where it is.
    pub progress: Progress,
    /// The best evaluation so far.
    pub best: Option<Best>,
    /// The last evaluation's line in the metrics.
    pub metrics: Option<Metrics>,
    /// The plans of the time budget: all up to here, and the later ones too if the run repeats another.
    #[serde(default, skip_serializing_if = "Plans::is_empty")]
    pub plans: Plans,
}

impl Position {
    /// A position in this version's form.
    pub fn new(progress: Progress, best: Option<Best>, metrics: Option<Metrics>) -> Self {
        Self { format_version: FORMAT_VERSION, progress, best, metrics, plans: Plans::default() }
    }

    /// The same position in a run with these plans.
    #[must_use]
    pub fn with_plans(self, plans: Plans) -> Self {
        Self { plans, ..self }
    }

    /// Whether a training of this recipe has nothing left to do.
    pub fn is_finished(&self, recipe: &Recipe) -> bool {
        let over = if !self.plans.is_empty() {
            self.plans.finished(self.progress.step)
        } else if recipe.minutes > 0.0 {
            self.progress.elapsed >= 60.0 * recipe.minutes
        } else {
            self.progress.epoch > recipe.epochs
        };
        over || recipe.patience_has_ended(self.best)
    }
}

/// Writes a checkpoint into `folder` under its number of steps, whole or not at all. Returns its path, and whether it was
/// not there before: one of the same run with the same number of steps is the same.
pub fn write(
    folder: &Path,
    model: &CharLstm,
    card: &ModelCard,
    position: &Position,
    tensors: Vec<(String, Tensor)>,
) -> Result<(PathBuf, bool)> {
    let path = folder.join(name(position.progress.step));
    if path.exists() {
        return Ok((path, false));
    }
    let fill = |folder: &Path| {
        let save = |tensors: &HashMap<String, Tensor>, file: &str| {
            candle_core::safetensors::save(tensors, folder.join(file)).map_err(io::Error::other)
        };
        let weights = model.tensors().map_err(io::Error::other)?;
        save(&weights.into_iter().collect(), WEIGHTS_FILE)?;
        save(&tensors.into_iter().collect(), TENSORS_FILE)?;
        fs::write(folder.join(CARD_FILE), card.to_json())?;
        fs::write(folder.join(POSITION_FILE), serde_json::to_string_pretty(position)?)
    };
    // Not with its parents: the run's folder may have been removed meanwhile.
    durable::create_dir_in_parent(&path, fill).map_err(|source| Error::Write { path: path.clone(), source })?;
    Ok((path, true))
}

/// A checkpoint's name: its number of steps, so that names sort by age.
pub fn name(step: usize) -> String {
    format!("{step:08}")
}

/// Removes all checkpoints of a run but the last `keep` and the best one. Call it after the newest one is written.
pub fn remove_old(folder: &Path, keep: usize, best: Option<usize>) -> Result<()> {
    let best = best.map(|step| folder.join(name(step)));
    for old in all(folder)?.into_iter().rev().skip(keep).filter(|path| Some(path) != best.as_ref()) {
        durable::remove_dir(&old).map_err(|source| Error::Write { path: old, source })?;
    }
    Ok(())
}

/// The last checkpoint of a folder.
pub fn last(folder: &Path) -> Result<Option<PathBuf>> {
    Ok(all(folder)?.pop())
}

/// All checkpoints of a folder, the oldest first.
pub fn all(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|source| Error::Read { path: folder.into(), source })?;
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()))
        .collect();
    names.sort();
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// The card of a checkpoint's model.
pub fn card(checkpoint: &Path) -> Result<ModelCard> {
    let file = checkpoint.join(CARD_FILE);
    let card = fs::read_to_string(&file).map_err(|source| Error::Read { path: file.clone(), source })?;
    ModelCard::from_json(&card).map_err(|error| damaged(checkpoint, CARD_FILE, &error))
}

/// The model of a checkpoint, and its card.
pub fn model(checkpoint: &Path, device: &Device) -> Result<(CharLstm, ModelCard)> {
    let card = card(checkpoint)?;
    let weights = load(checkpoint, WEIGHTS_FILE)?;
    let network =
        CharLstm::load(weights, &card.size, device).map_err(|error| damaged(checkpoint, WEIGHTS_FILE, &error))?;
    Ok((network, card))
}

/// Where a checkpoint's training was.
pub fn position(checkpoint: &Path) -> Result<Position> {
    #[derive(Deserialize)]
    struct Version {
        format_version: u32,
    }
    let file = checkpoint.join(POSITION_FILE);
    let damaged = |error| damaged(checkpoint, POSITION_FILE, &error);
    let text = fs::read_to_string(&file).map_err(|source| Error::Read { path: file, source })?;
    let Version { format_version: found } = serde_json::from_str(&text).map_err(damaged)?;
    if found > FORMAT_VERSION {
        return Err(Error::NewerCheckpoint { path: checkpoint.into(), found, supported: FORMAT_VERSION });
    }
    let position: Position = serde_json::from_str(&text).map_err(damaged)?;
    position.plans.validate().map_err(|message| self::damaged(checkpoint, POSITION_FILE, &message))?;
    Ok(position)
}

/// The tensors that a checkpoint's training goes on with, by name.
pub fn tensors(checkpoint: &Path) -> Result<HashMap<String, Tensor>> {
    load(checkpoint, TENSORS_FILE)
}

fn load(checkpoint: &Path, file: &str) -> Result<HashMap<String, Tensor>> {
    let path = checkpoint.join(file);
    if !path.exists() {
        return Err(Error::Read { path, source: io::ErrorKind::NotFound.into() });
    }
    candle_core::safetensors::load(path, &Device::Cpu).map_err(|error| damaged(checkpoint, file, &error))
}

fn damaged(checkpoint: &Path, file: &str, error: &dyn std::fmt::Display) -> Error {
    Error::DamagedCheckpoint { checkpoint: checkpoint.into(), message: format!("{file}: {error}") }
}
