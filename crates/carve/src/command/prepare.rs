//! `carve prepare`: a text becomes shards.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use corpus::Index;
use corpus::prepare::parts::{Part, PartReport, uncounted};
use corpus::prepare::{Options, Outcome, Report};
use serde_json::{Map, Value, json};

use super::source::{Source, Text};
use crate::failure::Failure;
use crate::interrupt::Watch;
use crate::output;
use crate::progress::Progress;
use crate::session::Session;

/// Between two looks at whether the other parts have counted.
const POLL: Duration = Duration::from_secs(1);

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
                        zcat mail.gz | carve prepare - --name mail --min-count 10\n\n\
                        In parts, on one machine or on several that share a folder (docs/clusters.md has more):\n  \
                        for part in 1 2 3 4 1 2 3 4; do carve prepare huge.txt --name huge --part $part/4; done\n  \
                        carve prepare huge.txt --name huge --merge")]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Folder for the shards [default: NAME/shards in the folder for results].
    #[arg(long, short, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Print one JSON object on stdout: characters, vocabulary, windows, and more.
    #[arg(long)]
    json: bool,
    /// Prepare only part I of N, such as 3/8. The first run counts its share of the text and exits with code 7; when all
    /// parts have counted, another run writes its share of the shards. What is done is not done again. Every part needs
    /// the same inputs and options, and N is best no larger than the number of shards (see --shard-size).
    #[arg(long, value_name = "I/N", conflicts_with = "merge", help_heading = "Parts")]
    part: Option<Part>,
    /// Wait until all parts have counted, and write the shards in the same run.
    #[arg(long, requires = "part", help_heading = "Parts")]
    wait: bool,
    /// Put the shards of all parts in place, without copying them, and write the index.
    #[arg(long, help_heading = "Parts")]
    merge: bool,
}

/// Prepares, and reports.
pub fn run(session: &Session, arguments: Arguments) -> Result<()> {
    let text = arguments.source.resolve()?;
    let output = arguments.output.unwrap_or_else(|| session.artifacts.shards(&text.name));
    let (mut progress, watch) = (session.progress(), Watch::new());
    if let Some(part) = arguments.part {
        return run_part(session, &text, output, part, (arguments.wait, arguments.json), &mut progress, &watch);
    }
    let (report, options) = if arguments.merge {
        text.merge(session, output, &mut progress, &watch)?
    } else {
        text.prepare(session, output, &mut progress, &watch)?
    };
    if arguments.json { output::line(&to_json(&report, &options).to_string()) } else { Ok(()) }
}

fn run_part(
    session: &Session,
    text: &Text,
    output: PathBuf,
    part: Part,
    (wait, json): (bool, bool),
    progress: &mut Progress,
    watch: &Watch,
) -> Result<()> {
    let (mut report, options) = text.prepare_part(session, output, part, progress, watch)?;
    if let (PartReport::Counted(missing), true) = (&report, wait) {
        progress.say(&format!("part {part}: counted; waiting for {}", Part::names(missing)));
        while let missing @ 1.. = uncounted(&options, part.of()).len() {
            let counted = u64::from(part.of()) - missing as u64;
            progress.count("waiting for parts to count", counted, Some(part.of().into()));
            std::thread::sleep(POLL);
            watch.check()?;
        }
        report = super::source::run_part(&options, part, progress, watch)?;
    }
    if json {
        output::line(&part_to_json(&report, &options, part).to_string())?;
    }
    match report {
        PartReport::Counted(missing) => {
            let missing = Part::names(&missing);
            let message =
                format!("part {part}: counted; run it again, to write its shards, when {missing} have counted");
            return Err(Failure::Unfinished(message).into());
        }
        PartReport::Unchanged(index) => progress.say(&unchanged(&index.name)),
        PartReport::Written { shards, new } => {
            progress.say(&format!("part {part}: {new} of its {} shards written now", shards.len()));
            if shards.is_empty() {
                progress.say("  there are fewer shards than parts; a smaller --shard-size makes more");
            }
            for shard in &shards {
                progress.say(&format!("  shard          {}", shard.display()));
            }
        }
    }
    Ok(())
}

/// What a person wants to know of a prepared text.
///
/// The time is that of the whole work; there is none for a text that was prepared in parts.
pub fn describe(report: &Report, options: &Options, time: Option<Duration>) -> Vec<String> {
    let index = &report.index;
    let mut lines: Vec<String> = report.warnings.iter().map(|warning| format!("warning: {warning}")).collect();
    let mut say = |line: String| lines.push(line);
    say(match report.outcome {
        Outcome::Unchanged => unchanged(&index.name),
        Outcome::SameText => format!("{}: the files have changed, their text has not; the shards stay", index.name),
        Outcome::Written => {
            let rate = |time: Duration| {
                let seconds = time.as_secs_f64();
                let rate = index.inputs.bytes as f64 / 1e6 / seconds.max(1e-9);
                format!("{}: prepared in {seconds:.2} s ({rate:.0} MB/s)", index.name)
            };
            time.map_or_else(|| format!("{}: merged from its parts", index.name), rate)
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

fn unchanged(name: &str) -> String {
    format!("{name}: unchanged, nothing to do (--force prepares it again)")
}

fn part_to_json(report: &PartReport, options: &Options, part: Part) -> Value {
    let (outcome, missing, shards, new) = match report {
        PartReport::Unchanged(_) => ("unchanged", &[][..], &[][..], 0),
        PartReport::Counted(missing) => ("counted", missing.as_slice(), &[][..], 0),
        PartReport::Written { shards, new } => ("written", &[][..], shards.as_slice(), *new),
    };
    let missing: Vec<String> = missing.iter().map(Part::to_string).collect();
    json!({
        "name": options.name,
        "output": options.output,
        "part": part.to_string(),
        "outcome": outcome,
        "waits_for": missing,
        "shards": shards,
        "new_shards": new,
    })
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
