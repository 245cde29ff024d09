//! `cargo xtask export`: a checkpoint becomes `artifacts/NAME/model.onnx`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use crate::datasets;
use crate::project::{Binaries, Project, WHOLE, check_name, run as run_program};
use crate::runs;

#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask export --dataset sea-story\n  \
                        cargo xtask export --dataset sea-story --run lecture-2 --output story.onnx")]
pub struct Arguments {
    /// The dataset that was trained on.
    #[arg(long, value_name = "NAME", default_value = datasets::DEFAULT)]
    dataset: String,
    /// The run; the one with the newest checkpoint when not given.
    #[arg(long)]
    run: Option<String>,
    /// The file to write; artifacts/NAME/model.onnx when not given.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print one JSON object on stdout.
    #[arg(long)]
    json: bool,
}

pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    let Arguments { dataset, run, output, json } = arguments;
    check_name(dataset)?;
    let run = match run {
        Some(run) => {
            check_name(run)?;
            runs::folder(project, dataset).join(run)
        }
        None => runs::latest(project, dataset)?,
    };
    let checkpoint = runs::checkpoint(&run)?;
    let binaries = project.build(WHOLE, &[])?;
    let output = output.clone().unwrap_or_else(|| project.dataset(dataset).join("model.onnx"));
    checkpoint_to(&binaries, &checkpoint, &output, *json)
}

/// Exports a checkpoint to a file.
pub fn checkpoint_to(binaries: &Binaries, checkpoint: &Path, output: &Path, json: bool) -> Result<()> {
    let mut command = binaries.command("onnx-export");
    command.arg(checkpoint).arg("--output").arg(output);
    if json {
        command.arg("--json");
    }
    run_program(&mut command)
}
