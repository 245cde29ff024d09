//! A session of training: the loop of steps, evaluations, checkpoints and samples. Knows nothing of where a training
//! comes from, whether it is new or goes on.

use std::io::{Write, sink, stdout};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use candle_core::Device;
use corpus::{Corpus, Split, Tokens};
use lstm::CharLstm;
use model_card::{FORMAT_VERSION, Losses, ModelCard, Provenance};
use serde::Serialize;

use crate::checkpoint::{self, Best, Position};
use crate::command::novelty;
use crate::evaluation::{Protocol, STREAMS, evaluate};
use crate::progress::Bar;
use crate::randomness::{Purpose, derive};
use crate::recipe::{Cut, Recipe};
use crate::run::{Metrics, RunConfig, RunFolder, Times};
use crate::training::{Step, Training};
use crate::{Error, Printout, Result, device};

/// Characters sampled at the end to see how much of them is copied.
const NOVELTY_LENGTH: usize = 2_000;

/// Characters of a text that is searched for copies at the end of training: a second's work.
const NOVELTY_LIMIT: usize = 20_000_000;

/// What a training left behind.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// The run's folder.
    pub run: PathBuf,
    /// The checkpoint to use: the best, or the last where nothing was held out.
    pub checkpoint: PathBuf,
    /// Trained numbers in the network.
    pub parameters: usize,
    /// Seconds of training in all sessions.
    pub elapsed: f64,
    /// The best evaluation's loss, in nats a character.
    pub best_loss: Option<f64>,
    /// The last evaluation.
    #[serde(flatten)]
    pub metrics: Option<Metrics>,
}

/// What stays the same throughout a session.
pub struct Session<'s> {
    config: &'s RunConfig,
    corpus: &'s Corpus,
    device: &'s Device,
    run: &'s RunFolder,
    json: bool,
}

/// What the loop remembers between two evaluations.
struct Interval {
    started: Instant,
    characters: u64,
}

impl<'s> Session<'s> {
    /// A session in a run's folder; `json` keeps what the model writes off stdout.
    pub fn new(config: &'s RunConfig, corpus: &'s Corpus, device: &'s Device, run: &'s RunFolder, json: bool) -> Self {
        Self { config, corpus, device, run, json }
    }

