//! `cargo xtask evaluate`: a run's loss on the splits of a text.

use anyhow::Result;
use clap::Args;

use crate::project::{Project, WHOLE, check_name, run as run_program};
use crate::{datasets, runs};

#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask evaluate --dataset tiny-shakespeare\n  \
                        cargo xtask evaluate --dataset tiny-shakespeare --run modern-2 --split validation --json\n  \
                        cargo xtask evaluate --dataset tiny-shakespeare --protocol windows --length 256\n  \
                        cargo xtask evaluate --dataset tiny-shakespeare --protocol dynamic")]
pub struct Arguments {
    /// The dataset that was trained on.
    #[arg(long, value_name = "NAME", default_value = datasets::DEFAULT)]
    dataset: String,
    /// The run; the one with the newest checkpoint when not given.
    #[arg(long)]
    run: Option<String>,
    /// Another prepared text to measure on.
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
    /// The part of the text to measure on; all parts when not given.
    #[arg(long, value_parser = ["train", "validation", "test"])]
    split: Option<String>,
    /// How to measure: one carried state; the same in 64 streams; windows from zero states, every character counted (nanoGPT's
    /// way); the lecture's windows; or weights that go on learning.
    #[arg(long, default_value = "carried", value_parser = ["carried", "streams", "windows", "lecture", "dynamic"])]
    protocol: String,
    /// Characters in a window or segment.
    #[arg(long, value_name = "N")]
    length: Option<usize>,
    /// Print one JSON object a split.
    #[arg(long)]
    json: bool,
}

pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    let Arguments { dataset, run, on, split, protocol, length, json } = arguments;
    let on = on.as_ref().unwrap_or(dataset);
    for name in [dataset, on].into_iter().chain(run) {
        check_name(name)?;
    }
    let run = match run {
        Some(run) => runs::folder(project, dataset).join(run),
        None => runs::latest(project, dataset)?,
    };
    let checkpoint = runs::checkpoint(&run)?;
    let binaries = project.build(WHOLE, &[])?;
    let mut command = binaries.command("trainer");
    command.arg("evaluate").arg("--checkpoint").arg(checkpoint).arg("--shards").arg(project.shards(on));
    command.args(["--protocol", protocol]);
    if let Some(split) = split {
        command.args(["--split", split]);
    }
    if let Some(length) = length {
        command.args(["--length", &length.to_string()]);
    }
    if *json {
        command.arg("--json");
    }
    run_program(&mut command)
}
