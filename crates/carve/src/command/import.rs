//! `carve import`: a network that PyTorch trained becomes a run.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use model_card::CARD_FILE;
use serde_json::json;
use trainer::{ImportConfig, ImportTarget, import};

use crate::artifacts::check_writable;
use crate::failure::Failure;
use crate::session::Session;
use crate::{names, output};

/// Make a run of a network that PyTorch trained, to export, measure and sample.
#[derive(Args)]
#[command(after_help = "Examples:\n  carve import module.safetensors --dataset letters\n  \
                        carve export --dataset letters --run module\n\n\
                        docs/pytorch.md shows how such a file is written.")]
pub struct Arguments {
    /// The safetensors file of a module with the fields embedding, lstm and output.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The prepared text that it was trained on, whose vocabulary it has. A card.json beside the file is read where no
    /// such text is prepared.
    #[arg(long, value_name = "NAME", value_parser = names::text)]
    dataset: String,
    /// Name for the run [default: the file's].
    #[arg(long, value_name = "NAME", value_parser = names::run)]
    run: Option<String>,
    /// Characters per window that it was trained on [default: none, it carries its state].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    window: Option<u32>,
    /// Print one JSON object on stdout.
    #[arg(long)]
    json: bool,
}

/// Imports.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let Arguments { file, dataset, run, window, json } = arguments;
    let unnamed = || Failure::Usage(format!("{} gives the run no usable name: use --run NAME", file.display()));
    let run = match run {
        Some(run) => run.clone(),
        None => names::of_path(file).and_then(|name| names::run(&name).ok()).ok_or_else(unnamed)?,
    };
    let is_prepared = session.artifacts.is_prepared(dataset);
    if !is_prepared && !file.with_file_name(CARD_FILE).exists() {
        session.artifacts.check_prepared(dataset)?;
    }
    let folder = session.artifacts.runs(dataset).join(run);
    check_writable(&folder)?;
    let config = ImportConfig {
        file: file.clone(),
        target: ImportTarget::Run(folder.clone()),
        shards: is_prepared.then(|| session.artifacts.shards(dataset)),
        window: window.map(|window| window as usize),
    };
    let card = import(&config)?;
    let (parameters, vocabulary) = (card.size.parameters(), card.vocabulary.len());
    if *json {
        return output::line(&json!({ "run": folder, "parameters": parameters, "vocabulary": vocabulary }).to_string());
    }
    session.progress().say(&format!("{}: {parameters} parameters, vocabulary {vocabulary}", folder.display()));
    Ok(())
}
