//! Training: a new run, or one that is resumed from its last checkpoint.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use candle_core::Device;
use corpus::Corpus;
use lstm::CharLstm;

use crate::device::{self, DeviceName};
use crate::observer::{Event, Observer};
use crate::randomness::{Purpose, derive};
use crate::recipe::{Difference, Recipe, Request};
use crate::records::{Best, Metrics, Outcome};
use crate::run::{self, RunConfig, RunFolder};
use crate::session::Session;
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

/// Trains. `interrupted` ends it after a step with a checkpoint and [`Error::Interrupted`].
pub fn train(config: &TrainConfig, observer: &mut dyn Observer, interrupted: &AtomicBool) -> Result<Outcome> {
    match config {
        TrainConfig::New(new) => start(new, observer, interrupted),
        TrainConfig::Resume(resume) => go_on(resume, observer, interrupted),
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

fn start(new: &NewRun, observer: &mut dyn Observer, interrupted: &AtomicBool) -> Result<Outcome> {
    let name = match &new.name {
        RunName::Exact(name) | RunName::Numbered(name) => name,
    };
    check_name(name)?;
    if let RunName::Exact(name) = &new.name
        && new.runs.join(name).symlink_metadata().is_ok()
    {
        // Making the folder refuses this too, but only after the text was read.
        return Err(run::taken(&new.runs.join(name)));
    }
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
    estimate::check(&recipe, vocabulary, &device)?;
    corpora::verify(&corpus, observer)?;
    let network =
        init_from.as_deref().map(|path| first_weights(path, &corpus, new.seed, &device, observer)).transpose()?;
    let text = corpora::training_text(&corpus)?;
    let training = Training::new(&recipe, text, vocabulary, new.seed, &device, network)?;
    let config = RunConfig {
        recipe,
        seed: new.seed,
        device: device::describe(&device).into(),
        dataset: corpus.index().name.clone(),
        shards: new.shards.clone(),
        corpus: corpus.index().run,
        init_from,
    };
    let run = match &new.name {
        RunName::Exact(name) => RunFolder::create(&new.runs.join(name), &config)?,
        RunName::Numbered(name) => RunFolder::create_numbered(&new.runs, name, &config)?,
    };
    Session::new(&config, &corpus, &device, &run, observer)?.train(training, None, None, interrupted)
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

fn go_on(resume: &Resume, observer: &mut dyn Observer, interrupted: &AtomicBool) -> Result<Outcome> {
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
    let index = corpus.index();
    if index.run != config.corpus {
        let found = format!("{} (preparation {:016x})", config.dataset, config.corpus);
        let given = format!("{} (preparation {:016x})", index.name, index.run);
        return Err(Error::OtherText { path: resume.run.clone(), found, given });
    }
    let device = device::open(resume.device)?;
    let vocabulary = corpus.vocabulary().len();
    estimate::check(&config.recipe, vocabulary, &device)?;
    corpora::verify(&corpus, observer)?;
    let Some(path) = checkpoint::last(&run.checkpoints())? else {
        if run.is_blank()? {
            // Killed before its first checkpoint: nothing is lost, and everything is known to begin again.
            let first = |path: &Path| first_weights(path, &corpus, config.seed, &device, observer);
            let network = config.init_from.as_deref().map(first).transpose()?;
            let text = corpora::training_text(&corpus)?;
            let training = Training::new(&config.recipe, text, vocabulary, config.seed, &device, network)?;
            return Session::new(&config, &corpus, &device, &run, observer)?.train(training, None, None, interrupted);
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
    run.rewind(&position)?;
    let (best, metrics): (Option<Best>, Option<Metrics>) = (position.best, position.metrics);
    Session::new(&config, &corpus, &device, &run, observer)?.train(training, best, metrics, interrupted)
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
