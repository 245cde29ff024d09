//! What can go wrong between a file and a text.

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
    #[error("cannot write {}: {source}; nothing was left there", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The model is a folder.
    #[error("{} is a folder; name the ONNX file in it, such as {}", .0.display(), .0.join("model.onnx").display())]
    Folder(PathBuf),
    /// The file is empty, or its outermost structure is not that of an ONNX file.
    #[error("this is not an ONNX file: {0}")]
    NotOnnx(&'static str),
    /// The file ends before what it announces.
    #[error("the ONNX file is damaged: it announces {announced} bytes where {left} are left; copy or export it again")]
    CutShort {
        /// Bytes that a field claims.
        announced: u64,
        /// Bytes that the file still has.
        left: usize,
    },
    /// The graph or the card speaks of more numbers than the file has bytes for.
    #[error("the ONNX file is damaged: {0} than the file has room for; copy or export it again")]
    Oversized(&'static str),
    /// The operator set is none that this program knows.
    #[error(
        "the ONNX file uses operator set {found}, and this program knows {} to {}; \
         export it for one of those",
        supported.start(), supported.end()
    )]
    Opset {
        /// The version that the file states.
        found: i64,
        /// The versions that this program knows.
        supported: std::ops::RangeInclusive<i64>,
    },
    /// An ONNX file without a model card.
    #[error(
        "this ONNX file carries no model card (metadata `{}`), so its characters are unknown; \
         export the model with Scrimshaw",
        model_card::CARD_KEY
    )]
    NoCard,
    /// The model card cannot be used.
    #[error(transparent)]
    Card(model_card::Error),
    /// The graph is not what the card says.
    #[error("the model card and the graph disagree: {0}; export the model again")]
    Mismatch(String),
    /// The engine refuses the graph, or fails while it runs.
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
    /// A text holds a character that the model does not know.
    #[error(transparent)]
    Text(model_card::Error),
    /// Nothing has been fed, so there is nothing to continue.
    #[error("nothing to continue: feed the model at least one character first")]
    NothingFed,
    /// The state has not the size of the network.
    #[error("a state of {found} numbers does not fit this model's {expected}; take it from the same model")]
    StateSize {
        /// Numbers that were given.
        found: usize,
        /// Numbers that the network needs.
        expected: usize,
    },
    /// The decoding options are of no use.
    #[error(transparent)]
    Options(#[from] decoding::Error),
    /// The file ends like a bundle, but the model in it is not the one that was appended.
    #[error("the bundled model is damaged: {0}; copy the file again")]
    Bundle(&'static str),
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;
