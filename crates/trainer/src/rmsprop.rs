//! RMSprop as Keras computes it.
//!
//! For each weight `w` with gradient `g`: `v ← ρ·v + (1 − ρ)·g²`, then `w ← w − η·g / (√v + ε)`, from `v = 0`; ρ is
//! `decay`, η the learning rate, ε is added outside the root. The method is Hinton's (Neural Networks for Machine
//! Learning, lecture 6e); the place of ε and the zero start are those of TensorFlow 2's Keras.

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};
use candle_nn::Optimizer;
use lstm::kernels::{self, Processor};
use serde::{Deserialize, Serialize};

/// The method's three numbers; the defaults are the lecture's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RmsPropSettings {
    /// η, above zero.
    pub learning_rate: f64,
    /// ρ, from 0 up to but not including 1.
    pub decay: f64,
    /// ε, above zero.
    pub epsilon: f64,
}

impl Default for RmsPropSettings {
    fn default() -> Self {
        Self { learning_rate: 0.01, decay: 0.9, epsilon: 1e-7 }
    }
}

impl RmsPropSettings {
    pub(crate) fn validate(self) -> std::result::Result<(), String> {
        let positive = |field: &str, value: f64| {
            if value > 0.0 && value.is_finite() {
                Ok(())
            } else {
                Err(format!("optimizer.{field} is {value}, and has to be a number above 0"))
            }
        };
        positive("learning_rate", self.learning_rate)?;
        positive("epsilon", self.epsilon)?;
        if (0.0..1.0).contains(&self.decay) {
            Ok(())
        } else {
            Err(format!("optimizer.decay is {}, and has to be at least 0 and below 1", self.decay))
        }
    }
}

/// RMSprop over a set of variables.
#[derive(Debug)]
pub struct RmsProp {
    settings: RmsPropSettings,
    kernel: kernels::RmsProp,
    variables: Vec<(Var, Tensor)>,
}

impl Optimizer for RmsProp {
    type Config = RmsPropSettings;

    fn new(variables: Vec<Var>, settings: RmsPropSettings) -> Result<Self> {
        let variables = variables
            .into_iter()
            .map(|variable| {
                let mean_square = variable.zeros_like()?;
                Ok((variable, mean_square))
            })
            .collect::<Result<_>>()?;
        Ok(Self { settings, kernel: kernel(settings), variables })
    }

    fn learning_rate(&self) -> f64 {
        self.settings.learning_rate
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.settings.learning_rate = learning_rate;
        self.kernel = kernel(self.settings);
    }

    fn step(&mut self, gradients: &GradStore) -> Result<()> {
        for (variable, mean_square) in &self.variables {
            let Some(gradient) = gradients.get(variable) else { continue };
            self.kernel.update(variable, mean_square, gradient)?;
        }
        Ok(())
    }
}

/// The same numbers for the kernel, which computes in f32 with whatever this processor has.
fn kernel(settings: RmsPropSettings) -> kernels::RmsProp {
    let RmsPropSettings { learning_rate, decay, epsilon } = settings;
    kernels::RmsProp {
        learning_rate: learning_rate as f32,
        decay: decay as f32,
        epsilon: epsilon as f32,
        processor: Processor::detect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    const SETTINGS: RmsPropSettings = RmsPropSettings { learning_rate: 0.1, decay: 0.9, epsilon: 1e-3 };

    /// Three steps of `f(w) = Σ w⁴/4` (gradient `w³`) from these weights, by `step`.
    fn descend(start: &[f32], mut step: impl FnMut(&Var, &GradStore)) -> Vec<f32> {
        let variable = Var::new(start, &Device::Cpu).unwrap();
        for _ in 0..3 {
            let loss = (variable.powf(4.0).unwrap().sum_all().unwrap() * 0.25).unwrap();
            step(&variable, &loss.backward().unwrap());
        }
        variable.to_vec1().unwrap()
    }

    /// The formula in candle's own operations: what the kernel is held against.
    fn naive(settings: RmsPropSettings, variable: &Var, mean_square: &mut Tensor, gradient: &Tensor) -> Result<()> {
        let RmsPropSettings { learning_rate, decay, epsilon } = settings;
        let next = ((&*mean_square * decay)? + (gradient.sqr()? * (1.0 - decay))?)?;
        let denominator = (next.sqrt()? + epsilon)?;
        variable.set(&(variable.as_tensor() - ((gradient * learning_rate)? / denominator)?)?)?;
        // Detached: the optimiser's memory must not keep the graph of every step alive.
        *mean_square = next.detach();
        Ok(())
    }

    /// The optimiser (the kernel, on this device) and the naive operations against the same arithmetic in plain f64.
    #[test]
    fn steps_follow_the_formula() {
        let start = [1.0_f32, -2.0, 0.5, 0.0, 3.0e-4];
        let mut optimizer = None;
        let kernel = descend(&start, |variable, gradients| {
            let optimizer = optimizer.get_or_insert_with(|| RmsProp::new(vec![variable.clone()], SETTINGS).unwrap());
            optimizer.step(gradients).unwrap();
        });
        let mut mean_square = Tensor::zeros(start.len(), candle_core::DType::F32, &Device::Cpu).unwrap();
        let naive = descend(&start, |variable, gradients| {
            naive(SETTINGS, variable, &mut mean_square, gradients.get(variable).unwrap()).unwrap();
        });

        for (place, &start) in start.iter().enumerate() {
            let (mut weight, mut mean_square) = (f64::from(start), 0.0);
            for _ in 0..3 {
                let gradient = weight.powi(3);
                mean_square = 0.9 * mean_square + 0.1 * gradient * gradient;
                weight -= 0.1 * gradient / (mean_square.sqrt() + 1e-3);
            }
            for found in [kernel[place], naive[place]] {
                assert!((f64::from(found) - weight).abs() < 1e-5, "{found} should be {weight}");
            }
        }
    }
}
