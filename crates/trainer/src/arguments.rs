//! The command line: raw arguments, and the configurations that they become.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use corpus::Split;

use crate::device::DeviceName;
use crate::recipe::Recipe;
use crate::{Error, Protocol, Result, dynamic};

/// The recipe where none is named.
pub const DEFAULT_RECIPE: &str = "modern";

/// Train character LSTMs on prepared shards, and measure them.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a network into a run folder, or go on with a run.
    Train(TrainArguments),
    /// Measure a checkpoint on a split of a text.
    Evaluate(EvaluateArguments),
    /// Say how much of what a model writes stands word for word in the text that it was trained on.
    Novelty(NoveltyArguments),
    /// Make a checkpoint of a network that PyTorch trained.
    Import(ImportArguments),
    /// List the recipes, or print one.
    Recipes(RecipesArguments),
}

/// Train a network into a run folder, or go on with a run.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  trainer train --shards artifacts/sea-story/shards --run artifacts/sea-story/runs/first\n  \
                  trainer train --shards S --run R --recipe lecture --epochs 60 --seed 7\n  \
                  trainer train --shards S --run R --time-budget 10m --set model.hidden=512 --set dropout.output=0.5\n  \
                  trainer train --run R --resume"
)]
pub struct TrainArguments {
    /// Folder of the shards, as `corpus prepare` wrote it; with --resume, where they are now if they were moved.
    #[arg(long, value_name = "FOLDER", required_unless_present = "resume")]
    pub shards: Option<PathBuf>,
    /// Folder of the run, made by this command.
    #[arg(long, value_name = "FOLDER")]
    pub run: PathBuf,
    /// Go on with the run where its last checkpoint is, as if it had never stopped.
    #[arg(long)]
    pub resume: bool,
    /// The recipe: what to train and how [default: modern].
    #[arg(long, value_name = "NAME")]
    pub recipe: Option<String>,
    /// A field of the recipe and its value, as in `optimizer.learning_rate=0.001`; may be given several times.
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub overrides: Vec<String>,
    /// Passes over the text, instead of the recipe's and without its time budget.
    #[arg(long, value_name = "N", conflicts_with = "time_budget")]
    pub epochs: Option<usize>,
    /// How long to train, as in 90s, 10m or 2h: the schedule is fitted to the clock.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub time_budget: Option<Duration>,
    /// A checkpoint whose weights are the first ones: sizes are its own, characters are matched one by one.
    #[arg(long, value_name = "FOLDER", conflicts_with = "resume")]
    pub init_from: Option<PathBuf>,
    /// Where the arithmetic is done.
    #[arg(long, value_enum, default_value_t = DeviceName::Auto)]
    pub device: DeviceName,
    /// Seed of the weights, the order of the text, dropout and the samples [default: 1].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Characters to print at each temperature, instead of the recipe's; 0 prints none.
    #[arg(long, value_name = "N")]
    pub sample_length: Option<usize>,
    /// Print one JSON object at the end on stdout; the samples go to files only.
    #[arg(long)]
    pub json: bool,
}

/// Measure a checkpoint on a split of a text.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  trainer evaluate --checkpoint R/checkpoints/00000310 --shards S\n  \
                        trainer evaluate --checkpoint C --shards S --split test --protocol windows --length 256\n  \
                        trainer evaluate --checkpoint C --shards S --protocol dynamic --json")]
pub struct EvaluateArguments {
    /// Folder of the checkpoint.
    #[arg(long, value_name = "FOLDER")]
    pub checkpoint: PathBuf,
    /// Folder of the shards.
    #[arg(long, value_name = "FOLDER")]
    pub shards: PathBuf,
    /// The part of the text to measure on; all parts when not given.
    #[arg(long, value_enum)]
    pub split: Option<SplitName>,
    /// How to measure.
    #[arg(long, value_enum, default_value_t = ProtocolName::Carried)]
    pub protocol: ProtocolName,
    /// Characters in a window [default: 256 for windows, 40 for lecture], or in a segment of the dynamic way [default: 50].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub length: Option<u32>,
    /// How fast the network adapts in the dynamic way.
    #[arg(long, value_name = "RATE", default_value_t = dynamic::Settings::default().learning_rate)]
    pub dynamic_rate: f64,
    /// The share of the way back to the trained weights that each segment takes in the dynamic way.
    #[arg(long, value_name = "SHARE", default_value_t = dynamic::Settings::default().decay)]
    pub dynamic_decay: f64,
    /// Where the arithmetic is done.
    #[arg(long, value_enum, default_value_t = DeviceName::Auto)]
    pub device: DeviceName,
    /// Print one JSON object a split.
    #[arg(long)]
    pub json: bool,
}

