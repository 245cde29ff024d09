//! Writes and scores text with an exported Scrimshaw model.
//!
//! The ONNX file alone is enough: the model card in its metadata says which characters the model knows, how a prompt is
//! normalised, and what the model expects to have seen. This crate knows nothing of training; it speaks to the engine
//! through `ort` only.
//!
//! ```
//! use decoding::Options;
//! use sampler::Sampler;
//!
//! let mut sampler = Sampler::open("tests/data/stateful.onnx")?;
//! sampler.feed("The sea ")?;
//! let options = Options { temperature: 0.5, ..Options::default() };
//! let text: String = sampler.characters(options, 7)?.take(40).collect::<Result<_, _>>()?;
//! assert_eq!(text.chars().count(), 40);
//! # Ok::<(), sampler::Error>(())
//! ```
//!
//! [`Request`] resolves a prompt, stop texts and the like against a model's vocabulary. [`Sampler`] holds one text,
//! [`write_batch`] writes many at once, [`Scorer`] reads text and says how surprising each character is, and [`bundle`]
//! appends a model to a program.

mod adapter;
mod backend;
mod batch;
mod calls;
mod checksum;
mod error;
mod known;
mod memory;
mod model;
mod network;
mod request;
mod sampler;
mod score;
mod state;
mod writer;

#[cfg(feature = "program")]
pub mod bundle;

pub use backend::{Backend, Engine};
pub use batch::{Sample, write_batch};
pub use checksum::weights_checksum;
pub use error::{Error, Result};
pub use known::KnownText;
pub use memory::check_memory;
pub use model::{Model, read_card, read_file};
pub use network::Network;
pub use request::{Request, Resolved};
pub use sampler::{Characters, Sampler};
pub use score::Scorer;
pub use state::largest_state;
pub use writer::{End, Plan, Step, Writer};
