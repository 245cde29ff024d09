//! Why a file is refused.

use std::{fmt, ops::RangeInclusive};

/// Why a file is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The bytes are not an ONNX file; the text says what is wrong with them.
    Malformed(&'static str),
    /// A field is longer than what is left of the file.
    CutShort {
        /// Bytes that the field claims.
        announced: u64,
        /// Bytes that are left.
        left: usize,
    },
    /// A tensor claims more numbers than the file has room for.
    Oversized {
        /// The tensor's name.
        tensor: String,
    },
    /// A tensor has more data than its dimensions say.
    ExtraData {
        /// The tensor's name.
        tensor: String,
    },
    /// Graphs lie too deep within graphs.
    TooDeep,
    /// A list has too many items, or a tensor too many dimensions.
    TooMany {
        /// The most that are read.
        most: usize,
    },
    /// The parts would take much more memory than the file.
    TooManyForSize,
    /// A name is too long.
    LongName {
        /// Its bytes.
        length: usize,
    },
    /// Two constants, inputs or outputs have the same name.
    Duplicate {
        /// Which of them, in the plural.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// The version of the operators is not a known one.
    Opset {
        /// The version that the file names.
        found: u64,
        /// The versions that are known.
        supported: RangeInclusive<u64>,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(formatter, "this is not an ONNX file: {what}"),
            Self::CutShort { announced, left } => write!(
                formatter,
                "the ONNX file is damaged: it announces {announced} bytes where {left} are left; copy or export it again"
            ),
            Self::Oversized { tensor } => write!(
                formatter,
                "the ONNX file is damaged: its tensor {tensor:?} claims more numbers than the file has room for; \
                 copy or export it again"
            ),
            Self::ExtraData { tensor } => write!(
                formatter,
                "the ONNX file is damaged: its tensor {tensor:?} has more data than its dimensions say; \
                 copy or export it again"
            ),
            Self::TooDeep => {
                write!(formatter, "the ONNX file has graphs more than {} deep within graphs", crate::DEEPEST)
            }
            Self::TooMany { most } => {
                write!(formatter, "the ONNX file has a list of more than {most} items, which no network needs")
            }
            Self::TooManyForSize => formatter
                .write_str("the ONNX file has far more parts than a graph of its size, so it is damaged or hostile"),
            Self::LongName { length } => write!(
                formatter,
                "the ONNX file has a name of {length} bytes, and {} are supported; give it shorter names",
                crate::LONGEST_NAME
            ),
            Self::Duplicate { kind, name } => write!(
                formatter,
                "the ONNX file has several {kind} named {name:?}, so it is damaged; copy or export it again"
            ),
            Self::Opset { found, supported } => write!(
                formatter,
                "the ONNX file uses operator set {found}, and {} to {} are supported; export it for one of those",
                supported.start(),
                supported.end()
            ),
        }
    }
}

impl std::error::Error for Error {}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;
