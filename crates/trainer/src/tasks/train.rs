//! Training: a new run, or one that is resumed from its last checkpoint.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use candle_core::Device;
use corpus::{Corpus, Split};
use lstm::CharLstm;

use crate::clock::{Clock, SystemClock};
use crate::device::{self, DeviceName};
use crate::fitting::choose;
use crate::observer::{Event, Observer};
use crate::plan::{Plan, Plans};
use crate::randomness::{Purpose, derive};
use crate::recipe::{Difference, Fit, Recipe, Request};
use crate::records::{Best, Metrics, Outcome};
use crate::run::{self, RunConfig, RunFolder};
use crate::session::Session;
use crate::timing::Bench;
use crate::training::Training;
use crate::transfer::transfer;
use crate::{Error, Result, checkpoint, corpora, estimate, runs};

/// What to train.
#[derive(Debug, Clone)]
pub enum TrainConfig {
    /// A new run.
    New(Box<NewRun>),
    /// A run that exists.
    Resume(Box<Resume>),
    /// A new run that repeats one that exists.
    Repeat(Box<Repeat>),
}

/// A new run.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Folder of the shards.
    pub shards: PathBuf,
    /// The folder of runs, in which the run's folder is made.
    pub runs: PathBuf,
    /// The run's name.
    pub name: RunName,
    /// What to train and how.
    pub recipe: Recipe,
    /// What the recipe leaves open until the text and the machine are known; `None` takes the recipe as it is.
    pub fit: Option<Fit>,
    /// Which processor does the arithmetic.
    pub device: DeviceName,
    /// The seed of the weights, the order of the text, dropout and the samples.
    pub seed: u64,
    /// A checkpoint, or a run with one, whose weights are the first ones. The network has its sizes, and characters are
    /// matched one by one.
    pub init_from: Option<PathBuf>,
}

/// The name of a new run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunName {
    /// This name; it is an error if it is taken.
    Exact(String),
    /// This name, or with a number after it if it is taken: `lecture`, `lecture-2`, `lecture-3` and so on.
    Numbered(String),
}

/// A run to resume, and what is asked for. It has to agree with what the run was begun with; what is not named cannot
/// disagree.
#[derive(Debug, Clone, Default)]
pub struct Resume {
    /// Folder of the run.
    pub run: PathBuf,
    /// Folder of the shards, if they were moved.
    pub shards: Option<PathBuf>,
    /// What is asked for of the recipe. Samples and records may differ, because they do not change what is trained.
    pub changes: Request,
    /// The seed, if one is asked for.
    pub seed: Option<u64>,
    /// Which processor does the arithmetic.
    pub device: DeviceName,
}

/// A run to repeat: a new run with the same recipe, seed, text and first weights. If the run has a time budget, its plans are
/// applied at the same steps, so that the new run is the same to the bit on a machine of the same kind, however fast it is.
#[derive(Debug, Clone)]
pub struct Repeat {
    /// Folder of the run to repeat.
    pub run: PathBuf,
    /// Folder of the shards, if they were moved.
    pub shards: Option<PathBuf>,
    /// The folder of runs, in which the new run's folder is made.
    pub runs: PathBuf,
    /// The new run's name.
    pub name: RunName,
    /// Which processor does the arithmetic.
    pub device: DeviceName,
}

/// Trains. `interrupted` ends it after a step with a checkpoint and [`Error::Interrupted`].
pub fn train(config: &TrainConfig, observer: &mut dyn Observer, interrupted: &AtomicBool) -> Result<Outcome> {
    train_by(&SystemClock::default(), config, observer, interrupted)
}

/// Trains as [`train`] does, by a clock of the caller's.
pub fn train_by(
    clock: &dyn Clock,
    config: &TrainConfig,
    observer: &mut dyn Observer,
    interrupted: &AtomicBool,
) -> Result<Outcome> {
    match config {
        TrainConfig::New(new) => start(new, clock, observer, interrupted),
        TrainConfig::Resume(resume) => go_on(resume, clock, observer, interrupted),
        TrainConfig::Repeat(again) => repeat(again, clock, observer, interrupted),
    }
}

/// Checks, before a text is read, that the device is there and that memory holds a network of this recipe.
///
/// # Errors
/// [`Error::Device`] and [`Error::TooLarge`].
pub fn check(recipe: &Recipe, device: DeviceName) -> Result<()> {
    /// The smallest vocabulary; the text's own is checked when it is opened.
    const VOCABULARY: usize = 2;
    estimate::check(recipe, VOCABULARY, &device::open(device)?).map(drop)
}

