//! The runs of a dataset: a name for a new one, and the checkpoint of an old one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::project::Project;

pub fn folder(project: &Project, dataset: &str) -> PathBuf {
    project.dataset(dataset).join("runs")
}

/// `recipe`, or the first of `recipe-2`, `recipe-3`, … that is free.
pub fn new_name(project: &Project, dataset: &str, recipe: &str) -> String {
    let runs = folder(project, dataset);
    let names = std::iter::once(recipe.to_string()).chain((2..).map(|number| format!("{recipe}-{number}")));
    let free = |name: &String| !runs.join(name).exists();
    names.into_iter().find(free).unwrap_or_else(|| recipe.into())
}

/// The run with the newest checkpoint.
pub fn latest(project: &Project, dataset: &str) -> Result<PathBuf> {
    let runs = folder(project, dataset);
    let newest = subfolders(&runs)
        .into_iter()
        .filter_map(|run| Some((fs::metadata(checkpoint(&run).ok()?).ok()?.modified().ok()?, run)))
        .max();
    match newest {
        Some((_, run)) => Ok(run),
        None => bail!("{} holds no run with a checkpoint: cargo xtask train --dataset {dataset}", runs.display()),
    }
}

/// The newest checkpoint of a run.
pub fn checkpoint(run: &Path) -> Result<PathBuf> {
    let finished = |folder: &PathBuf| folder.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.'));
    subfolders(&run.join("checkpoints"))
        .into_iter()
        .filter(finished)
        .max()
        .with_context(|| format!("{} holds no checkpoint: train it first", run.display()))
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}
