//! The naive twin of quantized layers, one number at a time and one rounding per operation. The tests of `lstm-engine` compute with
//! it too.

/// The number of the step that a state is rounded to.
pub fn step(state: f32) -> i32 {
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

/// The cell and hidden state after gates in ONNX' order, by the formulas of the kernel, one number at a time.
pub fn cell([i, o, f, g]: [f32; 4], cell: f32) -> [f32; 2] {
    let [i, o, f] = [i, o, f].map(sigmoid_divisor);
    let (above, below) = tanh_fraction(g);
    let below = below * i;
    let above = cell * below + above * f;
    let cell = above / (below * f);
    let (above, below) = tanh_fraction(cell);
    [cell, above / (below * o)]
}
