//! Sigmoid and hyperbolic tangent over vectors.
//!
//! Both rest on eˣ - 1, reduced to |r| ≤ ln 2 / 2 by x = n ln 2 + r and there a polynomial of degree six (Chebyshev
//! interpolation of (eʳ - 1 - r) / r² at five nodes, relative error 2.5e-8). The results differ from the exact ones by
//! at most [`SIGMOID_ERROR`] and [`TANH_ERROR`]; NaN stays NaN, and infinities give the limits exactly.

use super::lanes::Lanes;

/// Largest absolute error of the sigmoid, measured over all of its domain at steps of 2⁻¹².
pub const SIGMOID_ERROR: f32 = 1.2e-7;
/// Largest error of the hyperbolic tangent relative to the exact value, measured likewise.
pub const TANH_ERROR: f32 = 3.6e-7;

/// Largest error of the softmax' exponential, relative to the exact value.
pub const EXPONENTIAL_ERROR: f32 = 1.2e-7;

/// Adding this rounds a small number to an integer, which then stands in the sum's lowest bits.
const ROUNDING: f32 = 12_582_912.0; // 1.5 * 2^23
/// ln 2 in two parts, the first short enough that its products with exponents are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
const COEFFICIENTS: [f32; 5] = [0.5, 0.166_665_76, 0.041_666_552, 0.008_363_233, 0.001_392_625];

/// (2ⁿ, eʳ - 1) with n ln 2 + r = x, for |x| < 88.
#[inline(always)]
fn split_exponential<S: Lanes>(simd: S, x: S::Vector) -> (S::Vector, S::Vector) {
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

/// eˣ for x ≤ 0, to a relative error of [`EXPONENTIAL_ERROR`]; below -87 it is zero.
#[inline(always)]
pub(crate) fn exponential<S: Lanes>(simd: S, x: S::Vector) -> S::Vector {
    let limit = simd.splat(-87.0);
    let (scale, grown) = split_exponential(simd, simd.less(x, limit, limit, x));
    simd.less(x, limit, simd.splat(0.0), simd.mul_add(scale, grown, scale))
}

/// 1 / (1 + e⁻ˣ).
#[inline(always)]
pub(crate) fn sigmoid<S: Lanes>(simd: S, x: S::Vector) -> S::Vector {
    let (one, limit) = (simd.splat(1.0), simd.splat(87.0));
    let negated = simd.sub(simd.splat(0.0), x);
    // Comparisons with NaN are false, so that NaN passes through both.
    let clamped = simd.less(negated, simd.splat(-87.0), simd.splat(-87.0), negated);
    let (scale, grown) = split_exponential(simd, clamped);
    let exponential = simd.mul_add(scale, grown, scale);
    let exponential = simd.less(limit, negated, simd.splat(f32::INFINITY), exponential);
    simd.div(one, simd.add(one, exponential))
}

/// The hyperbolic tangent, as (e²ˣ - 1) / (e²ˣ + 1).
#[inline(always)]
pub(crate) fn tanh<S: Lanes>(simd: S, x: S::Vector) -> S::Vector {
    // From 9.02 on the result is 1 to the last bit.
    let (limit, negative_limit) = (simd.splat(9.2), simd.splat(-9.2));
    let clamped = simd.less(limit, x, limit, x);
    let clamped = simd.less(clamped, negative_limit, negative_limit, clamped);
    let (scale, grown) = split_exponential(simd, simd.add(clamped, clamped));
    let less_one = simd.mul_add(scale, grown, simd.sub(scale, simd.splat(1.0))); // e²ˣ - 1, exact near zero
    simd.div(less_one, simd.add(less_one, simd.splat(2.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{
        Instructions,
        processor::Job,
        tile::{load, store},
    };

    /// The sigmoid, the hyperbolic tangent and the exponential of sixteen numbers, which they replace.
    struct All<'a>([&'a mut [f32; 16]; 3]);

    impl Job for All<'_> {
        #[inline(always)]
        fn run<S: Lanes>(self, simd: S) {
            let [sigmoids, tangents, exponentials] = self.0;
            for start in (0..16).step_by(S::WIDTH) {
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
