//! `cargo xtask check`: format, spelling, dependencies, lints, documentation, other processors and fuzz targets; the cheapest
//! first.

mod compiler;
mod features;
mod firewall;
mod targets;
pub mod tools;
mod workspace;

use std::time::Instant;

use anyhow::Result;
use clap::Args;

use crate::fuzz;
use crate::project::{Project, run as run_program};
use crate::skips::Skips;

#[derive(Args)]
#[command(after_help = "\
Programs that check (typos, cargo-deny, cargo-shear) are installed into target/tools, in the versions that CI uses. What
cannot be installed or built here is skipped, and the end of the output lists it; SCRIMSHAW_STRICT=1 makes that a failure.

Examples:
  cargo xtask check
  cargo xtask check --fast")]
pub struct Arguments {
    /// Only what takes seconds: format, spelling and dependencies.
    #[arg(long)]
    fast: bool,
}

/// A name, and a check that passes, fails, or says what it skips.
type Step = (&'static str, fn(&Project, &mut Skips) -> Result<()>);

/// What compiles nothing.
const FAST: &[Step] = &[
    ("format", format),
    ("spelling", |project, skips| tools::TYPOS.check(project, skips, &[])),
    ("unused dependencies", |project, skips| tools::SHEAR.check(project, skips, &["--locked", "--deny-warnings"])),
    ("who knows whom", |project, _| firewall::check(project)),
    ("licences and sources", |project, skips| {
        tools::DENY.check(project, skips, &["--locked", "check", "bans", "licenses", "sources"])
    }),
    ("advisories", tools::advisories),
    ("oldest compiler", compiler::check),
];

/// What compiles the workspace.
const COMPILED: &[Step] = &[
    ("lints", features::lint),
    ("documentation", document),
    ("other processors", targets::test),
    ("fuzz targets", fuzz::check),
];

pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    let mut skips = Skips::default();
    let compiled = if arguments.fast { &[] } else { COMPILED };
    for (name, check) in FAST.iter().chain(compiled) {
        let start = Instant::now();
        eprintln!("checking {name}");
        check(project, &mut skips)?;
        eprintln!("checked {name} in {:.1} s", start.elapsed().as_secs_f64());
    }
    skips.close()?;
    eprintln!("everything that was checked is as it should be");
    Ok(())
}

/// The fuzz targets are a workspace of their own.
fn format(project: &Project, _: &mut Skips) -> Result<()> {
    run_program(project.cargo()?.args(["fmt", "--all", "--check"]))?;
    run_program(project.cargo()?.args(["fmt", "--check", "--manifest-path", "tests/fuzz/Cargo.toml"]))
}

fn document(project: &Project, _: &mut Skips) -> Result<()> {
    let words = ["doc", "--locked", "--workspace", "--no-deps"];
    run_program(project.cargo()?.args(words).env("RUSTDOCFLAGS", "-D warnings"))
}
