//! `cargo xtask train`: from a text to text from the exported model, in one command.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::project::{Project, WHOLE, check_name, run as run_program};
use crate::{datasets, export, prepare, runs};

#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask train\n  \
                        cargo xtask train --dataset treasure-island --recipe lecture\n  \
                        cargo xtask train --dataset letters --time-budget 30m --set model.hidden=512\n  \
                        cargo xtask train --dataset letters --resume\n  \
                        cargo xtask train --device cuda --seed 7 --run on-the-gpu")]
pub struct Arguments {
    /// A declared dataset, or a name given to `cargo xtask prepare`.
    #[arg(long, value_name = "NAME", default_value = datasets::DEFAULT)]
    dataset: String,
    /// What to train and how; `cargo xtask recipes` lists them [default: modern].
    #[arg(long, value_name = "NAME")]
    recipe: Option<String>,
    /// A field of the recipe and its value, as in `optimizer.learning_rate=0.001`; may be given several times.
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    overrides: Vec<String>,
    /// Passes over the text, instead of the recipe's.
    #[arg(long, value_name = "N", conflicts_with = "time_budget")]
    epochs: Option<usize>,
    /// How long to train, as in 90s, 10m or 2h: the schedule is fitted to the clock.
    #[arg(long, value_name = "TIME")]
    time_budget: Option<String>,
    /// Go on with a run (the newest, if --run names none) where its last checkpoint is, as if it had never stopped.
    #[arg(long)]
    resume: bool,
    /// A checkpoint's folder whose weights are the first ones: characters are matched one by one.
    #[arg(long, value_name = "FOLDER", conflicts_with = "resume")]
    init_from: Option<PathBuf>,
    /// Where the arithmetic is done; cuda and metal are built on demand.
    #[arg(long, default_value = "auto", value_parser = ["auto", "cpu", "cuda", "metal"])]
    device: String,
    /// Seed of the weights, the order of the text, dropout and the samples [default: 1].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Name of the run; the recipe's, numbered if it is taken, when not given.
    #[arg(long)]
    run: Option<String>,
    /// Characters to print at each temperature; 0 prints none.
    #[arg(long, value_name = "N")]
    sample_length: Option<usize>,
}

/// The recipe where none is named, which names the run.
const DEFAULT_RECIPE: &str = "modern";

pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    let Arguments { dataset, recipe, resume, device, seed, .. } = arguments;
    check_name(dataset)?;
    let features: &[&str] = match device.as_str() {
        "cuda" => &["trainer/cuda"],
        "metal" => &["trainer/metal"],
        _ => &[],
    };
    // Together, so that everything is compiled before anything starts.
    let binaries = project.build(WHOLE, features)?;
    if !project.shards(dataset).join("index.json").exists() {
        prepare::dataset(project, &binaries, dataset)?;
    }

    let run = match &arguments.run {
        Some(run) => {
            check_name(run)?;
            runs::folder(project, dataset).join(run)
        }
        None if *resume => runs::latest(project, dataset)?,
        None => {
            let name = recipe.as_deref().unwrap_or(DEFAULT_RECIPE);
            check_name(name)?;
            runs::folder(project, dataset).join(runs::new_name(project, dataset, name))
        }
    };
    let mut trainer = binaries.command("trainer");
    trainer.arg("train").arg("--shards").arg(project.shards(dataset)).arg("--run").arg(&run);
    trainer.args(["--device", device]).args(words(arguments));
    run_program(&mut trainer)?;

    let model = project.dataset(dataset).join("model.onnx");
    export::checkpoint_to(&binaries, &runs::checkpoint(&run)?, &model, false)?;

    let seed = seed.unwrap_or(1).to_string();
    let sampler = ["--length", "400", "--temperature", "0.5", "--seed", &seed];
    eprintln!("\nscrimshaw --model {} {}\n", model.display(), sampler.join(" "));
    run_program(binaries.command("scrimshaw").arg("--model").arg(&model).args(sampler))
}

/// The flags that go on to the trainer as they are.
fn words(arguments: &Arguments) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut flag = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            words.extend([format!("--{name}"), value]);
        }
    };
    flag("recipe", arguments.recipe.clone());
    for assignment in &arguments.overrides {
        flag("set", Some(assignment.clone()));
    }
    flag("epochs", arguments.epochs.map(|number| number.to_string()));
    flag("time-budget", arguments.time_budget.clone());
    flag("init-from", arguments.init_from.as_ref().map(|path| path.display().to_string()));
    flag("seed", arguments.seed.map(|number| number.to_string()));
    flag("sample-length", arguments.sample_length.map(|number| number.to_string()));
    if arguments.resume {
        words.push("--resume".into());
    }
    words
}
