//! `cargo xtask novelty`: how much of what a model writes is copied from its training text.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::project::{Project, WHOLE, check_name, run as run_program};
use crate::{datasets, runs};

#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask novelty --dataset tiny-shakespeare\n  \
                        cargo xtask novelty --dataset tiny-shakespeare --text sample.txt --json")]
pub struct Arguments {
    /// The dataset that was trained on.
    #[arg(long, value_name = "NAME", default_value = datasets::DEFAULT)]
    dataset: String,
    /// The run whose best checkpoint is sampled; the one with the newest checkpoint when not given.
    #[arg(long)]
    run: Option<String>,
    /// A text to measure in place of a sample.
    #[arg(long, value_name = "FILE", conflicts_with = "run")]
    text: Option<PathBuf>,
    /// Characters to sample.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    length: usize,
    /// Temperature to sample at.
    #[arg(long, value_name = "T", default_value_t = 1.0)]
    temperature: f32,
    /// Seed of the sample.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    let Arguments { dataset, run, text, length, temperature, seed, json } = arguments;
    for name in std::iter::once(dataset).chain(run) {
        check_name(name)?;
    }
    let binaries = project.build(WHOLE, &[])?;
    let mut command = binaries.command("trainer");
    command.arg("novelty").arg("--shards").arg(project.shards(dataset));
    if let Some(text) = text {
        command.arg("--text").arg(text);
    } else {
        let run = match run {
            Some(run) => runs::folder(project, dataset).join(run),
            None => runs::latest(project, dataset)?,
        };
        command.arg("--checkpoint").arg(runs::checkpoint(&run)?);
        command.args(["--length", &length.to_string(), "--temperature", &temperature.to_string()]);
        command.args(["--seed", &seed.to_string()]);
    }
    if *json {
        command.arg("--json");
    }
    run_program(&mut command)
}
