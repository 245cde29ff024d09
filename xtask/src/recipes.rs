//! `cargo xtask recipes`: what `cargo xtask train --recipe` can be told.

use anyhow::Result;
use clap::Args;

use crate::project::{Project, WHOLE, run as run_program};

#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask recipes\n  cargo xtask recipes modern\n  \
                        cargo xtask recipes modern --set model.hidden=512")]
pub struct Arguments {
    /// What `trainer recipes` is told.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "NAME")]
    words: Vec<String>,
}

pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    let binaries = project.build(WHOLE, &[])?;
    run_program(binaries.command("trainer").arg("recipes").args(&arguments.words))
}
