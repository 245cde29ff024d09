//! Fused optimizer kernels as in-place ops of candle, and the same updates in candle's ordinary ops for other devices.

use candle_core::{CpuStorage, InplaceOp2, InplaceOp3, Layout, Result, Tensor, Var, bail};
use kernels::training::{Clipping, Update, apply_update, sum_of_squares};

use super::{
    processor::Processor,
    tensors::{floats, floats_mut, with_floats},
};

/// Fused optimizer kernels: one pass over memory per update, on the device of the tensors.
#[derive(Debug, Clone, Copy)]
pub struct FusedOptimizer {
    /// What to compute with on a CPU.
    pub processor: Processor,
}

impl FusedOptimizer {
    /// [`Update::MovingAverage`] or [`Update::MovingSquare`] of a gradient, in place.
    pub fn update_moment(&self, moment: &Tensor, gradient: &Tensor, clipping: Clipping, update: Update) -> Result<()> {
        if moment.device().is_cpu() {
            return moment.inplace_op2(gradient, &Op { processor: self.processor, clipping, update });
        }
        let gradient = clipped(gradient, clipping)?;
        let new = match update {
            Update::MovingAverage { decay, gain } => ((moment * f64::from(decay))? + (gradient * f64::from(gain))?)?,
            Update::MovingSquare { decay } => {
                ((moment * f64::from(decay))? + (gradient.sqr()? * f64::from(1.0 - decay))?)?
            }
            _ => bail!("optimizer: {update:?} updates parameters, not moments"),
        };
        moment.slice_set(&new, 0, 0)
    }

    /// [`Update::Adaptive`] of a parameter, along a gradient (or a mean of gradients) divided by the root of a mean square.
    pub fn adaptive_step(
        &self,
        parameter: &Var,
        gradient: &Tensor,
        square: &Tensor,
        clipping: Clipping,
        update: Update,
    ) -> Result<()> {
        if parameter.device().is_cpu() {
            return parameter.inplace_op3(square, gradient, &Op { processor: self.processor, clipping, update });
        }
        let Update::Adaptive { learning_rate, correction, epsilon, weight_decay } = update else {
            bail!("optimizer: {update:?} takes no mean square")
        };
        let denominator = ((square * f64::from(correction))?.sqrt()? + f64::from(epsilon))?;
        let step = (clipped(gradient, clipping)? * f64::from(learning_rate))?.div(&denominator)?;
        parameter.set(&((parameter.as_tensor() * f64::from(1.0 - weight_decay))? - step)?.detach())
    }

    /// [`Update::Descent`] of a parameter along a gradient (or a mean of gradients).
    pub fn descent_step(&self, parameter: &Var, gradient: &Tensor, clipping: Clipping, update: Update) -> Result<()> {
        if parameter.device().is_cpu() {
            return parameter.inplace_op2(gradient, &Op { processor: self.processor, clipping, update });
        }
        let Update::Descent { learning_rate, weight_decay } = update else {
            bail!("optimizer: {update:?} is no step of gradient descent")
        };
        let step = (clipped(gradient, clipping)? * f64::from(learning_rate))?;
        parameter.set(&((parameter.as_tensor() * f64::from(1.0 - weight_decay))? - step)?.detach())
    }

    /// Σ x² over a tensor, on a CPU the same bits for any number of threads.
    pub fn sum_of_squares(&self, tensor: &Tensor) -> Result<f64> {
        if tensor.device().is_cpu() {
            return with_floats([&tensor.contiguous()?], |[numbers]| Ok(sum_of_squares(numbers)));
        }
        Ok(f64::from(tensor.sqr()?.sum_all()?.to_scalar::<f32>()?))
    }
}

fn clipped(gradient: &Tensor, Clipping { scale, limit }: Clipping) -> Result<Tensor> {
    let scaled = (gradient * f64::from(scale))?;
    if limit.is_finite() { scaled.clamp(-limit, limit) } else { Ok(scaled) }
}

struct Op {
    processor: Processor,
    clipping: Clipping,
    update: Update,
}

impl Op {
    fn apply(&self, target: &mut [f32], [gradient, square]: [&[f32]; 2]) -> Result<()> {
        let count = target.len();
        if gradient.len() != count || square.len() != count {
            bail!(
                "optimizer: {count} numbers have a gradient of {} and a mean square of {}",
                gradient.len(),
                square.len()
            );
        }
        apply_update(&self.processor.kernels(), self.update, self.clipping, target, gradient, square);
        Ok(())
    }
}

impl InplaceOp2 for Op {
    fn name(&self) -> &'static str {
        "optimizer"
    }

    fn cpu_fwd(
        &self,
        target: &mut CpuStorage,
        target_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<()> {
        let gradient = floats(gradient, gradient_layout)?;
        self.apply(floats_mut(target, target_layout)?, [gradient, gradient])
    }
}

impl InplaceOp3 for Op {
    fn name(&self) -> &'static str {
        "optimizer"
    }

    fn cpu_fwd(
        &self,
        parameter: &mut CpuStorage,
        parameter_layout: &Layout,
        square: &CpuStorage,
        square_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<()> {
        let operands = [floats(gradient, gradient_layout)?, floats(square, square_layout)?];
        self.apply(floats_mut(parameter, parameter_layout)?, operands)
    }
}