/// Say how much of what a model writes stands word for word in the text that it was trained on.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  trainer novelty --checkpoint R/checkpoints/00000310 --shards S\n  \
                        trainer novelty --text sample.txt --shards S --json")]
pub struct NoveltyArguments {
    /// Folder of the shards that were trained on.
    #[arg(long, value_name = "FOLDER")]
    pub shards: PathBuf,
    /// Folder of the checkpoint to sample.
    #[arg(long, value_name = "FOLDER", required_unless_present = "text")]
    pub checkpoint: Option<PathBuf>,
    /// A text to measure in place of a sample.
    #[arg(long, value_name = "FILE", conflicts_with = "checkpoint")]
    pub text: Option<PathBuf>,
    /// Characters to sample.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub length: usize,
    /// Temperature to sample at.
    #[arg(long, value_name = "T", default_value_t = 1.0)]
    pub temperature: f32,
    /// Seed of the sample.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Make a checkpoint of a network that PyTorch trained.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  trainer import module.safetensors --output C          with card.json beside the file\n  \
                        trainer import module.safetensors --shards S --output C"
)]
pub struct ImportArguments {
    /// The safetensors file of a module with the fields embedding, lstm and output.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Folder of the checkpoint, made by this command.
    #[arg(long, value_name = "FOLDER")]
    pub output: PathBuf,
    /// The shards that it was trained on, for its vocabulary; where not given, a card.json beside the file is read.
    #[arg(long, value_name = "FOLDER")]
    pub shards: Option<PathBuf>,
    /// Characters of the windows that it was trained on; where not given, it carries its state.
    #[arg(long, value_name = "N", requires = "shards", value_parser = clap::value_parser!(u32).range(1..))]
    pub window: Option<u32>,
}

/// List the recipes, or print one.
#[derive(Debug, Args)]
pub struct RecipesArguments {
    /// The recipe to print as TOML, all fields filled in.
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// A field and its value, to see what they make of the recipe.
    #[arg(long = "set", value_name = "FIELD=VALUE", requires = "name")]
    pub overrides: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// A part of a text, as the user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SplitName {
    /// What is trained on.
    Train,
    /// What is measured during training.
    Validation,
    /// What is measured at the end.
    Test,
}

impl From<SplitName> for Split {
    fn from(name: SplitName) -> Self {
        match name {
            SplitName::Train => Self::Train,
            SplitName::Validation => Self::Validation,
            SplitName::Test => Self::Test,
        }
    }
}

/// A way to measure, as the user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProtocolName {
    /// One state carried over the whole text.
    Carried,
    /// The same in 64 streams side by side, each warmed up on the 512 characters before it: what training reports.
    Streams,
    /// Windows side by side from zero states, every character counted (nanoGPT's way).
    Windows,
    /// A window every three characters, the one character after it counted (the lecture's way).
    Lecture,
    /// One carried state, and weights that go on learning from what they were measured on.
    Dynamic,
}

/// What a training does, every field checked.
#[derive(Debug)]
pub enum TrainConfig {
    /// A new run.
    New(Box<NewRun>),
    /// An old one.
    Resume(Box<Resume>),
}

/// A new run.
#[derive(Debug)]
pub struct NewRun {
    /// Folder of the shards.
    pub shards: PathBuf,
    /// Folder of the run.
    pub run: PathBuf,
    /// What to train and how.
    pub recipe: Recipe,
    /// Where.
    pub device: DeviceName,
    /// The seed.
    pub seed: u64,
    /// Where the first weights come from, if not from the seed.
    pub init_from: Option<PathBuf>,
    /// Whether a program reads stdout.
    pub json: bool,
}

