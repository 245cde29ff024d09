//! Weights as int8.

use candle_core::{Device, Tensor};
use model_card::{InputEncoding, tensors};

use crate::{Checkpoint, Result};

/// The largest byte, so that a weight and its negative are stored alike.
const LARGEST: f32 = 127.0;

/// Weights as signed bytes, each of which stands for itself times a scale.
#[derive(Debug, PartialEq)]
pub(crate) struct Quantized {
    pub(crate) bytes: Vec<i8>,
    /// One for each place along the axis.
    pub(crate) scales: Vec<f32>,
}

impl Quantized {
    /// Rounds numbers (outer, places, inner) to bytes. The largest of each place becomes ±127; zeros and ones, such as those
    /// of an identity, stay what they are.
    pub(crate) fn new(numbers: &[f32], places: usize, inner: usize) -> Self {
        let place = |index: usize| index / inner % places;
        let mut scales = vec![0.0_f32; places];
        let mut is_exact = vec![true; places];
        for (index, number) in numbers.iter().enumerate() {
            scales[place(index)] = scales[place(index)].max(number.abs());
            is_exact[place(index)] &= [0.0, 1.0].contains(number);
        }
        let scale = |(largest, is_exact): (f32, bool)| if is_exact { 1.0 } else { largest / LARGEST };
        let scales: Vec<f32> = scales.into_iter().zip(is_exact).map(scale).collect();
        let byte = |(index, number): (usize, &f32)| (number / scales[place(index)]).round_ties_even() as i8;
        Self { bytes: numbers.iter().enumerate().map(byte).collect(), scales }
    }

    /// What the bytes stand for.
    fn numbers(&self, inner: usize) -> Vec<f32> {
        let scale = |index: usize| self.scales[index / inner % self.scales.len()];
        self.bytes.iter().enumerate().map(|(index, byte)| f32::from(*byte) * scale(index)).collect()
    }
}

impl Checkpoint {
    /// The checkpoint whose weights are those that an int8 file of this one stands for.
    pub(crate) fn rounded(&self) -> Result<Self> {
        let size = &self.card.size;
        let mut matrices = vec![tensors::OUTPUT_WEIGHT.to_string()];
        for layer in 0..size.layers {
            matrices.extend([tensors::weight_ih(layer), tensors::weight_hh(layer)]);
        }
        if size.input != InputEncoding::OneHot {
            matrices.push(tensors::EMBEDDING_WEIGHT.into());
        }
        let mut rounded = self.tensors.clone();
        for name in matrices {
            // A missing tensor is reported by whoever builds the graph.
            let Some(tensor) = rounded.get(&name) else { continue };
            let (rows, columns) = tensor.dims2()?;
            let numbers: Vec<f32> = tensor.flatten_all()?.to_vec1()?;
            let numbers = Quantized::new(&numbers, rows, columns).numbers(columns);
            rounded.insert(name, Tensor::from_vec(numbers, (rows, columns), &Device::Cpu)?);
        }
        Ok(Self { tensors: rounded, card: self.card.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_weight_of_each_row_is_127() {
        let quantized = Quantized::new(&[1.0, -2.0, 0.5, 0.0, 0.0, 0.0, 0.001, 0.002, -0.003], 3, 3);
        assert_eq!(quantized.bytes, [64, -127, 32, 0, 0, 0, 42, 85, -127]);
        for (index, number) in quantized.numbers(3).into_iter().enumerate() {
            let expected = [1.0, -2.0, 0.5, 0.0, 0.0, 0.0, 0.001, 0.002, -0.003][index];
            let bound = quantized.scales[index / 3] / 2.0 * 1.001;
            assert!((number - expected).abs() <= bound, "{number} stands for {expected}");
        }
    }

    #[test]
    fn an_identity_stays_one() {
        let identity = Quantized::new(&[1.0, 0.0, 0.0, 1.0], 2, 2);
        assert_eq!(identity, Quantized { bytes: vec![1, 0, 0, 1], scales: vec![1.0, 1.0] });
    }

    #[test]
    fn scales_may_belong_to_columns() {
        let quantized = Quantized::new(&[1.0, 10.0, 0.5, -5.0], 2, 1);
        assert_eq!(quantized.bytes, [127, 127, 64, -64]);
    }
}
