//! The arithmetic of the twin for floats: `f64`.
//!
//! Beside each number it carries a bound of what `f32` arithmetic may make of it, to the first order: a sum of k products
//! adds k + 2 roundings of the sum of their sizes, an activation its stated error, and every operator passes the errors of
//! its operands on. The engine has to stay within [`SLACK`] times that bound.

use super::twin::{Arithmetic, Factor, Result};

/// How much larger than the first-order bound an error may be.
pub const SLACK: f64 = 4.0;
/// Largest relative error of one rounding to `f32`.
const ROUNDING: f64 = 1.0 / (1 << 24) as f64;
/// Largest absolute error of the kernels' activations, whose own tests measure 1.2e-7 and 3.6e-7.
const ACTIVATION: f64 = 4e-7;
/// Roundings of a sum that starts from a bias: of as many products as a generated matrix has rows at most, and two more.
const BIASED: f64 = 11.0;
/// Numbers so large may overflow in `f32`: nothing is compared then.
const LARGE: f64 = 1e30;

/// A number, and how far `f32` arithmetic may be off.
#[derive(Debug, Clone, Copy, Default)]
pub struct Number {
    pub value: f64,
    pub error: f64,
}

/// Numbers with bounds of their errors.
pub enum Bounded {}

impl Arithmetic for Bounded {
    type Number = Number;

    fn number(value: f32) -> Number {
        Number { value: value.into(), error: 0.0 }
    }

    fn is_moderate(number: Number) -> bool {
        number.value.abs() < LARGE && number.error < LARGE
    }

    fn gate(inputs: Factor<'_, Number>, states: Factor<'_, Number>, bias: [f32; 2]) -> Result<Number> {
        let mut sum = Sum::default();
        sum.add_products(inputs);
        sum.add_products(states);
        for bias in bias {
            sum.add(bias.into());
        }
        Ok(sum.finish())
    }

    fn cell([input, output, forget, candidate]: [Number; 4], cell: Number) -> [Number; 2] {
        let [input, output, forget] = [input, output, forget].map(|gate| activate(gate, sigmoid, 0.25));
        let kept = multiply(forget, cell);
        let added = multiply(input, activate(candidate, f64::tanh, 1.0));
        let value = kept.value + added.value;
        let cell = Number { value, error: kept.error + added.error + ROUNDING * value.abs() };
        [cell, multiply(output, activate(cell, f64::tanh, 1.0))]
    }

    fn product(factor: Factor<'_, Number>) -> Result<Number> {
        let mut sum = Sum::default();
        sum.add_products(factor);
        Ok(sum.finish())
    }

    fn add_bias(product: Number, bias: f32) -> Number {
        let bias = f64::from(bias);
        let size = product.value.abs() + bias.abs();
        // The engine's sum starts from the bias, so that each of its products is rounded at the bias' size.
        Number { value: product.value + bias, error: product.error + BIASED * ROUNDING * size }
    }
}

/// A sum of products, and of the sizes of its terms.
#[derive(Default)]
struct Sum {
    value: f64,
    size: f64,
    error: f64,
    terms: usize,
}

impl Sum {
    fn add_products(&mut self, factor: Factor<'_, Number>) {
        for (number, weight) in factor.numbers.iter().zip(factor.floats().map(f64::from)) {
            self.add(number.value * weight);
            self.error += number.error * weight.abs();
        }
    }

    fn add(&mut self, term: f64) {
        self.value += term;
        self.size += term.abs();
        self.terms += 1;
    }

    fn finish(&self) -> Number {
        Number { value: self.value, error: self.error + (self.terms + 2) as f64 * ROUNDING * self.size }
    }
}

fn multiply(left: Number, right: Number) -> Number {
    let value = left.value * right.value;
    let error = left.value.abs() * right.error + right.value.abs() * left.error + left.error * right.error;
    Number { value, error: error + ROUNDING * value.abs() }
}

fn activate(number: Number, function: fn(f64) -> f64, steepest: f64) -> Number {
    // No error moves an activation by more than the whole of its range.
    Number { value: function(number.value), error: (steepest * number.error).min(2.0) + ACTIVATION }
}

fn sigmoid(value: f64) -> f64 {
    1.0 / (1.0 + (-value).exp())
}
