//! `RMSprop` in place: two passes over memory where candle's pointwise ops would take eight and allocate for each.

use std::ops::Range;

use candle_core::{CpuStorage, InplaceOp2, InplaceOp3, Layout, Result, Tensor, Var, bail};

use super::{
    lanes::Lanes,
    memory::Shared,
    processor::{Job, Processor},
    tensors::{floats, floats_mut},
    tile::{load_some, store_some},
};

/// `RMSprop` (Tieleman and Hinton 2012) as TensorFlow 2 has it: s ← ρ s + (1 - ρ) g²; p ← p - η g / (√s + ε).
#[derive(Debug, Clone, Copy)]
pub struct RmsProp {
    /// η
    pub learning_rate: f32,
    /// ρ
    pub decay: f32,
    /// ε
    pub epsilon: f32,
    /// What to compute with.
    pub processor: Processor,
}

impl RmsProp {
    /// One update of a parameter and of its running mean of squares, a tensor of the same shape that starts as zeros.
    pub fn update(&self, parameter: &Var, mean_square: &Tensor, gradient: &Tensor) -> Result<()> {
        if !parameter.device().is_cpu() {
            let (decay, rate) = (f64::from(self.decay), f64::from(self.learning_rate));
            let squares = ((mean_square * decay)? + (gradient.sqr()? * (1.0 - decay))?)?;
            mean_square.slice_set(&squares, 0, 0)?;
            let step = (gradient / (squares.sqrt()? + f64::from(self.epsilon))?)?;
            return parameter.set(&(parameter.as_tensor() - (step * rate)?)?.detach());
        }
        mean_square.inplace_op2(gradient, &Squares(*self))?;
        parameter.inplace_op3(mean_square, gradient, &Step(*self))
    }
}

/// The first half: the running mean of squares.
struct Squares(RmsProp);

/// The second half: the parameter.
struct Step(RmsProp);

impl InplaceOp2 for Squares {
    fn name(&self) -> &'static str {
        "rms-prop-squares"
    }

    fn cpu_fwd(
        &self,
        mean_square: &mut CpuStorage,
        mean_square_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<()> {
        let (mean_square, gradient) =
            (floats_mut(mean_square, mean_square_layout)?, floats(gradient, gradient_layout)?);
        apply(&self.0, mean_square, [gradient, gradient], true)
    }
}

impl InplaceOp3 for Step {
    fn name(&self) -> &'static str {
        "rms-prop-step"
    }

    fn cpu_fwd(
        &self,
        parameter: &mut CpuStorage,
        parameter_layout: &Layout,
        mean_square: &CpuStorage,
        mean_square_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<()> {
        let operands = [floats(mean_square, mean_square_layout)?, floats(gradient, gradient_layout)?];
        apply(&self.0, floats_mut(parameter, parameter_layout)?, operands, false)
    }
}

/// Runs one of the halves over whole tensors.
fn apply(rule: &RmsProp, target: &mut [f32], operands: [&[f32]; 2], squares: bool) -> Result<()> {
    let count = target.len();
    if operands.iter().any(|operand| operand.len() != count) {
        bail!("rms-prop: a parameter of {count} numbers has a gradient or mean square of another length");
    }
    let job = Update { rule, range: 0..count, target: Shared::new(target), operands, squares };
    rule.processor.run(count, 8 * count, |range| Update { range, ..job.clone() });
    Ok(())
}

#[derive(Debug, Clone)]
struct Update<'a> {
    rule: &'a RmsProp,
    range: Range<usize>,
    target: Shared<'a>,
    operands: [&'a [f32]; 2],
    squares: bool,
}

impl Job for Update<'_> {
    #[inline(always)]
    fn run<S: Lanes>(self, simd: S) {
        let Self { rule, range, operands: [first, second], .. } = self;
        let (decay, rest) = (simd.splat(rule.decay), simd.splat(1.0 - rule.decay));
        let (rate, epsilon) = (simd.splat(rule.learning_rate), simd.splat(rule.epsilon));
        // SAFETY: this thread alone has this range.
        let target = unsafe { self.target.write(range.clone()) };
        let chunks = first[range.clone()].chunks(S::WIDTH).zip(second[range].chunks(S::WIDTH));
        for (target, (first, second)) in target.chunks_mut(S::WIDTH).zip(chunks) {
            let (old, first, gradient) = (load_some(simd, target), load_some(simd, first), load_some(simd, second));
            let new = if self.squares {
                simd.mul_add(decay, old, simd.mul(rest, simd.mul(gradient, gradient)))
            } else {
                let root = simd.add(simd.sqrt(first), epsilon);
                simd.sub(old, simd.div(simd.mul(rate, gradient), root))
            };
            store_some(simd, target, new);
        }
    }
}
