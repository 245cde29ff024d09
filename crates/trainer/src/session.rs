//! A session of training: the loop of steps, evaluations, checkpoints and samples. It does not know whether a training is
//! new or resumed, nor who watches.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use candle_core::Device;
use corpus::{Corpus, Split, Tokens, Windows};
use lstm::CharLstm;
use model_card::{FORMAT_VERSION, Losses, ModelCard, Provenance};

use crate::checkpoint::{self, Position};
use crate::clock::{Clock, Stopwatch};
use crate::estimate::estimate;
use crate::evaluation::{Protocol, STREAMS, measure};
use crate::observer::{Announcement, Event, Observer};
use crate::plan::{Plan, Revision};
use crate::randomness::{Purpose, derive};
use crate::recipe::{Cut, Recipe};
use crate::records::{Best, LossKind, Metrics, Outcome, ProgressSample, StepRecord, Times};
use crate::run::{RunConfig, RunFolder};
use crate::samples::{Continuation, Samples, readable};
use crate::tasks::novelty;
use crate::training::{Step, Training};
use crate::{Error, Result, corpora, device};

/// Characters sampled at the end to see how much of them is copied.
const NOVELTY_LENGTH: usize = 2_000;

/// Characters of a text that is searched for copies at the end of training: one second's work.
const NOVELTY_LIMIT: usize = 20_000_000;

/// The temperature of the samples along the way: low enough for words to show as soon as they are learned.
const PROGRESS_TEMPERATURE: f32 = 0.5;

/// What stays the same throughout a session.
pub struct Session<'s> {
    config: &'s RunConfig,
    corpus: &'s Corpus,
    text: Tokens<'s>,
    device: &'s Device,
    run: &'s RunFolder,
    observer: &'s mut dyn Observer,
    clock: &'s dyn Clock,
}

/// What has been reached so far.
#[derive(Debug, Clone, Copy)]
struct Reached {
    best: Option<Best>,
    metrics: Option<Metrics>,
}

/// What the loop remembers between two evaluations.
struct Interval {
    started: Duration,
    characters: u64,
}

impl<'s> Session<'s> {
    /// A session in a run's folder.
    pub fn new(
        config: &'s RunConfig,
        corpus: &'s Corpus,
        device: &'s Device,
        run: &'s RunFolder,
        observer: &'s mut dyn Observer,
        clock: &'s dyn Clock,
    ) -> Result<Self> {
        Ok(Self { config, corpus, text: corpora::training_text(corpus)?, device, run, observer, clock })
    }

    /// Steps until the training is finished, and at the end of each interval an evaluation, a checkpoint and samples.
    /// `best` and `metrics` are what an earlier session has reached.
    ///
    /// # Errors
    /// [`Error::Interrupted`] after a step and with a checkpoint, as soon as `interrupted` is set.
    pub fn train(
        mut self,
        mut training: Training<'_>,
        best: Option<Best>,
        metrics: Option<Metrics>,
        interrupted: &AtomicBool,
    ) -> Result<Outcome> {
        let mut reached = Reached { best, metrics };
        self.announce(&training);
        if training.progress().step == 0 {
            self.checkpoint(&training, reached)?;
        }
        let already_finished = self.is_over(&training, reached);
        if already_finished {
            let (run, step) = (self.run.path(), training.progress().step);
            self.observer.observe(&Event::AlreadyFinished { run, step });
        }
        let mut sampled = None;
        let mut interval = self.interval(&training);
        let mut revision = self.revision(&training);
        let (mut saved, clock) = (self.clock.now(), Stopwatch::new(self.clock));
        while !self.is_over(&training, reached) {
            let step = training.step()?;
            let seconds = clock.lap();
            training.count_time(seconds);
            self.report_step(&training, step, seconds)?;
            let is_planned_anew = self.revise(&mut revision, &mut training);
            if self.interval_ends(&training, step) {
                let before = training.progress().elapsed;
                let line = self.evaluate(&mut training, step)?;
                reached.best = Some(Best::after(reached.best, line.step, line.deciding_loss()));
                reached.metrics = Some(line);
                training.count_time(clock.lap());
                let times = interval.times(&training, self.clock.now());
                self.observer.observe(&Event::Evaluated { metrics: line, times, decides: line.decides() });
                self.sample_progress(&training, reached, step, line.validation_loss)?;
                // Samples and records come before the checkpoint: whatever is killed in between is trained, measured and
                // sampled again, and the records are cut back to the checkpoint.
                if self.samples_are_due(&training) {
                    self.sample(&training.result()?, line.step, training.progress().epoch - 1)?;
                    sampled = Some(line.step);
                }
                self.run.append(&line, &times)?;
                training.count_time(clock.lap());
                self.checkpoint(&training, reached)?;
                training.count_time(clock.lap());
                if let Some(revision) = &mut revision {
                    revision.evaluated(training.progress().elapsed - before);
                }
                (interval, saved) = (self.interval(&training), self.clock.now());
            } else {
                if self.sample_progress(&training, reached, step, None)? {
                    training.count_time(clock.lap());
                }
                if is_planned_anew || self.checkpoint_is_due(training.progress().step, saved) {
                    self.checkpoint(&training, reached)?;
                    training.count_time(clock.lap());
                    saved = self.clock.now();
                }
            }
            if interrupted.load(Ordering::Relaxed) {
                let checkpoint = self.checkpoint(&training, reached)?;
                return Err(Error::Interrupted { epoch: training.progress().epoch, checkpoint });
            }
        }
        if !already_finished && self.recipe().patience_has_ended(reached.best) {
            let (patience, decides) = (self.recipe().evaluation.patience, self.decides(reached));
            self.observer.observe(&Event::StoppedEarly { patience, decides });
        }
        self.finish(&training, reached, sampled, already_finished)
    }

