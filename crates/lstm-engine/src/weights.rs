//! Weights as a file has them: floats, or bytes with scales.

use std::borrow::Cow;

use kernels::inference::{Number, QuantizedColumns};
use onnx_view::{Node, Tensor, shortened};

use crate::error::{Error, Result};

/// ONNX's number for signed bytes.
const INT8: u64 = 3;

/// A constant that an operator packs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weights<'a, 'm> {
    tensor: &'m Tensor<'a>,
    /// What the bytes are multiplied with, if they are bytes.
    scales: Option<Scales<'a, 'm>>,
}

#[derive(Debug, Clone, Copy)]
struct Scales<'a, 'm> {
    tensor: &'m Tensor<'a>,
    numbers: &'a [Number],
    /// The axis that has a scale for each place; none if one scale is for all.
    axis: Option<usize>,
}

impl<'a, 'm> Weights<'a, 'm> {
    /// Floats, if the tensor holds any.
    pub(crate) fn floats_of(tensor: &'m Tensor<'a>) -> Option<Self> {
        tensor.floats().map(|_| Self { tensor, scales: None })
    }

    /// What a `DequantizeLinear` makes of a tensor, a scale for each place along an axis and, if there is one, a zero point.
    pub(crate) fn dequantized(
        node: &Node<'a>,
        tensor: &'m Tensor<'a>,
        scale: &'m Tensor<'a>,
        zero_point: Option<&'m Tensor<'a>>,
    ) -> std::result::Result<Self, &'static str> {
        if tensor.element != INT8 || tensor.bytes().is_none() {
            return Err("it dequantizes something else than signed bytes");
        }
        if node.attribute("block_size").is_some_and(|size| size.integer != 0) {
            return Err("its scales are for blocks");
        }
        if zero_point.is_some_and(|zero| zero.bytes().is_none_or(|bytes| bytes.iter().any(|byte| *byte != 0))) {
            return Err("its zero point is not 0");
        }
        let numbers = scale.floats().ok_or("its scales are not stored as 32-bit floats")?;
        let axis = node.attribute("axis").map_or(1, |axis| axis.integer);
        let axis = usize::try_from(if axis < 0 { axis + tensor.shape.len() as i64 } else { axis }).ok();
        let axis = match (&*scale.shape, axis.and_then(|axis| tensor.shape.get(axis))) {
            ([] | [1], _) if numbers.len() == 1 => None,
            ([count], Some(places)) if count == places => axis,
            _ => return Err("it has not a scale for each place along its axis"),
        };
        Ok(Self { tensor, scales: Some(Scales { tensor: scale, numbers, axis }) })
    }

    /// The dimensions.
    pub(crate) fn shape(&self) -> &'m [usize] {
        &self.tensor.shape
    }

    /// How many numbers they are.
    pub(crate) fn len(&self) -> usize {
        self.shape().iter().product()
    }

    /// Floats as they are, all of them finite.
    pub(crate) fn floats(&self) -> Result<Cow<'a, [Number]>> {
        let Some(Scales { tensor, numbers, axis }) = self.scales else {
            return checked(self.tensor, |_| false).map(Cow::Borrowed);
        };
        checked(tensor, |_| false)?;
        let inner: usize = axis.map_or(1, |axis| self.shape()[axis + 1..].iter().product());
        let scale = |index: usize| axis.map_or(numbers[0], |axis| numbers[index / inner % self.shape()[axis]]);
        let bytes = self.tensor.bytes().unwrap_or_default().iter().enumerate();
        let floats = bytes.map(|(index, byte)| f32::from(*byte as i8) * f32::from_le_bytes(scale(index)));
        Ok(floats.map(f32::to_le_bytes).collect())
    }

    /// The floats of a bias, all of them finite or minus infinity, which keeps a token from ever being written.
    pub(crate) fn mask(&self) -> Result<Cow<'a, [Number]>> {
        match self.scales {
            None => checked(self.tensor, |bits| bits == f32::NEG_INFINITY.to_bits()).map(Cow::Borrowed),
            Some(_) => self.floats(),
        }
    }

    /// Whether they are bytes with a scale for each place along this axis.
    pub(crate) fn has_scales(&self, axis: usize) -> bool {
        self.scales.is_some_and(|scales| scales.axis == Some(axis))
    }

    /// The bytes and scales, with distances between neighbouring bytes of the same column, and of the same row.
    pub(crate) fn columns(&self, strides: [usize; 2]) -> Result<QuantizedColumns<'a>> {
        let floats = || Error::Graph("its weights are no bytes".into());
        let Scales { tensor, numbers, .. } = self.scales.ok_or_else(floats)?;
        checked(tensor, |_| false)?;
        Ok(QuantizedColumns { bytes: self.tensor.bytes().unwrap_or_default(), scales: numbers, strides })
    }
}

fn checked<'a>(tensor: &Tensor<'a>, is_allowed: impl Fn(u32) -> bool) -> Result<&'a [Number]> {
    let numbers = tensor.floats().ok_or_else(|| Error::Graph("its weights are no floats".into()))?;
    // NaN and the infinities are the numbers whose exponent is all ones. The largest of all is found in vectors.
    let bits = |number: &Number| u32::from_le_bytes(*number);
    let is_finite = |bits: u32| bits & 0x7fff_ffff < 0x7f80_0000;
    let largest = numbers.iter().map(|number| bits(number) & 0x7fff_ffff).max().unwrap_or(0);
    if is_finite(largest) || numbers.iter().map(bits).all(|bits| is_finite(bits) || is_allowed(bits)) {
        return Ok(numbers);
    }
    Err(Error::NotFinite { tensor: shortened(tensor.name).into() })
}
