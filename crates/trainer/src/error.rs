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
    /// The corpus is too short for the recipe's streams.
    #[error(
        "the text to train on has {tokens} characters, and a batch of {batch} streams of {time} needs {needed}: \
         prepare a longer text, or set a smaller batch (--set batch=8)"
    )]
    TooShortForStreams {
        /// Characters to train on.
        tokens: usize,
        /// Streams in a batch.
        batch: usize,
        /// Characters of a piece.
        time: usize,
        /// Characters needed.
        needed: usize,
    },
    /// The split was not held out.
    #[error("the corpus {corpus} has no {split} split: prepare it with --split 90/5/5, or choose another split")]
    NoSplit {
        /// The corpus' name.
        corpus: String,
        /// What was asked for.
        split: &'static str,
    },
    /// There is no run to go on with.
    #[error("{path} holds no run: give the folder of one to --run, or leave --resume out to start one")]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// Another trainer works in the run's folder.
    #[error("another trainer works in {path}; wait for it, or choose another name with --run")]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// A run is to go on with something else than it was begun with.
    #[error(
        "{path} was begun with another {what}: {found}, and not {given}; leave it out to go on, or start another run"
    )]
    OtherRun {
        /// The run's folder.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// What the run has.
        found: String,
        /// What was asked for.
        given: String,
    },
    /// A run has no checkpoint.
    #[error("{path} has no checkpoint to go on from; delete the folder and start again")]
    NoCheckpoint {
        /// The run's folder.
        path: PathBuf,
    },
    /// A checkpoint's file cannot be used.
    #[error("{path} is damaged: {message}; delete its checkpoint's folder to go on from the one before it")]
    DamagedCheckpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A checkpoint is of a later version of this program.
    #[error(
        "{path} has format version {found}, and this program knows up to {supported}: use the version that wrote it"
    )]
    NewerCheckpoint {
        /// The checkpoint's folder.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The last known one.
        supported: u32,
    },
    /// A network that was trained before shares no character with the text.
    #[error("{checkpoint} knows none of the {tokens} characters of {corpus}: there is nothing to go on from")]
    NothingInCommon {
        /// The checkpoint.
        checkpoint: PathBuf,
        /// The corpus' name.
        corpus: String,
        /// Tokens in the corpus' vocabulary.
        tokens: usize,
    },
    /// A text to be measured has a character that the model does not know.
    #[error("{corpus} has the character {character:?}, which the model was not trained with")]
    UnknownCharacter {
        /// The corpus' name.
        corpus: String,
        /// The character.
        character: String,
    },
    /// A network from elsewhere has no vocabulary.
    #[error("{path} does not say which character an id is: name the shards that it was trained on with --shards")]
    NoVocabulary {
        /// The file.
        path: PathBuf,
    },
    /// A network from elsewhere cannot be made a checkpoint.
    #[error(transparent)]
    Import(#[from] crate::import::Error),
    /// The training text cannot be searched.
    #[error(transparent)]
    Novelty(#[from] crate::novelty::Error),
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A variable is no part of the loss.
    #[error("a variable got no gradient: this is a mistake in the program")]
    NoGradient,
    /// The run's folder holds a run already.
    #[error("{path} holds a run already; go on with it by --resume, or choose another name with --run")]
    RunExists {
        /// The folder.
        path: PathBuf,
    },
    /// A file of the run cannot be written.
    #[error("cannot write {path}: {source}; make room there, and go on with --resume if the run had begun")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The loss is no longer a number.
    #[error(
        "the loss became {loss} in epoch {epoch}, step {step}: training has diverged; the last checkpoint was kept; \
         try a lower learning rate (--set optimizer.learning_rate=…) or another seed"
    )]
    Diverged {
        /// The loss, or the norm of its gradients.
        loss: f64,
        /// The epoch, from 1.
        epoch: usize,
        /// The step, from 1.
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
    #[error("stopped in epoch {epoch}; all of it is in {checkpoint}: go on with --resume")]
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
            Self::Recipe { .. }
            | Self::UnknownRecipe { .. }
            | Self::RunExists { .. }
            | Self::NoRun { .. }
            | Self::OtherRun { .. }
            | Self::NoSplit { .. }
            | Self::NoVocabulary { .. }
            | Self::Decoding(_) => exit::USAGE,
            Self::TooShort { .. }
            | Self::TooShortForStreams { .. }
            | Self::NothingInCommon { .. }
            | Self::UnknownCharacter { .. }
            | Self::Import(_)
            | Self::Novelty(_)
            | Self::Read { .. }
            | Self::NewerCheckpoint { .. } => exit::BAD_INPUT,
            Self::NoCheckpoint { .. } | Self::DamagedCheckpoint { .. } => exit::DAMAGED,
            Self::Busy { .. } => exit::BUSY,
            Self::Write { .. } | Self::Print(_) => exit::CANNOT_WRITE,
            Self::Interrupted { .. } => exit::INTERRUPTED,
            Self::Diverged { .. } | Self::Device { .. } | Self::Network(_) | Self::Tensor(_) | Self::NoGradient => 1,
        }
    }
}
