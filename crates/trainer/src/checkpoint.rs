//! A checkpoint: a folder with the model as others read it, and beside it what training needs to go on as if nothing had
//! happened.
//!
//! ```text
//! card.json  model.safetensors          the model to use (averaged weights where the recipe has them)
//! training.json  training.safetensors   the position, and the optimiser's memories, last weights, averages, states
//! ```

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use lstm::CharLstm;
use model_card::{CARD_FILE, ModelCard, WEIGHTS_FILE};
use serde::{Deserialize, Serialize};

use crate::run::Metrics;
use crate::training::Progress;
use crate::{Error, Result};

/// Where training is, beside the tensors.
const POSITION_FILE: &str = "training.json";
/// The tensors that the next step hangs on.
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
}

/// The evaluation with the lowest validation loss (the lowest training loss where nothing is held out).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Steps at that evaluation, which name its checkpoint.
    pub step: usize,
    /// The loss, in nats a character.
    pub loss: f64,
    /// Evaluations since then.
    pub waited: usize,
}

impl Position {
    /// A position of this version's form.
    pub fn new(progress: Progress, best: Option<Best>, metrics: Option<Metrics>) -> Self {
        Self { format_version: FORMAT_VERSION, progress, best, metrics }
    }
}

/// Writes a checkpoint into `folder` under its number of steps, whole or not at all; returns its path. One that is there
/// already is the same one.
pub fn write(
    folder: &Path,
    model: &CharLstm,
    card: &ModelCard,
    position: &Position,
    tensors: Vec<(String, Tensor)>,
) -> Result<PathBuf> {
    let path = folder.join(name(position.progress.step));
    if path.exists() {
        return Ok(path);
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
    write_whole(&path, fill).map_err(|source| Error::Write { path: path.clone(), source })?;
    Ok(path)
}

/// A checkpoint's name: its steps, so that names sort by age.
pub fn name(step: usize) -> String {
    format!("{step:08}")
}

/// Removes all checkpoints but the last `keep` and the best one.
pub fn remove_old(folder: &Path, keep: usize, best: Option<usize>) -> Result<()> {
    let names = names(folder)?;
    let best = best.map(name);
    for old in names.iter().rev().skip(keep).filter(|name| Some(*name) != best.as_ref()) {
        let path = folder.join(old);
        fs::remove_dir_all(&path).map_err(|source| Error::Write { path, source })?;
    }
    Ok(())
}

/// Removes what a killed trainer was in the middle of writing.
pub fn remove_unfinished(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(|source| Error::Read { path: folder.into(), source })?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_dir_all(entry.path()).map_err(|source| Error::Write { path: entry.path(), source })?;
        }
    }
    Ok(())
}

/// The last checkpoint of a folder.
pub fn last(folder: &Path) -> Result<Option<PathBuf>> {
    Ok(names(folder)?.pop().map(|name| folder.join(name)))
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).map_err(|source| Error::Read { path: folder.into(), source })?;
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .collect();
    names.sort();
    Ok(names)
}

/// The model of a checkpoint, and its card.
pub fn model(path: &Path, device: &Device) -> Result<(CharLstm, ModelCard)> {
    let file = path.join(CARD_FILE);
    let card = fs::read_to_string(&file).map_err(|source| Error::Read { path: file.clone(), source })?;
    let card = ModelCard::from_json(&card).map_err(|error| damaged(&file, &error))?;
    let file = path.join(WEIGHTS_FILE);
    let network = CharLstm::load(tensors(&file)?, &card.size, device).map_err(|error| damaged(&file, &error))?;
    Ok((network, card))
}

/// Where a checkpoint's training was, and the tensors by name.
pub fn position(path: &Path) -> Result<(Position, HashMap<String, Tensor>)> {
    #[derive(Deserialize)]
    struct Version {
        format_version: u32,
    }
    let file = path.join(POSITION_FILE);
    let text = fs::read_to_string(&file).map_err(|source| Error::Read { path: file.clone(), source })?;
    let Version { format_version: found } = serde_json::from_str(&text).map_err(|error| damaged(&file, &error))?;
    if found > FORMAT_VERSION {
        return Err(Error::NewerCheckpoint { path: path.into(), found, supported: FORMAT_VERSION });
    }
    let position = serde_json::from_str(&text).map_err(|error| damaged(&file, &error))?;
    Ok((position, tensors(&path.join(TENSORS_FILE))?))
}

fn tensors(file: &Path) -> Result<HashMap<String, Tensor>> {
    if !file.exists() {
        let source = io::ErrorKind::NotFound.into();
        return Err(Error::Read { path: file.into(), source });
    }
    candle_core::safetensors::load(file, &Device::Cpu).map_err(|error| damaged(file, &error))
}

fn damaged(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::DamagedCheckpoint { path: path.into(), message: error.to_string() }
}

/// How the name of a folder starts that is being written.
const UNFINISHED: &str = ".writing-";

/// Makes a folder of what `fill` writes into it: beside its place, then renamed, so that it exists with all its files or
/// not at all.
pub fn write_whole(path: &Path, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    // Readable as any new folder is, where a temporary one would be its owner's alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    let writing = builder.tempdir_in(parent)?;
    fill(writing.path())?;
    for entry in fs::read_dir(writing.path())? {
        File::open(entry?.path())?.sync_all()?;
    }
    fs::rename(writing.path(), path)?;
    // Renamed: there is nothing left to remove.
    let _ = writing.keep();
    Ok(())
}
