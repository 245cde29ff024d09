//! Constant tensors.

use crate::{
    Error, MOST_DIMENSIONS, Result,
    reader::Reader,
    shortened,
    wire::{Field, Fields, each_integer, name},
};

/// Numbers of `TensorProto.DataType`.
const FLOAT: u64 = 1;
const INT64: u64 = 7;

/// A constant: `TensorProto`.
#[derive(Debug, Clone)]
pub struct Tensor<'a> {
    /// Its name; empty in an attribute.
    pub name: &'a str,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// The number of its element type in ONNX's `TensorProto.DataType`.
    pub element: u64,
    data: Data<'a>,
}

#[derive(Debug, Clone)]
enum Data<'a> {
    /// Numbers in row-major order, little-endian.
    Raw(&'a [u8]),
    /// So many 64-bit integers in the fields of a tensor's message.
    Integers(&'a [u8], usize),
    /// In another file.
    External,
    /// In a form that is not decoded.
    Other,
}

impl<'a> Tensor<'a> {
    pub(crate) fn read(message: &'a [u8], reader: &mut Reader) -> Result<Self> {
        let mut tensor = Self { name: "", shape: Vec::new(), element: 0, data: Data::Other };
        let (mut sizes, mut integers) = (Vec::new(), 0);
        let (mut raw, mut floats, mut is_external, mut is_segment) = (None, None, false, false);
        for field in Fields::new(message) {
            match field? {
                (1, dimensions) => {
                    reader.facts.packed_numbers |= matches!(dimensions, Field::Bytes(_));
                    each_integer(dimensions, |size| reader.push(&mut sizes, size))?;
                    if sizes.len() > MOST_DIMENSIONS {
                        return Err(Error::TooMany { most: MOST_DIMENSIONS });
                    }
                }
                (2, Field::Number(number)) => tensor.element = number,
                // Floats come packed in one field; in several, or one by one, they are not decoded.
                (4, Field::Bytes(bytes)) if floats.is_none() => floats = Some(bytes),
                // So are segments (3) of a larger tensor.
                (3 | 4, _) => is_segment = true,
                (7, numbers) => each_integer(numbers, |_| {
                    integers += 1;
                    Ok(())
                })?,
                (8, Field::Bytes(bytes)) => tensor.name = name(bytes)?,
                (9, Field::Bytes(bytes)) => raw = Some(bytes),
                (13, Field::Bytes(entry)) => Fields::new(entry).try_for_each(|field| field.map(drop))?,
                (14, Field::Number(1)) => is_external = true,
                _ => {}
            }
        }
        reader.facts.external_data |= is_external;
        tensor.data = match (tensor.element, raw, floats) {
            _ if is_external => Data::External,
            _ if is_segment => Data::Other,
            (_, Some(raw), _) => Data::Raw(raw),
            (FLOAT, None, floats) => Data::Raw(floats.unwrap_or_default()),
            (INT64, None, _) => Data::Integers(message, integers),
            _ => Data::Other,
        };
        tensor.check(&sizes, message.len())?;
        Ok(tensor)
    }

    /// Checks the dimensions against the number of bytes in the tensor.
    fn check(&mut self, sizes: &[i64], bytes: usize) -> Result<()> {
        let oversized = || Error::Oversized { tensor: shortened(self.name).into() };
        let shape: Option<Vec<usize>> = sizes.iter().map(|&size| usize::try_from(size).ok()).collect();
        let shape = shape.ok_or(Error::Malformed("a dimension of a tensor is negative"))?;
        // A zero makes the product zero, but an engine may multiply the others first.
        let count = shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size.max(1)));
        let count = count.filter(|&count| count <= isize::MAX as usize / 128).ok_or_else(oversized)?;
        let count = if shape.contains(&0) { 0 } else { count };
        let found = match (&self.data, bits(self.element)) {
            (Data::Integers(_, integers), _) => *integers,
            (Data::Raw(raw), Some(bits)) if (count * bits).div_ceil(8) == raw.len() => count,
            (Data::Raw(raw), Some(bits)) => raw.len() * 8 / bits,
            (Data::External, _) => count,
            // The smallest numbers take four bits.
            _ => count.min(bytes.saturating_mul(2)),
        };
        if count > found {
            return Err(oversized());
        }
        if count < found {
            return Err(Error::ExtraData { tensor: shortened(self.name).into() });
        }
        self.shape = shape;
        Ok(())
    }

    /// The numbers of a tensor of 32-bit floats in row-major order, little-endian; none if it has other elements, or if
    /// they are stored in a form that is not decoded.
    pub fn floats(&self) -> Option<&'a [[u8; 4]]> {
        match self.data {
            Data::Raw(raw) if self.element == FLOAT => Some(raw.as_chunks().0),
            _ => None,
        }
    }

    /// The numbers of a tensor of 64-bit integers in row-major order; none as in [`floats`](Self::floats).
    pub fn integers(&self) -> Option<Vec<i64>> {
        match &self.data {
            Data::Integers(message, count) => {
                let mut integers = Vec::with_capacity(*count);
                for field in Fields::new(message) {
                    // The reader has been through all of this before.
                    if let (7, numbers) = field.ok()? {
                        each_integer(numbers, |integer| {
                            integers.push(integer);
                            Ok(())
                        })
                        .ok()?;
                    }
                }
                Some(integers)
            }
            Data::Raw(raw) if self.element == INT64 => {
                Some(raw.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect())
            }
            _ => None,
        }
    }

    /// The numbers as they lie in the file, little-endian and in row-major order; none if they are stored in a form that is
    /// not decoded, or integers one by one.
    pub fn bytes(&self) -> Option<&'a [u8]> {
        match self.data {
            Data::Raw(raw) => Some(raw),
            _ => None,
        }
    }

    /// Whether the numbers are in another file.
    pub fn is_external(&self) -> bool {
        matches!(self.data, Data::External)
    }
}

/// Bits of an element; none for strings and for types that are not known here.
fn bits(element: u64) -> Option<usize> {
    match element {
        1 | 6 | 12 => Some(32),
        2 | 3 | 9 | 17..=20 => Some(8),
        4 | 5 | 10 | 16 => Some(16),
        7 | 11 | 13 | 14 => Some(64),
        15 => Some(128),
        21..=23 => Some(4),
        _ => None,
    }
}
