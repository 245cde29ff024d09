//! `onnx-export CHECKPOINT --output FILE`: a checkpoint becomes an ONNX file.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use onnx_export::{Checkpoint, Error, export};

/// Write a checkpoint as a standard ONNX file, checked against candle-onnx and ort before it is put in place.
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  onnx-export artifacts/sea-story/runs/default/checkpoints/000010 \
                  --output artifacts/sea-story/model.onnx"
)]
struct Arguments {
    /// Folder of the checkpoint: model.safetensors and card.json.
    checkpoint: PathBuf,
    /// The file to write.
    #[arg(long, value_name = "FILE", default_value = "model.onnx")]
    output: PathBuf,
    /// Print one JSON object on stdout instead of a sentence on stderr.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match Checkpoint::open(&arguments.checkpoint).and_then(|checkpoint| export(&checkpoint, &arguments.output)) {
        Ok(exported) => {
            report(&arguments, &exported);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            exit_code(&error)
        }
    }
}

fn report(arguments: &Arguments, exported: &onnx_export::Exported) {
    let onnx_export::Agreement { candle_onnx, ort } = exported.agreement;
    if arguments.json {
        let report = serde_json::json!({
            "file": arguments.output, "bytes": exported.bytes,
            "largest_difference": { "candle_onnx": candle_onnx, "ort": ort },
        });
        println!("{report}");
    } else {
        eprintln!("wrote {} ({} bytes)", arguments.output.display(), exported.bytes);
        eprintln!("largest difference from the trained network: candle-onnx {candle_onnx:.1e}, ort {ort:.1e}");
    }
}

/// The workspace's codes: 4 for damaged data, 5 for what cannot be written, 1 for the rest.
fn exit_code(error: &Error) -> ExitCode {
    ExitCode::from(match error {
        Error::Read { .. } | Error::Card { .. } | Error::Checkpoint(_) | Error::NoSeedText => 4,
        Error::Write { .. } => 5,
        _ => 1,
    })
}
