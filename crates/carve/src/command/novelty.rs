//! `carve novelty`: how much of what a model writes is copied from its training text.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use trainer::{NoveltyConfig, NoveltySource, novelty};

use super::checkpoint::Which;
use crate::output;
use crate::session::Session;

/// Measure how much of what a model writes is copied from its training text.
#[derive(Args)]
#[command(after_help = "Examples:\n  carve novelty --dataset letters\n  \
                        carve novelty --dataset letters --text sample.txt --json")]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Measure this text instead of a sample.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["run", "checkpoint"])]
    text: Option<PathBuf>,
    /// Characters to sample.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    length: usize,
    /// Sampling temperature.
    #[arg(long, value_name = "T", default_value_t = 1.0)]
    temperature: f32,
    /// Random seed of the sample.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Measures and prints.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let Arguments { which, text, length, temperature, seed, json } = arguments;
    session.artifacts.check_prepared(&which.dataset)?;
    let source = match text {
        Some(text) => NoveltySource::Text(text.clone()),
        None => NoveltySource::Checkpoint {
            checkpoint: which.checkpoint(session)?,
            length: *length,
            temperature: *temperature,
            seed: *seed,
        },
    };
    let mut progress = session.progress();
    let found = novelty(&NoveltyConfig { shards: session.artifacts.shards(&which.dataset), source }, &mut progress)?;
    progress.clear();
    output::line(&if *json { serde_json::json!(found).to_string() } else { found.to_string() })
}
