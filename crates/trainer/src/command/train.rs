//! `trainer train`: a training from its configuration on, or from its last checkpoint on.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use candle_core::Device;
use corpus::Corpus;

use crate::arguments::{NewRun, Resume, TrainConfig};
use crate::checkpoint;
use crate::randomness::{Purpose, derive};
use crate::recipe::Recipe;
use crate::run::{RunConfig, RunFolder};
use crate::session::{Outcome, Session, text};
use crate::training::Training;
use crate::transfer::transfer;
use crate::{Error, Result, device};

/// Trains; `interrupted` ends it after a step with a checkpoint and [`Error::Interrupted`].
pub fn train(config: &TrainConfig, interrupted: &AtomicBool) -> Result<Outcome> {
    match config {
        TrainConfig::New(new) => start(new, interrupted),
        TrainConfig::Resume(resume) => go_on(resume, interrupted),
    }
}

fn start(new: &NewRun, interrupted: &AtomicBool) -> Result<Outcome> {
    let corpus = Corpus::open(&new.shards)?;
    corpus.verify()?;
    let device = device::open(new.device)?;
    let mut recipe = new.recipe.clone();
    let network = match &new.init_from {
        None => None,
        Some(path) => {
            let (network, card) = checkpoint::model(path, &Device::Cpu)?;
            recipe.model.hidden = card.size.hidden;
            recipe.model.layers = card.size.layers;
            recipe.model.input = card.size.input;
            let (vocabulary, seed) = (corpus.vocabulary(), derive(new.seed, Purpose::Weights, 0));
            Some(transfer(&network, &card, vocabulary, seed, path, &corpus.index().name, &device)?)
        }
    };
    let training = Training::new(&recipe, text(&corpus), corpus.vocabulary().len(), new.seed, &device, network)?;
    let config = RunConfig {
        recipe,
        seed: new.seed,
        device: device::describe(&device).into(),
        dataset: corpus.index().name.clone(),
        shards: new.shards.clone(),
        corpus: corpus.index().run,
        init_from: new.init_from.clone(),
    };
    let run = RunFolder::create(&new.run, &config)?;
    let session = Session::new(&config, &corpus, &device, &run, new.json);
    session.announce(&training);
    session.train(training, None, None, interrupted)
}

fn go_on(resume: &Resume, interrupted: &AtomicBool) -> Result<Outcome> {
    let (run, config) = RunFolder::open(&resume.run)?;
    let differs = |what, found: String, given: String| Error::OtherRun { path: resume.run.clone(), what, found, given };
    if let Some(given) = &resume.recipe
        && *given != config.recipe
    {
        let (found, given) = difference(&config.recipe, given);
        return Err(differs("recipe", found, given));
    }
    if let Some(seed) = resume.seed
        && seed != config.seed
    {
        return Err(differs("seed", config.seed.to_string(), seed.to_string()));
    }
    let corpus = Corpus::open(resume.shards.as_ref().unwrap_or(&config.shards))?;
    corpus.verify()?;
    let index = corpus.index();
    if index.run != config.corpus {
        let found = format!("{} (preparation {:016x})", config.dataset, config.corpus);
        return Err(differs("text", found, format!("{} (preparation {:016x})", index.name, index.run)));
    }
    let device = device::open(resume.device)?;
    let session = Session::new(&config, &corpus, &device, &run, resume.json);
    checkpoint::remove_unfinished(&run.checkpoints())?;
    let last = checkpoint::last(&run.checkpoints())?;
    let path = last.ok_or_else(|| Error::NoCheckpoint { path: resume.run.clone() })?;
    let (position, tensors) = checkpoint::position(&path)?;
    let (network, _) = checkpoint::model(&path, &device)?;
    let vocabulary = corpus.vocabulary().len();
    let mut training = Training::new(&config.recipe, text(&corpus), vocabulary, config.seed, &device, Some(network))?;
    training
        .restore(position.progress, &tensors)
        .map_err(|error| Error::DamagedCheckpoint { path, message: error.to_string() })?;
    run.rewind(&position)?;
    session.announce(&training);
    eprintln!("going on after step {}", position.progress.step);
    session.train(training, position.best, position.metrics, interrupted)
}

/// The first field in which two recipes differ, as each has it.
fn difference(found: &Recipe, given: &Recipe) -> (String, String) {
    let lines = |recipe: &Recipe| toml::to_string(recipe).unwrap_or_default();
    let (found, given) = (lines(found), lines(given));
    let differing = found.lines().zip(given.lines()).find(|(found, given)| found != given);
    differing.map_or_else(|| (found.clone(), given.clone()), |(found, given)| (found.into(), given.into()))
}

/// The checkpoint to use of a run that is not being trained: see [`Outcome::checkpoint`].
pub fn chosen_checkpoint(run: &Path) -> Result<PathBuf> {
    let folder = run.join("checkpoints");
    let last = checkpoint::last(&folder)?.ok_or_else(|| Error::NoCheckpoint { path: run.into() })?;
    let (position, _) = checkpoint::position(&last)?;
    let best = position.best.map(|best| folder.join(checkpoint::name(best.step)));
    Ok(best.filter(|path| path.exists()).unwrap_or(last))
}
