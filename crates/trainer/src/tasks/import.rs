//! A network that PyTorch trained, as a checkpoint.

use std::path::{Path, PathBuf};

use corpus::Corpus;
use model_card::{Context, ModelCard};

use crate::import::{Description, import as import_file, import_into};
use crate::{Error, Result, runs};

/// What to import, and where to.
#[derive(Debug, Clone)]
pub struct ImportConfig {
    /// The safetensors file of a module with the fields `embedding`, `lstm` and `output`.
    pub file: PathBuf,
    /// Where the checkpoint is made.
    pub target: ImportTarget,
    /// The shards that the module was trained on, for its vocabulary. If `None`, a `card.json` beside the file is read.
    pub shards: Option<PathBuf>,
    /// Characters of the windows that it was trained on; `None` if it carries its state. Used with `shards` alone.
    pub window: Option<usize>,
}

/// A folder that does not exist yet.
#[derive(Debug, Clone)]
pub enum ImportTarget {
    /// The folder of the checkpoint.
    Checkpoint(PathBuf),
    /// The folder of a run with the checkpoint as its only one.
    Run(PathBuf),
}

/// Makes the checkpoint; returns its card. Nothing is made if anything is wrong with the file.
///
/// # Errors
/// [`Error::Import`] says what does not fit; [`Error::OutOfRange`] refuses a window of no characters.
pub fn import(config: &ImportConfig) -> Result<ModelCard> {
    if config.window == Some(0) {
        return Err(Error::OutOfRange { what: "the length of a window", value: 0.0, range: "at least 1" });
    }
    let description = if let Some(shards) = &config.shards {
        let corpus = Corpus::open(shards)?;
        let context = config.window.map_or(Context::Stateful, |length| Context::Window { length });
        Description::of_corpus(&corpus, context)
    } else {
        let beside = Description::beside(&config.file)?;
        beside.ok_or_else(|| Error::NoVocabulary { path: config.file.clone() })?
    };
    Ok(match &config.target {
        ImportTarget::Checkpoint(folder) => import_file(&config.file, description, folder)?,
        ImportTarget::Run(run) => {
            import_into(&config.file, description, run, &runs::imported_checkpoint(Path::new("")))?
        }
    })
}
