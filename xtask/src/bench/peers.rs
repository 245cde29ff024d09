//! The scripts in `xtask/peers`, run by the Python that the user names.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use clap::Args;

use crate::project::Project;

#[derive(Args)]
pub struct Peers {
    /// A Python with the packages of xtask/peers/requirements.txt, to measure the peers in the same run.
    #[arg(long, value_name = "PYTHON")]
    peers: Option<PathBuf>,
}

impl Peers {
    /// The Python, if one is named. Fails if it does not exist.
    pub fn python(&self) -> Result<Option<&Path>> {
        match &self.peers {
            // A bare name is looked for on the path, when it is started.
            Some(python) if python.components().count() > 1 && !python.exists() => {
                bail!("{} is not there; xtask/peers/README.md says how to make one", python.display())
            }
            peers => Ok(peers.as_deref()),
        }
    }
}

/// A script of `xtask/peers`, ready for its arguments.
pub fn script(project: &Project, python: &Path, name: &str) -> Command {
    let mut command = Command::new(python);
    command.arg(project.root.join("xtask/peers").join(name));
    command
}
