#![doc = include_str!("../README.md")]

mod compile;
mod draft;
mod error;
mod fold;
mod limits;
mod memory;
mod plan;
mod session;
mod threads;
mod weights;

pub use error::{Error, Result};
pub use kernels::Instructions;
pub use onnx_view;
pub use plan::{Arithmetic, Plan};
pub use session::{Input, Numbers, Session};
