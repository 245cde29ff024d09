//! `cargo xtask inspect`: what is in the shards.

use anyhow::Result;
use clap::Args;

use crate::datasets::Unavailable;
use crate::project::{Project, check_name, run as run_program};

#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask inspect sea-story\n  cargo xtask inspect letters --json")]
pub struct Arguments {
    /// A name that something was prepared under.
    name: String,
    /// How many of the most and of the least frequent characters to show.
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// Print one JSON object on stdout.
    #[arg(long)]
    json: bool,
}

pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    let Arguments { name, top, json } = arguments;
    check_name(name)?;
    let shards = project.shards(name);
    if !shards.join("index.json").exists() {
        return Err(Unavailable(format!(
            "nothing is prepared under the name {name}: cargo xtask prepare --dataset {name}, or --input PATH --name {name}"
        ))
        .into());
    }
    let binaries = project.build(&["corpus"], &[])?;
    let mut command = binaries.command("corpus");
    command.arg("inspect").arg(shards);
    if let Some(top) = top {
        command.args(["--top", &top.to_string()]);
    }
    if *json {
        command.arg("--json");
    }
    run_program(&mut command)
}
