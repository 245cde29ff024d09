//! The fast path: one layer's whole sequence, forward and backward, as one op of candle, and the dense layer with the
//! loss as another.
//!
//! [`crate::naive`] computes the same with candle's ordinary ops. The kernels are written once over vectors of floats and
//! compiled for AVX-512, AVX2, NEON and plain Rust; [`Processor`] picks at run time. They work on `f32` and take:
//!
//! - activations accurate to the bounds in [`activation`];
//! - every sum in an order that depends on the sizes alone, so that results are the same bits for any number of threads;
//! - operands of matrix products as they are or rounded to bfloat16 ([`Precision`]);
//! - their memory from pools that go from one step to the next, with no allocation per time step.
//!
//! Hidden states of all time steps never become a tensor: candle would add their gradients up in passes of their own. The
//! ops hand them on beside the graph (`memory::Link`), whose edges are the final states alone.
//!
//! On a GPU (feature `cuda`) a layer's sequence is an op too, of one matrix product and one pointwise kernel a time step.
//!
//! This is the one module of the crate with `unsafe` code.

#![expect(
    unsafe_code,
    reason = "threads write disjoint parts of one buffer, and vector instructions are chosen at run time"
)]
#![expect(
    clippy::inline_always,
    reason = "vector code must be inlined into the function compiled for its instructions"
)]

pub mod activation;

mod backward;
mod cell;
#[cfg(feature = "cuda")]
mod cuda;
mod descent;
mod forward;
mod gradient;
mod head;
mod lanes;
mod layout;
mod memory;
mod precision;
mod processor;
mod sequence;
mod softmax;
mod stepwise;
mod tensors;
mod tile;

pub use descent::{Clipping, Descent, Pass};
pub(crate) use head::{Head, HeadMemory};
pub(crate) use memory::{Link, Pool, Steps, Workspace};
pub use precision::Precision;
pub use processor::{Instructions, Processor};
pub(crate) use sequence::{Sequence, Source};
pub(crate) use stepwise::layer as stepwise;
