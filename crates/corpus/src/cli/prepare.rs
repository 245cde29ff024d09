//! `corpus prepare`.

use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::{Args, ValueEnum};
use corpus::prepare::{Options, Outcome, Progress, Report, Stage, prepare};
use corpus::{Documents, Error, Index, Shares, SplitBy, exit};
use indicatif::{ProgressBar, ProgressStyle};
use model_card::{Newlines, Normalisation, Unit};
use serde_json::{Map, Value, json};

use super::print;

/// Turn texts into shards of token ids.
///
/// Text is read twice in constant memory. A folder is walked depth first, each folder's entries in the byte order of
/// their names; ignore files inside it hold, hidden and binary files are passed over. Files that begin like gzip, zstd
/// or xz are decompressed, and so is a named zip archive of one file. What was prepared before and has not changed is
/// left as it is.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "one a flag")]
pub struct Arguments {
    /// Files, folders, or - for standard input; several become documents with a boundary between them.
    #[arg(long, short, required = true, num_args = 1.., value_name = "PATH")]
    input: Vec<PathBuf>,
    /// The folder to write the shards to.
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// A name for the corpus.
    #[arg(long, short)]
    name: String,
    /// Where the text comes from; recorded.
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// Licence of the text; recorded.
    #[arg(long, value_name = "TEXT")]
    licence: Option<String>,

    /// What one token stands for.
    #[arg(long, value_enum, default_value_t = UnitArgument::Char, help_heading = "Text")]
    unit: UnitArgument,
    /// Make every character lower case.
    #[arg(long, help_heading = "Text")]
    lowercase: bool,
    /// Drop every character outside ASCII.
    #[arg(long, help_heading = "Text")]
    ascii: bool,
    /// What becomes of CR LF and lone CR: `keep` them, or turn them into `lf`.
    #[arg(long, value_enum, default_value_t = NewlinesArgument::Keep, value_name = "HOW", help_heading = "Text")]
    newlines: NewlinesArgument,
    /// Compose characters (Unicode NFC).
    #[arg(long, help_heading = "Text")]
    nfc: bool,
    /// Leave out the header and licence around a Project Gutenberg e-text.
    #[arg(long, help_heading = "Text")]
    strip_gutenberg: bool,
    /// Put U+FFFD where the input is not UTF-8, rather than refuse it.
    #[arg(long, help_heading = "Text")]
    lossy: bool,
    /// Fold characters that occur less often into an unknown token.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Text")]
    min_count: Option<u64>,
    /// Keep at most N tokens; fold the rarest characters into an unknown token.
    #[arg(long, value_name = "N", help_heading = "Text")]
    max_vocabulary: Option<usize>,

    /// Only files of folders that match; a pattern with a slash is for the path, one without for the name. Repeatable.
    #[arg(long, value_name = "GLOB", help_heading = "Documents")]
    include: Vec<String>,
    /// Make each line a document.
    #[arg(long, conflicts_with = "joined", help_heading = "Documents")]
    lines: bool,
    /// Make all inputs one text, without boundaries.
    #[arg(long, help_heading = "Documents")]
    joined: bool,
    /// Percent for training, validation and test, such as 90/5/5.
    #[arg(long, value_name = "SHARES", default_value_t, hide_default_value = true, help_heading = "Documents")]
    split: Shares,
    /// Deal out whole documents to the splits (by their number, always alike), rather than cut the text in three.
    #[arg(long, help_heading = "Documents")]
    split_by_document: bool,

    /// Characters in a training window.
    #[arg(long, value_name = "N", default_value_t = 40, help_heading = "Windows and shards")]
    window: usize,
    /// Characters from the start of a window to the start of the next.
    #[arg(long, value_name = "N", default_value_t = 3, help_heading = "Windows and shards")]
    step: usize,
    /// Most MiB of ids in a shard.
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..1 << 40),
        help_heading = "Windows and shards")]
    shard_size: u64,

    /// Cores to use; all unless given.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Prepare again what has not changed.
    #[arg(long)]
    force: bool,
    /// Print one JSON object on standard output.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum UnitArgument {
    /// A Unicode character.
    Char,
    /// A byte.
    Byte,
}

#[derive(Clone, Copy, ValueEnum)]
enum NewlinesArgument {
    Keep,
    Lf,
}

