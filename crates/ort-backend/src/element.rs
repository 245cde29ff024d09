//! The element types of tensors: ONNX's, and those of them that an engine can be given.

use std::fmt;

use ort_sys::ONNXTensorElementDataType as Type;

use crate::error::{Error, Result};

/// An element type that a tensor can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// 32-bit floating point.
    Float32,
    /// 64-bit integers.
    Int64,
    /// 32-bit integers.
    Int32,
    /// One byte each, 0 or 1.
    Bool,
    /// Unsigned bytes.
    Uint8,
    /// Signed bytes.
    Int8,
}

impl Element {
    pub(crate) const ALL: [Self; 6] = [Self::Float32, Self::Int64, Self::Int32, Self::Bool, Self::Uint8, Self::Int8];

    /// Bytes an element takes, which is also its alignment.
    pub(crate) const fn size(self) -> usize {
        match self {
            Self::Int64 => 8,
            Self::Float32 | Self::Int32 => 4,
            Self::Bool | Self::Uint8 | Self::Int8 => 1,
        }
    }

    pub(crate) const fn sys(self) -> Type {
        match self {
            Self::Float32 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
            Self::Int64 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
            Self::Int32 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32,
            Self::Bool => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL,
            Self::Uint8 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
            Self::Int8 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8,
        }
    }

    pub(crate) fn from_sys(element: Type) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|known| known.sys() == element);
        found.ok_or_else(|| Error::UnsupportedElement(name(element)))
    }
}

impl fmt::Display for Element {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Float32 => "float32",
            Self::Int64 => "int64",
            Self::Int32 => "int32",
            Self::Bool => "bool",
            Self::Uint8 => "uint8",
            Self::Int8 => "int8",
        })
    }
}

/// The type that a number in a model's file stands for (`TensorProto.DataType`); an unknown one is undefined.
pub(crate) fn from_onnx(number: u64) -> Type {
    use Type as T;
    let types = [
        T::ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED,
        T::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
        T::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
        T::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8,
        T::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16,
        T::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16,
        T::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32,
        T::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
        T::ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING,
        T::ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL,
        T::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16,
        T::ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE,
        T::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32,
        T::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64,
        T::ONNX_TENSOR_ELEMENT_DATA_TYPE_COMPLEX64,
        T::ONNX_TENSOR_ELEMENT_DATA_TYPE_COMPLEX128,
        T::ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16,
    ];
    usize::try_from(number).ok().and_then(|number| types.get(number).copied()).unwrap_or(types[0])
}

/// How a type is called in a message.
pub(crate) fn name(element: Type) -> String {
    match Element::ALL.into_iter().find(|known| known.sys() == element) {
        Some(known) => known.to_string(),
        None => format!("{element:?}").trim_start_matches("ONNX_TENSOR_ELEMENT_DATA_TYPE_").to_lowercase(),
    }
}