/// A run to go on with, and what was said of it: it has to be what the run has.
#[derive(Debug)]
pub struct Resume {
    /// Folder of the run.
    pub run: PathBuf,
    /// Folder of the shards, if they were moved.
    pub shards: Option<PathBuf>,
    /// The recipe, if one was given.
    pub recipe: Option<Recipe>,
    /// The seed, if one was given.
    pub seed: Option<u64>,
    /// Where.
    pub device: DeviceName,
    /// Whether a program reads stdout.
    pub json: bool,
}

impl TryFrom<TrainArguments> for TrainConfig {
    type Error = Error;

    fn try_from(arguments: TrainArguments) -> Result<Self> {
        let TrainArguments { shards, run, resume, recipe, overrides, epochs, time_budget, init_from, .. } = arguments;
        let TrainArguments { device, seed, sample_length, json, .. } = arguments;
        let changed = !overrides.is_empty() || epochs.is_some() || time_budget.is_some() || sample_length.is_some();
        let named = recipe.is_some() || changed;
        let epochs = epochs.map(|epochs| [format!("epochs={epochs}"), "minutes=0".into()]);
        let minutes = time_budget.map(|budget| format!("minutes={:?}", budget.as_secs_f64() / 60.0));
        let overrides: Vec<String> = overrides.into_iter().chain(epochs.into_iter().flatten()).chain(minutes).collect();
        let mut recipe = Recipe::with_overrides(recipe.as_deref().unwrap_or(DEFAULT_RECIPE), &overrides)?;
        recipe.samples.length = sample_length.unwrap_or(recipe.samples.length);
        match (resume, shards) {
            (false, Some(shards)) => {
                let seed = seed.unwrap_or(1);
                Ok(Self::New(Box::new(NewRun { shards, run, recipe, device, seed, init_from, json })))
            }
            (_, shards) => {
                let recipe = named.then_some(recipe);
                Ok(Self::Resume(Box::new(Resume { run, shards, recipe, seed, device, json })))
            }
        }
    }
}

impl EvaluateArguments {
    /// The way to measure that they name.
    pub fn protocol(&self) -> Protocol {
        let length = |default: usize| self.length.map_or(default, |length| length as usize);
        match self.protocol {
            ProtocolName::Carried => Protocol::Carried,
            ProtocolName::Streams => Protocol::Streams(crate::evaluation::STREAMS),
            ProtocolName::Windows => Protocol::Windows(length(256)),
            ProtocolName::Lecture => Protocol::Last { length: length(40), step: 3 },
            ProtocolName::Dynamic => {
                let defaults = dynamic::Settings::default();
                Protocol::Dynamic(dynamic::Settings {
                    segment: length(defaults.segment),
                    learning_rate: self.dynamic_rate,
                    decay: self.dynamic_decay,
                })
            }
        }
    }
}

/// `90s`, `10m`, `2h`, or seconds.
fn time(text: &str) -> std::result::Result<Duration, String> {
    let (number, unit) = match text.char_indices().last() {
        Some((end, 's')) => (&text[..end], 1.0),
        Some((end, 'm')) => (&text[..end], 60.0),
        Some((end, 'h')) => (&text[..end], 3600.0),
        _ => (text, 1.0),
    };
    match number.trim().parse::<f64>() {
        Ok(number) if number > 0.0 && number < 1e7 => Ok(Duration::from_secs_f64(number * unit)),
        _ => Err(format!("{text:?} is no time: write 90s, 10m or 2h")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units() {
        for (text, seconds) in [("90s", 90.0), ("10m", 600.0), ("1.5h", 5400.0), ("20", 20.0)] {
            assert_eq!(time(text), Ok(Duration::from_secs_f64(seconds)));
        }
        for text in ["", "m", "-3s", "0s", "soon", "1d", "NaN"] {
            assert!(time(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_command_line_holds_together() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
