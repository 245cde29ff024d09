//! `cargo xtask runs`: what was trained; and for the other tasks a run's folder, its name and its checkpoint.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::project::{Project, check_name};

#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask runs\n  cargo xtask runs --dataset treasure-island --json")]
pub struct Arguments {
    /// Runs on this dataset alone.
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// Print one JSON object a run.
    #[arg(long)]
    json: bool,
}

/// What is known of a run from its files.
#[derive(Serialize)]
struct Summary {
    dataset: String,
    run: String,
    recipe: String,
    seed: u64,
    epoch: u64,
    step: u64,
    /// Nats a character.
    train_loss: Option<f64>,
    /// The lowest, nats a character.
    best_validation_loss: Option<f64>,
    /// Characters a second, of the last interval.
    speed: Option<f64>,
    /// Seconds of training.
    elapsed: Option<f64>,
    state: &'static str,
}

pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    let datasets = match &arguments.dataset {
        Some(dataset) => {
            check_name(dataset)?;
            vec![project.dataset(dataset)]
        }
        None => subfolders(&project.artifacts),
    };
    let mut summaries = Vec::new();
    for dataset in datasets {
        let mut runs = subfolders(&dataset.join("runs"));
        runs.sort();
        summaries.extend(runs.iter().filter_map(|run| summary(&dataset, run)));
    }
    if summaries.is_empty() && !arguments.json {
        eprintln!("no runs yet: cargo xtask train starts one");
    }
    if !arguments.json && !summaries.is_empty() {
        println!(
            "{:<18} {:<18} {:<14} {:>5} {:>8} {:>8} {:>10} {:>9}  state",
            "dataset", "run", "recipe", "epoch", "train", "best", "chars/s", "minutes"
        );
    }
    for summary in summaries {
        if arguments.json {
            println!("{}", serde_json::to_string(&summary)?);
            continue;
        }
        let Summary { dataset, run, recipe, epoch, state, .. } = &summary;
        let number = |number: Option<f64>, digits| number.map_or("-".into(), |number| format!("{number:.digits$}"));
        println!(
            "{dataset:<18} {run:<18} {recipe:<14} {epoch:>5} {:>8} {:>8} {:>10} {:>9}  {state}",
            number(summary.train_loss, 4),
            number(summary.best_validation_loss, 4),
            number(summary.speed, 0),
            number(summary.elapsed.map(|seconds| seconds / 60.0), 1),
        );
    }
    Ok(())
}

/// A run's summary; `None` for a folder that holds none.
fn summary(dataset: &Path, run: &Path) -> Option<Summary> {
    #[derive(Deserialize)]
    struct Config {
        seed: u64,
        recipe: Recipe,
    }
    #[derive(Deserialize)]
    struct Recipe {
        name: String,
        epochs: u64,
        #[serde(default)]
        minutes: f64,
        #[serde(default)]
        evaluation: Evaluation,
    }
    #[derive(Deserialize, Default)]
    struct Evaluation {
        patience: usize,
    }
    let config: Config = serde_json::from_str(&fs::read_to_string(run.join("config.json")).ok()?).ok()?;
    let metrics = json_lines(&run.join("metrics.jsonl"));
    let times = json_lines(&run.join("times.jsonl"));
    let last = |lines: &[Value], field: &str| lines.last().and_then(|line| line[field].as_f64());
    let best = metrics.iter().filter_map(|line| line["validation_loss"].as_f64()).min_by(f64::total_cmp);
    let (epoch, elapsed) = (last(&metrics, "epoch").unwrap_or(0.0) as u64, last(&times, "elapsed"));
    let Recipe { name: recipe, epochs, minutes, evaluation: Evaluation { patience } } = config.recipe;
    let at_the_end =
        if minutes > 0.0 { elapsed.is_some_and(|seconds| seconds >= 60.0 * minutes) } else { epoch >= epochs };
    let finished = at_the_end || patience > 0 && waited(&metrics) >= patience;
    let state = match fs::File::open(run.join("lock")) {
        Ok(lock) if lock.try_lock().is_err() => "training",
        _ if finished => "finished",
        _ => "stopped: --resume goes on",
    };
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Some(Summary {
        dataset: name(dataset),
        run: name(run),
        recipe,
        seed: config.seed,
        epoch,
        step: last(&metrics, "step").unwrap_or(0.0) as u64,
        train_loss: last(&metrics, "train_loss"),
        best_validation_loss: best,
        speed: last(&times, "speed"),
        elapsed,
        state,
    })
}

