//! Optimisers in place: a pass or three over memory where candle's pointwise ops would take ten and allocate for each.

use std::ops::Range;

use candle_core::{CpuStorage, InplaceOp2, InplaceOp3, Layout, Result, Tensor, Var, bail};

use super::{
    lanes::Lanes,
    memory::Shared,
    processor::{Job, Processor},
    tensors::{floats, floats_mut, with_floats},
    tile::{load_some, store_some},
};

/// What is done to a gradient before an optimiser sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clipping {
    /// Factor on all numbers.
    pub scale: f32,
    /// The largest magnitude of a number after that.
    pub limit: f32,
}

impl Clipping {
    /// The gradient as it is.
    pub const NONE: Self = Self { scale: 1.0, limit: f32::INFINITY };
}

/// One pass over numbers of the same shape: `target` is changed by what it was and by one or two others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pass {
    /// target ← keep · target + gain · gradient. With gain = 1 − keep a running mean (of gradients, or of weights).
    Mean {
        /// How much of the old stays.
        keep: f32,
        /// How much of the new comes in.
        gain: f32,
    },
    /// target ← keep · target + (1 − keep) · gradient².
    MeanSquare {
        /// How much of the old stays.
        keep: f32,
    },
    /// target ← (1 − shrink) · target − rate · numerator / (√(square · correction) + epsilon).
    Quotient {
        /// The learning rate, with all corrections of the numerator in it.
        rate: f32,
        /// Factor on the mean square.
        correction: f32,
        /// ε, outside the root.
        epsilon: f32,
        /// Decoupled weight decay.
        shrink: f32,
    },
    /// target ← (1 − shrink) · target − rate · numerator.
    Slide {
        /// The learning rate.
        rate: f32,
        /// Decoupled weight decay.
        shrink: f32,
    },
}

/// Optimisers' passes on the device of their tensors.
#[derive(Debug, Clone, Copy)]
pub struct Descent {
    /// What to compute with on a CPU.
    pub processor: Processor,
}

impl Descent {
    /// [`Pass::Mean`] or [`Pass::MeanSquare`] of a memory over a gradient.
    pub fn remember(&self, memory: &Tensor, gradient: &Tensor, clipping: Clipping, pass: Pass) -> Result<()> {
        if memory.device().is_cpu() {
            return memory.inplace_op2(gradient, &Op { processor: self.processor, clipping, pass });
        }
        let gradient = clipped(gradient, clipping)?;
        let new = match pass {
            Pass::Mean { keep, gain } => ((memory * f64::from(keep))? + (gradient * f64::from(gain))?)?,
            Pass::MeanSquare { keep } => ((memory * f64::from(keep))? + (gradient.sqr()? * f64::from(1.0 - keep))?)?,
            _ => bail!("descent: {pass:?} changes parameters, not memories"),
        };
        memory.slice_set(&new, 0, 0)
    }

    /// [`Pass::Quotient`] of a parameter, from a numerator (a gradient, or the mean of some) and a mean square.
    pub fn divide(
        &self,
        parameter: &Var,
        numerator: &Tensor,
        square: &Tensor,
        clipping: Clipping,
        pass: Pass,
    ) -> Result<()> {
        if parameter.device().is_cpu() {
            return parameter.inplace_op3(square, numerator, &Op { processor: self.processor, clipping, pass });
        }
        let Pass::Quotient { rate, correction, epsilon, shrink } = pass else {
            bail!("descent: {pass:?} takes no mean square")
        };
        let denominator = ((square * f64::from(correction))?.sqrt()? + f64::from(epsilon))?;
        let step = (clipped(numerator, clipping)? * f64::from(rate))?.div(&denominator)?;
        parameter.set(&((parameter.as_tensor() * f64::from(1.0 - shrink))? - step)?.detach())
    }

    /// [`Pass::Slide`] of a parameter along a numerator.
    pub fn slide(&self, parameter: &Var, numerator: &Tensor, clipping: Clipping, pass: Pass) -> Result<()> {
        if parameter.device().is_cpu() {
            return parameter.inplace_op2(numerator, &Op { processor: self.processor, clipping, pass });
        }
        let Pass::Slide { rate, shrink } = pass else { bail!("descent: {pass:?} is not a slide") };
        let step = (clipped(numerator, clipping)? * f64::from(rate))?;
        parameter.set(&((parameter.as_tensor() * f64::from(1.0 - shrink))? - step)?.detach())
    }

