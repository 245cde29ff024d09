//! Inference: layers and dense products from weights as ONNX files have them, one time step after another.
//!
//! Weights are packed once, in the order in which the kernels read them, and never change afterwards: a [`Layer`] or a
//! [`Dense`] serves any number of sessions at once. A run takes its memory from the caller and from [`Scratch`], and
//! allocates nothing once the scratch has grown.
//!
//! Results are the same bits on every instruction set, for any number of workers, and for any number of sequences in a
//! batch, except that NaNs may have other payloads.

mod cell;
mod dense;
mod layer;
mod matrix;
mod quantized;
mod steps;

#[cfg(test)]
mod tests;

pub use dense::Dense;
pub use layer::{Input, Layer, Scratch, Weights, is_identity};
pub use matrix::Number;
pub use quantized::{
    QuantizedColumns, QuantizedDense, QuantizedLayer, QuantizedScratch, QuantizedWeights, round_state,
};
