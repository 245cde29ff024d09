//! Which checkpoint a command is about: the flags that `evaluate`, `novelty` and `export` share.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use trainer::runs;

use crate::session::Session;
use crate::{datasets, names};

/// A run's best checkpoint, or any checkpoint.
#[derive(Args)]
pub struct Which {
    /// The text that was trained on.
    #[arg(long, value_name = "NAME", value_parser = names::text, default_value = datasets::DEFAULT)]
    pub dataset: String,
    /// The run, whose best checkpoint is used [default: the run with the newest checkpoint].
    #[arg(long, value_name = "NAME", value_parser = names::run)]
    pub run: Option<String>,
    /// A checkpoint's folder, instead of a run's best one.
    #[arg(long, value_name = "FOLDER", conflicts_with = "run")]
    pub checkpoint: Option<PathBuf>,
}

impl Which {
    /// The run's folder, if no checkpoint is named.
    pub fn run(&self, session: &Session) -> Result<Option<PathBuf>> {
        let folder = session.artifacts.runs(&self.dataset);
        Ok(match (&self.checkpoint, &self.run) {
            (Some(_), _) => None,
            (None, Some(run)) => Some(folder.join(run)),
            (None, None) => Some(runs::latest(&folder)?),
        })
    }

    /// The checkpoint's folder.
    pub fn checkpoint(&self, session: &Session) -> Result<PathBuf> {
        match (&self.checkpoint, self.run(session)?) {
            (None, Some(run)) => Ok(runs::best_checkpoint(&run)?),
            (checkpoint, _) => Ok(runs::checkpoint_at(checkpoint.as_deref().unwrap_or(Path::new("")))?),
        }
    }
}
