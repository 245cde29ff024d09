//! `carve train`: from a text to text from the exported model.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use sampler::Sampler;
use serde_json::json;
use trainer::recipe::Request;
use trainer::runs::{Summary, latest_trained, list};
use trainer::{DeviceName, NewRun, Outcome, Repeat, Resume, RunName, TrainConfig, check, train};

use super::export;
use super::source::{Source, Text};
use crate::artifacts::check_writable;
use crate::failure::Failure;
use crate::interrupt::Watch;
use crate::progress::{LogFormat, Logs, Progress, TrainingProgress};
use crate::session::Session;
use crate::{names, output, values};

/// Prepare a text if needed, train on it, export the model, and print text from it.
///
/// The best model of a text is NAME/model.onnx in the folder for results; each run keeps its own as runs/RUN/model.onnx.
#[derive(Args)]
#[command(after_help = "Examples:\n  carve train letters.txt\n  \
                        carve train --dataset treasure-island --recipe lecture\n  \
                        carve train letters.txt --time-budget 30m --set model.hidden=512\n  \
                        carve train towns.txt --lines --split 90/10 --split-by-document\n  \
                        carve train --dataset letters --resume\n  \
                        carve train --dataset letters --repeat modern --run modern-again\n  \
                        carve train letters.txt --log tensorboard --log csv\n  \
                        carve train --device cuda --seed 7 --run on-the-gpu")]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// What to train and how; `carve recipes` lists them [default: modern].
    #[arg(long, value_name = "NAME")]
    recipe: Option<String>,
    /// Set a field of the recipe, as in `optimizer.learning_rate=0.001`. Repeatable.
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    overrides: Vec<String>,
    /// Passes over the text, instead of the recipe's number or time.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "time_budget")]
    epochs: Option<u32>,
    /// How long to train, such as 90s, 10m or 1h30m. A few steps are timed to see how many fit, and `modern` chooses
    /// the size of its network by them.
    #[arg(long, value_name = "TIME", value_parser = values::duration, allow_hyphen_values = true)]
    time_budget: Option<Duration>,
    /// Continue a run (the newest, unless --run names one) from its last checkpoint.
    #[arg(long)]
    resume: bool,
    /// Repeat a run of this text: its recipe, seed and number of steps, and so its weights to the bit. A run under a time budget
    /// is repeated by the plan that it recorded, however fast this machine is.
    #[arg(long, value_name = "RUN", value_parser = names::run, conflicts_with_all = ["resume", "recipe", "overrides",
          "epochs", "time_budget", "init_from", "seed", "sample_length"])]
    repeat: Option<String>,
    /// Start from the weights of a checkpoint or of a run's best one; characters are matched one by one.
    #[arg(long, value_name = "FOLDER", conflicts_with = "resume")]
    init_from: Option<PathBuf>,
    /// Device to compute on.
    #[arg(long, value_parser = values::device(), default_value = "auto")]
    device: DeviceName,
    /// Random seed of the weights, the order of the text, dropout and the samples [default: 1].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Name for the run [default: the recipe's, numbered if it is taken].
    #[arg(long, value_name = "NAME", value_parser = names::run)]
    run: Option<String>,
    /// Characters to sample at each temperature during training, instead of the recipe's number; 0 for none.
    #[arg(long, value_name = "N")]
    sample_length: Option<usize>,
    /// Also log the training in the run's folder, for other programs. Repeatable. With --resume, a log is completed from the
    /// run's own records.
    #[arg(long = "log", value_name = "FORMAT", value_enum)]
    logs: Vec<LogFormat>,
    /// Print one JSON object per event on stdout, and one about the outcome at the end.
    #[arg(long)]
    json: bool,
}

/// Files smaller than this are trained on as a whole: a tenth of them would be too little to measure anything.
const SMALL: u64 = 10_000;

/// How much text is written at the end, and how.
const LENGTH: usize = 400;
const TEMPERATURE: f32 = 0.5;

