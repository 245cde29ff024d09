//! A network in training: one step after another, and everything that the next step depends on.

use candle_core::{Device, Tensor};
use corpus::Tokens;
use lstm::{CharLstm, Dropout, State};
use serde::{Deserialize, Serialize};

use crate::average::Average;
use crate::batches::{Batches, Epoch};
use crate::optimizer::Optimizer;
use crate::plan::{Plan, Plans};
use crate::randomness::{Purpose, derive};
use crate::recipe::Recipe;
use crate::schedule::{self, Plateau, Position};
use crate::{Error, Result};

/// Training has diverged when a step's loss is more than this many times that of a uniform guess, ln V.
const DIVERGED: f64 = 4.0;

/// A network in training.
pub struct Training<'c> {
    recipe: Recipe,
    seed: u64,
    device: Device,
    network: CharLstm,
    optimizer: Optimizer,
    average: Option<Average>,
    batches: Batches<'c>,
    epoch: Epoch<'c>,
    /// The state after the last batch, if it is carried on.
    state: Option<State>,
    progress: Progress,
    /// How many steps it takes, if it has a time budget.
    plans: Plans,
}

/// Where a training is: with the tensors, everything that the next step depends on. Random numbers have no state of their
/// own; they follow from the seed and these numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Batches of the epoch that are done.
    pub batch: usize,
    /// Optimizer steps so far.
    pub step: usize,
    /// Seconds of training, over all sessions.
    pub elapsed: f64,
    /// Sum of the losses of all targets since the last evaluation, in nats.
    pub loss: f64,
    /// The number of those targets.
    pub targets: u64,
    /// Targets since the start of the training.
    pub trained: u64,
    /// What the learning rate depends on besides the position.
    pub plateau: Plateau,
}

/// What is known after an optimizer step.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// The epoch that the step belongs to, from 1.
    pub epoch: usize,
    /// Mean loss of the step's batches before the step, in nats per character.
    pub loss: f64,
    /// Euclidean norm of all gradients together, before clipping.
    pub gradient_norm: f64,
    /// The learning rate that it was taken with.
    pub learning_rate: f64,
    /// Whether an epoch ended with it.
    pub ends_epoch: bool,
}

impl<'c> Training<'c> {
    /// A network at the start of its training on a text: `network`, or a new one from the seed.
    pub fn new(
        recipe: &Recipe,
        tokens: Tokens<'c>,
        vocabulary: usize,
        seed: u64,
        device: &Device,
        network: Option<CharLstm>,
    ) -> Result<Self> {
        let network = if let Some(network) = network {
            network
        } else {
            let weights = derive(seed, Purpose::Weights, 0);
            CharLstm::init(&recipe.model_size(vocabulary), weights, device)?
        };
        let network = network.with_precision(recipe.model.precision.into());
        let variables = network.variables();
        let average = recipe.average.map(|settings| Average::new(&variables, settings.decay)).transpose()?;
        let optimizer = Optimizer::new(variables, recipe.optimizer, recipe.clipping)?;
        let batches = Batches::new(recipe, tokens, seed)?;
        let (plateau, epoch) = (Plateau::default(), 1);
        let progress = Progress { epoch, batch: 0, step: 0, elapsed: 0.0, loss: 0.0, targets: 0, trained: 0, plateau };
        Ok(Self {
            recipe: recipe.clone(),
            seed,
            device: device.clone(),
            network,
            optimizer,
            average,
            batches,
            epoch: batches.epoch(epoch),
            state: None,
            progress,
            plans: Plans::default(),
        })
    }

    /// Where the training is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Optimizer steps in an epoch.
    pub fn steps_per_epoch(&self) -> usize {
        self.epoch.len().div_ceil(self.recipe.accumulate)
    }

    /// Bounds the training by plans: those of a time budget.
    pub fn follow(&mut self, plans: Plans) {
        self.plans = plans;
    }

    /// Makes a plan hold from now on.
    pub fn change_plan(&mut self, plan: Plan) {
        self.plans.push(plan);
    }

    /// The plans of the time budget.
    pub fn plans(&self) -> &Plans {
        &self.plans
    }

    /// Share of the training that is done. A run under a time budget counts the steps of its plan; one of earlier versions,
    /// which has no plan, looks at the clock.
    pub fn done(&self) -> f64 {
        let Recipe { minutes, epochs, .. } = self.recipe;
        let Progress { elapsed, epoch, batch, step, .. } = self.progress;
        if !self.plans.is_empty() {
            return self.plans.done(step);
        }
        if minutes > 0.0 {
            return (elapsed / (60.0 * minutes)).min(1.0);
        }
        let of_epoch = batch as f64 / self.epoch.len() as f64;
        ((epoch - 1) as f64 + of_epoch) / epochs.max(1) as f64
    }

