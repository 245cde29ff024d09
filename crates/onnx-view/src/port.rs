//! The declared inputs and outputs of a graph.

use crate::{
    Error, MOST_DIMENSIONS, Result,
    reader::Reader,
    wire::{Field, Fields, name},
};

/// An input or an output: `ValueInfoProto`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type.
    pub kind: PortType<'a>,
}

/// The type of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortType<'a> {
    /// A dense tensor.
    Tensor {
        /// The number of its element type in ONNX's `TensorProto.DataType`; 0 if it is not declared.
        element: u64,
        /// Its dimensions, if they are declared. None at all is the shape of a single number.
        shape: Option<Vec<Dimension<'a>>>,
    },
    /// A sequence, a map, an optional or a sparse tensor.
    Other,
}

/// A dimension of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension<'a> {
    /// Always of this size.
    Fixed(i64),
    /// Of any size, which the name stands for.
    Named(&'a str),
    /// Of any size.
    Unknown,
}

impl<'a> Port<'a> {
    pub(crate) fn read(message: &'a [u8], reader: &mut Reader) -> Result<Self> {
        let mut port = Self { name: "", kind: PortType::Tensor { element: 0, shape: None } };
        for field in Fields::new(message) {
            match field? {
                (1, Field::Bytes(bytes)) => port.name = name(bytes)?,
                (2, Field::Bytes(kind)) => port.read_type(kind, reader)?,
                _ => {}
            }
        }
        Ok(port)
    }

    /// `TypeProto`: one of a tensor (1), a sequence, a map, a sparse tensor and an optional.
    fn read_type(&mut self, message: &'a [u8], reader: &mut Reader) -> Result<()> {
        for field in Fields::new(message) {
            match field? {
                (1, Field::Bytes(tensor)) => self.kind = read_tensor_type(tensor, reader)?,
                (4 | 5 | 8 | 9, _) => self.kind = PortType::Other,
                _ => {}
            }
        }
        Ok(())
    }
}

/// `TypeProto.Tensor`.
fn read_tensor_type<'a>(message: &'a [u8], reader: &mut Reader) -> Result<PortType<'a>> {
    let (mut element, mut shape) = (0, None);
    for field in Fields::new(message) {
        match field? {
            (1, Field::Number(number)) => element = number,
            (2, Field::Bytes(dimensions)) => {
                let shape: &mut Vec<_> = shape.get_or_insert_default();
                for field in Fields::new(dimensions) {
                    if let (1, Field::Bytes(dimension)) = field? {
                        reader.push(shape, read_dimension(dimension)?)?;
                        if shape.len() > MOST_DIMENSIONS {
                            return Err(Error::TooMany { most: MOST_DIMENSIONS });
                        }
                    }
                }
            }
            _ => {}
        }
    }
    Ok(PortType::Tensor { element, shape })
}

/// `TensorShapeProto.Dimension`.
fn read_dimension(message: &[u8]) -> Result<Dimension<'_>> {
    let mut dimension = Dimension::Unknown;
    for field in Fields::new(message) {
        match field? {
            (1, Field::Number(size)) => dimension = i64::try_from(size).map_or(Dimension::Unknown, Dimension::Fixed),
            (2, Field::Bytes(bytes)) if !bytes.is_empty() => dimension = Dimension::Named(name(bytes)?),
            _ => {}
        }
    }
    Ok(dimension)
}
