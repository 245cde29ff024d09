//! What the sampler reads of a file before an engine sees it. The module stands here by its path, for the crate with its
//! engines would take a quarter of an hour to build with the fuzzer's instruments.

#[path = "../../src/bundle.rs"]
pub mod bundle;
#[path = "../../src/error.rs"]
mod error;

pub use error::{Error, Result};
