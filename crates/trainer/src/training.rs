//! A network in training: one step after another, and everything that the next step hangs on.

use candle_core::{Device, Tensor};
use corpus::Tokens;
use lstm::{CharLstm, Dropout, State};
use serde::{Deserialize, Serialize};

use crate::average::Average;
use crate::batches::{Batches, Epoch};
use crate::optimizer::Optimizer;
use crate::randomness::{Purpose, derive};
use crate::recipe::Recipe;
use crate::schedule::{self, Plateau, Position};
use crate::{Error, Result};

/// A step's loss beyond so many times that of a uniform guess, ln V, is no training any more.
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
    /// Behind the last batch, where states are carried on.
    state: Option<State>,
    progress: Progress,
}

/// Where a training is: with the tensors, everything that the next step hangs on. Random numbers have no state of their
/// own, they follow from the seed and these numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Batches done in it.
    pub batch: usize,
    /// Steps of the optimiser in all.
    pub step: usize,
    /// Seconds trained, of all sessions.
    pub elapsed: f64,
    /// Sum of the losses of all targets since the last evaluation, in nats.
    pub loss: f64,
    /// How many targets that were.
    pub targets: u64,
    /// Targets since the start of the training.
    pub trained: u64,
    /// What the learning rate hangs on beside the position.
    pub plateau: Plateau,
}

/// What is known after a step of the optimiser.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Loss of the step's batches, before the step, in nats a character.
    pub loss: f64,
    /// The learning rate that it was made with.
    pub learning_rate: f64,
    /// Whether an epoch ended with it.
    pub ends_epoch: bool,
}

impl<'c> Training<'c> {
    /// A network at the start of its training on a text: `network`, or a new one.
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
        })
    }

    /// The network as the last step left it.
    pub fn network(&self) -> &CharLstm {
        &self.network
    }

    /// Where the training is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Steps of the optimiser in an epoch.
    pub fn steps_an_epoch(&self) -> usize {
        self.epoch.len().div_ceil(self.recipe.accumulate)
    }

    /// Share of the training that is done, by the clock where the recipe has a time budget.
    pub fn done(&self) -> f64 {
        let Recipe { minutes, epochs, .. } = self.recipe;
        let Progress { elapsed, epoch, batch, .. } = self.progress;
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

    /// One step of the optimiser. A loss or a gradient that is no longer a number, or a loss far beyond a guess, ends it
    /// with [`Error::Diverged`], before the weights have changed.
    pub fn step(&mut self) -> Result<Step> {
        let learning_rate = self.learning_rate();
        let batches = self.recipe.accumulate.min(self.epoch.len() - self.progress.batch);
        let mut sums: Option<Vec<Tensor>> = None;
        let (mut loss_sum, mut targets) = (0.0, 0);
        for index in self.progress.batch..self.progress.batch + batches {
            let (loss, count, gradients) = self.gradients(index)?;
            loss_sum += loss * count as f64;
            targets += count as u64;
            sums = Some(match sums {
                None => gradients,
                Some(sums) => sums
                    .iter()
                    .zip(&gradients)
                    .map(|(sum, gradient)| sum + gradient)
                    .collect::<candle_core::Result<_>>()?,
            });
        }
        let loss = loss_sum / targets as f64;
        let diverged = |loss| Error::Diverged { loss, epoch: self.progress.epoch, step: self.progress.step + 1 };
        let uniform = (self.network.size().vocabulary as f64).ln();
        if !loss.is_finite() || loss > DIVERGED * uniform.max(1.0) {
            return Err(diverged(loss));
        }
        let sums = sums.unwrap_or_default();
        let norm = self.optimizer.step(&sums, learning_rate, 1.0 / batches as f64)?;
        if !norm.is_finite() {
            return Err(diverged(norm));
        }
        if let Some(average) = &mut self.average {
            average.update(&self.network.variables())?;
        }
        let progress = &mut self.progress;
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
        Ok(Step { loss, learning_rate, ends_epoch })
    }

    /// Loss, targets and gradients of a batch; the state goes on.
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

    /// Mean loss of all targets since the last call, in nats; takes note of an evaluation for the schedule.
    pub fn end_of_interval(&mut self, validation: Option<f64>) -> f64 {
        let progress = &mut self.progress;
        let mean = progress.loss / progress.targets as f64;
        (progress.loss, progress.targets) = (0.0, 0);
        if let Some(loss) = validation {
            progress.plateau.observe(self.recipe.schedule, loss);
        }
        mean
    }

    /// Counts time that went into other things than steps.
    pub fn count_time(&mut self, seconds: f64) {
        self.progress.elapsed += seconds;
    }

    /// The network to use: of the averaged weights where the recipe has them, otherwise of the last ones.
    pub fn result(&self) -> Result<CharLstm> {
        let Some(average) = &self.average else { return Ok(self.network.clone()) };
        let network = CharLstm::load(self.network.tensors()?, self.network.size(), &self.device)?;
        for (variable, mean) in network.variables().iter().zip(average.means()) {
            variable.set(mean)?;
        }
        Ok(network)
    }

    /// All tensors that the next step hangs on, by name.
    pub fn tensors(&self) -> Result<Vec<(String, Tensor)>> {
        let mut tensors = self.optimizer.memories();
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
        Ok(tensors)
    }

    /// Takes up where another training of the same recipe, text and seed was.
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
