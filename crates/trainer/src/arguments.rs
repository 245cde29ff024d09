//! The command line: raw arguments, and the configuration that they become.

use std::path::PathBuf;

use clap::Parser;

use crate::device::DeviceName;
use crate::{Recipe, Result};

/// Train a character LSTM on prepared shards.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:\n  trainer --shards artifacts/sea-story/shards --run artifacts/sea-story/runs/first\n  \
                  trainer --shards artifacts/sea-story/shards --run /tmp/short --epochs 1 --seed 7"
)]
pub struct Arguments {
    /// Folder of the shards, as `corpus prepare` wrote it.
    #[arg(long, value_name = "FOLDER")]
    pub shards: PathBuf,
    /// Folder of the run, made by this command.
    #[arg(long, value_name = "FOLDER")]
    pub run: PathBuf,
    /// The recipe: what to train and how.
    #[arg(long, value_name = "NAME", default_value = "lecture")]
    pub recipe: String,
    /// Passes over the text, instead of the recipe's.
    #[arg(long, value_name = "N")]
    pub epochs: Option<usize>,
    /// Where the arithmetic is done.
    #[arg(long, value_enum, default_value_t = DeviceName::Auto)]
    pub device: DeviceName,
    /// Seed of the weights, the order of the windows and the samples.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Characters to print at each temperature after an epoch, instead of the recipe's; 0 prints none.
    #[arg(long, value_name = "N")]
    pub sample_length: Option<usize>,
    /// Print one JSON object at the end on stdout; the samples go to files only.
    #[arg(long)]
    pub json: bool,
}

/// What a training does, every field checked.
#[derive(Debug)]
pub struct Config {
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
    /// Whether a program reads stdout.
    pub json: bool,
}

impl TryFrom<Arguments> for Config {
    type Error = crate::Error;

    fn try_from(arguments: Arguments) -> Result<Self> {
        let Arguments { shards, run, recipe, epochs, device, seed, sample_length, json } = arguments;
        let mut recipe = Recipe::named(&recipe)?;
        recipe.epochs = epochs.unwrap_or(recipe.epochs);
        recipe.samples.length = sample_length.unwrap_or(recipe.samples.length);
        Ok(Self { shards, run, recipe, device, seed, json })
    }
}
