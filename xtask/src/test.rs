//! `cargo xtask test`: every test of the workspace.

use anyhow::Result;
use clap::Args;

use crate::project::{Project, run as run_program};

#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask test\n  cargo xtask test -- --package corpus shard")]
pub struct Arguments {
    /// Passed on to `cargo test`.
    #[arg(last = true)]
    rest: Vec<String>,
}

pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    // The end-to-end tests run the real programs of the same profile: build them first. With all targets, so that both
    // commands agree on every dependency's features and nothing is built twice.
    run_program(project.cargo()?.args(["build", "--workspace", "--all-targets"]))?;
    let scope: &[String] = if arguments.rest.is_empty() { &["--workspace".into()] } else { &arguments.rest };
    run_program(project.cargo()?.arg("test").args(scope))
}
