//! `cargo xtask train`: from a text to text from the exported model, in one command.

use anyhow::Result;
use clap::Args;

use crate::project::{Project, check_name, run as run_program};
use crate::{datasets, export, prepare, runs};

#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask train\n  \
                        cargo xtask train --dataset treasure-island --recipe lecture --epochs 60\n  \
                        cargo xtask train --device cuda --seed 7 --run on-the-gpu")]
pub struct Arguments {
    /// A declared dataset, or a name given to `cargo xtask prepare`.
    #[arg(long, value_name = "NAME", default_value = datasets::DEFAULT)]
    dataset: String,
    /// What to train and how.
    #[arg(long, value_name = "NAME", default_value = "lecture")]
    recipe: String,
    /// Passes over the text; the default ends within five minutes on two cores for the embedded text.
    #[arg(long, value_name = "N", default_value_t = 15)]
    epochs: usize,
    /// Where the arithmetic is done; cuda and metal are built on demand.
    #[arg(long, default_value = "auto", value_parser = ["auto", "cpu", "cuda", "metal"])]
    device: String,
    /// Seed of the weights, the order of the windows and the samples.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Name of the run; the recipe's, numbered if it is taken, when not given.
    #[arg(long)]
    run: Option<String>,
    /// Characters to print at each temperature after an epoch; 0 prints none.
    #[arg(long, value_name = "N")]
    sample_length: Option<usize>,
}

pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    let Arguments { dataset, recipe, epochs, device, seed, run, sample_length } = arguments;
    check_name(dataset)?;
    let features: &[&str] = match device.as_str() {
        "cuda" => &["trainer/cuda"],
        "metal" => &["trainer/metal"],
        _ => &[],
    };
    // Together, so that everything is compiled before anything starts.
    let binaries = project.build(&["corpus", "trainer", "onnx-export", "sampler"], features)?;
    if !project.shards(dataset).join("index.json").exists() {
        prepare::dataset(project, &binaries, dataset)?;
    }

    let run = run.clone().unwrap_or_else(|| runs::new_name(project, dataset, recipe));
    check_name(&run)?;
    let run = runs::folder(project, dataset).join(run);
    let mut trainer = binaries.command("trainer");
    trainer.arg("--shards").arg(project.shards(dataset)).arg("--run").arg(&run);
    trainer.args(["--recipe", recipe, "--device", device]);
    trainer.args(["--epochs", &epochs.to_string(), "--seed", &seed.to_string()]);
    if let Some(length) = sample_length {
        trainer.args(["--sample-length", &length.to_string()]);
    }
    run_program(&mut trainer)?;

    let model = project.dataset(dataset).join("model.onnx");
    export::checkpoint_to(&binaries, &runs::checkpoint(&run)?, &model, false)?;

    let sampler = ["--length", "400", "--temperature", "0.5", "--seed", &seed.to_string()];
    eprintln!("\nscrimshaw --model {} {}\n", model.display(), sampler.join(" "));
    run_program(binaries.command("scrimshaw").arg("--model").arg(&model).args(sampler))
}
