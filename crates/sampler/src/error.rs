//! The errors of this crate.

use std::{
    io,
    path::{Path, PathBuf},
};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}: {source}; nothing was changed there", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file to replace was not made by [`bundle::write`](crate::bundle::write).
    #[error(
        "{} exists and is not a program made by `bundle`, so it is not replaced; \
         choose another name, or remove the file first",
        .0.display()
    )]
    NotABundle(PathBuf),
    /// A folder was named instead of a model.
    #[error("{} is a folder; name the ONNX file in it, such as {}", .0.display(), .0.join("model.onnx").display())]
    Folder(PathBuf),
    /// The file is not a valid ONNX file, or not one that is read here.
    #[error(transparent)]
    File(#[from] onnx_view::Error),
    /// The card claims more than the file has room for.
    #[error("the ONNX file is damaged: its card claims more cells than the file has room for; copy or export it again")]
    Room,
    /// The weights are not those that were exported.
    #[error(
        "the weights do not match their checksum (metadata `{}`), so the file is damaged, or another program has changed \
         it; copy or export it again, or remove that entry if the change was meant",
        model_card::WEIGHTS_KEY
    )]
    Checksum,
    /// An ONNX file without a model card.
    #[error(
        "this ONNX file has no model card (metadata `{}`), so nobody knows its characters; \
         export the model with Scrimshaw",
        model_card::CARD_KEY
    )]
    NoCard,
    /// The model card cannot be used.
    #[error(transparent)]
    Card(model_card::Error),
    /// The graph contradicts the card.
    #[error("the model card and the graph disagree: {0}; export the model again")]
    Mismatch(String),
    /// The engine rejects the graph or fails while it runs.
    #[error("the engine cannot run this model: {0}")]
    Engine(String),
    /// The engine's library could not be loaded.
    #[error("cannot load ONNX Runtime: {0}")]
    Library(String),
    /// Another engine is already in use in this process.
    #[error("one process uses one engine: `{used}` is already in use, so `{wanted}` cannot be")]
    OtherBackend {
        /// The engine in use.
        used: String,
        /// The engine that was asked for.
        wanted: String,
    },
    /// The network computes NaN.
    #[error(
        "the model computes logits that are not numbers, so its weights are damaged or its training diverged; \
         export another checkpoint"
    )]
    NotNumbers,
    /// The system has no memory for the model, the prompt or a run.
    #[error("out of memory: {0}")]
    Memory(String),
    /// The system cannot start a thread.
    #[error("cannot start a thread: {0}; use fewer of them")]
    Thread(io::Error),
    /// A text contains a character that the model does not know.
    #[error(transparent)]
    Text(model_card::Error),
    /// A stop text that is empty, at least once it is normalised.
    #[error("the stop text {0:?} leaves no text to stop at; leave it out")]
    EmptyStop(String),
    /// A stop text with a symbol that the model does not write.
    #[error("the stop text {stop:?} would never stop the text: this model does not write {symbol}; leave it out")]
    UnwrittenStop {
        /// The text as it was given.
        stop: String,
        /// Its first such character or byte.
        symbol: String,
    },
    /// Every character is forbidden, or not allowed.
    #[error("no character that this model writes is left; allow more characters, or forbid fewer")]
    NothingAllowed,
    /// A character that a model of bytes cannot leave out by itself.
    #[error(
        "this model writes bytes, and several characters share those of one that is not ASCII; allow and forbid only ASCII \
         characters"
    )]
    NotAscii,
    /// A text that is not to be quoted is too long to be sorted.
    #[error("the text that is not to be quoted is too long; use a part of it")]
    KnownTooLong,
    /// The text is empty, so there is nothing to continue.
    #[error("nothing to continue: feed the model at least one character first")]
    NothingFed,
    /// The state does not fit the network.
    #[error("the state has {found} numbers, but this model needs {expected}; take it from the same model")]
    StateSize {
        /// Numbers given.
        found: usize,
        /// Numbers needed.
        expected: usize,
    },
    /// A file that is no saved state of a text.
    #[error("this is not a saved text")]
    NotAState,
    /// A state of another version of the format.
    #[error(
        "this text was saved in version {0} of the format, and this program reads version 1; use the one that saved it"
    )]
    StateVersion(u32),
    /// A state that is incomplete or changed.
    #[error("the saved text is damaged: its checksum or its sizes are wrong; copy the file again")]
    StateDamaged,
    /// A state of another model.
    #[error(
        "this text was saved with another model, or one of the two carries its state and the other reads windows; use the \
         same model in the same way"
    )]
    StateModel,
    /// The decoding options are invalid.
    #[error(transparent)]
    Options(#[from] decoding::Error),
    /// A bundle whose model is incomplete or changed.
    #[error("the model in this program is damaged: {0}; copy the file again")]
    Bundle(&'static str),
}

impl Error {
    /// Why a file could not be read.
    pub(crate) fn reading(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::OutOfMemory => {
                Self::Memory(format!("{} is larger than the memory that there is", path.display()))
            }
            _ => Self::Read { path: path.to_path_buf(), source },
        }
    }
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Refuses logits that no token can be drawn from: any NaN or plus infinity, or nothing but minus infinity. A logit of minus
/// infinity is that of a token which is never written.
pub(crate) fn check_logits(logits: &[f32]) -> Result<()> {
    // NaN compares as false.
    let are_numbers = logits.iter().all(|&logit| logit < f32::INFINITY);
    if are_numbers && logits.iter().any(|&logit| logit > f32::NEG_INFINITY) { Ok(()) } else { Err(Error::NotNumbers) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_are_numbers_or_minus_infinity() {
        const INFINITY: f32 = f32::INFINITY;
        for (logits, is_ok) in [
            (&[0.0, -1.0][..], true),
            (&[f32::MAX, f32::MIN], true),
            (&[-INFINITY, 0.0], true),
            (&[-INFINITY, -INFINITY], false),
            (&[0.0, INFINITY], false),
            (&[0.0, f32::NAN], false),
            (&[], false),
        ] {
            assert_eq!(check_logits(logits).is_ok(), is_ok, "{logits:?}");
        }
    }
}
