//! Layers and dense products whose weights are int8, in integers.
//!
//! A weight is a signed byte times the scale of its column. Hidden states lie in (-1, 1) and are rounded to multiples of 1/127,
//! so every product is one of two bytes, and sums are exact in 32 bits. What is left of floats, two scales per gate and the
//! cell, is additions, multiplications and divisions that each round once, in a fixed order, without fused instructions. (A layer
//! that reads numbers of any size multiplies them in floats, as a float layer does.)
//! Results are therefore the same bits on every machine, whatever vectors it has, and the naive twin in the tests gives them
//! too.

mod dense;
mod layer;
mod matrix;
#[cfg(test)]
mod scalar;
mod states;

#[cfg(test)]
mod tests;

pub use dense::QuantizedDense;
pub use layer::{QuantizedLayer, QuantizedScratch, QuantizedWeights};
pub use matrix::QuantizedColumns;
pub use states::round_state;
