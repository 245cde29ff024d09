//! Dynamic evaluation: a network that goes on learning from the text that it is measured on, always after it has been
//! measured (Krause, Kahembwe, Murray and Renals 2018, equations 4 to 7).
//!
//! Each segment is predicted first and learned from afterwards: `θ ← θ − η·g / (√MS + ε) + λ·(θ₀ − θ)`, where MS is the mean
//! square of the gradients so far and θ₀ the weights as they were trained. The paper gathers MS on the training text and
//! scales λ by it; here MS starts with the text itself, bias-corrected, and λ is the same for all weights.

use candle_core::Tensor;
use corpus::Tokens;
use lstm::{CharLstm, Outputs};
use lstm::{Clipping, FusedOptimizer, Processor, Update};

use crate::evaluation::Score;
use crate::{Error, Result};

/// How fast the network adapts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Characters that are predicted and then learned from.
    pub segment: usize,
    /// η
    pub learning_rate: f64,
    /// λ: the share of the way back to the trained weights that each segment takes.
    pub decay: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { segment: 50, learning_rate: 5e-4, decay: 1e-3 }
    }
}

/// How much of the mean square stays from one segment to the next.
const KEEP: f64 = 0.999;

/// Measures a network that adapts; the given one is left as it is. The text has at least two characters.
pub fn evaluate(network: &CharLstm, tokens: Tokens<'_>, settings: Settings) -> Result<Score> {
    let device = network.device();
    let trained: Vec<Tensor> = network
        .variables()
        .iter()
        .map(|variable| variable.as_detached_tensor().copy())
        .collect::<candle_core::Result<_>>()?;
    let network = CharLstm::load(network.tensors()?, network.size(), device)?;
    let variables = network.variables();
    let squares: Vec<Tensor> = variables
        .iter()
        .map(|variable| variable.as_detached_tensor().zeros_like())
        .collect::<candle_core::Result<_>>()?;
    let kernels = FusedOptimizer { processor: Processor::detect() };
    let (targets, mut sum, mut state, mut segments) = (tokens.len() - 1, 0.0, None, 0_i32);
    let mut position = 0;
    while position < targets {
        let time = settings.segment.min(targets - position);
        let ids = tokens.to_vec(position..position + time + 1);
        let input = Tensor::from_slice(&ids[..time], (1, time), device)?; // (1, T)
        let expected = Tensor::from_slice(&ids[1..], (1, time), device)?; // (1, T)
        let (loss, next) = network.loss(&input, &expected, state.as_ref(), Outputs::All)?;
        sum += f64::from(loss.to_scalar::<f32>()?) * time as f64;
        let gradients = loss.backward()?;
        segments += 1;
        let correction = (1.0 / (1.0 - KEEP.powi(segments))) as f32;
        let learning_rate = settings.learning_rate as f32;
        let update = Update::Adaptive { learning_rate, correction, epsilon: 1e-5, weight_decay: 0.0 };
        for ((variable, square), trained) in variables.iter().zip(&squares).zip(&trained) {
            let gradient = gradients.get(variable).ok_or(Error::NoGradient)?;
            kernels.update_moment(square, gradient, Clipping::NONE, Update::MovingSquare { decay: KEEP as f32 })?;
            kernels.adaptive_step(variable, gradient, square, Clipping::NONE, update)?;
            let back = Update::MovingAverage { decay: (1.0 - settings.decay) as f32, gain: settings.decay as f32 };
            kernels.update_moment(variable.as_tensor(), trained, Clipping::NONE, back)?;
        }
        state = Some(next.detach());
        position += time;
    }
    Ok(Score::new(sum, targets as u64))
}
