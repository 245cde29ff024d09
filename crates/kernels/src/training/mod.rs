//! Training: one layer's whole sequence, the dense layer with the loss, and optimizers, forward and backward over slices.
//!
//! - Activations are accurate to the bounds that the crate states.
//! - Every sum is taken in an order that depends on the sizes alone: results are the same bits for any number of threads.
//!   Between instruction sets they differ in the last digits, because the order of some sums depends on the lanes per
//!   vector.
//! - Operands of matrix products are taken as they are or rounded to bfloat16 ([`crate::Precision`]).
//! - Memory comes from the caller and is kept from step to step; nothing is allocated per time step.

mod backward;
mod forward;
mod gradient;
mod head;
mod operand;
mod optimizer;
mod packing;
mod panels;
mod sequence;
mod sizes;
mod softmax;

#[cfg(test)]
mod tests;

pub use backward::OutputGradient;
pub use forward::Initial;
pub use head::{Head, HeadMemory, LogitGradient};
pub use optimizer::{Clipping, Update, apply_update, sum_of_squares};
pub use sequence::{Input, Sequence, Workspace, apply_mask};
pub use sizes::Shape;
