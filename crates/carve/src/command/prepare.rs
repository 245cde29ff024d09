//! `carve prepare`: a text becomes shards.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use corpus::Index;
use corpus::prepare::{Options, Outcome, Report};
use serde_json::{Map, Value, json};

use super::source::Source;
use crate::interrupt::Watch;
use crate::output;
use crate::session::Session;

/// Turn a text into memory-mapped shards of token ids.
///
/// The text is read twice, in constant memory. A folder is walked depth first, the entries of each folder in the byte
/// order of their names; ignore files are respected, hidden and binary files are skipped. A text that was prepared before
/// and has not changed is left as it is.
#[derive(Args)]
#[command(after_help = "Examples:\n  carve prepare letters.txt diary.txt --name letters --split 90/10\n  \
                        carve prepare --dataset treasure-island\n  \
                        carve prepare ~/linux/kernel --include '*.c' --include '*.h' --split 90/5/5\n  \
                        carve prepare towns.txt --lines --split 90/10 --split-by-document\n  \
                        zcat mail.gz | carve prepare - --name mail --min-count 10")]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Folder for the shards [default: NAME/shards in the folder for results].
    #[arg(long, short, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Print one JSON object on stdout: characters, vocabulary, windows, and more.
    #[arg(long)]
    json: bool,
}

/// Prepares, and reports.
pub fn run(session: &Session, arguments: Arguments) -> Result<()> {
    let text = arguments.source.resolve()?;
    let output = arguments.output.unwrap_or_else(|| session.artifacts.shards(&text.name));
    let (report, options) = text.prepare(session, output, &mut session.progress(), &Watch::new())?;
    if arguments.json { output::line(&to_json(&report, &options).to_string()) } else { Ok(()) }
}

/// What a person wants to know of a prepared text.
pub fn describe(report: &Report, options: &Options, time: Duration) -> Vec<String> {
    let index = &report.index;
    let mut lines: Vec<String> = report.warnings.iter().map(|warning| format!("warning: {warning}")).collect();
    let mut say = |line: String| lines.push(line);
    say(match report.outcome {
        Outcome::Unchanged => format!("{}: unchanged, nothing to do (--force prepares it again)", index.name),
        Outcome::SameText => format!("{}: the files have changed, their text has not; the shards stay", index.name),
        Outcome::Written => {
            let seconds = time.as_secs_f64();
            let rate = index.inputs.bytes as f64 / 1e6 / seconds.max(1e-9);
            format!("{}: prepared in {seconds:.2} s ({rate:.0} MB/s)", index.name)
        }
    });
    let inputs = &index.inputs;
    let files = if inputs.files == 1 { "file" } else { "files" };
    say(format!("  read           {} {files}, {} bytes", inputs.files, inputs.bytes));
    if inputs.skipped_binary + inputs.skipped_empty > 0 {
        say(format!("  skipped        {} binary, {} empty", inputs.skipped_binary, inputs.skipped_empty));
    }
    say(format!("  corpus length  {}", index.characters()));
    say(format!("  vocabulary     {}", index.vocabulary.len()));
    if index.documents > 0 {
        say(format!("  documents      {}", index.documents));
    }
    if index.vocabulary.unknown().is_some() {
        say(format!("  unknown        {} characters", index.unknown));
    }
    let window = index.window;
    say(format!("  windows        {} (of {} every {})", window.count, window.length, window.step));
    if index.splits.len() > 1 {
        for entry in &index.splits {
            say(format!("  {:<14} {} tokens", entry.split.name(), entry.tokens));
        }
    }
    for shard in &index.shards {
        let path = options.output.join(&shard.file);
        say(format!("  shard          {} ({} tokens)", path.display(), shard.count));
    }
    lines
}

fn to_json(report: &Report, options: &Options) -> Value {
    let index = &report.index;
    let outcome = match report.outcome {
        Outcome::Written => "written",
        Outcome::Unchanged => "unchanged",
        Outcome::SameText => "same-text",
    };
    json!({
        "name": index.name,
        "output": options.output,
        "outcome": outcome,
        "characters": index.characters(),
        "tokens": index.tokens,
        "vocabulary": index.vocabulary.len(),
        "windows": index.window.count,
        "window": { "length": index.window.length, "step": index.window.step },
        "documents": index.documents,
        "unknown": index.unknown,
        "splits": splits(index),
        "shards": index.shards,
        "files": index.inputs.files,
        "bytes": index.inputs.bytes,
        "skipped_binary": index.inputs.skipped_binary,
        "skipped_empty": index.inputs.skipped_empty,
        "fingerprint": format!("{:016x}", index.run),
        "warnings": report.warnings,
    })
}

fn splits(index: &Index) -> Map<String, Value> {
    index.splits.iter().map(|entry| (entry.split.name().into(), entry.tokens.into())).collect()
}