impl From<Arguments> for Options {
    fn from(arguments: Arguments) -> Self {
        let documents = match (arguments.lines, arguments.joined) {
            (true, _) => Some(Documents::Lines),
            (_, true) => Some(Documents::Joined),
            _ => None,
        };
        Self {
            inputs: arguments.input,
            output: arguments.output,
            name: arguments.name,
            source: arguments.source,
            licence: arguments.licence,
            unit: match arguments.unit {
                UnitArgument::Char => Unit::Char,
                UnitArgument::Byte => Unit::Byte,
            },
            normalisation: Normalisation {
                newlines: match arguments.newlines {
                    NewlinesArgument::Keep => Newlines::Keep,
                    NewlinesArgument::Lf => Newlines::Lf,
                },
                nfc: arguments.nfc,
                lowercase: arguments.lowercase,
                ascii: arguments.ascii,
            },
            lossy: arguments.lossy,
            documents,
            include: arguments.include,
            strip_gutenberg: arguments.strip_gutenberg,
            min_count: arguments.min_count,
            max_vocabulary: arguments.max_vocabulary,
            split: arguments.split,
            split_by: if arguments.split_by_document { SplitBy::Document } else { SplitBy::Position },
            window: arguments.window,
            step: arguments.step,
            shard_bytes: arguments.shard_size << 20,
            threads: arguments.threads,
            force: arguments.force,
        }
    }
}

/// Prepares and reports.
pub fn run(arguments: Arguments) -> Result<(), Error> {
    let as_json = arguments.json;
    let options = Options::from(arguments);
    let cancelled = on_interrupt();
    let start = Instant::now();
    let mut bar = Bar::default();
    let report = prepare(&options, &mut |progress| bar.show(progress), &cancelled);
    bar.clear();
    let report = report?;
    show(&report, &options, start.elapsed().as_secs_f64());
    if as_json {
        print(&to_json(&report, &options).to_string());
    }
    Ok(())
}

/// A flag that Ctrl-C sets; a second Ctrl-C ends the process at once.
fn on_interrupt() -> Arc<AtomicBool> {
    let cancelled = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&cancelled);
    let handled = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            process::exit(exit::INTERRUPTED.into());
        }
    });
    if let Err(error) = handled {
        eprintln!("Ctrl-C will not be caught: {error}");
    }
    cancelled
}

/// A progress bar a stage, on standard error, and only where that is a terminal.
#[derive(Default)]
struct Bar {
    current: Option<(Stage, ProgressBar)>,
}

impl Bar {
    fn show(&mut self, progress: Progress) {
        let (_, bar) = match &mut self.current {
            Some(current) if current.0 == progress.stage => current,
            current => {
                if let Some((_, bar)) = current.take() {
                    bar.finish_and_clear();
                }
                current.insert((progress.stage, Self::bar(progress)))
            }
        };
        bar.set_position(progress.bytes);
    }

    fn bar(progress: Progress) -> ProgressBar {
        let (message, template) = match progress.stage {
            Stage::Copying => ("copying", "{msg} {bytes} {binary_bytes_per_sec}"),
            Stage::Counting => ("counting", TEMPLATE),
            Stage::Writing => ("writing", TEMPLATE),
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        progress.total.map_or_else(ProgressBar::no_length, ProgressBar::new).with_style(style).with_message(message)
    }

    fn clear(&self) {
        if let Some((_, bar)) = &self.current {
            bar.finish_and_clear();
        }
    }
}

const TEMPLATE: &str = "{msg:8} {bar:30} {bytes}/{total_bytes} {decimal_bytes_per_sec} {eta} left";

/// For people, on standard error: what is meant for programs is the JSON.
fn show(report: &Report, options: &Options, seconds: f64) {
    let index = &report.index;
    for warning in &report.warnings {
        eprintln!("warning: {warning}");
    }
    match report.outcome {
        Outcome::Unchanged => eprintln!("{}: unchanged, nothing to do (--force prepares it again)", index.name),
        Outcome::SameText => eprintln!("{}: touched, but the same text: the shards stay", index.name),
        Outcome::Written => {
            let rate = index.inputs.bytes as f64 / 1e6 / seconds.max(1e-9);
            eprintln!("{}: prepared in {seconds:.2} s ({rate:.0} MB/s)", index.name);
        }
    }
    let inputs = &index.inputs;
    eprintln!("  read           {} files, {} bytes", inputs.files, inputs.bytes);
    if inputs.skipped_binary + inputs.skipped_empty > 0 {
        eprintln!("  skipped        {} binary and {} empty files", inputs.skipped_binary, inputs.skipped_empty);
    }
    eprintln!("  corpus length  {}", index.characters());
    eprintln!("  vocabulary     {}", index.vocabulary.len());
    if index.documents > 0 {
        eprintln!("  documents      {}", index.documents);
    }
    if index.vocabulary.unknown().is_some() {
        eprintln!("  unknown        {} characters", index.unknown);
    }
    let window = index.window;
    eprintln!("  windows        {} (of {} every {})", window.count, window.length, window.step);
    if index.splits.len() > 1 {
        for entry in &index.splits {
            eprintln!("  {:<14} {} tokens", entry.split.name(), entry.tokens);
        }
    }
    for shard in &index.shards {
        let path = options.output.join(&shard.file);
        eprintln!("  shard          {} ({} tokens)", path.display(), shard.count);
    }
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
