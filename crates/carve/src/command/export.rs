//! `carve export`: a checkpoint becomes an ONNX file.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use onnx_export::{Agreement, Checkpoint, Exported};
use serde_json::json;

use super::checkpoint::Which;
use crate::artifacts::check_writable;
use crate::output;
use crate::session::Session;

/// Attempts to open a checkpoint before a trainer removes it.
const ATTEMPTS: u32 = 20;

/// Write a run's best checkpoint as an ONNX file, checked in two engines before it is put in place.
///
/// Training puts a run's model in place as NAME/model.onnx only if it is the best so far; this command does so for any
/// run.
#[derive(Args)]
#[command(after_help = "Examples:\n  carve export --dataset letters --run modern-2\n  \
                        carve export --dataset letters --output letters.onnx")]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    /// The file to write [default: NAME/model.onnx in the folder for results].
    #[arg(long, short, value_name = "FILE", required_unless_present_any = ["dataset", "run"])]
    output: Option<PathBuf>,
    /// Print one JSON object on stdout.
    #[arg(long)]
    json: bool,
}

/// Exports, and says how closely the engines agree.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let Arguments { which, output, json } = arguments;
    let output = output.clone().unwrap_or_else(|| session.artifacts.model(&which.dataset));
    check_writable(output.parent().unwrap_or(Path::new("")))?;
    let (path, checkpoint) = open(which, session)?;
    let exported = onnx_export::export(&checkpoint, &output)?;
    let Agreement { candle_onnx, ort } = exported.agreement;
    if *json {
        let report = json!({
            "file": output, "checkpoint": path, "bytes": exported.bytes,
            "largest_difference": { "candle_onnx": candle_onnx, "ort": ort },
        });
        return output::line(&report.to_string());
    }
    let mut progress = session.progress();
    progress.say(&format!("{}: {} bytes, from {}", output.display(), exported.bytes, path.display()));
    progress.say(&agreement(&exported));
    Ok(())
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
