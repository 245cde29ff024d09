//! `carve neurons`: the cells that follow a feature of the text, and where the network errs.

use std::path::PathBuf;

use analysis::{Analysis, AnalysisConfig, Breakdown, FeatureResult, Limits, Measure, Scoring, analyse};
use anyhow::Result;
use clap::Args;

use super::checkpoint::Which;
use crate::output;
use crate::progress::thousands;
use crate::session::Session;

/// Find the cells that follow a feature of the text, and where the network errs.
///
/// Cells are chosen on one half of the held-out text and scored on the other: by AUC for what holds or does not (0.5 is
/// chance, 1 is perfect), by |r| for depths and positions. A cell is found if it is clearly better than the best cell of
/// three untrained networks of the same size. With --json there is more: the guesses and the state of every cell after each
/// character, gates, the loss by kind of character, confusions, and the most surprising words.
#[derive(Args)]
#[command(after_help = "Examples:\n  carve neurons --dataset letters\n  \
                        carve neurons --dataset letters --run modern-2 --text page.txt --json > page.json\n  \
                        carve neurons --dataset letters --json | jq '.features[] | select(.found) | [.name, .best[0]]'")]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Give the cell states over this text, with --json, instead of the start of the held-out text.
    #[arg(long, value_name = "FILE", requires = "json")]
    text: Option<PathBuf>,
    /// Leave out characters of that text that the model does not know.
    #[arg(long, requires = "text")]
    skip_unknown: bool,
    /// Characters to give the cell states for, with --json.
    #[arg(long, value_name = "N", default_value_t = Limits::default().shown, requires = "json")]
    length: usize,
    /// Random seed of the first untrained network.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Analyses and prints.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let Arguments { which, text, skip_unknown, length, seed, json } = arguments;
    session.artifacts.check_prepared(&which.dataset)?;
    let config = AnalysisConfig {
        checkpoint: which.checkpoint(session)?,
        shards: session.artifacts.shards(&which.dataset),
        text: text.clone(),
        skip_unknown: *skip_unknown,
        limits: Limits { shown: *length, ..Limits::default() },
        seed: *seed,
        sample: None,
    };
    let mut progress = session.progress();
    let found = analyse(&config, &mut progress)?;
    progress.clear();
    output::line(&if *json { serde_json::json!(found).to_string() } else { table(&found) })
}

/// What a person wants to know of it.
fn table(found: &Analysis) -> String {
    let Scoring { source, chosen_on, scored_on, .. } = &found.scoring;
    let mut lines = vec![format!(
        "cells on the {source}: chosen on {} characters, scored on {}",
        thousands(*chosen_on as f64),
        thousands(*scored_on as f64)
    )];
    lines.push(format!(
        "{:<24} {:<12} {:>8} {:>7} {:>10}  found",
        "feature", "layer, cell", "score", "random", "untrained"
    ));
    lines.extend(found.features.iter().map(row));
    let errors = &found.errors;
    let Breakdown { errors: count, causes, .. } = &errors.breakdown;
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    lines.push(format!(
        "\nloss on the {}: {:.4} nats per character; {} of {} characters got a probability below 0.5:",
        errors.source,
        errors.nats,
        thousands(*count as f64),
        thousands(errors.tokens as f64)
    ));
    lines.extend(causes.iter().map(|cause| format!("{:<24} {:>7}", cause.name, percent(cause.share))));
    lines.push(format!("\n{:<24} {:>10} {:>7} {:>9}", "characters", "number", "nats", "of loss"));
    lines.extend(errors.kinds.iter().filter(|kind| kind.tokens > 0).map(|kind| {
        let number = thousands(kind.tokens as f64);
        format!("{:<24} {number:>10} {:>7.3} {:>9}", kind.kind, kind.nats, percent(kind.share))
    }));
    lines.join("\n")
}

fn row(result: &FeatureResult) -> String {
    let FeatureResult { name, measure, best, random, untrained, found, absent, .. } = result;
    let Some(best) = best.first() else {
        return format!("{name:<24} {}", absent.as_deref().unwrap_or("no cells"));
    };
    let cell = format!("{}, {}", best.layer + 1, best.cell);
    let score = if *measure == Measure::Auc { "AUC" } else { "|r|" };
    let found = if *found { "yes" } else { "no" };
    format!("{name:<24} {cell:<12} {score} {:.2} {random:>7.2} {untrained:>10.2}  {found}", best.score)
}
