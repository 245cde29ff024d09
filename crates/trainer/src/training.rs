//! The training loop: windows in a new order every epoch, one step of the optimiser a batch.

use std::ops::{ControlFlow, Range};

use candle_core::{Device, Tensor};
use candle_nn::Optimizer;
use corpus::{Permutation, Windows};
use lstm::{CharLstm, Outputs};

use crate::randomness::{Purpose, derive};
use crate::{Error, OptimizerSettings, Recipe, Result, RmsProp};

/// A network in training.
pub struct Training<'c> {
    network: CharLstm,
    optimizer: RmsProp,
    windows: Windows<'c>,
    batch: usize,
    length: usize,
    seed: u64,
    device: Device,
}

/// What is known after a step of the optimiser.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Steps done in this epoch.
    pub done: usize,
    /// Steps of the whole epoch.
    pub of: usize,
    /// Mean loss of the epoch so far, in nats a character.
    pub mean_loss: f64,
}

/// How an epoch ended.
#[derive(Debug, Clone, Copy)]
pub struct EpochEnd {
    /// Mean loss over the windows that were trained, each with the weights of its moment, in nats a character.
    pub mean_loss: f64,
    /// Steps of the optimiser.
    pub steps: usize,
    /// Windows trained.
    pub windows: usize,
    /// Whether every window had its turn.
    pub complete: bool,
}

impl<'c> Training<'c> {
    /// A new network for `vocabulary` tokens, at the start of its training.
    pub fn new(recipe: &Recipe, windows: Windows<'c>, vocabulary: usize, seed: u64, device: &Device) -> Result<Self> {
        let size = recipe.model_size(vocabulary);
        let network = CharLstm::init(&size, derive(seed, Purpose::Weights, 0), device)?;
        let OptimizerSettings::RmsProp(settings) = recipe.optimizer;
        let optimizer = RmsProp::new(network.variables(), settings)?;
        let (batch, length) = (recipe.batch, recipe.windows.length);
        Ok(Self { network, optimizer, windows, batch, length, seed, device: device.clone() })
    }

    /// The network as it is now.
    pub fn network(&self) -> &CharLstm {
        &self.network
    }

    /// Trains on every window once, in the order that the seed gives to this epoch (from 1).
    ///
    /// `after_step` may end the epoch early. A loss that is no longer a number ends it with [`Error::Diverged`].
    pub fn epoch(&mut self, epoch: usize, after_step: &mut dyn FnMut(Step) -> ControlFlow<()>) -> Result<EpochEnd> {
        let windows = self.windows.len();
        let order = Permutation::new(windows, derive(self.seed, Purpose::Order, epoch));
        let steps = windows.div_ceil(self.batch);
        let (mut loss_sum, mut trained) = (0.0_f64, 0);
        for step in 0..steps {
            let places = step * self.batch..((step + 1) * self.batch).min(windows);
            let count = places.len();
            let loss = self.step(&order, places)?;
            if !loss.is_finite() {
                return Err(Error::Diverged { loss, epoch, step: step + 1 });
            }
            // Weighted by the batch's size: the last one of an epoch may be smaller.
            loss_sum += f64::from(loss) * count as f64;
            trained += count;
            let mean_loss = loss_sum / trained as f64;
            if after_step(Step { done: step + 1, of: steps, mean_loss }).is_break() {
                let complete = step + 1 == steps;
                return Ok(EpochEnd { mean_loss, steps: step + 1, windows: trained, complete });
            }
        }
        Ok(EpochEnd { mean_loss: loss_sum / trained as f64, steps, windows: trained, complete: true })
    }

    /// One step on the windows at these places of the epoch's order; the mean loss before the step.
    fn step(&mut self, order: &Permutation, places: Range<usize>) -> Result<f32> {
        let count = places.len();
        let mut ids = vec![0; count * self.length];
        let mut targets = Vec::with_capacity(count);
        for (row, place) in ids.chunks_exact_mut(self.length).zip(places) {
            let window = order.get(place);
            self.windows.window(window, row);
            targets.push(self.windows.target(window));
        }
        let ids = Tensor::from_vec(ids, (count, self.length), &self.device)?; // (N, T)
        let targets = Tensor::from_vec(targets, count, &self.device)?; // (N)
        let (loss, _) = self.network.loss(&ids, &targets, None, Outputs::Last)?;
        self.optimizer.step(&loss.backward()?)?;
        Ok(loss.to_scalar()?)
    }
}
