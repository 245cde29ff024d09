//! The cell of an LSTM: from the pre-activations of the gates to the next cell and hidden state.
//!
//! The cell state f·c + i·g and the hidden state o·tanh(c) are fractions, and each takes one division.

use crate::{
    activation::{sigmoid_divisor, tanh_fraction},
    simd::Simd,
};

/// The next cell state and hidden state, from the pre-activations of the input, output, forget and cell gates (ONNX' order)
/// and the cell state before.
#[inline(always)]
pub(super) fn update<S: Simd>(simd: S, [i, o, f, g]: [S::Vector; 4], cell: S::Vector) -> (S::Vector, S::Vector) {
    let (i, o, f) = (sigmoid_divisor(simd, i), sigmoid_divisor(simd, o), sigmoid_divisor(simd, f));
    let (above, below) = tanh_fraction(simd, g);
    let below = simd.mul(below, i);
    let above = simd.mul_add(cell, below, simd.mul(above, f));
    let cell = simd.div(above, simd.mul(below, f));
    let (above, below) = tanh_fraction(simd, cell);
    (cell, simd.div(above, simd.mul(below, o)))
}
