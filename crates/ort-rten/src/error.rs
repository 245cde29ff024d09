//! What can go wrong, and how it is told across the C interface: an `OrtStatus` with a code and a message.

use std::{
    ffi::{CStr, CString, c_char},
    fmt::Display,
    path::PathBuf,
};

use ort_sys::{OrtApi, OrtErrorCode, OrtStatus, OrtStatusPtr};

use crate::{element::Element, ffi};

/// What can go wrong on this side of the interface.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The caller reached an entry of the table that this crate leaves out.
    #[error(
        "{0} is not implemented by ort-rten; its README lists what is, and ONNX Runtime's own library has the rest"
    )]
    NotImplemented(&'static str),
    /// A pointer that must lead somewhere is null, or a number is outside its range.
    #[error("{0}; this is a mistake in the code that calls the ONNX Runtime interface")]
    InvalidArgument(String),
    /// The model's file is not there or cannot be read.
    #[error("cannot read the model {}: {reason}", path.display())]
    Unreadable {
        /// The file that was asked for.
        path: PathBuf,
        /// What the operating system said.
        reason: std::io::Error,
    },
    /// The bytes are not an ONNX model.
    #[error("this is not a whole ONNX model: {0}; was the file cut short, or is it another kind of file?")]
    NotAModel(String),
    /// The file was written for a later version of ONNX.
    #[error(
        "the model uses version {0} of the ONNX operators, and {1} is the newest that is known here: export it anew"
    )]
    UnknownOpset(u64, u64),
    /// The file is written as rten does not read it, and cannot be rewritten on the way.
    #[error(
        "the model has weights in other files and was written by a program that packs the sizes of its tensors, which \
         rten does not read; save it as one file"
    )]
    PackedNumbers,
    /// The engine refused the model.
    #[error(
        "rten cannot load the model: {0}; this crate's own kernels do not take it for {1}; \
         if rten has the operator that is missing, name it in the operators given to `api_with_operators`"
    )]
    Load(rten::LoadError, String),
    /// The engine failed while running the model.
    #[error("rten cannot run the model: {0}")]
    Run(#[from] rten::RunError),
    /// Tensors do not go together, or an id is outside its table.
    #[error("the model cannot be run on these inputs: {0}")]
    Misfit(String),
    /// A name is not among the model's inputs (or outputs).
    #[error("the model has no {kind} named {name:?}; it has {known}")]
    UnknownName {
        /// "input" or "output".
        kind: &'static str,
        /// The name that was given.
        name: String,
        /// The names that there are.
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
        found: Element,
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
    /// A 64-bit integer does not fit in the 32 bits that rten computes with.
    #[error(
        "element {index} of the input {name:?} is {value}; rten computes with 32-bit integers, \
         so values from -2147483648 to 2147483647 can be given"
    )]
    IntegerOutOfRange {
        /// The input.
        name: String,
        /// Where in it, counted from 0 in the order of memory.
        index: usize,
        /// The value found there.
        value: i64,
    },
    /// The element type is not among those that rten computes with.
    #[error("tensors of {0} are not supported; use float32, int64, int32, bool, uint8 or int8")]
    UnsupportedElement(String),
    /// The run was asked to end.
    #[error("exiting due to terminate flag being set to true")]
    Terminated,
    /// Something here or in the engine panicked.
    #[error("internal error, please report it: {0}")]
    Panic(String),
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn invalid(what: impl Display) -> Self {
        Self::InvalidArgument(what.to_string())
    }

    fn code(&self) -> OrtErrorCode {
        match self {
            Self::NotImplemented(_) | Self::UnsupportedElement(_) => OrtErrorCode::ORT_NOT_IMPLEMENTED,
            Self::InvalidArgument(_)
            | Self::UnknownName { .. }
            | Self::MissingInput(_)
            | Self::WrongType { .. }
            | Self::WrongShape { .. }
            | Self::Misfit(_)
            | Self::IntegerOutOfRange { .. } => OrtErrorCode::ORT_INVALID_ARGUMENT,
            Self::Unreadable { .. } => OrtErrorCode::ORT_NO_SUCHFILE,
            Self::NotAModel(_) => OrtErrorCode::ORT_INVALID_PROTOBUF,
            Self::Load(..) | Self::UnknownOpset(..) | Self::PackedNumbers => OrtErrorCode::ORT_INVALID_GRAPH,
            Self::Run(_) => OrtErrorCode::ORT_RUNTIME_EXCEPTION,
            Self::Terminated | Self::Panic(_) => OrtErrorCode::ORT_FAIL,
        }
    }

    /// Moves the error to the heap, where the caller owns it until it calls `ReleaseStatus`.
    #[cold]
    pub(crate) fn into_status(self) -> OrtStatusPtr {
        status(self.code(), &self.to_string())
    }
}

/// The thing behind an `OrtStatus`.
struct Status {
    code: OrtErrorCode,
    message: CString,
}

impl ffi::Handle<OrtStatus> for Status {}

fn status(code: OrtErrorCode, message: &str) -> OrtStatusPtr {
    // A zero would end the C string early: text from a damaged file may hold one.
    let message = CString::new(message.replace('\0', "\u{fffd}")).unwrap_or_default();
    OrtStatusPtr(ffi::into_raw(Status { code, message }))
}

/// Puts the entries that handle statuses into the table.
pub(crate) fn install(api: &mut OrtApi) {
    api.CreateStatus = create_status;
    api.GetErrorCode = get_error_code;
    api.GetErrorMessage = get_error_message;
    api.ReleaseStatus = release_status;
}

unsafe extern "system" fn create_status(code: OrtErrorCode, message: *const c_char) -> OrtStatusPtr {
    let message = if message.is_null() {
        String::new()
    } else {
        // SAFETY: a non-null `msg` is a null-terminated string, says the interface; at worst (a caller in C that breaks
        // this) the read runs past the buffer.
        unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned()
    };
    status(code, &message)
}

unsafe extern "system" fn get_error_code(pointer: *const OrtStatus) -> OrtErrorCode {
    // SAFETY: statuses are made by `status` alone, and the caller has not released this one.
    unsafe { ffi::borrow::<Status, _>(pointer) }.map_or(OrtErrorCode::ORT_OK, |status| status.code)
}

unsafe extern "system" fn get_error_message(pointer: *const OrtStatus) -> *const c_char {
    // SAFETY: as above; the text lives as long as the status, which is how long the interface lets it be read.
    unsafe { ffi::borrow::<Status, _>(pointer) }.map_or(c"".as_ptr(), |status| status.message.as_ptr())
}

unsafe extern "system" fn release_status(pointer: *mut OrtStatus) {
    // SAFETY: as above, and a status is released once.
    unsafe { ffi::release::<Status, _>(pointer) }
}
