//! What can go wrong in training.

use std::path::PathBuf;

use corpus::exit;

/// What can go wrong in training.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The shards cannot be used.
    #[error(transparent)]
    Corpus(#[from] corpus::Error),
    /// The recipe has a wrong or unknown field.
    #[error("recipe {name}: {message}")]
    Recipe {
        /// The recipe's name.
        name: String,
        /// What is wrong and where.
        message: String,
    },
    /// No recipe has that name.
    #[error("there is no recipe {name:?}; there is: {known}")]
    UnknownRecipe {
        /// What was asked for.
        name: String,
        /// The recipes that exist.
        known: String,
    },
    /// The corpus has no window of the recipe's length.
    #[error(
        "the corpus has {tokens} characters, and a window needs {length} and one to predict: \
         prepare a longer text"
    )]
    TooShort {
        /// Characters in the corpus.
        tokens: usize,
        /// Characters in a window.
        length: usize,
    },
    /// The run's folder holds a run already.
    #[error("{path} holds a run already; choose another name with --run, or delete the folder")]
    RunExists {
        /// The folder.
        path: PathBuf,
    },
    /// A file of the run cannot be written.
    #[error("cannot write {path}: {source}; free the disk or choose another folder, and start again")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The loss is no longer a number.
    #[error(
        "the loss became {loss} in epoch {epoch}, step {step}: training has diverged; the last checkpoint was kept; \
         try a lower learning rate or another seed"
    )]
    Diverged {
        /// The loss.
        loss: f32,
        /// The epoch, from 1.
        epoch: usize,
        /// The step in the epoch, from 1.
        step: usize,
    },
    /// The device was not compiled in or is not there.
    #[error("cannot use the device {device}: {message}")]
    Device {
        /// The device's name.
        device: &'static str,
        /// Why not, and what to do.
        message: String,
    },
    /// The network refused its input.
    #[error(transparent)]
    Network(#[from] lstm::Error),
    /// A sampling option is out of range.
    #[error(transparent)]
    Decoding(#[from] decoding::Error),
    /// A tensor operation failed.
    #[error("a tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// The samples could not be printed.
    #[error("cannot print the samples: {0}")]
    Print(std::io::Error),
    /// The user stopped the training; a checkpoint was written.
    #[error("stopped in epoch {epoch}; the weights so far are in {checkpoint}")]
    Interrupted {
        /// The epoch, from 1.
        epoch: usize,
        /// The checkpoint.
        checkpoint: PathBuf,
    },
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The program's exit code for this error, by the table of [`corpus::exit`].
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Corpus(error) => error.exit_code(),
            Self::Recipe { .. } | Self::UnknownRecipe { .. } | Self::RunExists { .. } | Self::Decoding(_) => {
                exit::USAGE
            }
            Self::TooShort { .. } => exit::BAD_INPUT,
            Self::Write { .. } | Self::Print(_) => exit::CANNOT_WRITE,
            Self::Interrupted { .. } => exit::INTERRUPTED,
            Self::Diverged { .. } | Self::Device { .. } | Self::Network(_) | Self::Tensor(_) => 1,
        }
    }
}
