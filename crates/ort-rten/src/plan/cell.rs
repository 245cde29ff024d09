//! The cell of an LSTM on vectors: from the four sums of the gates to the next cell and hidden state.
//!
//! With σ(x) = 1 / (1 + e⁻ˣ) and tanh(x) = (e²ˣ - 1) / (e²ˣ + 1), the cell f·c + i·g and the hidden state o·tanh(c) are
//! fractions, and each is computed with one division. Everything rests on eˣ - 1, reduced to |r| ≤ ln 2 / 2 by
//! x = n ln 2 + r and there a polynomial of degree six (Chebyshev interpolation of (eʳ - 1 - r) / r² at five nodes,
//! relative error 2.5e-8).

use super::lanes::Lanes;

/// Adding this rounds a small number to an integer, which then stands in the sum's lowest bits.
const ROUNDING: f32 = 12_582_912.0; // 1.5 * 2^23
/// ln 2 in two parts, the first short enough that its products with exponents are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
const COEFFICIENTS: [f32; 5] = [0.5, 0.166_665_76, 0.041_666_552, 0.008_363_233, 0.001_392_625];

/// Sums of the gates beyond this are taken for it: the sigmoid is then within 1e-13 of its limit, and the products of
/// three such powers stay below the largest float.
const SIGMOID_LIMIT: f32 = 30.0;
/// From 9.02 on the hyperbolic tangent is 1 to the last bit.
const TANH_LIMIT: f32 = 9.2;

/// The next cell state and hidden state, from the sums of the input, output, forget and cell gates (ONNX' order) and the
/// cell state before.
#[inline(always)]
pub(super) fn update<S: Lanes>(simd: S, [i, o, f, g]: [S::Vector; 4], cell: S::Vector) -> (S::Vector, S::Vector) {
    let (i, o, f) = (sigmoid_divisor(simd, i), sigmoid_divisor(simd, o), sigmoid_divisor(simd, f));
    let (above, below) = tanh_fraction(simd, g);
    let below = simd.mul(below, i);
    let above = simd.mul_add(cell, below, simd.mul(above, f));
    let cell = simd.div(above, simd.mul(below, f));
    let (above, below) = tanh_fraction(simd, cell);
    (cell, simd.div(above, simd.mul(below, o)))
}

/// 1 + e⁻ˣ, whose reciprocal is the sigmoid.
#[inline(always)]
fn sigmoid_divisor<S: Lanes>(simd: S, x: S::Vector) -> S::Vector {
    let (scale, grown) = split_exponential(simd, clamp(simd, simd.sub(simd.splat(0.0), x), SIGMOID_LIMIT));
    simd.add(simd.mul_add(scale, grown, scale), simd.splat(1.0))
}

/// e²ˣ - 1, exact near zero, and e²ˣ + 1.
#[inline(always)]
fn tanh_fraction<S: Lanes>(simd: S, x: S::Vector) -> (S::Vector, S::Vector) {
    let clamped = clamp(simd, x, TANH_LIMIT);
    let (scale, grown) = split_exponential(simd, simd.add(clamped, clamped));
    let less_one = simd.mul_add(scale, grown, simd.sub(scale, simd.splat(1.0)));
    (less_one, simd.add(less_one, simd.splat(2.0)))
}

#[inline(always)]
fn clamp<S: Lanes>(simd: S, x: S::Vector, limit: f32) -> S::Vector {
    simd.at_least(simd.at_most(x, simd.splat(limit)), simd.splat(-limit))
}

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
