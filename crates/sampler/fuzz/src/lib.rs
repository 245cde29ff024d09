//! What the sampler reads of a file before the engine sees it. Its modules stand here by their paths, for the engine behind
//! the crate would take a quarter of an hour to build with the fuzzer's instruments.

#[path = "../../src/bundle.rs"]
pub mod bundle;
#[path = "../../src/error.rs"]
mod error;
#[path = "../../src/onnx.rs"]
mod onnx;

pub use error::{Error, Result};
pub use onnx::Header;