    /// Whether nothing is left to do.
    pub fn finished(&self) -> bool {
        self.done() >= 1.0
    }

    /// The learning rate of the next step.
    pub fn learning_rate(&self) -> f64 {
        let position = Position { epochs: self.progress.epoch - 1, done: self.done() };
        let factor = schedule::factor(self.recipe.schedule, position, self.progress.plateau);
        self.recipe.optimizer.learning_rate() * factor
    }

    /// One optimizer step. A loss or a gradient that is no longer a number, or a loss far above that of a guess, ends it
    /// with [`Error::Diverged`], before the weights have changed.
    ///
    /// Accumulated batches count by their targets, so that the step is that of one large batch, also when the last batch
    /// of an epoch is short.
    pub fn step(&mut self) -> Result<Step> {
        let learning_rate = self.learning_rate();
        let batches = self.recipe.accumulate.min(self.epoch.len() - self.progress.batch);
        let mut sums: Option<Vec<Tensor>> = None;
        let (mut loss_sum, mut targets, mut first) = (0.0, 0, 0);
        for index in self.progress.batch..self.progress.batch + batches {
            let (loss, count, gradients) = self.gradients(index)?;
            loss_sum += loss * count as f64;
            targets += count as u64;
            sums = Some(match sums {
                None => {
                    first = count;
                    gradients
                }
                Some(sums) => add(&sums, &gradients, count, first)?,
            });
        }
        let loss = loss_sum / targets as f64;
        let diverged = |loss| Error::Diverged { loss, epoch: self.progress.epoch, step: self.progress.step + 1 };
        let uniform = (self.network.size().vocabulary as f64).ln();
        if !loss.is_finite() || loss > DIVERGED * uniform.max(1.0) {
            return Err(diverged(loss));
        }
        let sums = sums.unwrap_or_default();
        let norm = self.optimizer.step(&sums, learning_rate, first as f64 / targets as f64)?;
        if !norm.is_finite() {
            return Err(diverged(norm));
        }
        if let Some(average) = &mut self.average {
            average.update(&self.network.variables())?;
        }
        let progress = &mut self.progress;
        let epoch = progress.epoch;
        progress.step += 1;
        progress.batch += batches;
        progress.loss += loss_sum;
        progress.targets += targets;
        progress.trained += targets;
        let ends_epoch = progress.batch == self.epoch.len();
        if ends_epoch {
            (progress.epoch, progress.batch) = (progress.epoch + 1, 0);
            self.epoch = self.batches.epoch(progress.epoch);
            self.state = None;
        }
        Ok(Step { epoch, loss, gradient_norm: norm, learning_rate, ends_epoch })
    }

    /// Loss, number of targets and gradients of a batch; carries the state on.
    fn gradients(&mut self, index: usize) -> Result<(f64, usize, Vec<Tensor>)> {
        let batch = self.epoch.batch(index, &self.device)?;
        let dropout = self.dropout(index);
        let state = self.state.as_ref().map(|state| self.partly_forgotten(state, index)).transpose()?;
        let (loss, state) =
            self.network.loss_with_dropout(&batch.ids, &batch.targets, state.as_ref(), batch.outputs, &dropout)?;
        let gradients = loss.backward()?;
        let gradients = self
            .network
            .variables()
            .iter()
            .map(|variable| gradients.get(variable).cloned().ok_or(Error::NoGradient))
            .collect::<Result<_>>()?;
        self.state = self.epoch.carries_state().then(|| state.detach());
        Ok((f64::from(loss.to_scalar::<f32>()?), batch.count, gradients))
    }

    /// The state with the rows of some streams set to zero.
    fn partly_forgotten(&self, state: &State, batch: usize) -> Result<State> {
        let share = self.recipe.streams.map_or(0.0, |streams| streams.reset);
        if share == 0.0 {
            return Ok(state.clone());
        }
        let seed = derive(derive(self.seed, Purpose::Reset, self.progress.epoch), Purpose::Reset, batch);
        let forgets = |row: usize| derive(seed, Purpose::Reset, row) as f64 / u64::MAX as f64 <= share;
        let rows = state.hidden.dim(1)?;
        let kept: Vec<f32> = (0..rows).map(|row| if forgets(row) { 0.0 } else { 1.0 }).collect();
        let kept = Tensor::from_vec(kept, (1, rows, 1), &self.device)?; // (1, N, 1)
        Ok(State { hidden: state.hidden.broadcast_mul(&kept)?, cell: state.cell.broadcast_mul(&kept)? })
    }

