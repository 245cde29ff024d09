//! Optimizers: how a step changes the weights. The formulas are at [`OptimizerSettings`]; the arithmetic is
//! [`lstm::FusedOptimizer`]'s.

use candle_core::{Result, Tensor, Var};
use lstm::{Clipping, FusedOptimizer, Processor, Update};

use crate::recipe::{ClippingSettings, OptimizerSettings};

/// An optimiser over a set of variables.
#[derive(Debug)]
pub struct Optimizer {
    settings: OptimizerSettings,
    clipping: ClippingSettings,
    kernels: FusedOptimizer,
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
        Ok(Self { settings, clipping, kernels: FusedOptimizer { processor: Processor::detect() }, slots, steps: 0 })
    }

    /// One step along gradients in the order of the variables; returns their norm before any clipping. A norm that is no
    /// number changes nothing.
    ///
    /// `share` is what the gradients are multiplied by first: 1 over the number of batches that were added up.
    pub fn step(&mut self, gradients: &[Tensor], learning_rate: f64, share: f64) -> Result<f64> {
        let mut squares = 0.0;
        for gradient in gradients {
            squares += self.kernels.sum_of_squares(gradient)?;
        }
        let norm = squares.sqrt() * share;
        if !norm.is_finite() {
            return Ok(norm);
        }
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
        let Self { settings, kernels, .. } = self;
        match (*settings, &slot.mean, &slot.mean_square) {
            (OptimizerSettings::RmsProp { decay, epsilon, .. }, _, Some(square)) => {
                kernels.update_moment(square, gradient, clipping, Update::MovingSquare { decay: decay as f32 })?;
                let (learning_rate, epsilon) = (learning_rate as f32, epsilon as f32);
                let update = Update::Adaptive { learning_rate, correction: 1.0, epsilon, weight_decay: 0.0 };
                kernels.adaptive_step(&slot.variable, gradient, square, clipping, update)
            }
            (
                OptimizerSettings::Adam { betas, epsilon, .. } | OptimizerSettings::AdamW { betas, epsilon, .. },
                Some(mean),
                Some(square),
            ) => {
                let [first, second] = betas;
                let update = Update::MovingAverage { decay: first as f32, gain: (1.0 - first) as f32 };
                kernels.update_moment(mean, gradient, clipping, update)?;
                kernels.update_moment(square, gradient, clipping, Update::MovingSquare { decay: second as f32 })?;
                let steps = self.steps as f64;
                let decay =
                    if let OptimizerSettings::AdamW { weight_decay, .. } = settings { *weight_decay } else { 0.0 };
                let update = Update::Adaptive {
                    learning_rate: (learning_rate / (1.0 - first.powf(steps))) as f32,
                    correction: (1.0 / (1.0 - second.powf(steps))) as f32,
                    epsilon: epsilon as f32,
                    weight_decay: (learning_rate * decay) as f32,
                };
                kernels.adaptive_step(&slot.variable, mean, square, Clipping::NONE, update)
            }
            (OptimizerSettings::Sgd { momentum, .. }, mean, _) => {
                let update = Update::Descent { learning_rate: learning_rate as f32, weight_decay: 0.0 };
                match mean {
                    None => kernels.descent_step(&slot.variable, gradient, clipping, update),
                    Some(mean) => {
                        kernels.update_moment(
                            mean,
                            gradient,
                            clipping,
                            Update::MovingAverage { decay: momentum as f32, gain: 1.0 },
                        )?;
                        kernels.descent_step(&slot.variable, mean, Clipping::NONE, update)
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

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    const RATE: f64 = 0.1;

    /// Five steps along `g = w³ − 0.1` by the optimiser, and by `naive` in f64: old weight, gradient, memories, step from 1.
    fn check(settings: OptimizerSettings, naive: impl Fn(f64, f64, &mut [f64; 2], i32) -> f64) {
        let start = [1.0_f32, -2.0, 0.5, 0.0, 3.0e-4];
        let variable = Var::new(&start, &Device::Cpu).unwrap();
        let mut optimizer = Optimizer::new(vec![variable.clone()], settings, ClippingSettings::default()).unwrap();
        let mut expected: Vec<(f64, [f64; 2])> = start.iter().map(|weight| (f64::from(*weight), [0.0; 2])).collect();
        for step in 1..=5 {
            let gradient = (variable.powf(3.0).unwrap() - 0.1).unwrap().detach();
            optimizer.step(&[gradient], RATE, 1.0).unwrap();
            for (weight, memories) in &mut expected {
                *weight = naive(*weight, weight.powi(3) - 0.1, memories, step);
            }
        }
        for (found, (expected, _)) in variable.to_vec1::<f32>().unwrap().into_iter().zip(expected) {
            assert!((f64::from(found) - expected).abs() < 2e-5, "{settings:?}: {found} should be {expected}");
        }
    }

    #[test]
    fn steps_follow_the_formulas() {
        let rms_prop = OptimizerSettings::RmsProp { learning_rate: RATE, decay: 0.9, epsilon: 1e-3 };
        check(rms_prop, |weight, gradient, [square, _], _| {
            *square = 0.9 * *square + 0.1 * gradient * gradient;
            weight - RATE * gradient / (square.sqrt() + 1e-3)
        });
        let adam = |decay: f64| {
            move |weight: f64, gradient: f64, [mean, square]: &mut [f64; 2], step: i32| {
                *mean = 0.8 * *mean + 0.2 * gradient;
                *square = 0.9 * *square + 0.1 * gradient * gradient;
                let (mean, square) = (*mean / (1.0 - 0.8_f64.powi(step)), *square / (1.0 - 0.9_f64.powi(step)));
                weight - RATE * decay * weight - RATE * mean / (square.sqrt() + 1e-3)
            }
        };
        let (learning_rate, betas, epsilon) = (RATE, [0.8, 0.9], 1e-3);
        check(OptimizerSettings::Adam { learning_rate, betas, epsilon }, adam(0.0));
        check(OptimizerSettings::AdamW { learning_rate, betas, epsilon, weight_decay: 0.5 }, adam(0.5));
        check(OptimizerSettings::Sgd { learning_rate, momentum: 0.0 }, |weight, gradient, _, _| {
            weight - RATE * gradient
        });
        check(OptimizerSettings::Sgd { learning_rate, momentum: 0.7 }, |weight, gradient, [mean, _], _| {
            *mean = 0.7 * *mean + gradient;
            weight - RATE * *mean
        });
    }

    #[test]
    fn a_gradient_that_is_no_number_changes_nothing() {
        let settings = OptimizerSettings::Adam { learning_rate: RATE, betas: [0.9, 0.9], epsilon: 1e-8 };
        let variables = [Var::new(&[1f32], &Device::Cpu).unwrap(), Var::new(&[2f32], &Device::Cpu).unwrap()];
        let mut optimizer = Optimizer::new(variables.to_vec(), settings, ClippingSettings::default()).unwrap();
        let gradients = [3f32, f32::NAN].map(|number| Tensor::new(&[number], &Device::Cpu).unwrap());
        assert!(optimizer.step(&gradients, RATE, 1.0).unwrap().is_nan());
        let left = variables.map(|variable| variable.to_vec1::<f32>().unwrap());
        assert_eq!(left, [vec![1.0], vec![2.0]]);
        assert!(optimizer.memories().iter().all(|(_, memory)| memory.to_vec1::<f32>().unwrap() == [0.0]));
    }

    #[test]
    fn gradients_are_held_down_together_and_one_by_one() {
        let moved = |clipping: ClippingSettings, share: f64| {
            let variables = [Var::new(&[0f32], &Device::Cpu).unwrap(), Var::new(&[0f32], &Device::Cpu).unwrap()];
            let settings = OptimizerSettings::Sgd { learning_rate: 1.0, momentum: 0.0 };
            let mut optimizer = Optimizer::new(variables.to_vec(), settings, clipping).unwrap();
            let gradients = [3f32, 4.0].map(|number| Tensor::new(&[number], &Device::Cpu).unwrap());
            let norm = optimizer.step(&gradients, 1.0, share).unwrap();
            (norm, variables.map(|variable| variable.to_vec1::<f32>().unwrap()[0]))
        };
        let cases = [
            (ClippingSettings { norm: 0.0, value: 0.0 }, 1.0, 5.0, [-3.0, -4.0]),
            (ClippingSettings { norm: 1.0, value: 0.0 }, 1.0, 5.0, [-0.6, -0.8]),
            (ClippingSettings { norm: 0.0, value: 3.5 }, 1.0, 5.0, [-3.0, -3.5]),
            (ClippingSettings { norm: 1.0, value: 0.7 }, 1.0, 5.0, [-0.6, -0.7]),
            (ClippingSettings { norm: 4.0, value: 0.0 }, 0.5, 2.5, [-1.5, -2.0]),
        ];
        for (clipping, share, norm, weights) in cases {
            let (found_norm, found) = moved(clipping, share);
            assert!((found_norm - norm).abs() < 1e-6, "{clipping:?}: {found_norm}");
            for (found, expected) in found.into_iter().zip(weights) {
                assert!((found - expected).abs() < 1e-6_f32, "{clipping:?}: {found} should be {expected}");
            }
        }
    }
}
