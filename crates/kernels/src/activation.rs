//! Sigmoid, hyperbolic tangent and exponential over vectors.
//!
//! All rest on eˣ - 1, reduced to |r| ≤ ln 2 / 2 by x = n ln 2 + r, and there on a polynomial of degree six (Chebyshev
//! interpolation of (eʳ - 1 - r) / r² at five nodes, relative error 2.5e-8). With σ(x) = 1 / (1 + e⁻ˣ) and
//! tanh(x) = (e²ˣ - 1) / (e²ˣ + 1) everything is a fraction. The results differ from the exact ones by at most
//! [`SIGMOID_ERROR`], [`TANH_ERROR`] and [`EXPONENTIAL_ERROR`]; NaN stays NaN, and infinities give the limits exactly.

use crate::simd::Simd;

/// Largest absolute error of the sigmoid, measured over all of its domain at steps of 2⁻¹².
pub const SIGMOID_ERROR: f32 = 1.2e-7;
/// Largest error of the hyperbolic tangent relative to the exact value, measured at the same places.
pub const TANH_ERROR: f32 = 3.6e-7;
/// Largest error of the exponential of the softmax relative to the exact value, measured at the same places.
pub const EXPONENTIAL_ERROR: f32 = 1.2e-7;

/// Adding this rounds a small number to an integer, which then stands in the lowest bits of the sum.
const ROUNDING: f32 = 12_582_912.0; // 1.5 * 2^23
/// ln 2 in two parts, the first short enough that its products with exponents are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
const COEFFICIENTS: [f32; 5] = [0.5, 0.166_665_76, 0.041_666_552, 0.008_363_233, 0.001_392_625];

/// The exponential is a normal float between this and its negative.
const EXPONENTIAL_LIMIT: f32 = 87.0;
/// From 9.02 on the hyperbolic tangent is 1 to the last bit.
const TANH_LIMIT: f32 = 9.2;
/// The pre-activation beyond which [`sigmoid_divisor`] stays the same: the sigmoid is then within 1e-13 of its limit, and
/// products of three divisors stay below the largest float.
const DIVISOR_LIMIT: f32 = 30.0;

/// (2ⁿ, eʳ - 1) with n ln 2 + r = x, for |x| < 88.
#[inline(always)]
fn split_exponential<S: Simd>(simd: S, x: S::Vector) -> (S::Vector, S::Vector) {
    let shifted = simd.mul_add(x, simd.splat(std::f32::consts::LOG2_E), simd.splat(ROUNDING));
    let exponent = simd.sub(shifted, simd.splat(ROUNDING));
    let remainder = simd.mul_add(exponent, simd.splat(-LN_2[0]), x);
    let remainder = simd.mul_add(exponent, simd.splat(-LN_2[1]), remainder);
    let mut sum = simd.splat(COEFFICIENTS[4]);
    for coefficient in COEFFICIENTS[..4].iter().rev() {
        sum = simd.mul_add(sum, remainder, simd.splat(*coefficient));
    }
    let grown = simd.mul_add(sum, simd.mul(remainder, remainder), remainder);
    (simd.power_of_two(shifted), grown)
}

/// eˣ for |x| < 88.
#[inline(always)]
fn bounded_exponential<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let (scale, grown) = split_exponential(simd, x);
    simd.mul_add(scale, grown, scale)
}

/// eˣ for x ≤ 0, to a relative error of [`EXPONENTIAL_ERROR`]; below -87 it is zero.
#[inline(always)]
pub(crate) fn exponential<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let limit = simd.splat(-EXPONENTIAL_LIMIT);
    simd.select_less(x, limit, simd.splat(0.0), bounded_exponential(simd, simd.at_least(x, limit)))
}

/// σ(x), to an absolute error of [`SIGMOID_ERROR`].
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let (one, limit) = (simd.splat(1.0), simd.splat(EXPONENTIAL_LIMIT));
    let negated = simd.sub(simd.splat(0.0), x);
    let exponential = bounded_exponential(simd, simd.at_least(negated, simd.splat(-EXPONENTIAL_LIMIT)));
    let exponential = simd.select_less(limit, negated, simd.splat(f32::INFINITY), exponential);
    simd.div(one, simd.add(one, exponential))
}

/// tanh(x), to a relative error of [`TANH_ERROR`].
#[inline(always)]
pub(crate) fn tanh<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let (numerator, denominator) = tanh_fraction(simd, x);
    simd.div(numerator, denominator)
}