    /// Σ x² over a tensor, summed in f64 strand by strand: the same bits for any number of threads.
    pub fn sum_of_squares(&self, tensor: &Tensor) -> Result<f64> {
        let tensor = if tensor.device().is_cpu() { tensor.contiguous()? } else { tensor.sqr()?.sum_all()? };
        if !tensor.device().is_cpu() {
            return Ok(f64::from(tensor.to_scalar::<f32>()?));
        }
        with_floats([&tensor], |[numbers]| {
            let mut strands = [0.0_f64; 8];
            for chunk in numbers.chunks(8) {
                for (sum, number) in strands.iter_mut().zip(chunk) {
                    *sum += f64::from(*number) * f64::from(*number);
                }
            }
            Ok(strands.iter().sum())
        })
    }
}

fn clipped(gradient: &Tensor, Clipping { scale, limit }: Clipping) -> Result<Tensor> {
    let scaled = (gradient * f64::from(scale))?;
    if limit.is_finite() { scaled.clamp(-limit, limit) } else { Ok(scaled) }
}

struct Op {
    processor: Processor,
    clipping: Clipping,
    pass: Pass,
}

impl Op {
    fn apply(&self, target: &mut [f32], [gradient, square]: [&[f32]; 2]) -> Result<()> {
        let count = target.len();
        if gradient.len() != count || square.len() != count {
            bail!(
                "descent: {count} numbers have a gradient of {} and a mean square of {}",
                gradient.len(),
                square.len()
            );
        }
        let job = Update {
            clipping: self.clipping,
            pass: self.pass,
            range: 0..count,
            target: Shared::new(target),
            gradient,
            square,
        };
        self.processor.run(count, 8 * count, |range| Update { range, ..job.clone() });
        Ok(())
    }
}

impl InplaceOp2 for Op {
    fn name(&self) -> &'static str {
        "descent"
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
        "descent"
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

#[derive(Debug, Clone)]
struct Update<'a> {
    clipping: Clipping,
    pass: Pass,
    range: Range<usize>,
    target: Shared<'a>,
    gradient: &'a [f32],
    square: &'a [f32],
}

impl Job for Update<'_> {
    #[inline(always)]
    fn run<S: Lanes>(self, simd: S) {
        match self.pass {
            Pass::Mean { keep, gain } => {
                let (keep, gain) = (simd.splat(keep), simd.splat(gain));
                self.each(simd, |old, gradient, _| simd.mul_add(keep, old, simd.mul(gain, gradient)));
            }
            Pass::MeanSquare { keep } => {
                let (keep, rest) = (simd.splat(keep), simd.splat(1.0 - keep));
                self.each(simd, |old, gradient, _| {
                    simd.mul_add(keep, old, simd.mul(rest, simd.mul(gradient, gradient)))
                });
            }
            Pass::Quotient { rate, correction, epsilon, shrink } => {
                let (rate, correction) = (simd.splat(rate), simd.splat(correction));
                let (epsilon, stays) = (simd.splat(epsilon), simd.splat(1.0 - shrink));
                self.each(simd, |old, numerator, square| {
                    let root = simd.add(simd.sqrt(simd.mul(square, correction)), epsilon);
                    simd.sub(simd.mul(old, stays), simd.div(simd.mul(rate, numerator), root))
                });
            }
            Pass::Slide { rate, shrink } => {
                let (rate, stays) = (simd.splat(rate), simd.splat(1.0 - shrink));
                self.each(simd, |old, numerator, _| simd.sub(simd.mul(old, stays), simd.mul(rate, numerator)));
            }
        }
    }
}

impl Update<'_> {
    /// Changes the range of the target by a function of the old number, the clipped gradient and the mean square.
    #[inline(always)]
    fn each<S: Lanes>(&self, simd: S, new: impl Fn(S::Vector, S::Vector, S::Vector) -> S::Vector) {
        let (scale, limit) = (simd.splat(self.clipping.scale), simd.splat(self.clipping.limit));
        let least = simd.splat(-self.clipping.limit);
        // SAFETY: this thread alone has this range.
        let target = unsafe { self.target.write(self.range.clone()) };
        let gradient = self.gradient[self.range.clone()].chunks(S::WIDTH);
        let chunks = gradient.zip(self.square[self.range.clone()].chunks(S::WIDTH));
        for (target, (gradient, square)) in target.chunks_mut(S::WIDTH).zip(chunks) {
            let gradient = simd.mul(load_some(simd, gradient), scale);
            // In this order a NaN goes through: a comparison with it is false.
            let gradient = simd.less(limit, gradient, limit, gradient);
            let gradient = simd.less(gradient, least, least, gradient);
            store_some(simd, target, new(load_some(simd, target), gradient, load_some(simd, square)));
        }
    }
}
