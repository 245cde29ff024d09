//! One training from its configuration to its last checkpoint.

use std::io::{Write, sink, stdout};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use candle_core::Device;
use corpus::{Corpus, Split, Windows};
use model_card::{Context, FORMAT_VERSION, Losses, ModelCard, Provenance};
use serde::Serialize;

use crate::arguments::Config;
use crate::progress::EpochBar;
use crate::randomness::{Purpose, derive};
use crate::{EpochEnd, EpochMetrics, Error, Printout, Recipe, Result, RunFolder, Training, device};

/// What a training left behind.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// The run's folder.
    pub run: PathBuf,
    /// The last checkpoint.
    pub checkpoint: PathBuf,
    /// Trained numbers in the network.
    pub parameters: usize,
    /// The last epoch's metrics.
    #[serde(flatten)]
    pub metrics: Option<EpochMetrics>,
}

/// What `config.json` holds.
#[derive(Debug, Serialize)]
struct RunConfig<'c> {
    recipe: &'c Recipe,
    seed: u64,
    device: &'static str,
    dataset: &'c str,
    shards: &'c std::path::Path,
}

/// Trains; `interrupted` ends the epoch with a checkpoint and [`Error::Interrupted`].
pub fn train(config: &Config, interrupted: &AtomicBool) -> Result<Outcome> {
    let corpus = Corpus::open(&config.shards)?;
    corpus.verify()?;
    let recipe = &config.recipe;
    let device = device::open(config.device)?;
    let tokens = corpus.split(Split::Train).unwrap_or_else(|| corpus.tokens());
    let windows = Windows::new(tokens, recipe.windows.length, recipe.windows.step);
    if windows.is_empty() {
        return Err(Error::TooShort { tokens: tokens.len(), length: recipe.windows.length });
    }
    let session = Session { config, corpus: &corpus, device: &device };
    let run = RunFolder::create(
        &config.run,
        &RunConfig {
            recipe,
            seed: config.seed,
            device: device::describe(&device),
            dataset: &corpus.index().name,
            shards: &config.shards,
        },
    )?;
    let mut training = Training::new(recipe, windows, corpus.vocabulary().len(), config.seed, &device)?;
    session.announce(&windows);

    let mut checkpoint = session.checkpoint(&run, &training, 0, None)?;
    let mut last = None;
    for epoch in 1..=recipe.epochs {
        let bar = EpochBar::new(epoch, recipe.epochs, recipe.batch * recipe.windows.length);
        let started = Instant::now();
        let ended = training.epoch(epoch, &mut |step| {
            bar.step(step);
            if interrupted.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let ended = ended.inspect_err(|_| bar.abandon())?;
        let metrics = session.metrics(epoch, ended, started);
        checkpoint = session.checkpoint(&run, &training, epoch, Some(metrics.train_loss))?;
        if interrupted.load(Ordering::Relaxed) && !ended.complete {
            bar.abandon();
            return Err(Error::Interrupted { epoch, checkpoint });
        }
        run.append_metrics(&metrics)?;
        bar.finish(&metrics);
        last = Some(metrics);
        session.print_samples(&run, &training, epoch)?;
        if interrupted.load(Ordering::Relaxed) {
            return Err(Error::Interrupted { epoch, checkpoint });
        }
    }
    let parameters = recipe.model_size(corpus.vocabulary().len()).parameters();
    Ok(Outcome { run: run.path().into(), checkpoint, parameters, metrics: last })
}

/// What stays the same throughout a training.
struct Session<'c> {
    config: &'c Config,
    corpus: &'c Corpus,
    device: &'c Device,
}

impl Session<'_> {
    fn announce(&self, windows: &Windows<'_>) {
        let recipe = &self.config.recipe;
        eprintln!(
            "{}: {} characters, vocabulary {}, {} windows; recipe {}, {} parameters, seed {}, on {}",
            self.corpus.index().name,
            self.corpus.tokens().len(),
            self.corpus.vocabulary().len(),
            windows.len(),
            recipe.name,
            recipe.model_size(self.corpus.vocabulary().len()).parameters(),
            self.config.seed,
            device::describe(self.device),
        );
    }

    fn metrics(&self, epoch: usize, ended: EpochEnd, started: Instant) -> EpochMetrics {
        EpochMetrics {
            epoch,
            train_loss: ended.mean_loss,
            steps: ended.steps,
            characters: (ended.windows * self.config.recipe.windows.length) as u64,
            seconds: started.elapsed().as_secs_f64(),
        }
    }

    fn checkpoint(
        &self,
        run: &RunFolder,
        training: &Training<'_>,
        epoch: usize,
        train_loss: Option<f64>,
    ) -> Result<PathBuf> {
        let tensors = training.network().tensors()?.into_iter().collect();
        run.write_checkpoint(epoch, &tensors, &self.card(epoch, train_loss))
    }

    fn card(&self, epochs: usize, train: Option<f64>) -> ModelCard {
        let (corpus, recipe) = (self.corpus, &self.config.recipe);
        let index = corpus.index();
        ModelCard {
            format_version: FORMAT_VERSION,
            vocabulary: corpus.vocabulary().clone(),
            normalisation: corpus.normalisation(),
            size: recipe.model_size(corpus.vocabulary().len()),
            context: Context::Window { length: recipe.windows.length },
            seed_text: corpus.vocabulary().decode(&self.excerpt(0)),
            provenance: Provenance {
                dataset: index.name.clone(),
                licence: index.licence.clone(),
                tokens: corpus.tokens().len() as u64,
                recipe: recipe.name.clone(),
                seed: self.config.seed,
                epochs,
                losses: Losses { train, validation: None },
                program: concat!("scrimshaw ", env!("CARGO_PKG_VERSION")).into(),
            },
        }
    }

    /// A window's length of the text, at a place that the seed gives to the epoch.
    fn excerpt(&self, epoch: usize) -> Vec<u32> {
        let (tokens, length) = (self.corpus.tokens(), self.config.recipe.windows.length);
        let starts = tokens.len() - length;
        let start = derive(self.config.seed, Purpose::Excerpt, epoch) % starts as u64;
        let mut excerpt = vec![0; length];
        tokens.read(start as usize, &mut excerpt);
        excerpt
    }

    fn print_samples(&self, run: &RunFolder, training: &Training<'_>, epoch: usize) -> Result<()> {
        let settings = &self.config.recipe.samples;
        if settings.length == 0 {
            return Ok(());
        }
        let printout = Printout {
            network: training.network(),
            vocabulary: self.corpus.vocabulary(),
            settings,
            device: self.device,
        };
        let mut out: Box<dyn Write> = if self.config.json { Box::new(sink()) } else { Box::new(stdout()) };
        let seed = derive(self.config.seed, Purpose::Samples, epoch);
        let text = printout.write(epoch, &self.excerpt(epoch), seed, &mut out)?;
        run.write_samples(epoch, &text)
    }
}
