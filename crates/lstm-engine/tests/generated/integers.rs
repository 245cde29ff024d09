//! The arithmetic of the twin for int8 models, to the bit: hidden states are rounded to multiples of 1/127, their products with
//! bytes are summed in integers, and what is left of floats rounds once per operation, in a fixed order. The cell
//! is the naive twin of crate `kernels`.

use lstm_engine::onnx_view::Model;

use super::{
    generator::Given,
    scalar::{self, step},
    twin::{self, Arithmetic, Factor, Floats, Reads, Result},
};

/// Why a graph is not computed in integers.
const FLOATS: &str = "weights without a scale per column, or a product of what is no hidden state";

/// Runs a graph. None if a layer or a product of it cannot be computed in integers: then the engine takes floats for all.
pub fn run(model: &Model<'_>, inputs: &[Given]) -> Result<Option<Vec<Floats<f32>>>> {
    match twin::run::<Integers>(model, inputs) {
        Ok((outputs, _)) => Ok(Some(outputs)),
        Err(reason) if reason == FLOATS => Ok(None),
        Err(reason) => Err(reason),
    }
}

/// The arithmetic.
enum Integers {}

impl Arithmetic for Integers {
    type Number = f32;

    fn number(value: f32) -> f32 {
        value
    }

    fn gate(inputs: Factor<'_, f32>, states: Factor<'_, f32>, [input, recurrent]: [f32; 2]) -> Result<f32> {
        let bias = input + recurrent;
        let products = inputs.numbers.iter().zip(inputs.floats());
        let start = match inputs.reads {
            Reads::States => bias + multiply(inputs)?,
            // Once, when the model is opened.
            Reads::Table => products.fold(bias, |sum, (number, weight)| sum + number * weight),
            // As a layer of floats does, in one rounding each.
            Reads::Numbers | Reads::Rows { .. } => {
                products.fold(bias, |sum, (number, weight)| number.mul_add(weight, sum))
            }
        };
        Ok(start + multiply(states)?)
    }

    fn cell(gates: [f32; 4], cell: f32) -> [f32; 2] {
        let [cell, hidden] = scalar::cell(gates, cell);
        [cell, step(hidden) as f32 * (1.0 / 127.0)]
    }

    fn product(factor: Factor<'_, f32>) -> Result<f32> {
        if factor.reads == Reads::States { multiply(factor) } else { Err(FLOATS.into()) }
    }

    fn add_bias(product: f32, bias: f32) -> f32 {
        bias + product
    }
}

/// States times bytes, in integers, times the scale.
fn multiply(factor: Factor<'_, f32>) -> Result<f32> {
    let (bytes, scale) = factor.bytes().ok_or(FLOATS)?;
    let sum: i32 = factor.numbers.iter().zip(bytes).map(|(&state, byte)| step(state) * i32::from(byte)).sum();
    Ok(sum as f32 * (scale / 127.0))
}
