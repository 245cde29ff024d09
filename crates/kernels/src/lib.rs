//! SIMD arithmetic of an LSTM.

#![allow(dead_code, unused_imports, reason = "the training kernels that use the rest follow")]
#![expect(
    unsafe_code,
    reason = "threads write disjoint parts of one slice, and SIMD instructions are chosen at run time"
)]
#![expect(
    clippy::inline_always,
    reason = "code over SIMD vectors must be inlined into the function that is compiled for its instructions"
)]

mod activation;
mod bf16;
mod buffer;
mod instructions;
mod precision;
mod shared;
mod simd;
mod tile;
mod workers;

pub mod inference;

pub use activation::{EXPONENTIAL_ERROR, SIGMOID_ERROR, TANH_ERROR};
pub use buffer::Buffer;
pub use instructions::Instructions;
pub use precision::Precision;
pub use workers::{Alone, Workers};
