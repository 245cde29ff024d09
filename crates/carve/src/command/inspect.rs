//! `carve inspect`: what is in a prepared text.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use corpus::inspect::{Inspection, inspect};
use corpus::{Corpus, INDEX_FILE};
use model_card::{Unit, Vocabulary};
use serde_json::{Value, json};

use crate::session::Session;
use crate::{names, output};

/// Show what is in a prepared text: splits, frequencies, entropy, first lines, and whether the shards are intact.
#[derive(Args)]
#[command(after_help = "Examples:\n  carve inspect sea-story\n  carve inspect letters --top 30 --json")]
pub struct Arguments {
    /// The name that the text was prepared under, or a folder of shards.
    #[arg(value_name = "NAME|FOLDER")]
    text: PathBuf,
    /// How many of the most and of the least frequent characters to show.
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Print one JSON object on stdout.
    #[arg(long)]
    json: bool,
}

/// Inspects and reports; a damaged shard ends in an error after the report.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let name = arguments.text.to_str().and_then(|name| names::text(name).ok());
    let corpus = match name {
        Some(name) if !arguments.text.join(INDEX_FILE).exists() || session.artifacts.is_prepared(&name) => {
            session.artifacts.check_prepared(&name)?;
            Corpus::open(&session.artifacts.shards(&name))?
        }
        _ => Corpus::open(&arguments.text)?,
    };
    let inspection = inspect(&corpus);
    if arguments.json {
        output::line(&to_json(&corpus, &inspection, arguments.top).to_string())?;
    } else {
        output::line(&show(&corpus, &inspection, arguments.top).join("\n"))?;
    }
    Ok(corpus.verify()?)
}

/// The report for people.
fn show(corpus: &Corpus, inspection: &Inspection, top: usize) -> Vec<String> {
    let mut report = Vec::new();
    let mut say = |line: String| report.push(line);
    let index = corpus.index();
    say(format!("{} ({:016x})", index.name, index.run));
    for (what, text) in [("source", &index.source), ("licence", &index.licence)] {
        if let Some(text) = text {
            say(format!("  {what:<14} {text}"));
        }
    }
    say(format!("  corpus length  {}", index.characters()));
    say(format!("  vocabulary     {}", index.vocabulary.len()));
    if index.documents > 0 {
        say(format!("  documents      {}", index.documents));
    }
    say(format!("  windows        {} (of {} every {})", index.window.count, index.window.length, index.window.step));
    say(format!("  entropy        {:.4} bits a token", inspection.unigram_bits));
    if let Some(bits) = inspection.context_bits {
        say(format!("  given five     {bits:.4} bits a token (over {} tokens)", inspection.context_tokens));
    }
    let counts = &inspection.counts;
    let half = top.min(counts.len());
    for (what, counts) in [("most frequent", &counts[..half]), ("least frequent", &counts[counts.len() - half..])] {
        say(what.into());
        for &(id, count) in counts {
            say(format!(
                "  {:<14} {:>12} {:>8.4} %",
                name(corpus.vocabulary(), id),
                count,
                percent(count, index.tokens)
            ));
        }
    }
    for ((split, lines), entry) in inspection.excerpts.iter().zip(&index.splits) {
        say(format!("{split}: {} tokens", entry.tokens));
        for line in lines {
            say(format!("  | {}", line.replace(char::is_control, "\u{fffd}")));
        }
    }
    say("shards".into());
    for (shard, verdict) in index.shards.iter().zip(&inspection.verdicts) {
        say(format!("  {} {} tokens: {}", shard.file, shard.count, verdict.as_deref().unwrap_or("sound")));
    }
    report
}

fn to_json(corpus: &Corpus, inspection: &Inspection, top: usize) -> Value {
    let index = corpus.index();
    let counts = |counts: &[(u32, u64)]| -> Vec<Value> {
        let entry = |&(id, count): &(u32, u64)| {
            json!({
                "id": id,
                "symbol": name(corpus.vocabulary(), id),
                "code_point": corpus.vocabulary().symbol(id),
                "count": count,
            })
        };
        counts.iter().map(entry).collect()
    };
    let half = top.min(inspection.counts.len());
    let splits: Vec<Value> = inspection
        .excerpts
        .iter()
        .zip(&index.splits)
        .map(|((split, lines), entry)| json!({ "split": split, "tokens": entry.tokens, "first_lines": lines }))
        .collect();
    let shards: Vec<Value> = index
        .shards
        .iter()
        .zip(&inspection.verdicts)
        .map(|(shard, verdict)| {
            json!({ "file": shard.file, "tokens": shard.count, "sound": verdict.is_none(), "fault": verdict })
        })
        .collect();
    json!({
        "name": index.name,
        "source": index.source,
        "licence": index.licence,
        "settings": index.settings,
        "fingerprint": format!("{:016x}", index.run),
        "characters": index.characters(),
        "tokens": index.tokens,
        "vocabulary": index.vocabulary.len(),
        "documents": index.documents,
        "unknown": index.unknown,
        "windows": index.window.count,
        "unigram_bits": inspection.unigram_bits,
        "context_bits": inspection.context_bits,
        "context_tokens": inspection.context_tokens,
        "most_frequent": counts(&inspection.counts[..half]),
        "least_frequent": counts(&inspection.counts[inspection.counts.len() - half..]),
        "splits": splits,
        "shards": shards,
        "sound": inspection.verdicts.iter().all(Option::is_none),
    })
}

/// A token as people read it: quoted, with its code point.
fn name(vocabulary: &Vocabulary, id: u32) -> String {
    let special = |token: Option<u32>| token == Some(id);
    match vocabulary.symbol(id) {
        Some(symbol) => match (vocabulary.unit(), char::from_u32(symbol)) {
            (Unit::Char, Some(character)) => format!("{character:?} U+{symbol:04X}"),
            _ => format!("byte {symbol:#04x}"),
        },
        None if special(vocabulary.boundary()) => "(boundary)".into(),
        None if special(vocabulary.unknown()) => "(unknown)".into(),
        None => format!("(id {id})"),
    }
}

fn percent(count: u64, all: u64) -> f64 {
    100.0 * count as f64 / all.max(1) as f64
}
