//! What every stage agrees on: the vocabulary, how text is normalised before it is looked up, the sizes of the network,
//! the names of its tensors, and where a model came from.
//!
//! This crate knows nothing of files, tensors or runtimes. It holds plain data with a JSON form, so that a shard, a
//! checkpoint and an ONNX file can each carry the whole of it, and any of them can be checked against another.
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
mod normalisation;
mod size;
mod vocabulary;

pub mod gates;
pub mod tensors;

pub use card::{CARD_FILE, CARD_KEY, Context, FORMAT_VERSION, Losses, ModelCard, Provenance, WEIGHTS_FILE};
pub use normalisation::{Newlines, Normalisation};
pub use size::{InputEncoding, ModelSize};
pub use vocabulary::{Decoder, Unit, Vocabulary};

/// What can be wrong with a card or with text that is held against it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A character (or byte) of the text is not in the vocabulary, and the vocabulary has no unknown token.
    #[error(
        "character {symbol} at position {position} is not in the model's vocabulary of {vocabulary}; \
         leave it out, or train on a text that has it"
    )]
    UnknownSymbol {
        /// The character as it should be shown: quoted, with its code point.
        symbol: String,
        /// Characters (or bytes) before it in the text.
        position: usize,
        /// How many tokens the vocabulary has.
        vocabulary: usize,
    },
    /// The JSON is not a model card.
    #[error("this is not a model card: {0}; was the file written by this program?")]
    NotACard(#[from] serde_json::Error),
    /// The card was written by a later version of the program.
    #[error("the model card has format version {found}, and this program reads up to {supported}: use a newer one")]
    NewerFormat {
        /// The version that the card states.
        found: u32,
        /// The newest version that this program reads.
        supported: u32,
    },
    /// Two parts of the card contradict each other.
    #[error("the model card contradicts itself: {0}; export the model again")]
    Contradiction(String),
    /// A vocabulary was built from symbols that no text can hold.
    #[error("{0:#x} is not a {1}: the vocabulary is damaged")]
    InvalidSymbol(u32, &'static str),
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;