    fn recipe(&self) -> &'s Recipe {
        &self.config.recipe
    }

    fn is_over(&self, training: &Training<'_>, reached: Reached) -> bool {
        training.finished() || self.recipe().patience_has_ended(reached.best)
    }

    /// The loss that decides what is the best checkpoint. A validation split may be too short for a single window.
    fn decides(&self, reached: Reached) -> LossKind {
        let expected = if self.validation().is_some() { LossKind::Validation } else { LossKind::Training };
        reached.metrics.map_or(expected, |metrics| metrics.decides())
    }

    fn interval(&self, training: &Training<'_>) -> Interval {
        Interval { started: self.clock.now(), characters: training.progress().trained }
    }

    /// The text to evaluate on, if any is held out.
    fn validation(&self) -> Option<Tokens<'s>> {
        self.corpus.split(Split::Validation)
    }

    /// Tells what is trained, on what, and for how long.
    fn announce(&mut self, training: &Training<'_>) {
        let (recipe, vocabulary) = (self.recipe(), self.corpus.vocabulary().len());
        let by_clock = recipe.minutes > 0.0;
        let announcement = Announcement {
            run: self.run.path().into(),
            dataset: self.corpus.index().name.clone(),
            training_characters: self.text.len(),
            validation_characters: self.validation().map_or(0, |tokens| tokens.len()),
            vocabulary,
            windows: match recipe.cut() {
                Cut::Windows(windows) => Some(Windows::new(self.text, windows.length, windows.step).len()),
                Cut::Streams(_) => None,
            },
            recipe: recipe.name.clone(),
            parameters: recipe.model_size(vocabulary).parameters(),
            memory: u64::try_from(estimate(recipe, vocabulary).bytes).unwrap_or(u64::MAX),
            epochs: (!by_clock).then_some(recipe.epochs),
            minutes: by_clock.then_some(recipe.minutes),
            steps_per_epoch: training.steps_per_epoch(),
            seed: self.config.seed,
            device: device::describe(self.device).into(),
            record_steps: recipe.records.steps,
            resumed_after: Some(training.progress().step).filter(|step| *step > 0),
        };
        self.observer.observe(&Event::Started(&announcement));
        if let Some(plan) = training.plans().at(training.progress().step) {
            self.tell_plan(&plan.clone());
        }
    }

    fn report_step(&mut self, training: &Training<'_>, step: Step, seconds: f64) -> Result<()> {
        let progress = training.progress();
        let record = StepRecord {
            epoch: step.epoch,
            step: progress.step,
            loss: step.loss,
            gradient_norm: step.gradient_norm,
            learning_rate: step.learning_rate,
            seconds,
            characters: progress.trained,
            done: training.done(),
            elapsed: progress.elapsed,
        };
        self.observer.observe(&Event::Step(record));
        let every = self.recipe().records.steps;
        if every > 0 && record.step.is_multiple_of(every) { self.run.append_step(&record) } else { Ok(()) }
    }

    /// What watches whether the time budget holds; `None` without a budget, and for a run that repeats another one's plans.
    fn revision(&self, training: &Training<'_>) -> Option<Revision> {
        let recipe = self.recipe();
        let is_free = !training.plans().is_empty() && self.config.repeats.is_none();
        is_free.then(|| Revision::new(60.0 * recipe.minutes, recipe.evaluation.steps, training.progress().elapsed))
    }

    /// Makes a new plan if the run would not end in time. Whoever is told `true` writes a checkpoint, which records it.
    fn revise(&mut self, revision: &mut Option<Revision>, training: &mut Training<'_>) -> bool {
        let (step, elapsed) = (training.progress().step, training.progress().elapsed);
        let plan = revision.as_mut().and_then(|revision| revision.after(training.plans(), step, elapsed));
        let Some(plan) = plan else { return false };
        training.change_plan(plan);
        self.tell_plan(&plan);
        true
    }

    fn tell_plan(&mut self, plan: &Plan) {
        let (minutes, characters_per_step) = (self.recipe().minutes, self.recipe().characters_per_step());
        self.observer.observe(&Event::Planned { plan: *plan, minutes, characters_per_step });
    }

    fn interval_ends(&self, training: &Training<'_>, step: Step) -> bool {
        let every = self.recipe().evaluation.steps;
        let regular = if !training.plans().is_empty() {
            training.plans().evaluates_after(training.progress().step)
        } else if every == 0 {
            step.ends_epoch
        } else {
            training.progress().step.is_multiple_of(every)
        };
        regular || training.finished()
    }

    fn checkpoint_is_due(&self, step: usize, saved: Duration) -> bool {
        let settings = self.recipe().checkpoints;
        let by_steps = settings.steps > 0 && step.is_multiple_of(settings.steps);
        let minutes = || self.clock.now().saturating_sub(saved).as_secs_f64() / 60.0;
        by_steps || settings.minutes > 0.0 && minutes() >= settings.minutes
    }

    /// Whether samples follow the evaluation that has just been made.
    fn samples_are_due(&self, training: &Training<'_>) -> bool {
        let (recipe, progress) = (self.recipe(), training.progress());
        let evaluations = match recipe.evaluation.steps {
            _ if !training.plans().is_empty() => training.plans().evaluations(progress.step),
            0 => progress.epoch - 1,
            steps => progress.step / steps,
        };
        recipe.samples.every > 0 && evaluations.is_multiple_of(recipe.samples.every)
    }

    /// Records what the network writes now, if a sample along the way is due: whenever the number of steps has doubled, and
    /// after the last step. Like all records it comes before the checkpoint of its step. Returns whether one was due.
    fn sample_progress(
        &mut self,
        training: &Training<'_>,
        reached: Reached,
        step: Step,
        validation_loss: Option<f64>,
    ) -> Result<bool> {
        let (length, progress) = (self.recipe().records.progress, training.progress());
        if length == 0 || !(progress.step.is_power_of_two() || self.is_over(training, reached)) {
            return Ok(false);
        }
        let (vocabulary, prompt) = (self.corpus.vocabulary(), self.excerpt(0));
        let seed = derive(self.config.seed, Purpose::Progress, 0);
        let continuation = Continuation { prompt: &prompt, length, temperature: PROGRESS_TEMPERATURE, seed };
        let mut text = String::new();
        let mut push = |piece: &str| text.push_str(piece);
        continuation.write(&training.result()?, vocabulary, self.recipe().context(), &mut push)?;
        let sample = ProgressSample {
            epoch: step.epoch,
            step: progress.step,
            loss: step.loss,
            validation_loss,
            elapsed: progress.elapsed,
            temperature: PROGRESS_TEMPERATURE,
            prompt: readable(vocabulary, &prompt),
            text,
        };
        self.run.append_progress(&sample)?;
        self.observer.observe(&Event::ProgressSample(&sample));
        Ok(true)
    }

    fn evaluate(&mut self, training: &mut Training<'_>, step: Step) -> Result<Metrics> {
        let protocol = protocol(self.recipe());
        let validation = match self.validation() {
            Some(tokens) => {
                let mut report = |done, total| {
                    self.observer.observe(&Event::Progress { task: "evaluating", done, total: Some(total) });
                };
                measure(&training.result()?, tokens, protocol, &mut report)?.map(|score| score.nats)
            }
            None => None,
        };
        let train_loss = training.end_of_interval(validation);
        let progress = training.progress();
        Ok(Metrics {
            epoch: step.epoch,
            step: progress.step,
            train_loss,
            validation_loss: validation,
            learning_rate: step.learning_rate,
            characters: progress.trained,
        })
    }

    /// Writes a checkpoint, then which one is the best, and only then removes old ones.
    fn checkpoint(&mut self, training: &Training<'_>, reached: Reached) -> Result<PathBuf> {
        self.run.check_in_place()?;
        // The folder may be removed at any moment, so every failure may be that one.
        let written = self.write_checkpoint(training, reached);
        self.run.or_gone(written)
    }

    fn write_checkpoint(&mut self, training: &Training<'_>, Reached { best, metrics }: Reached) -> Result<PathBuf> {
        let folder = self.run.checkpoints();
        let position = Position::new(*training.progress(), best, metrics).with_plans(training.plans().clone());
        let (network, tensors) = (training.result()?, training.tensors());
        let card = self.card(&network, training, metrics);
        self.run.sync_steps()?;
        let (path, is_new) = checkpoint::write(&folder, &network, &card, &position, tensors)?;
        if let Some(best) = best {
            self.run.write_best(best)?;
        }
        checkpoint::remove_old(&folder, self.recipe().checkpoints.keep, best.map(|best| best.step))?;
        if is_new {
            self.observer.observe(&Event::Checkpoint { step: training.progress().step, path: &path });
        }
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
                tokens: self.text.len() as u64,
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

    /// A piece of the text as long as one that training reads, at a place that follows from the seed and an epoch.
    fn excerpt(&self, epoch: usize) -> Vec<u32> {
        let length = self.recipe().time().min(self.text.len() - 1);
        let starts = (self.text.len() - length) as u64;
        let start = (derive(self.config.seed, Purpose::Excerpt, epoch) % starts) as usize;
        self.text.to_vec(start..start + length)
    }

    /// Samples and novelty of the checkpoint that is to be used: the one that is exported.
    fn finish(
        &mut self,
        training: &Training<'_>,
        reached: Reached,
        sampled: Option<usize>,
        already_finished: bool,
    ) -> Result<Outcome> {
        let last = training.progress().step;
        let checkpoint_of = |step| self.run.checkpoints().join(checkpoint::name(step));
        let best = reached.best.map(|best| best.step).filter(|step| checkpoint_of(*step).is_dir());
        let step = best.unwrap_or(last);
        let checkpoint = checkpoint_of(step);
        let (network, card) = checkpoint::model(&checkpoint, self.device)?;
        let network = network.with_precision(self.recipe().model.precision.into());
        // Samples of the last step that was also the best have just been shown.
        if step != last || sampled != Some(last) {
            self.sample(&network, step, card.provenance.epochs)?;
        }
        self.report_novelty(&network, &card)?;
        let outcome = Outcome {
            run: self.run.path().into(),
            checkpoint,
            parameters: self.recipe().model_size(self.corpus.vocabulary().len()).parameters(),
            elapsed: training.progress().elapsed,
            best_loss: reached.best.map(|best| best.loss),
            decides: self.decides(reached),
            already_finished,
            metrics: reached.metrics,
        };
        self.observer.observe(&Event::Finished(&outcome));
        Ok(outcome)
    }

    /// How much of what a model writes is copied; left out if searching the text would take long.
    fn report_novelty(&mut self, network: &CharLstm, card: &ModelCard) -> Result<()> {
        if self.text.len() > NOVELTY_LIMIT {
            return Ok(());
        }
        let sample = novelty::write(network, card, NOVELTY_LENGTH, 1.0, self.config.seed, self.observer)?;
        let found = novelty::compare(self.corpus, &sample, self.observer)?;
        self.observer.observe(&Event::Novelty(&found));
        Ok(())
    }

    /// What a network writes that was trained for this many steps and epochs.
    fn sample(&mut self, network: &CharLstm, step: usize, epoch: usize) -> Result<()> {
        let settings = &self.recipe().samples;
        if settings.length == 0 {
            return Ok(());
        }
        let (vocabulary, context) = (self.corpus.vocabulary(), self.recipe().context());
        let samples = Samples { network, vocabulary, context, settings };
        let seed = derive(self.config.seed, Purpose::Samples, step);
        let title = format!("After epoch {epoch}, step {step}");
        let excerpt = self.excerpt(epoch);
        let mut out = |text: &str| self.observer.observe(&Event::Sample { text });
        let text = samples.write(&title, &excerpt, seed, &mut out)?;
        self.run.write_samples(step, &text)
    }
}

/// How the validation split is measured during training.
pub(crate) fn protocol(recipe: &Recipe) -> Protocol {
    match recipe.cut() {
        Cut::Windows(windows) => Protocol::Last { length: windows.length, step: windows.step },
        Cut::Streams(_) => Protocol::Streams(STREAMS),
    }
}

impl Interval {
    fn times(&self, training: &Training<'_>, now: Duration) -> Times {
        let progress = training.progress();
        let seconds = now.saturating_sub(self.started).as_secs_f64().max(1e-9);
        let speed = (progress.trained - self.characters) as f64 / seconds;
        Times { step: progress.step, elapsed: progress.elapsed, speed }
    }
}