fn start(new: &NewRun, clock: &dyn Clock, observer: &mut dyn Observer, interrupted: &AtomicBool) -> Result<Outcome> {
    check_free(&new.name, &new.runs)?;
    let corpus = Corpus::open(&new.shards)?;
    let device = device::open(new.device)?;
    let mut recipe = new.recipe.clone();
    recipe.model.precision = recipe.model.precision.resolved(device.is_cpu());
    let init_from = new.init_from.as_deref().map(runs::checkpoint_at).transpose()?;
    if let Some(path) = &init_from {
        let size = checkpoint::card(path)?.size;
        recipe.model.hidden = size.hidden;
        recipe.model.layers = size.layers;
        recipe.model.input = size.input;
    }
    let vocabulary = corpus.vocabulary().len();
    corpora::verify(&corpus, observer)?;
    let (text, validation) = (corpora::training_text(&corpus)?, corpus.split(Split::Validation));
    let bench = Bench { text, validation, vocabulary, device: &device, clock };
    if let Some(fit) = &new.fit {
        recipe = if recipe.minutes > 0.0 {
            // First weights that come from a checkpoint have its size.
            let sizes = if init_from.is_some() { 0 } else { fit.sizes() };
            let (recipe, fitted) = choose(&recipe, fit, sizes, text.len(), &bench, observer)?;
            observer.observe(&Event::Fitted(&fitted));
            recipe
        } else {
            fit.shortened(&recipe, text.len())
        };
    }
    estimate::check(&recipe, vocabulary, &device)?;
    let plans = if recipe.minutes > 0.0 { Plans::first(plan(&recipe, &bench, observer)?) } else { Plans::default() };
    let config = RunConfig {
        recipe,
        seed: new.seed,
        device: device::describe(&device).into(),
        dataset: corpus.index().name.clone(),
        shards: new.shards.clone(),
        corpus: corpus.index().run,
        init_from,
        plans,
        repeats: None,
    };
    begin(&config, &corpus, &device, &Place { runs: &new.runs, name: &new.name }, clock, observer, interrupted)
}

/// What a recipe's time budget becomes on this machine.
///
/// # Errors
/// [`Error::BudgetTooShort`] if not even one step fits.
fn plan(recipe: &Recipe, bench: &Bench<'_>, observer: &mut dyn Observer) -> Result<Plan> {
    let (budget, pace) = (60.0 * recipe.minutes, bench.pace(recipe, observer)?);
    let plan = Plan::new(budget, 0, 0.0, pace, recipe.evaluation.steps);
    if plan.steps == 0 {
        let in_words = |seconds: f64| format!("{seconds:.2} s");
        return Err(Error::BudgetTooShort { budget: in_words(budget), step: in_words(pace.step) });
    }
    Ok(plan)
}

fn repeat(
    repeat: &Repeat,
    clock: &dyn Clock,
    observer: &mut dyn Observer,
    interrupted: &AtomicBool,
) -> Result<Outcome> {
    check_free(&repeat.name, &repeat.runs)?;
    let begun = RunConfig::read(&repeat.run)?;
    let last = checkpoint::last(&run::checkpoints(&repeat.run))?;
    let later = last.map(|path| checkpoint::position(&path)).transpose()?.map(|position| position.plans);
    let plans = later.filter(|plans| !plans.is_empty()).unwrap_or(begun.plans);
    if begun.recipe.minutes > 0.0 && plans.is_empty() {
        return Err(Error::NoPlan { path: repeat.run.clone() });
    }
    let shards = repeat.shards.clone().unwrap_or(begun.shards);
    let corpus = Corpus::open(&shards)?;
    let device = device::open(repeat.device)?;
    let (repeats, device_name) = (Some(repeat.run.clone()), device::describe(&device).into());
    let config = RunConfig { plans, repeats, shards, device: device_name, ..begun };
    check_text(&config, &corpus, &repeat.run)?;
    estimate::check(&config.recipe, corpus.vocabulary().len(), &device)?;
    corpora::verify(&corpus, observer)?;
    begin(&config, &corpus, &device, &Place { runs: &repeat.runs, name: &repeat.name }, clock, observer, interrupted)
}

/// Where a new run is put.
struct Place<'p> {
    runs: &'p Path,
    name: &'p RunName,
}

/// Makes the folder of a new run, and trains.
fn begin(
    config: &RunConfig,
    corpus: &Corpus,
    device: &Device,
    place: &Place<'_>,
    clock: &dyn Clock,
    observer: &mut dyn Observer,
    interrupted: &AtomicBool,
) -> Result<Outcome> {
    let training = first_training(config, corpus, device, observer)?;
    let run = match place.name {
        RunName::Exact(name) => RunFolder::create(&place.runs.join(name), config)?,
        RunName::Numbered(name) => RunFolder::create_numbered(place.runs, name, config)?,
    };
    Session::new(config, corpus, device, &run, observer, clock)?.train(training, None, None, interrupted)
}