    fn dropout(&self, batch: usize) -> Dropout {
        let settings = self.recipe.dropout;
        Dropout {
            input: settings.input,
            between: settings.between,
            output: settings.output,
            recurrent: settings.recurrent,
            variational: settings.variational,
            seed: derive(derive(self.seed, Purpose::Dropout, self.progress.epoch), Purpose::Dropout, batch),
        }
    }

    /// Mean loss of all targets since the last call, in nats. Tells the schedule the loss that decides: the validation
    /// loss, or this one if nothing is held out.
    pub fn end_of_interval(&mut self, validation: Option<f64>) -> f64 {
        let progress = &mut self.progress;
        let mean = progress.loss / progress.targets as f64;
        (progress.loss, progress.targets) = (0.0, 0);
        progress.plateau.observe(self.recipe.schedule, validation.unwrap_or(mean));
        mean
    }

    /// Counts time that training took.
    pub fn count_time(&mut self, seconds: f64) {
        self.progress.elapsed += seconds;
    }

    /// The network to use: with averaged weights if the recipe averages, otherwise with the last ones. It computes in the
    /// precision that is trained in.
    pub fn result(&self) -> Result<CharLstm> {
        let Some(average) = &self.average else { return Ok(self.network.clone()) };
        let network = CharLstm::load(self.network.tensors()?, self.network.size(), &self.device)?;
        for (variable, mean) in network.variables().iter().zip(average.means()) {
            variable.set(mean)?;
        }
        Ok(network.with_precision(self.recipe.model.precision.into()))
    }

    /// All tensors that the next step depends on, by name.
    pub fn tensors(&self) -> Vec<(String, Tensor)> {
        let mut tensors = self.optimizer.state();
        let numbered = |name: &'static str| move |(index, tensor): (usize, Tensor)| (format!("{name}.{index}"), tensor);
        let variables = self.network.variables();
        let variables = variables.iter().map(candle_core::Var::as_detached_tensor).enumerate();
        tensors.extend(variables.map(numbered("variable")));
        let means = self.average.iter().flat_map(|average| average.means().iter().cloned()).enumerate();
        tensors.extend(means.map(numbered("average")));
        if let Some(State { hidden, cell }) = &self.state {
            tensors.push(("state.hidden".into(), hidden.clone()));
            tensors.push(("state.cell".into(), cell.clone()));
        }
        tensors
    }

    /// Continues where another training of the same recipe, text and seed was.
    pub fn restore(&mut self, progress: Progress, tensors: &std::collections::HashMap<String, Tensor>) -> Result<()> {
        let mut take = |name: &str| -> candle_core::Result<Tensor> {
            let tensor = tensors.get(name).ok_or_else(|| candle_core::Error::Msg(format!("{name} is missing")))?;
            tensor.to_device(&self.device)
        };
        for (index, variable) in self.network.variables().iter().enumerate() {
            variable.set(&take(&format!("variable.{index}"))?)?;
        }
        self.optimizer.restore(progress.step as u64, &mut take)?;
        if let Some(average) = &mut self.average {
            let means: Vec<Tensor> = (0..average.means().len())
                .map(|index| take(&format!("average.{index}")))
                .collect::<candle_core::Result<_>>()?;
            average.restore(progress.step as u64, &means)?;
        }
        let carried = tensors.contains_key("state.hidden");
        self.state =
            if carried { Some(State { hidden: take("state.hidden")?, cell: take("state.cell")? }) } else { None };
        self.epoch = self.batches.epoch(progress.epoch);
        self.progress = progress;
        Ok(())
    }
}

/// Adds the mean gradients of a batch of `count` targets to sums, of which each batch of `full` targets weighs 1.
fn add(sums: &[Tensor], gradients: &[Tensor], count: usize, full: usize) -> candle_core::Result<Vec<Tensor>> {
    let weight = count as f64 / full as f64;
    let add = |(sum, gradient): (&Tensor, &Tensor)| {
        if count == full { sum + gradient } else { sum + (gradient * weight)? }
    };
    sums.iter().zip(gradients).map(add).collect()
}
