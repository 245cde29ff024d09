//! Inputs and outputs: what an engine declares, and the checks of what callers give.

use std::ffi::CString;

use onnx_view::{Dimension, PortType};
use ort_sys::ONNXTensorElementDataType as Type;

use crate::{
    element,
    error::{Error, Result},
    tensor::Tensor,
    types::TypeInfo,
};

/// An input or an output of a model.
#[derive(Debug, Clone)]
pub struct Port {
    pub(crate) name: CString,
    pub(crate) info: TypeInfo,
}

impl Port {
    /// What a file declares. Only tensors can be passed.
    pub fn from_onnx(port: &onnx_view::Port<'_>) -> Result<Self> {
        let PortType::Tensor { element, shape } = &port.kind else {
            return Err(Error::UnsupportedElement(format!("{:?}, which is no tensor", port.name)));
        };
        let shape = shape.as_ref().map(|shape| shape.iter().map(dimension).unzip());
        Ok(Self { name: c_string(port.name), info: TypeInfo::declared(element::from_onnx(*element), shape) })
    }

    /// The declared types of all inputs or outputs of a file.
    pub fn all(ports: &[onnx_view::Port<'_>]) -> Result<Vec<Self>> {
        ports.iter().map(Self::from_onnx).collect()
    }

    /// The declared element type; undefined if there is none.
    pub fn element(&self) -> Type {
        self.info.element()
    }

    /// The name.
    pub fn name(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }

    /// Refuses a tensor of another type or shape than the declared one.
    pub(crate) fn check(&self, kind: &'static str, tensor: &Tensor) -> Result<()> {
        let declared = self.info.element();
        if declared != tensor.element().sys() && declared != Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED {
            let (expected, found) = (element::name(declared), tensor.element().to_string());
            return Err(Error::WrongType { kind, name: self.name(), expected, found });
        }
        if !self.info.admits(tensor.shape()) {
            let (expected, found) = (self.info.describe_shape(), tensor.shape().to_vec());
            return Err(Error::WrongShape { kind, name: self.name(), expected, found });
        }
        Ok(())
    }

    /// The place of the port of this name; `guess` is looked at first.
    pub(crate) fn find(ports: &[Self], kind: &'static str, name: &[u8], guess: usize) -> Result<usize> {
        if ports.get(guess).is_some_and(|port| port.name.as_bytes() == name) {
            return Ok(guess);
        }
        ports.iter().position(|port| port.name.as_bytes() == name).ok_or_else(|| Error::UnknownName {
            kind,
            name: String::from_utf8_lossy(name).into_owned(),
            known: ports.iter().map(Self::name).collect::<Vec<_>>().join(", "),
        })
    }
}

fn dimension(dimension: &Dimension<'_>) -> (i64, CString) {
    match *dimension {
        Dimension::Fixed(size) => (size, CString::default()),
        Dimension::Named(name) => (-1, c_string(name)),
        Dimension::Unknown => (-1, CString::default()),
    }
}

/// A name in ONNX may hold a zero byte, where one in C ends.
pub(crate) fn c_string(text: &str) -> CString {
    CString::new(text.split('\0').next().unwrap_or_default()).unwrap_or_default()
}
