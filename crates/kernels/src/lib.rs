//! SIMD arithmetic of an LSTM: everything between slices of numbers that training and sampling have to be fast at.
//!
//! - [`inference`]: layers and dense products with weights packed from ONNX files, one time step after another. The same bits
//!   on every machine.
//! - [`training`]: whole sequences forward and backward, the dense layer with its loss, fused optimizer kernels. The same
//!   bits for any number of threads.
//!
//! The crate knows slices and sizes. It knows nothing of candle, ONNX, files or serde, depends on no other crate, and owns no
//! threads: a program lends its own through [`Workers`]. In comments on shapes, N is the batch, T time, I the input, H hidden
//! units, V the vocabulary, and W the `f32` lanes per vector.
//!
//! # How a kernel is written
//! A kernel is a struct of what it reads and writes, with one `run` over a `Simd` type, and is compiled once per instruction
//! set: AVX-512 (with and without AVX512-BF16), AVX2 with FMA, NEON, WebAssembly's SIMD, and portable code.
//! [`Instructions`] picks a set at run time, but for WebAssembly, where a module either needs SIMD or does without. WebAssembly
//! and portable code compute a multiply-add of floats in several instructions, so that it rounds once there, too: int8 kernels
//! are fast on them, `f32` kernels take some ten times as long. Each kernel has a naive twin in the tests, which hold the two together within a
//! stated bound on every set that the machine has. All `unsafe` of the project's arithmetic is here: threads write disjoint
//! parts of one slice, tiles read through pointers whose range was checked before, and intrinsics need their instructions.
//!
//! # Why our own SIMD types
//! Two crates were looked at in their place, `rten-simd` 0.27.0 and `pulp` 0.22.3. Both dispatch at run time over AVX2,
//! AVX-512, NEON and WebAssembly, as this crate does. What is missing:
//!
//! - **One rounding per multiply-add.** Inference gives the same bits on every machine, which takes a fused multiply-add
//!   everywhere. `rten-simd` computes `(a * b) + c` with two roundings on its generic set and on WebAssembly (or a relaxed
//!   one, which is either). `pulp`'s `mul_add_f32s` is fused, through a scalar function per lane where there is no
//!   instruction.
//! - **The same minimum everywhere.** `rten-simd`'s `min` and `max` drop a NaN on the generic set, keep it on NEON, and
//!   depend on the order of the operands on x86; here NaN stays NaN.
//! - **Pairs of bfloat16.** Training multiplies them with `vdpbf16ps`, twice as fast as `f32`. `rten-simd` has `f16`
//!   conversions alone; `pulp` detects AVX512-BF16 and offers none of its instructions.
//! - **Square root**, which the optimizers take: `rten-simd` has none.
//! - **AVX-512F alone is enough here**; `rten-simd` asks for VL, BW and DQ too and `pulp` for more, each with fewer machines.
//! - **Inlining.** Methods of `rten-simd` are `#[inline]`, and a call that is not inlined is compiled without the
//!   instructions; ours are `#[inline(always)]`. `pulp` would bring five crates into the sampler (bytemuck, `libm`,
//!   num-complex, paste, reborrow).
//!
//! With either, the missing parts would be a second trait beside the first. The types here are some 450 lines.

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
mod processor;
mod shared;
mod simd;
#[cfg(test)]
mod testing;
mod tile;
mod workers;

pub mod inference;
pub mod training;

pub use activation::{EXPONENTIAL_ERROR, SIGMOID_ERROR, TANH_ERROR};
pub use buffer::Buffer;
pub use instructions::Instructions;
pub use precision::Precision;
pub use processor::Processor;
pub use workers::{Alone, Workers};