/// Evaluations since the best one, which ended the run where its patience allows no more.
fn waited(metrics: &[Value]) -> usize {
    let loss = |line: &Value| line["validation_loss"].as_f64().or(line["train_loss"].as_f64());
    let losses = metrics.iter().filter_map(loss);
    let best = losses.clone().enumerate().min_by(|(_, one), (_, other)| one.total_cmp(other));
    best.map_or(0, |(index, _)| losses.count() - 1 - index)
}

fn json_lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

pub fn folder(project: &Project, dataset: &str) -> PathBuf {
    project.dataset(dataset).join("runs")
}

/// `recipe`, or the first of `recipe-2`, `recipe-3`, … that is free.
pub fn new_name(project: &Project, dataset: &str, recipe: &str) -> String {
    let runs = folder(project, dataset);
    let names = std::iter::once(recipe.to_string()).chain((2..).map(|number| format!("{recipe}-{number}")));
    let free = |name: &String| !runs.join(name).exists();
    names.into_iter().find(free).unwrap_or_else(|| recipe.into())
}

/// The run with the newest checkpoint.
pub fn latest(project: &Project, dataset: &str) -> Result<PathBuf> {
    let runs = folder(project, dataset);
    let newest = subfolders(&runs)
        .into_iter()
        .filter_map(|run| Some((fs::metadata(checkpoint(&run).ok()?).ok()?.modified().ok()?, run)))
        .max();
    match newest {
        Some((_, run)) => Ok(run),
        None => bail!("{} holds no run with a checkpoint: cargo xtask train --dataset {dataset}", runs.display()),
    }
}

/// The checkpoint of a run that is to be used: the best one, or the newest where nothing was held out or evaluated.
pub fn checkpoint(run: &Path) -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Best {
        step: u64,
    }
    let best = fs::read_to_string(run.join("best.json")).ok();
    let best = best.and_then(|text| serde_json::from_str::<Best>(&text).ok());
    let best = best.map(|best| run.join("checkpoints").join(format!("{:08}", best.step)));
    if let Some(best) = best.filter(|path| path.is_dir()) {
        return Ok(best);
    }
    let finished = |folder: &PathBuf| folder.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.'));
    subfolders(&run.join("checkpoints"))
        .into_iter()
        .filter(finished)
        .max()
        .with_context(|| format!("{} holds no checkpoint: train it first", run.display()))
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluations_since_the_best_are_counted_as_the_trainer_counts_them() {
        let cases: [(&[f64], usize); 5] = [
            (&[], 0),
            (&[3.0, 2.0, 1.0], 0),
            (&[3.0, 1.0, 2.0, 1.5], 2),
            (&[2.0, 2.0, 2.0], 2),
            (&[2.0, 3.0, 1.0, 4.0], 1),
        ];
        for (losses, expected) in cases {
            let metrics: Vec<Value> =
                losses.iter().map(|loss| serde_json::json!({ "validation_loss": loss })).collect();
            assert_eq!(waited(&metrics), expected, "{losses:?}");
        }
        let nothing_held_out =
            [1.0, 2.0].map(|loss| serde_json::json!({ "validation_loss": null, "train_loss": loss }));
        assert_eq!(waited(&nothing_held_out), 1);
    }
}