    fn recipe(&self) -> &'s Recipe {
        &self.config.recipe
    }

    /// Says on stderr what is trained, on what, and for how long.
    pub fn announce(&self, training: &Training<'_>) {
        let (recipe, vocabulary) = (self.recipe(), self.corpus.vocabulary().len());
        let held_out = self.corpus.split(Split::Validation).map_or(0, |tokens| tokens.len());
        let length = if recipe.minutes > 0.0 {
            format!("{} of training", crate::progress::time(60.0 * recipe.minutes))
        } else {
            format!("{} epochs of {} steps", recipe.epochs, training.steps_an_epoch())
        };
        let windows = match recipe.cut() {
            Cut::Windows(windows) => {
                let count = corpus::Windows::new(text(self.corpus), windows.length, windows.step).len();
                format!(", {count} windows")
            }
            Cut::Streams(_) => String::new(),
        };
        eprintln!(
            "{}: {} characters to train on{windows}, {held_out} to validate, vocabulary {vocabulary}; recipe {}, {} \
             parameters, {length}, seed {}, on {}",
            self.corpus.index().name,
            text(self.corpus).len(),
            recipe.name,
            recipe.model_size(vocabulary).parameters(),
            self.config.seed,
            device::describe(self.device),
        );
    }

    /// The loop: steps, and at the end of each interval an evaluation, a checkpoint and what the model writes.
    /// `interrupted` ends it after a step with a checkpoint and [`Error::Interrupted`].
    pub fn train(
        &self,
        mut training: Training<'_>,
        mut best: Option<Best>,
        mut metrics: Option<Metrics>,
        interrupted: &AtomicBool,
    ) -> Result<Outcome> {
        let recipe = self.recipe();
        if training.progress().step == 0 {
            self.checkpoint(&training, best, metrics)?;
        }
        let mut interval = Interval::new(&training);
        let mut saved = Instant::now();
        let mut clock = Instant::now();
        let mut bar = Bar::new(&training, recipe);
        let mut sampled = None;
        while !training.finished() && !self.has_waited_enough(best) {
            let step = training.step().inspect_err(|_| bar.abandon())?;
            training.count_time(lap(&mut clock));
            bar.step(&training, step);
            if self.interval_ends(&training, step) {
                bar.abandon();
                let line = self.evaluate(&mut training, step)?;
                let loss = line.validation_loss.unwrap_or(line.train_loss);
                best = Some(better(best, line.step, loss));
                metrics = Some(line);
                training.count_time(lap(&mut clock));
                let times = interval.times(&training);
                crate::progress::report(&line, &times, recipe);
                // Before the checkpoint: what is killed in between is trained, measured and sampled again.
                if self.samples_are_due(&training) {
                    self.print_samples(&training)?;
                    sampled = Some(line.step);
                }
                training.count_time(lap(&mut clock));
                self.checkpoint(&training, best, metrics)?;
                self.run.append(&line, &times)?;
                if let Some(best) = best {
                    self.run.write_best(best)?;
                }
                training.count_time(lap(&mut clock));
                interval = Interval::new(&training);
                (bar, saved) = (Bar::new(&training, recipe), Instant::now());
            } else if self.checkpoint_is_due(training.progress().step, saved) {
                self.checkpoint(&training, best, metrics)?;
                saved = Instant::now();
            }
            if interrupted.load(Ordering::Relaxed) {
                bar.abandon();
                let checkpoint = self.checkpoint(&training, best, metrics)?;
                return Err(Error::Interrupted { epoch: training.progress().epoch, checkpoint });
            }
        }
        bar.abandon();
        if sampled != Some(training.progress().step) {
            self.print_samples(&training)?;
        }
        self.report_novelty(&training)?;
        let last = self.run.checkpoints().join(checkpoint::name(training.progress().step));
        let best_path = best.map(|best| self.run.checkpoints().join(checkpoint::name(best.step)));
        Ok(Outcome {
            run: self.run.path().into(),
            checkpoint: best_path.unwrap_or(last),
            parameters: recipe.model_size(self.corpus.vocabulary().len()).parameters(),
            elapsed: training.progress().elapsed,
            best_loss: best.map(|best| best.loss),
            metrics,
        })
    }

    fn interval_ends(&self, training: &Training<'_>, step: Step) -> bool {
        let every = self.recipe().evaluation.steps;
        let regular = if every == 0 { step.ends_epoch } else { training.progress().step.is_multiple_of(every) };
        regular || training.finished()
    }

    fn has_waited_enough(&self, best: Option<Best>) -> bool {
        let patience = self.recipe().evaluation.patience;
        let enough = patience > 0 && best.is_some_and(|best| best.waited >= patience);
        if enough {
            eprintln!(
                "the validation loss has not fallen for {patience} evaluations: stopping here, the best checkpoint is \
                 kept (evaluation.patience = 0 goes on)"
            );
        }
        enough
    }

    fn checkpoint_is_due(&self, step: usize, saved: Instant) -> bool {
        let settings = self.recipe().checkpoints;
        let by_steps = settings.steps > 0 && step.is_multiple_of(settings.steps);
        by_steps || settings.minutes > 0.0 && saved.elapsed().as_secs_f64() >= 60.0 * settings.minutes
    }

    /// Whether the evaluation that has just been made is one that the model writes after.
    fn samples_are_due(&self, training: &Training<'_>) -> bool {
        let (recipe, progress) = (self.recipe(), training.progress());
        let evaluations = match recipe.evaluation.steps {
            0 => progress.epoch - 1,
            steps => progress.step / steps,
        };
        recipe.samples.every > 0 && evaluations.is_multiple_of(recipe.samples.every)
    }

    fn evaluate(&self, training: &mut Training<'_>, step: Step) -> Result<Metrics> {
        let protocol = match self.recipe().cut() {
            Cut::Windows(windows) => Protocol::Last { length: windows.length, step: windows.step },
            Cut::Streams(_) => Protocol::Streams(STREAMS),
        };
        let validation = match self.corpus.split(Split::Validation) {
            Some(tokens) => evaluate(&training.result()?, tokens, protocol)?.map(|score| score.nats),
            None => None,
        };
        let train_loss = training.end_of_interval(validation);
        let progress = training.progress();
        Ok(Metrics {
            epoch: if step.ends_epoch { progress.epoch - 1 } else { progress.epoch },
            step: progress.step,
            train_loss,
            validation_loss: validation,
            learning_rate: step.learning_rate,
            characters: progress.trained,
        })
    }

    fn checkpoint(&self, training: &Training<'_>, best: Option<Best>, metrics: Option<Metrics>) -> Result<PathBuf> {
        let folder = self.run.checkpoints();
        let position = Position::new(*training.progress(), best, metrics);
        let (network, tensors) = (training.result()?, training.tensors()?);
        let card = self.card(&network, training, metrics);
        let path = checkpoint::write(&folder, &network, &card, &position, tensors)?;
        checkpoint::remove_old(&folder, self.recipe().checkpoints.keep, best.map(|best| best.step))?;
        Ok(path)
    }

    fn card(&self, network: &CharLstm, training: &Training<'_>, metrics: Option<Metrics>) -> ModelCard {
        let (corpus, recipe) = (self.corpus, self.recipe());
        let index = corpus.index();
        ModelCard {
            format_version: FORMAT_VERSION,
            vocabulary: corpus.vocabulary().clone(),
            normalisation: corpus.normalisation(),
            size: *network.size(),
            context: recipe.context(),
            seed_text: corpus.vocabulary().decode(&self.excerpt(0)),
            provenance: Provenance {
                dataset: index.name.clone(),
                licence: index.licence.clone(),
                tokens: text(corpus).len() as u64,
                recipe: recipe.name.clone(),
                seed: self.config.seed,
                epochs: training.progress().epoch - 1,
                losses: Losses {
                    train: metrics.map(|metrics| metrics.train_loss),
                    validation: metrics.and_then(|metrics| metrics.validation_loss),
                },
                program: concat!("scrimshaw ", env!("CARGO_PKG_VERSION")).into(),
            },
        }
    }

    /// A piece of the text as long as one that training reads, at a place that the seed gives to the evaluation.
    fn excerpt(&self, number: usize) -> Vec<u32> {
        let tokens = text(self.corpus);
        let length = self.recipe().time().min(tokens.len() - 1);
        let starts = (tokens.len() - length) as u64;
        let start = (derive(self.config.seed, Purpose::Excerpt, number) % starts) as usize;
        tokens.to_vec(start..start + length)
    }

    /// One line on how much of what the model writes is copied; left out where searching the text would take long.
    fn report_novelty(&self, training: &Training<'_>) -> Result<()> {
        if text(self.corpus).len() > NOVELTY_LIMIT {
            return Ok(());
        }
        let network = training.result()?;
        let card = self.card(&network, training, None);
        let sample = novelty::write(&network, &card, NOVELTY_LENGTH, 1.0, self.config.seed)?;
        let found = novelty::measure(self.corpus, &sample)?;
        eprintln!("{}", found.in_short());
        Ok(())
    }

    fn print_samples(&self, training: &Training<'_>) -> Result<()> {
        let settings = &self.recipe().samples;
        if settings.length == 0 {
            return Ok(());
        }
        let network = training.result()?;
        let printout = Printout {
            network: &network,
            vocabulary: self.corpus.vocabulary(),
            context: self.recipe().context(),
            settings,
        };
        let mut out: Box<dyn Write> = if self.json { Box::new(sink()) } else { Box::new(stdout()) };
        let (step, epoch) = (training.progress().step, training.progress().epoch - 1);
        let seed = derive(self.config.seed, Purpose::Samples, step);
        let title = format!("After epoch {epoch}, step {step}");
        let text = printout.write(&title, &self.excerpt(epoch), seed, &mut out)?;
        self.run.write_samples(step, &text)
    }
}

impl Interval {
    fn new(training: &Training<'_>) -> Self {
        Self { started: Instant::now(), characters: training.progress().trained }
    }

    fn times(&self, training: &Training<'_>) -> Times {
        let progress = training.progress();
        let seconds = self.started.elapsed().as_secs_f64().max(1e-9);
        let speed = (progress.trained - self.characters) as f64 / seconds;
        Times { step: progress.step, elapsed: progress.elapsed, speed }
    }
}

/// The best evaluation after one more.
fn better(best: Option<Best>, step: usize, loss: f64) -> Best {
    match best {
        Some(best) if best.loss <= loss => Best { waited: best.waited + 1, ..best },
        _ => Best { step, loss, waited: 0 },
    }
}

/// Seconds since the last call.
fn lap(clock: &mut Instant) -> f64 {
    let now = Instant::now();
    let seconds = now.duration_since(*clock).as_secs_f64();
    *clock = now;
    seconds
}

/// The text to train on.
pub fn text(corpus: &Corpus) -> Tokens<'_> {
    corpus.split(Split::Train).unwrap_or_else(|| corpus.tokens())
}
