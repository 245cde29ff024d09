//! What every stage agrees on: the vocabulary, how text is normalised before it is encoded, the sizes of the network,
//! the names of its tensors, and where a model came from.
//!
//! This crate knows nothing of files, tensors or runtimes. It holds plain data with a JSON form. A shard, a checkpoint
//! and an ONNX file can each carry all of it, so any of them can be checked against another.
//!
//! ```
//! use model_card::{Unit, Vocabulary};
//!
//! let vocabulary = Vocabulary::from_text(Unit::Char, "ahoy");
//! assert_eq!(vocabulary.len(), 4);
//! assert_eq!(vocabulary.encode("yo")?, [3, 2]);
//! # Ok::<(), model_card::Error>(())
//! ```

mod card;
mod error;
mod facts;
mod normalisation;
mod size;
mod text;
mod unit;
mod vocabulary;

pub mod gates;
pub mod tensors;

pub use card::{
    CARD_FILE, CARD_KEY, Context, FORMAT_VERSION, Losses, ModelCard, Provenance, WEIGHTS_FILE, WEIGHTS_KEY,
};
pub use error::{Error, Result};
pub use normalisation::{Newlines, Normalisation};
pub use size::{InputEncoding, ModelSize};
pub use text::{counted, printable, printable_lines};
pub use unit::Unit;
pub use vocabulary::{Decoder, Vocabulary};
