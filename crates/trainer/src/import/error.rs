//! Why a file cannot become a checkpoint.

use std::io;
use std::path::PathBuf;

use corpus::exit;

/// Why a file cannot become a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file, or the card beside it, cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file is not in the safetensors format.
    #[error("{path} is not a safetensors file ({message}); write it with `safetensors.torch.save_model(module, path)`")]
    NotSafetensors {
        /// The file.
        path: PathBuf,
        /// What the reader of the format found.
        message: String,
    },
    /// The card beside the file is damaged.
    #[error("{path}: {source}")]
    Card {
        /// The card.
        path: PathBuf,
        /// What is wrong with it.
        source: model_card::Error,
    },
    /// No tensor has the name that every network's first layer has.
    #[error(
        "{path} holds no network: no tensor is called `lstm.weight_ih_l0`, alone or after a prefix. It holds {found}; \
         name the module's fields `embedding`, `lstm` and `output`"
    )]
    NoNetwork {
        /// The file.
        path: PathBuf,
        /// The names that it holds.
        found: String,
    },
    /// The file has names with several prefixes.
    #[error("{path} holds several networks, under {prefixes}: save only the one to import")]
    SeveralNetworks {
        /// The file.
        path: PathBuf,
        /// The prefixes.
        prefixes: String,
    },
    /// A tensor that the network needs is not there.
    #[error("{path} has no tensor `{name}`: {advice}")]
    Missing {
        /// The file.
        path: PathBuf,
        /// The tensor's name with its prefix.
        name: String,
        /// What may be the reason.
        advice: &'static str,
    },
    /// A tensor's shape does not fit the others.
    #[error("{path}: `{name}` has the shape {found:?} and should have {expected}")]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor's name with its prefix.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape it should have, in numbers or in words.
        expected: String,
    },
    /// The file holds tensors that a character LSTM does not have.
    #[error(
        "{path} holds tensors that a character LSTM does not have: {names}. The network would not compute what the \
         module does; save `embedding`, a plain one-directional `lstm` and `output` alone"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The tensors' names.
        names: String,
    },
    /// A weight is not a number.
    #[error("{path}: `{name}` holds numbers that are not finite: the training had diverged")]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor's name with its prefix.
        name: String,
    },
    /// The vocabulary has another size than the network.
    #[error(
        "{path} is a network of {network} tokens, and the vocabulary has {vocabulary}: name the corpus that it was \
         trained on"
    )]
    OtherVocabulary {
        /// The file.
        path: PathBuf,
        /// Tokens of the network.
        network: usize,
        /// Tokens of the vocabulary.
        vocabulary: usize,
    },
    /// The new folder exists already.
    #[error("{path} exists already; choose another folder, or delete it")]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// The new folder cannot be written.
    #[error("cannot write {path}: {source}; check the permissions and the free space, or choose another folder")]
    Write {
        /// The folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The network refused the weights.
    #[error(transparent)]
    Network(#[from] lstm::Error),
    /// A tensor operation failed.
    #[error("a tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// The result of this module's functions.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The program's exit code for this error, by the table of [`corpus::exit`].
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Write { .. } => exit::CANNOT_WRITE,
            _ => exit::BAD_INPUT,
        }
    }
}
