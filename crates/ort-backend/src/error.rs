//! What can go wrong between `ort` and an engine.

use std::{fmt::Display, path::PathBuf};

use ort_sys::OrtErrorCode;

/// Any error of an engine's own.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// What can go wrong. An engine makes [`File`](Self::File), [`Model`](Self::Model), [`Inputs`](Self::Inputs),
/// [`Run`](Self::Run) and [`Memory`](Self::Memory); the others are the backend's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is not a valid ONNX file.
    #[error(transparent)]
    File(#[from] onnx_view::Error),
    /// The engine does not run this model.
    #[error("{0}")]
    Model(Source),
    /// The inputs do not go together, or hold what the model cannot take.
    #[error("the model cannot be run on these inputs: {0}")]
    Inputs(String),
    /// The engine failed while it ran the model.
    #[error("cannot run the model: {0}")]
    Run(Source),
    /// The system has no memory for a tensor, for the weights or for a run.
    #[error("there is no memory for {bytes} bytes; close other programs, allow this one more, or ask for less at once")]
    Memory {
        /// What was asked for.
        bytes: usize,
    },
    /// The caller used a function of the interface that this backend leaves out.
    #[error(
        "{0} is not implemented by ort-backend; its README lists what is, and ONNX Runtime's own library has the rest"
    )]
    NotImplemented(&'static str),
    /// A pointer is null, or a number is outside its range.
    #[error("{0}; this is a mistake in the code that calls the ONNX Runtime interface")]
    InvalidArgument(String),
    /// The model's file cannot be read.
    #[error("cannot read the model {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        reason: std::io::Error,
    },
    /// The model has no input (or output) of this name.
    #[error("the model has no {kind} named {name:?}; it has {known}")]
    UnknownName {
        /// "input" or "output".
        kind: &'static str,
        /// The name that was given.
        name: String,
        /// The model's names.
        known: String,
    },
    /// An input of the model was not given.
    #[error("the input {0:?} was not given, and the model needs it")]
    MissingInput(String),
    /// A tensor has another element type than the model declares.
    #[error("the {kind} {name:?} is {expected} in the model, but the tensor given is {found}")]
    WrongType {
        /// "input" or "output".
        kind: &'static str,
        /// Its name.
        name: String,
        /// The type that the model declares.
        expected: String,
        /// The type of the tensor.
        found: String,
    },
    /// A tensor has another shape than the model declares.
    #[error("the {kind} {name:?} has the shape {expected} in the model, but the tensor given is {found:?}")]
    WrongShape {
        /// "input" or "output".
        kind: &'static str,
        /// Its name.
        name: String,
        /// The shape that the model declares, with names for the dimensions that may vary.
        expected: String,
        /// The shape of the tensor.
        found: Vec<i64>,
    },
    /// The type is not one that a tensor can have here.
    #[error("tensors of {0} are not supported; use float32, int64, int32, bool, uint8 or int8")]
    UnsupportedElement(String),
    /// The run was asked to end.
    #[error("exiting due to terminate flag being set to true")]
    Terminated,
    /// The backend or the engine panicked.
    #[error("internal error, please report it: {0}")]
    Panic(String),
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn invalid(what: impl Display) -> Self {
        Self::InvalidArgument(what.to_string())
    }

    pub(crate) fn code(&self) -> OrtErrorCode {
        match self {
            Self::NotImplemented(_) | Self::UnsupportedElement(_) => OrtErrorCode::ORT_NOT_IMPLEMENTED,
            Self::InvalidArgument(_)
            | Self::UnknownName { .. }
            | Self::MissingInput(_)
            | Self::WrongType { .. }
            | Self::WrongShape { .. }
            | Self::Inputs(_) => OrtErrorCode::ORT_INVALID_ARGUMENT,
            Self::Unreadable { .. } => OrtErrorCode::ORT_NO_SUCHFILE,
            Self::File(_) => OrtErrorCode::ORT_INVALID_PROTOBUF,
            Self::Model(_) => OrtErrorCode::ORT_INVALID_GRAPH,
            Self::Run(_) => OrtErrorCode::ORT_RUNTIME_EXCEPTION,
            // Nothing else here has this code, so that a program can tell.
            Self::Memory { .. } => OrtErrorCode::ORT_ENGINE_ERROR,
            Self::Terminated | Self::Panic(_) => OrtErrorCode::ORT_FAIL,
        }
    }
}
