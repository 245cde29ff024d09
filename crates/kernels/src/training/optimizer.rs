//! Fused optimizer kernels: one pass over memory where pointwise tensor operations would take ten.

use std::ops::Range;

use crate::{
    instructions::Kernel,
    processor::Processor,
    shared::Shared,
    simd::{Simd, load_padded, store_partial},
};

/// What is done to a gradient before an optimizer reads it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clipping {
    /// Factor on all numbers.
    pub scale: f32,
    /// The largest magnitude of a number after scaling.
    pub limit: f32,
}

impl Clipping {
    /// The gradient as it is.
    pub const NONE: Self = Self { scale: 1.0, limit: f32::INFINITY };
}

/// An update of numbers in place, from their old values and one or two slices of the same length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Update {
    /// Moving average: `target ← decay · target + gain · gradient`. With `gain = 1 − decay` an exponential moving average
    /// (of gradients, or of weights), with `gain = 1` momentum.
    MovingAverage {
        /// Factor on the old value.
        decay: f32,
        /// Factor on the gradient.
        gain: f32,
    },
    /// Exponential moving average of squares: `target ← decay · target + (1 − decay) · gradient²`.
    MovingSquare {
        /// Factor on the old value.
        decay: f32,
    },
    /// The step of RMSprop and Adam:
    /// `target ← (1 − weight_decay) · target − learning_rate · gradient / (√(square · correction) + epsilon)`.
    Adaptive {
        /// The learning rate, with all corrections of the gradient in it.
        learning_rate: f32,
        /// Factor on the mean square, for its bias correction.
        correction: f32,
        /// ε, outside the root.
        epsilon: f32,
        /// Decoupled weight decay, with the learning rate in it.
        weight_decay: f32,
    },
    /// The step of gradient descent: `target ← (1 − weight_decay) · target − learning_rate · gradient`.
    Descent {
        /// The learning rate.
        learning_rate: f32,
        /// Decoupled weight decay, with the learning rate in it.
        weight_decay: f32,
    },
}

/// Applies an update to `target`, along a clipped `gradient` (or a mean of gradients). Only [`Update::Adaptive`] reads
/// `square`; pass any slice of the same length to the others.
///
/// # Panics
/// If the lengths differ.
pub fn apply_update(
    processor: &Processor<'_>,
    update: Update,
    clipping: Clipping,
    target: &mut [f32],
    gradient: &[f32],
    square: &[f32],
) {
    let count = target.len();
    assert_eq!([gradient.len(), square.len()], [count; 2], "an update reads slices of one length");
    let kernel = Apply { update, clipping, range: 0..count, target: Shared::new(target), gradient, square };
    processor.run(count, 8 * count, |range| Apply { range, ..kernel.clone() });
}

/// Σ x², summed in `f64` in eight interleaved sums: the same bits on every machine.
pub fn sum_of_squares(numbers: &[f32]) -> f64 {
    let mut sums = [0.0_f64; 8];
    for chunk in numbers.chunks(8) {
        for (sum, number) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(*number) * f64::from(*number);
        }
    }
    sums.iter().sum()
}

#[derive(Debug, Clone)]
struct Apply<'a> {
    update: Update,
    clipping: Clipping,
    range: Range<usize>,
    target: Shared<'a>,
    gradient: &'a [f32],
    square: &'a [f32],
}

impl Kernel for Apply<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match self.update {
            Update::MovingAverage { decay, gain } => {
                let (decay, gain) = (simd.splat(decay), simd.splat(gain));
                self.each(simd, |old, gradient, _| simd.mul_add(decay, old, simd.mul(gain, gradient)));
            }
            Update::MovingSquare { decay } => {
                let (decay, rest) = (simd.splat(decay), simd.splat(1.0 - decay));
                self.each(simd, |old, gradient, _| {
                    simd.mul_add(decay, old, simd.mul(rest, simd.mul(gradient, gradient)))
                });
            }
            Update::Adaptive { learning_rate, correction, epsilon, weight_decay } => {
                let (rate, correction) = (simd.splat(learning_rate), simd.splat(correction));
                let (epsilon, stays) = (simd.splat(epsilon), simd.splat(1.0 - weight_decay));
                self.each(simd, |old, gradient, square| {
                    let root = simd.add(simd.sqrt(simd.mul(square, correction)), epsilon);
                    simd.sub(simd.mul(old, stays), simd.div(simd.mul(rate, gradient), root))
                });
            }
            Update::Descent { learning_rate, weight_decay } => {
                let (rate, stays) = (simd.splat(learning_rate), simd.splat(1.0 - weight_decay));
                self.each(simd, |old, gradient, _| simd.sub(simd.mul(old, stays), simd.mul(rate, gradient)));
            }
        }
    }
}

impl Apply<'_> {
    /// Replaces the range of the target by a function of the old number, the clipped gradient and the mean square.
    #[inline(always)]
    fn each<S: Simd>(&self, simd: S, new: impl Fn(S::Vector, S::Vector, S::Vector) -> S::Vector) {
        let (scale, limit) = (simd.splat(self.clipping.scale), simd.splat(self.clipping.limit));
        let least = simd.splat(-self.clipping.limit);
        // SAFETY: this thread alone has this range.
        let target = unsafe { self.target.write(self.range.clone()) };
        let gradient = self.gradient[self.range.clone()].chunks(S::LANES);
        let chunks = gradient.zip(self.square[self.range.clone()].chunks(S::LANES));
        for (target, (gradient, square)) in target.chunks_mut(S::LANES).zip(chunks) {
            let gradient = simd.mul(load_padded(simd, gradient), scale);
            let gradient = simd.at_least(simd.at_most(gradient, limit), least);
            store_partial(simd, target, new(load_padded(simd, target), gradient, load_padded(simd, square)));
        }
    }
}
