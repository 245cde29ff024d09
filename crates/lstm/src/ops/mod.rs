//! The fast path as custom ops of candle: one layer's whole sequence as one op, forward and backward, and the dense layer
//! with the loss as another. The arithmetic is crate `kernels`'; these modules turn candle's tensors into its slices.
//!
//! [`crate::naive`] computes the same with candle's ordinary ops. Results are the same bits for any number of threads.
//!
//! Hidden states of all time steps never become a tensor: candle would add up their gradients in passes of their own. The
//! ops pass them on beside the graph ([`Link`]), whose edges are the final states alone.
//!
//! On a GPU (feature `cuda`) a layer's sequence is one op too, with one matrix product and one pointwise kernel per time
//! step.

mod cell;
#[cfg(feature = "cuda")]
#[expect(unsafe_code, reason = "kernels are launched on a GPU, which checks no argument")]
mod cuda;
mod head;
mod memory;
mod optimizer;
mod processor;
mod sequence;
mod stepwise;
mod tensors;

pub(crate) use head::Head;
pub(crate) use memory::{LayerMemory, Link, Pool, Steps};
pub use optimizer::FusedOptimizer;
pub use processor::Processor;
pub(crate) use sequence::{Sequence, Source};
pub(crate) use stepwise::layer as stepwise;
pub(crate) use tensors::with_floats;
