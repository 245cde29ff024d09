//! Optimisers: what becomes of the weights at a step. The formulas stand at [`OptimizerSettings`]; the passes over memory
//! are [`lstm::kernels::Descent`]'s.

use candle_core::{Result, Tensor, Var};
use lstm::kernels::{Clipping, Descent, Pass, Processor};

use crate::recipe::{ClippingSettings, OptimizerSettings};

/// An optimiser over a set of variables.
#[derive(Debug)]
pub struct Optimizer {
    settings: OptimizerSettings,
    clipping: ClippingSettings,
    descent: Descent,
    slots: Vec<Slot>,
    /// Steps taken, for Adam's bias corrections.
    steps: u64,
}

/// A variable and what the optimiser remembers of its gradients; unused memories are empty.
#[derive(Debug)]
struct Slot {
    variable: Var,
    mean: Option<Tensor>,
    mean_square: Option<Tensor>,
}

impl Optimizer {
    /// An optimiser that has seen no gradient.
    pub fn new(variables: Vec<Var>, settings: OptimizerSettings, clipping: ClippingSettings) -> Result<Self> {
        let (means, squares) = match settings {
            OptimizerSettings::RmsProp { .. } => (false, true),
            OptimizerSettings::Adam { .. } | OptimizerSettings::AdamW { .. } => (true, true),
            OptimizerSettings::Sgd { momentum, .. } => (momentum > 0.0, false),
        };
        let slots = variables
            .into_iter()
            .map(|variable| {
                let memory = |wanted: bool| wanted.then(|| variable.as_detached_tensor().zeros_like()).transpose();
                let (mean, mean_square) = (memory(means)?, memory(squares)?);
                Ok(Slot { variable, mean, mean_square })
            })
            .collect::<Result<_>>()?;
        Ok(Self { settings, clipping, descent: Descent { processor: Processor::detect() }, slots, steps: 0 })
    }

    /// One step along gradients in the order of the variables; returns their norm before any clipping.
    ///
    /// `share` is what the gradients are multiplied by first: 1 over the number of batches that were added up.
    pub fn step(&mut self, gradients: &[Tensor], learning_rate: f64, share: f64) -> Result<f64> {
        let mut squares = 0.0;
        for gradient in gradients {
            squares += self.descent.sum_of_squares(gradient)?;
        }
        let norm = squares.sqrt() * share;
        let scale = if self.clipping.norm > 0.0 && norm > self.clipping.norm { self.clipping.norm / norm } else { 1.0 };
        let limit = if self.clipping.value > 0.0 { self.clipping.value as f32 } else { f32::INFINITY };
        let clipping = Clipping { scale: (scale * share) as f32, limit };
        self.steps += 1;
        for (slot, gradient) in self.slots.iter().zip(gradients) {
            self.update(slot, gradient, learning_rate, clipping)?;
        }
        Ok(norm)
    }

    fn update(&self, slot: &Slot, gradient: &Tensor, learning_rate: f64, clipping: Clipping) -> Result<()> {
        let Self { settings, descent, .. } = self;
        match (*settings, &slot.mean, &slot.mean_square) {
            (OptimizerSettings::RmsProp { decay, epsilon, .. }, _, Some(square)) => {
                descent.remember(square, gradient, clipping, Pass::MeanSquare { keep: decay as f32 })?;
                let (rate, epsilon) = (learning_rate as f32, epsilon as f32);
                let pass = Pass::Quotient { rate, correction: 1.0, epsilon, shrink: 0.0 };
                descent.divide(&slot.variable, gradient, square, clipping, pass)
            }
            (
                OptimizerSettings::Adam { betas, epsilon, .. } | OptimizerSettings::AdamW { betas, epsilon, .. },
                Some(mean),
                Some(square),
            ) => {
                let [first, second] = betas;
                let pass = Pass::Mean { keep: first as f32, gain: (1.0 - first) as f32 };
                descent.remember(mean, gradient, clipping, pass)?;
                descent.remember(square, gradient, clipping, Pass::MeanSquare { keep: second as f32 })?;
                let steps = self.steps as f64;
                let decay =
                    if let OptimizerSettings::AdamW { weight_decay, .. } = settings { *weight_decay } else { 0.0 };
                let pass = Pass::Quotient {
                    rate: (learning_rate / (1.0 - first.powf(steps))) as f32,
                    correction: (1.0 / (1.0 - second.powf(steps))) as f32,
                    epsilon: epsilon as f32,
                    shrink: (learning_rate * decay) as f32,
                };
                descent.divide(&slot.variable, mean, square, Clipping::NONE, pass)
            }
            (OptimizerSettings::Sgd { momentum, .. }, mean, _) => {
                let pass = Pass::Slide { rate: learning_rate as f32, shrink: 0.0 };
                match mean {
                    None => descent.slide(&slot.variable, gradient, clipping, pass),
                    Some(mean) => {
                        descent.remember(mean, gradient, clipping, Pass::Mean { keep: momentum as f32, gain: 1.0 })?;
                        descent.slide(&slot.variable, mean, Clipping::NONE, pass)
                    }
                }
            }
            _ => candle_core::bail!("{settings:?} has no memory of the gradients that it needs"),
        }
    }

    /// What it remembers, by name, for a checkpoint.
    pub fn memories(&self) -> Vec<(String, Tensor)> {
        let named = |(index, slot): (usize, &Slot)| {
            let mean = slot.mean.clone().map(|mean| (format!("optimizer.mean.{index}"), mean));
            let square = slot.mean_square.clone().map(|square| (format!("optimizer.mean_square.{index}"), square));
            mean.into_iter().chain(square)
        };
        self.slots.iter().enumerate().flat_map(named).collect()
    }

    /// Takes up where another one was: its steps, and its memories by the names of [`Optimizer::memories`].
    pub fn restore(&mut self, steps: u64, take: &mut dyn FnMut(&str) -> Result<Tensor>) -> Result<()> {
        self.steps = steps;
        for (name, memory) in self.memories() {
            memory.slice_set(&take(&name)?, 0, 0)?;
        }
        Ok(())
    }
}
