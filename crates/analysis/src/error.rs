//! What can go wrong.

use std::io;
use std::path::PathBuf;

use corpus::exit;

/// Why a network or a text cannot be analysed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The checkpoint, the prepared text or the run.
    #[error(transparent)]
    Trainer(#[from] trainer::Error),
    /// The network.
    #[error(transparent)]
    Network(#[from] lstm::Error),
    /// A tensor operation.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// The text to show cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text to show has characters that the model does not know.
    #[error(
        "{} has {} that the model does not know: {characters}; leave them out with --skip-unknown, or replace them in the \
         text",
        path.display(),
        model_card::counted(*count as u64, "character")
    )]
    UnknownCharacters {
        /// The file.
        path: PathBuf,
        /// How many there are in all.
        count: usize,
        /// The first different ones.
        characters: String,
    },
    /// The text is too short to say anything about.
    #[error("{what} has {}: there must be at least 2, so that one can be predicted", model_card::counted(*tokens as u64, "character"))]
    TooShort {
        /// Which text.
        what: String,
        /// Its tokens.
        tokens: usize,
    },
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The exit code of a program that fails with it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Trainer(error) => error.exit_code(),
            Self::Read { .. } | Self::UnknownCharacters { .. } | Self::TooShort { .. } => exit::BAD_INPUT,
            Self::Network(_) | Self::Tensor(_) => 1,
        }
    }
}