/// Trains.
pub fn run(session: &Session, mut arguments: Arguments) -> Result<()> {
    hold_out_a_tenth(&mut arguments.source);
    let name = arguments.source.name()?;
    let text = text_to_prepare(session, &arguments)?;
    let config = config(session, &arguments, &name)?;
    check_writable(&session.artifacts.runs(&name))?;

    let (mut progress, watch) = (session.progress(), Watch::new());
    if let Some(text) = text {
        text.prepare(session, session.artifacts.shards(&name), &mut progress, &watch)?;
    }
    let mut logs = Logs::new(TrainingProgress::new(&mut progress, arguments.json), &arguments.logs);
    let outcome = train(&config, &mut logs, watch.flag());
    let unlogged = logs.failure();
    let outcome = outcome?;
    progress.clear();
    watch.check()?;
    progress.plot(&outcome.run);
    if let Some(loss) = outcome.best_loss {
        let (bits, decides) = (loss / std::f64::consts::LN_2, outcome.decides.name());
        progress.say(&format!("best {decides} loss: {loss:.4} nats, {bits:.4} bits per character"));
    }
    // Nothing after this takes long, and a signal may end it at once.
    drop(watch);
    let (model, is_best) = export_outcome(session, &name, &outcome, &mut progress)?;
    let seed = arguments.seed.unwrap_or(1);
    if arguments.json {
        let mut text = String::new();
        sample(&model, seed, &mut |piece| {
            text.push_str(piece);
            Ok(())
        })?;
        let mut object = json!(outcome);
        object["event"] = "outcome".into();
        object["model"] = json!(model);
        object["is_best"] = is_best.into();
        object["text"] = text.into();
        output::line(&object.to_string())?;
        return check_logged(unlogged, &name, &outcome);
    }
    let command =
        format!("scrimshaw --model {} --length {LENGTH} --temperature {TEMPERATURE} --seed {seed}", model.display());
    progress.say(&format!("\n{command}\n"));
    sample(&model, seed, &mut output::write)?;
    output::line("")?;
    let (carve, run) = (crate::name::name(), outcome.run.file_name().unwrap_or_default().display());
    progress.say(&format!(
        "\n{carve} report --dataset {name} --run {run}   makes a page of how it went and what it has learned"
    ));
    check_logged(unlogged, &name, &outcome)
}

/// Fails if a log could not be written.
fn check_logged(unlogged: Option<anyhow::Error>, name: &str, outcome: &Outcome) -> Result<()> {
    let Some(error) = unlogged else { return Ok(()) };
    let (carve, run) = (crate::name::name(), outcome.run.file_name().unwrap_or_default().display().to_string());
    Err(Failure::CannotWrite(format!(
        "{error:#}\nThe run is complete without that log. {carve} train --dataset {name} --run {run} --resume --log FORMAT \
         writes it from the run's records"
    ))
    .into())
}

/// Sets the split of a text of the user's own, unless it is given or the text is small.
fn hold_out_a_tenth(source: &mut Source) {
    let is_small = |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() < SMALL);
    let paths = source.paths();
    if source.text.split.is_none() && !paths.is_empty() && !paths.iter().all(is_small) {
        source.text.split = "90/10".parse().ok();
    }
}

/// The text that has to be prepared first, if any.
fn text_to_prepare(session: &Session, arguments: &Arguments) -> Result<Option<Text>> {
    let source = &arguments.source;
    let is_prepared = session.artifacts.is_prepared(&source.name()?);
    if arguments.resume
        || arguments.repeat.is_some()
        || is_prepared && source.paths().is_empty() && !source.has_text_arguments()
    {
        return Ok(None);
    }
    source.resolve().map(Some)
}

