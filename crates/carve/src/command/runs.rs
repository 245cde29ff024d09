//! `carve runs`: what was trained.

use std::fs;
use std::io::stdout;
use std::path::Path;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use terminal_size::{Width, terminal_size_of};
use trainer::runs::{State, Summary, list, metrics, steps};

use crate::session::Session;
use crate::{names, output, plot};

/// Columns of a plot that does not go to a terminal.
const WIDTH: usize = 80;

/// List what was trained: text, recipe, best validation loss, speed, state.
#[derive(Args)]
#[command(after_help = "Examples:\n  carve runs\n  carve runs --dataset letters --plot\n  \
                        carve runs --dataset letters --json")]
pub struct Arguments {
    /// List the runs on this text only.
    #[arg(long, value_name = "NAME", value_parser = names::text)]
    dataset: Option<String>,
    /// Plot the losses of each run, as wide as the terminal.
    #[arg(long)]
    plot: bool,
    /// Print one JSON object per run.
    #[arg(long, conflicts_with = "plot")]
    json: bool,
}

/// Lists them.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let datasets = match &arguments.dataset {
        Some(dataset) => vec![dataset.clone()],
        None => subfolders(session.artifacts.root()),
    };
    let mut is_first = true;
    for dataset in datasets {
        for summary in list(&session.artifacts.runs(&dataset)) {
            if arguments.json {
                let mut object = json!(summary);
                object["dataset"] = Value::from(dataset.as_str());
                output::line(&object.to_string())?;
                continue;
            }
            if std::mem::take(&mut is_first) || arguments.plot {
                output::line(&format!(
                    "{:<18} {:<18} {:<14} {:>5} {:>8} {:>8} {:>10} {:>9}  state",
                    "text", "run", "recipe", "epoch", "train", "best", "chars/s", "minutes"
                ))?;
            }
            output::line(&row(&dataset, &summary))?;
            if arguments.plot {
                output::write(&plotted(&summary.path))?;
            }
        }
    }
    if is_first && !arguments.json && !session.quiet {
        crate::failure::notice(&format!("no runs yet: {} train starts one", crate::name::name()));
    }
    Ok(())
}

/// The losses of a run as a plot.
fn plotted(run: &Path) -> String {
    let width = terminal_size_of(stdout()).map_or(WIDTH, |(Width(columns), _)| usize::from(columns));
    let (steps, metrics) = (steps(run).unwrap_or_default(), metrics(run).unwrap_or_default());
    match plot::losses(&steps, &metrics, width) {
        Some(plot) => format!("\n{plot}\n"),
        None if metrics.is_empty() && steps.is_empty() => "\nno losses are recorded yet\n\n".into(),
        None => "\ntoo few losses, or too few columns, for a plot\n\n".into(),
    }
}

fn row(dataset: &str, summary: &Summary) -> String {
    let Summary { run, recipe, epoch, state, .. } = summary;
    let number = |number: Option<f64>, digits| number.map_or("-".into(), |number| format!("{number:.digits$}"));
    let advice = if *state == State::Stopped { " (train --resume continues it)" } else { "" };
    format!(
        "{dataset:<18} {run:<18} {recipe:<14} {epoch:>5} {:>8} {:>8} {:>10} {:>9}  {}{advice}",
        number(summary.train_loss, 4),
        number(summary.best_validation_loss, 4),
        number(summary.speed, 0),
        number(summary.elapsed.map(|seconds| seconds / 60.0), 1),
        state.name()
    )
}

/// The names of the folders in a folder, in order.
fn subfolders(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}
