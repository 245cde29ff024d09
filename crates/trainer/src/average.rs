//! The running mean of the weights (Polyak and Juditsky 1992, with exponential forgetting): less noise than in the last
//! weights, for the price of one pass over them a step.

use candle_core::{Result, Tensor, Var};
use lstm::{Clipping, FusedOptimizer, Processor, Update};

/// A running mean of variables.
#[derive(Debug)]
pub struct Average {
    decay: f64,
    means: Vec<Tensor>,
    steps: u64,
}

impl Average {
    /// A mean that starts at the variables as they are.
    pub fn new(variables: &[Var], decay: f64) -> Result<Self> {
        let means = variables.iter().map(|variable| variable.as_detached_tensor().copy()).collect::<Result<_>>()?;
        Ok(Self { decay, means, steps: 0 })
    }

    /// Takes in the variables after a step.
    pub fn update(&mut self, variables: &[Var]) -> Result<()> {
        let steps = self.steps as f64;
        let keep = self.decay.min((1.0 + steps) / (10.0 + steps));
        self.steps += 1;
        let kernels = FusedOptimizer { processor: Processor::detect() };
        let update = Update::MovingAverage { decay: keep as f32, gain: (1.0 - keep) as f32 };
        for (mean, variable) in self.means.iter().zip(variables) {
            kernels.update_moment(mean, &variable.as_detached_tensor(), Clipping::NONE, update)?;
        }
        Ok(())
    }

    /// The means, in the order of the variables.
    pub fn means(&self) -> &[Tensor] {
        &self.means
    }

    /// Takes up where another one was.
    pub fn restore(&mut self, steps: u64, means: &[Tensor]) -> Result<()> {
        self.steps = steps;
        self.means.iter().zip(means).try_for_each(|(mine, other)| mine.slice_set(other, 0, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn the_first_weights_are_forgotten_and_later_ones_weighted_by_the_decay() {
        let variable = Var::new(&[100f32], &Device::Cpu).unwrap();
        let mut average = Average::new(std::slice::from_ref(&variable), 0.5).unwrap();
        let mut expected = 100.0;
        for step in 0..20 {
            let weight = f64::from(step);
            variable.set(&Tensor::new(&[weight as f32], &Device::Cpu).unwrap()).unwrap();
            average.update(std::slice::from_ref(&variable)).unwrap();
            let keep = 0.5_f64.min((1.0 + weight) / (10.0 + weight));
            expected = keep * expected + (1.0 - keep) * weight;
        }
        let found = f64::from(average.means()[0].to_vec1::<f32>().unwrap()[0]);
        assert!((found - expected).abs() < 1e-3, "{found} should be {expected}");
    }
}