/// Numerator and denominator of the hyperbolic tangent: e²ˣ - 1, exact near zero, and e²ˣ + 1.
#[inline(always)]
pub(crate) fn tanh_fraction<S: Simd>(simd: S, x: S::Vector) -> (S::Vector, S::Vector) {
    let clamped = clamp(simd, x, TANH_LIMIT);
    let (scale, grown) = split_exponential(simd, simd.add(clamped, clamped));
    let less_one = simd.mul_add(scale, grown, simd.sub(scale, simd.splat(1.0)));
    (less_one, simd.add(less_one, simd.splat(2.0)))
}

/// 1 + e⁻ˣ, the reciprocal of the sigmoid, for |x| up to [`DIVISOR_LIMIT`] and constant beyond.
#[inline(always)]
pub(crate) fn sigmoid_divisor<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let negated = clamp(simd, simd.sub(simd.splat(0.0), x), DIVISOR_LIMIT);
    simd.add(bounded_exponential(simd, negated), simd.splat(1.0))
}

/// A number between `-limit` and `limit`; NaN stays NaN.
#[inline(always)]
fn clamp<S: Simd>(simd: S, x: S::Vector, limit: f32) -> S::Vector {
    simd.at_least(simd.at_most(x, simd.splat(limit)), simd.splat(-limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Instructions,
        instructions::Kernel,
        simd::{load, store},
    };

    /// Replaces sixteen numbers each by their sigmoid, hyperbolic tangent and exponential.
    struct All<'a>([&'a mut [f32; 16]; 3]);

    impl Kernel for All<'_> {
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            let [sigmoids, tangents, exponentials] = self.0;
            for start in (0..16).step_by(S::LANES) {
                let vector = sigmoid(simd, load(simd, &sigmoids[start..]));
                store(simd, &mut sigmoids[start..], vector);
                let vector = tanh(simd, load(simd, &tangents[start..]));
                store(simd, &mut tangents[start..], vector);
                let vector = exponential(simd, load(simd, &exponentials[start..]));
                store(simd, &mut exponentials[start..], vector);
            }
        }
    }

    fn evaluate(instructions: Instructions, x: [f32; 16]) -> [[f32; 16]; 3] {
        let (mut sigmoids, mut tangents, mut exponentials) = (x, x, x);
        instructions.run(All([&mut sigmoids, &mut tangents, &mut exponentials]));
        [sigmoids, tangents, exponentials]
    }

    #[test]
    fn errors_stay_within_the_stated_bounds() {
        for instructions in Instructions::available() {
            let mut worst = [0f64; 3];
            for start in (-(100 << 12)..100 << 12).step_by(16) {
                let x: [f32; 16] = std::array::from_fn(|lane| (start + lane as i32) as f32 / 4096.0);
                let found = evaluate(instructions, x);
                for lane in 0..16 {
                    let exact = f64::from(x[lane]);
                    let mut note = |which: usize, expected: f64, scale: f64| {
                        let difference = (f64::from(found[which][lane]) - expected).abs();
                        worst[which] = worst[which].max(if scale == 0.0 { difference } else { difference / scale });
                    };
                    note(0, 1.0 / (1.0 + (-exact).exp()), 1.0);
                    note(1, exact.tanh(), exact.tanh().abs());
                    if (-87.0..=0.0).contains(&exact) {
                        note(2, exact.exp(), exact.exp());
                    }
                }
            }
            for (worst, bound) in worst.into_iter().zip([SIGMOID_ERROR, TANH_ERROR, EXPONENTIAL_ERROR]) {
                assert!(worst <= f64::from(bound), "{instructions:?}: {worst:e} is beyond {bound:e}");
            }
        }
    }

    #[test]
    fn limits_are_exact_and_nan_stays() {
        for instructions in Instructions::available() {
            let mut x = [0.0; 16];
            x[..6].copy_from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, 1e-30, f32::MAX]);
            let [sigmoids, tangents, exponentials] = evaluate(instructions, x);
            assert!(sigmoids[0].is_nan() && tangents[0].is_nan() && exponentials[0].is_nan(), "{instructions:?}");
            assert_eq!(sigmoids[1..6], [1.0, 0.0, 0.5, 0.5, 1.0], "{instructions:?}");
            assert_eq!(tangents[1..6], [1.0, -1.0, 0.0, 1e-30, 1.0], "{instructions:?}");
            assert_eq!(exponentials[2..4], [0.0, 1.0], "{instructions:?}");
        }
    }
}
