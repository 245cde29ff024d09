//! The errors of this crate.

use std::{io, path::PathBuf};

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
    /// The file is empty, or its outermost structure is not that of an ONNX file.
    #[error("this is not an ONNX file: {0}")]
    NotOnnx(&'static str),
    /// The file ends inside a field.
    #[error("the ONNX file is damaged: it announces {announced} bytes where {left} are left; copy or export it again")]
    CutShort {
        /// Length of the field.
        announced: u64,
        /// Bytes left in the file.
        left: usize,
    },
    /// The graph or the card claims more numbers than the file has room for.
    #[error("the ONNX file is damaged: {0} than the file has room for; copy or export it again")]
    Oversized(&'static str),
    /// This program does not know the operator set.
    #[error(
        "the ONNX file uses operator set {found}, but this program knows {} to {}; \
         export it for one of these",
        supported.start(), supported.end()
    )]
    Opset {
        /// The version in the file.
        found: i64,
        /// The versions that this program knows.
        supported: std::ops::RangeInclusive<i64>,
    },
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
    #[error("cannot load ONNX Runtime: {0}; name its shared library with --onnxruntime or ORT_DYLIB_PATH")]
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
    /// A text contains a character that the model does not know.
    #[error(transparent)]
    Text(model_card::Error),
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
    /// The decoding options are invalid.
    #[error(transparent)]
    Options(#[from] decoding::Error),
    /// A bundle whose model is incomplete or changed.
    #[error("the model in this program is damaged: {0}; copy the file again")]
    Bundle(&'static str),
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Refuses logits that no token can be drawn from: any NaN, or nothing finite.
pub(crate) fn check_logits(logits: &[f32]) -> Result<()> {
    if logits.iter().any(|logit| logit.is_nan()) || !logits.iter().any(|logit| logit.is_finite()) {
        return Err(Error::NotNumbers);
    }
    Ok(())
}
