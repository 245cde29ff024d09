//! `carve export`: a checkpoint becomes an ONNX file.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use clap::ValueEnum;
use corpus::{Corpus, Split};
use onnx_export::{Agreement, Checkpoint, Exported, Storage};
use sampler::{Engine, Model, Scorer};
use serde_json::json;

use super::checkpoint::Which;
use crate::artifacts::check_writable;
use crate::failure::Failure;
use crate::output;
use crate::session::Session;

/// The most that int8 weights may cost, in nats per token on held-out text.
const MOST_LOST: f64 = 0.005;
/// Tokens of held-out text that the cost is measured on.
const MEASURED: usize = 100_000;
/// Attempts to open a checkpoint before a trainer removes it.
const ATTEMPTS: u32 = 20;

/// Write a run's best checkpoint as an ONNX file, checked in two engines before it is put in place.
///
/// Training puts a run's model in place as NAME/model.onnx only if it is the best so far; this command does so for any
/// run.
#[derive(Args)]
#[command(after_help = "Examples:\n  carve export --dataset letters --run modern-2\n  \
                        carve export --dataset letters --output letters.onnx\n  \
                        carve export --dataset letters --quantize int8      a quarter of the size")]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    /// The file to write [default: NAME/model.onnx in the folder for results].
    #[arg(long, short, value_name = "FILE", required_unless_present_any = ["dataset", "run"])]
    output: Option<PathBuf>,
    /// Store weights as bytes: a quarter of the size, and the same text from the same seed on every machine. The cost is
    /// measured on held-out text, and more than 0.005 nats per token are refused. Writes NAME/model-int8.onnx unless --output
    /// names a file.
    #[arg(long, value_name = "TYPE")]
    quantize: Option<Quantize>,
    /// Print one JSON object on stdout.
    #[arg(long)]
    json: bool,
}

/// Types of quantized weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Quantize {
    /// Signed bytes, with a scale for each row.
    Int8,
}

/// Exports, and says how closely the engines agree.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let Arguments { which, output, quantize, json } = arguments;
    let model = session.artifacts.model(&which.dataset);
    let model = if quantize.is_some() { model.with_file_name("model-int8.onnx") } else { model };
    let output = output.clone().unwrap_or(model);
    check_writable(output.parent().unwrap_or(Path::new("")))?;
    let (path, checkpoint) = open(which, session)?;
    let (exported, cost) = match quantize {
        None => (onnx_export::export(&checkpoint, &output)?, None),
        Some(Quantize::Int8) => {
            let (exported, cost) = quantized(session, which, &checkpoint, &output)?;
            (exported, Some(cost))
        }
    };
    let Agreement { candle_onnx, ort } = exported.agreement;
    if *json {
        let mut report = json!({
            "file": output, "checkpoint": path, "bytes": exported.bytes,
            "largest_difference": { "candle_onnx": candle_onnx, "ort": ort },
        });
        if let Some(Cost { floats, int8, tokens, .. }) = cost {
            report["quantize"] = json!({ "type": "int8", "tokens": tokens, "nats": int8, "nats_as_floats": floats });
        }
        return output::line(&report.to_string());
    }
    let mut progress = session.progress();
    progress.say(&format!("{}: {} bytes, from {}", output.display(), exported.bytes, path.display()));
    progress.say(&agreement(&exported));
    if let Some(Cost { floats, int8, tokens, split }) = cost {
        progress.say(&format!(
            "int8 costs {:.4} nats per token: {int8:.4} instead of {floats:.4} on {tokens} tokens of the {} split",
            int8 - floats,
            split.name()
        ));
    }
    Ok(())
}

/// What int8 weights cost on a text, in nats per token.
struct Cost {
    floats: f64,
    int8: f64,
    tokens: usize,
    split: Split,
}

/// Exports with int8 weights, if that costs little.
fn quantized(session: &Session, which: &Which, checkpoint: &Checkpoint, output: &Path) -> Result<(Exported, Cost)> {
    let corpus = Corpus::open(&session.artifacts.shards(&which.dataset))?;
    let held_out = [Split::Validation, Split::Test].into_iter().find_map(|split| Some((split, corpus.split(split)?)));
    let (split, text) = held_out.or_else(|| Some((Split::Train, corpus.split(Split::Train)?))).ok_or_else(|| {
        Failure::Input(format!("{} has no text to measure the cost of int8 on; prepare it again", which.dataset))
    })?;
    let tokens = text.to_vec(0..text.len().min(MEASURED));
    let (floats, _) = onnx_export::build(checkpoint, Storage::Float32)?;
    let (bytes, agreement) = onnx_export::build(checkpoint, Storage::Int8)?;
    let [floats, int8] = [&floats, &bytes].map(|bytes| nats(bytes, &tokens));
    let cost = Cost { floats: floats?, int8: int8?, tokens: tokens.len(), split };
    let lost = cost.int8 - cost.floats;
    if lost.is_nan() || lost > MOST_LOST {
        let message = format!(
            "int8 weights cost {lost:.4} nats per token on the {} split, more than {MOST_LOST}; nothing was written; export \
             without --quantize",
            split.name()
        );
        return Err(Failure::Input(message).into());
    }
    onnx_export::write(&bytes, output)?;
    Ok((Exported { bytes: bytes.len(), agreement }, cost))
}

/// The mean loss of a model on tokens, as the sampler scores them.
fn nats(model: &[u8], tokens: &[u32]) -> Result<f64> {
    let mut scorer = Scorer::new(Model::from_bytes(model, &Engine::default())?, Vec::new());
    let (mut sum, mut count) = (0.0, 0_usize);
    let mut add = |nats: f32| {
        // The first token of a text has no score.
        if !nats.is_nan() {
            (sum, count) = (sum + f64::from(nats), count + 1);
        }
    };
    scorer.push(tokens, &mut add)?;
    scorer.finish(&mut add)?;
    Ok(sum / count as f64)
}

/// Opens the checkpoint. A trainer that works on the run may remove it meanwhile, once it has a better one: then that one
/// is opened.
fn open(which: &Which, session: &Session) -> Result<(PathBuf, Checkpoint)> {
    let mut attempts = 1..ATTEMPTS;
    loop {
        let path = which.checkpoint(session)?;
        match Checkpoint::open(&path) {
            Err(_) if !path.is_dir() && attempts.next().is_some() => {}
            opened => return Ok((path, opened?)),
        }
    }
}

/// Exports a checkpoint to a file.
pub fn checkpoint_to(checkpoint: &Path, output: &Path) -> Result<Exported> {
    Ok(onnx_export::export(&Checkpoint::open(checkpoint)?, output)?)
}

/// How closely the engines agree with the trained network.
pub fn agreement(exported: &Exported) -> String {
    let Agreement { candle_onnx, ort } = exported.agreement;
    format!("checked: largest difference from the trained network: candle-onnx {candle_onnx:.1e}, ort {ort:.1e}")
}