/// The training of a run that has not taken a step.
fn first_training<'c>(
    config: &RunConfig,
    corpus: &'c Corpus,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<Training<'c>> {
    let first = |path: &Path| first_weights(path, corpus, config.seed, device, observer);
    let network = config.init_from.as_deref().map(first).transpose()?;
    let (text, vocabulary) = (corpora::training_text(corpus)?, corpus.vocabulary().len());
    let mut training = Training::new(&config.recipe, text, vocabulary, config.seed, device, network)?;
    training.follow(config.plans.clone());
    Ok(training)
}

/// Refuses a name that is none, or that is taken, before a text is read. Making the folder refuses a taken one again.
fn check_free(name: &RunName, runs: &Path) -> Result<()> {
    let (RunName::Exact(text) | RunName::Numbered(text)) = name;
    check_name(text)?;
    if let RunName::Exact(name) = name
        && runs.join(name).symlink_metadata().is_ok()
    {
        return Err(run::taken(&runs.join(name)));
    }
    Ok(())
}

/// Refuses a text that is not the one that a run was begun with.
fn check_text(config: &RunConfig, corpus: &Corpus, run: &Path) -> Result<()> {
    let index = corpus.index();
    if index.run == config.corpus {
        return Ok(());
    }
    let found = format!("{} (preparation {:016x})", config.dataset, config.corpus);
    let given = format!("{} (preparation {:016x})", index.name, index.run);
    Err(Error::OtherText { path: run.into(), found, given })
}

/// The network of a checkpoint for the text's vocabulary.
fn first_weights(
    path: &Path,
    corpus: &Corpus,
    seed: u64,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<CharLstm> {
    let (network, card) = checkpoint::model(path, &Device::Cpu)?;
    let (vocabulary, seed) = (corpus.vocabulary(), derive(seed, Purpose::Weights, 0));
    let (network, matched) = transfer(&network, &card, vocabulary, seed, path, &corpus.index().name, device)?;
    observer.observe(&Event::Transferred { checkpoint: path, matched, vocabulary: vocabulary.len() });
    Ok(network)
}

fn go_on(resume: &Resume, clock: &dyn Clock, observer: &mut dyn Observer, interrupted: &AtomicBool) -> Result<Outcome> {
    let (run, mut config) = RunFolder::open(&resume.run)?;
    let differs = |Difference { field, begun, asked, option }: Difference| Error::OtherRun {
        path: resume.run.clone(),
        what: field.into(),
        found: begun.into(),
        given: asked.into(),
        option: option.into(),
    };
    config.recipe = resume.changes.resume(&config.recipe)?.map_err(differs)?;
    if let Some(seed) = resume.seed
        && seed != config.seed
    {
        let (field, option) = ("seed".into(), "--seed".into());
        return Err(differs(Difference { field, begun: config.seed.to_string(), asked: seed.to_string(), option }));
    }
    let corpus = Corpus::open(resume.shards.as_ref().unwrap_or(&config.shards))?;
    check_text(&config, &corpus, &resume.run)?;
    let device = device::open(resume.device)?;
    let vocabulary = corpus.vocabulary().len();
    estimate::check(&config.recipe, vocabulary, &device)?;
    corpora::verify(&corpus, observer)?;
    let Some(path) = checkpoint::last(&run.checkpoints())? else {
        if run.is_blank()? {
            // Killed before its first checkpoint: nothing is lost, and everything is known to begin again.
            let training = first_training(&config, &corpus, &device, observer)?;
            let session = Session::new(&config, &corpus, &device, &run, observer, clock)?;
            return session.train(training, None, None, interrupted);
        }
        return Err(Error::NoCheckpoint { path: resume.run.clone() });
    };
    let position = checkpoint::position(&path)?;
    let tensors = checkpoint::tensors(&path)?;
    let (network, _) = checkpoint::model(&path, &device)?;
    let text = corpora::training_text(&corpus)?;
    let mut training = Training::new(&config.recipe, text, vocabulary, config.seed, &device, Some(network))?;
    training
        .restore(position.progress, &tensors)
        .map_err(|error| Error::DamagedCheckpoint { checkpoint: path, message: error.to_string() })?;
    // Runs of earlier versions have no plans, and go on by the clock.
    training.follow(if position.plans.is_empty() { config.plans.clone() } else { position.plans.clone() });
    run.rewind(&position)?;
    let (best, metrics): (Option<Best>, Option<Metrics>) = (position.best, position.metrics);
    Session::new(&config, &corpus, &device, &run, observer, clock)?.train(training, best, metrics, interrupted)
}

/// A run's name has to be a plain folder's.
fn check_name(name: &str) -> Result<()> {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    if name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.chars().all(plain) {
        Ok(())
    } else {
        Err(Error::RunName { name: name.into() })
    }
}
