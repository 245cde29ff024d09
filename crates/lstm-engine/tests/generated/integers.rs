//! The arithmetic of the twin for int8 models, to the bit: hidden states are rounded to multiples of 1/127, their products with
//! bytes are summed in integers, and what is left of floats rounds once per operation, in a fixed order. The formulas are those
//! of the naive twin of crate `kernels` (`inference/quantized/tests.rs`).

use lstm_engine::onnx_view::Model;

use super::{
    generator::Given,
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

    fn cell([input, output, forget, candidate]: [f32; 4], cell: f32) -> [f32; 2] {
        let [input, output, forget] = [input, output, forget].map(sigmoid_divisor);
        let (above, below) = tanh_fraction(candidate);
        let below = below * input;
        let above = cell * below + above * forget;
        let cell = above / (below * forget);
        let (above, below) = tanh_fraction(cell);
        [cell, step(above / (below * output)) as f32 * (1.0 / 127.0)]
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

/// The number of the step that a state is rounded to.
fn step(state: f32) -> i32 {
    (f64::from(state.clamp(-1.0, 1.0) * 127.0)).round_ties_even() as i32
}

/// e^x, as 2^n and what is above 1 of the rest.
fn exponential(x: f32) -> (f32, f32) {
    let shifted = x * std::f32::consts::LOG2_E + 12_582_912.0;
    let exponent = shifted - 12_582_912.0;
    let remainder = exponent * -0.693_359_4 + x;
    let remainder = exponent * 2.121_944_4e-4 + remainder;
    let mut sum = 0.001_392_625;
    for coefficient in [0.008_363_233, 0.041_666_552, 0.166_665_76, 0.5] {
        sum = sum * remainder + coefficient;
    }
    (2_f32.powi(exponent as i32), sum * (remainder * remainder) + remainder)
}

fn tanh_fraction(x: f32) -> (f32, f32) {
    let x = x.clamp(-9.2, 9.2);
    let (scale, grown) = exponential(x + x);
    let less_one = scale * grown + (scale - 1.0);
    (less_one, less_one + 2.0)
}

fn sigmoid_divisor(x: f32) -> f32 {
    let (scale, grown) = exponential((0.0 - x).clamp(-30.0, 30.0));
    (scale * grown + scale) + 1.0
}