/// Checks everything that can be checked before a text is read.
fn config(session: &Session, arguments: &Arguments, name_of_text: &str) -> Result<TrainConfig> {
    let Arguments { recipe, overrides, epochs, time_budget, sample_length, device, seed, .. } = arguments;
    let request = Request {
        recipe: recipe.clone(),
        overrides: overrides.clone(),
        epochs: epochs.map(|epochs| epochs as usize),
        minutes: time_budget.map(|budget| budget.as_secs_f64() / 60.0),
        sample_length: *sample_length,
    };
    let (runs, shards) = (session.artifacts.runs(name_of_text), session.artifacts.shards(name_of_text));
    if arguments.resume {
        let run = match &arguments.run {
            Some(run) => runs.join(run),
            None => latest_trained(&runs)?,
        };
        let shards = session.artifacts.is_prepared(name_of_text).then_some(shards);
        return Ok(TrainConfig::Resume(Box::new(Resume {
            run,
            shards,
            changes: request,
            seed: *seed,
            device: *device,
        })));
    }
    if let Some(repeat) = &arguments.repeat {
        let name = arguments.run.clone().map_or_else(|| RunName::Numbered(repeat.clone()), RunName::Exact);
        let shards = session.artifacts.is_prepared(name_of_text).then_some(shards);
        return Ok(TrainConfig::Repeat(Box::new(Repeat {
            run: runs.join(repeat),
            shards,
            runs,
            name,
            device: *device,
        })));
    }
    let (recipe, fit) = (request.resolve()?, request.fit()?);
    check(&recipe, *device)?;
    if let Some(run) = arguments.run.as_ref().filter(|run| runs.join(run).exists()) {
        return Err(trainer::runs::taken(&runs.join(run)).into());
    }
    if let Some(checkpoint) = &arguments.init_from {
        trainer::runs::checkpoint_at(checkpoint)?;
    }
    Ok(TrainConfig::New(Box::new(NewRun {
        shards: std::path::absolute(shards).context("there is no current folder")?,
        runs,
        name: arguments.run.clone().map_or_else(|| RunName::Numbered(recipe.name.clone()), RunName::Exact),
        recipe,
        fit,
        device: *device,
        seed: seed.unwrap_or(1),
        init_from: arguments.init_from.clone(),
    })))
}

/// Exports the run's model, and makes it the text's model if no other run on the same preparation is better. Returns the
/// file, and whether it is the text's model now.
fn export_outcome(
    session: &Session,
    name: &str,
    outcome: &Outcome,
    progress: &mut Progress,
) -> Result<(PathBuf, bool)> {
    let own = outcome.run.join("model.onnx");
    let exported = export::checkpoint_to(&outcome.checkpoint, &own)?;
    progress.say(&export::agreement(&exported));
    let model = session.artifacts.model(name);
    // From the run's own files: the text may have been prepared anew, or its shards removed, since the run was begun.
    let runs = list(&session.artifacts.runs(name));
    let own_run = outcome.run.file_name().map(|name| name.to_string_lossy());
    let preparation = runs.iter().find(|run| Some(run.run.as_str()) == own_run.as_deref()).map(|run| run.preparation);
    let better = runs.into_iter().find(|summary| {
        let is_other = Some(summary.run.as_str()) != own_run.as_deref() && Some(summary.preparation) == preparation;
        is_other && is_better(summary, outcome)
    });
    match better {
        Some(better) if model.exists() => {
            let (carve, run) = (crate::name::name(), outcome.run.file_name().unwrap_or_default().display().to_string());
            progress.say(&format!(
                "{}: this run's model. {} stays as it is, because run {} is better; {carve} export --dataset {name} --run \
                 {run} replaces it",
                own.display(),
                model.display(),
                better.run
            ));
            Ok((own, false))
        }
        _ => {
            let bytes = fs::read(&own).with_context(|| format!("cannot read {}", own.display()))?;
            durable::write(&model, &bytes).map_err(|error| Failure::unwritable(&model, &error))?;
            let run = outcome.run.file_name().unwrap_or_default().display();
            progress.say(&format!("{}: {} bytes, from run {run}, the best so far", model.display(), exported.bytes));
            Ok((model, true))
        }
    }
}

fn is_better(summary: &Summary, outcome: &Outcome) -> bool {
    let own = outcome.best_loss.filter(|_| outcome.decides == trainer::LossKind::Validation);
    matches!((summary.best_validation_loss, own), (Some(theirs), Some(own)) if theirs < own)
}

/// Writes text with a model, exactly as `scrimshaw` does.
fn sample(model: &Path, seed: u64, write: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
    let mut sampler = Sampler::open(model)?;
    if sampler.card().vocabulary.boundary().is_none() {
        let prompt = sampler.card().seed_text.clone();
        write(&sampler.card().normalisation.apply(&prompt))?;
    }
    let options = decoding::Options { temperature: TEMPERATURE, ..decoding::Options::default() };
    for character in sampler.characters(options, seed)?.take(LENGTH) {
        write(character?.encode_utf8(&mut [0; 4]))?;
    }
    Ok(())
}
