//! `cargo xtask import`: a network that PyTorch trained, as a run that can be exported, measured and sampled.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::project::{Project, WHOLE, check_name, run as run_program};
use crate::runs;

#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask import module.safetensors --dataset letters\n  \
                        cargo xtask export --dataset letters --run module\n\n\
                        docs/pytorch.md shows how such a file is written.")]
pub struct Arguments {
    /// The safetensors file of a module with the fields embedding, lstm and output.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The prepared text that it was trained on, whose vocabulary it has.
    #[arg(long, value_name = "NAME")]
    dataset: String,
    /// Name of the run; the file's, when not given.
    #[arg(long)]
    run: Option<String>,
    /// Characters of the windows that it was trained on; where not given, it carries its state.
    #[arg(long, value_name = "N")]
    window: Option<u32>,
}

pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    let Arguments { file, dataset, run, window } = arguments;
    check_name(dataset)?;
    let run = match run {
        Some(run) => run.clone(),
        None => file.file_stem().context("the file has no name")?.to_string_lossy().into_owned(),
    };
    check_name(&run).context("give the run a name with --run")?;
    let binaries = project.build(WHOLE, &[])?;
    let checkpoints = runs::folder(project, dataset).join(run).join("checkpoints");
    std::fs::create_dir_all(&checkpoints).with_context(|| format!("cannot make {}", checkpoints.display()))?;
    let mut command = binaries.command("trainer");
    command.arg("import").arg(file).arg("--output").arg(checkpoints.join("00000000"));
    command.arg("--shards").arg(project.shards(dataset));
    if let Some(window) = window {
        command.args(["--window", &window.to_string()]);
    }
    run_program(&mut command)
}
