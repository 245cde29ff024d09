//! The licences of everything that a program is built from, collected by cargo-about.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::check::tools::Tool;
use crate::project::{Project, run as run_program};

const ABOUT: Tool<'static> =
    Tool { name: "cargo-about", wheel: None, package: "cargo-about", features: "cli", version: "0.9.3" };

/// Writes the licences of a package, built for `target` with its default features, to `file`.
pub fn write(project: &Project, package: &str, target: &str, file: &Path) -> Result<()> {
    let about = ABOUT.find(project).context("cargo-about, which collects the licences, cannot be installed")?;
    let mut command = Command::new(about);
    command.args(["generate", "--locked", "--offline", "--fail", "--target", target, "--config"]);
    command.args(["xtask/licences/about.toml", "xtask/licences/about.hbs", "--manifest-path"]);
    command.arg(format!("crates/{package}/Cargo.toml")).arg("--output-file").arg(file);
    run_program(command.current_dir(&project.root))
}
