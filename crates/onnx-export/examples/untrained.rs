//! Writes an ONNX file of an untrained network, to measure what a trained one of the same size costs to run.
//!
//!     cargo run --release -p onnx-export --example untrained -- 2 512 2x512.onnx
//!     cargo run --release -p onnx-export --example untrained -- 2 512 2x512-int8.onnx int8

use std::path::PathBuf;

use anyhow::{Context, Result};
use candle_core::Device;
use lstm::CharLstm;
use model_card::{Context as Seen, FORMAT_VERSION, InputEncoding, ModelCard, ModelSize, Provenance, Unit, Vocabulary};
use onnx_export::{Checkpoint, Storage, build, write};

/// The 65 characters of a play: letters, a line end, a space and punctuation.
const CHARACTERS: &str = "\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (layers, hidden, output, storage) = match &*arguments {
        [layers, hidden, output] => (layers, hidden, output, Storage::Float32),
        [layers, hidden, output, int8] if int8 == "int8" => (layers, hidden, output, Storage::Int8),
        _ => anyhow::bail!("usage: untrained LAYERS HIDDEN FILE [int8]"),
    };
    let (layers, hidden) =
        (layers.parse().context("LAYERS must be a number")?, hidden.parse().context("HIDDEN must be a number")?);
    let vocabulary = Vocabulary::from_text(Unit::Char, CHARACTERS);
    let size = ModelSize { vocabulary: vocabulary.len(), hidden, layers, input: InputEncoding::OneHot };
    let tensors = CharLstm::init(&size, 1, &Device::Cpu)?.tensors()?.into_iter().collect();
    let card = ModelCard {
        format_version: FORMAT_VERSION,
        vocabulary,
        normalisation: model_card::Normalisation::default(),
        size,
        context: Seen::Stateful,
        seed_text: "A text to start from".into(),
        provenance: Provenance { dataset: "none".into(), recipe: "none".into(), ..Provenance::default() },
    };
    let (bytes, _) = build(&Checkpoint { tensors, card }, storage)?;
    Ok(write(&bytes, &PathBuf::from(output))?)
}
