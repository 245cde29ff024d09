//! Quantized layers against a naive twin, bit for bit: plain loops over numbers, one rounding per operation.

use super::{
    scalar::{cell, step},
    *,
};
use crate::{
    Alone, Buffer, Instructions, Workers,
    inference::{Input, Number, Weights},
    testing::{Numbers, Threads},
};

/// A matrix of bytes, (columns, K), and a scale for each column.
#[derive(Debug, Clone)]
struct Matrix {
    bytes: Vec<u8>,
    scales: Vec<f32>,
    inner: usize,
}

impl Matrix {
    fn random(numbers: &mut Numbers, [columns, inner]: [usize; 2]) -> Self {
        // Bytes of all values, -128 among them, which the exporter does not write.
        let bytes = (0..columns * inner).map(|_| (numbers.bits() >> 40) as u8).collect();
        let scales = numbers.take(columns, 1.0).into_iter().map(|scale| (scale.abs() + 0.1) / 127.0 / inner as f32);
        Self { bytes, scales: scales.collect(), inner }
    }

    fn scales(&self) -> Vec<Number> {
        self.scales.iter().map(|scale| scale.to_le_bytes()).collect()
    }

    /// The integer sum of a column times a row of states, as a float, times the scale.
    fn product(&self, column: usize, states: &[f32]) -> f32 {
        let bytes = &self.bytes[column * self.inner..][..self.inner];
        let sum: i32 = bytes.iter().zip(states).map(|(byte, state)| i32::from(*byte as i8) * step(*state)).sum();
        sum as f32 * (self.scales[column] / 127.0)
    }

    /// What a byte stands for.
    fn weight(&self, column: usize, row: usize) -> f32 {
        f32::from(self.bytes[column * self.inner + row] as i8) * self.scales[column]
    }
}

#[derive(Debug, Clone, Copy)]
struct Case {
    time: usize,
    batch: usize,
    inputs: usize,
    hidden: usize,
    /// Rows of a table that the layer reads.
    table: Option<usize>,
    /// Whether it reads numbers that are no states, and multiplies them in floats.
    reads_floats: bool,
}

struct Example {
    case: Case,
    input_weights: Matrix,
    recurrent: Matrix,
    bias: Vec<f32>,
    table: Vec<f32>,
    input: Vec<f32>,
    places: Vec<usize>,
    state: [Vec<f32>; 2],
}

impl Example {
    fn new(case: Case) -> Self {
        let Case { time, batch, inputs, hidden, table, .. } = case;
        let mut numbers = Numbers((time + 7 * batch + 31 * inputs + 101 * hidden) as u64);
        Self {
            case,
            input_weights: Matrix::random(&mut numbers, [4 * hidden, inputs]),
            recurrent: Matrix::random(&mut numbers, [4 * hidden, hidden]),
            bias: numbers.take(4 * hidden, 1.0),
            table: numbers.take(table.unwrap_or(0) * inputs, 1.0),
            // A little beyond what a state can be.
            input: numbers.take(time * batch * inputs, 1.1),
            places: (0..time * batch).map(|place| place * 5 % table.unwrap_or(1)).collect(),
            state: [numbers.take(batch * hidden, 1.0), numbers.take(batch * hidden, 2.0)],
        }
    }

    fn layer(&self, instructions: Instructions) -> QuantizedLayer {
        let Case { inputs, hidden, table, reads_floats, .. } = self.case;
        let scales = [self.input_weights.scales(), self.recurrent.scales()];
        let weights = (0..4 * hidden * inputs).map(|place| self.input_weights.weight(place / inputs, place % inputs));
        let weights: Vec<Number> = weights.map(f32::to_le_bytes).collect();
        let columns = |matrix: &'_ Matrix, scales| QuantizedColumns { scales, strides: [1, matrix.inner], bytes: &[] };
        let input = columns(&self.input_weights, &scales[0]);
        let recurrent = columns(&self.recurrent, &scales[1]);
        let weights = QuantizedWeights {
            floats: Weights { inputs, hidden, input: &weights, recurrent: &[], bias: self.bias.clone() },
            input: (!reads_floats).then_some(QuantizedColumns { bytes: &self.input_weights.bytes, ..input }),
            recurrent: QuantizedColumns { bytes: &self.recurrent.bytes, ..recurrent },
        };
        if table.is_some() {
            let table: Vec<Number> = self.table.iter().map(|number| number.to_le_bytes()).collect();
            QuantizedLayer::over_table(instructions, &weights, &table)
        } else {
            QuantizedLayer::new(instructions, &weights)
        }
    }

    fn run(&self, layer: &QuantizedLayer, workers: &dyn Workers) -> [Vec<f32>; 2] {
        let Case { time, batch, hidden, table, .. } = self.case;
        let mut found = [vec![f32::NAN; time * batch * hidden], vec![f32::NAN; batch * hidden]];
        let [sequence, cell] = &mut found;
        let input = if table.is_some() { Input::Places(&self.places) } else { Input::Rows(&self.input) };
        let state = [&self.state[0][..], &self.state[1]];
        let mut scratch = QuantizedScratch::default();
        layer.run(input, [time, batch], Some(state), sequence, cell, &mut scratch, workers);
        found
    }

    fn naive(&self) -> [Vec<f32>; 2] {
        let Case { time, batch, inputs, hidden, table, reads_floats } = self.case;
        let [mut h, mut c] = self.state.clone();
        let mut sequence = vec![];
        for now in 0..time {
            let before = h.clone();
            for row in 0..batch {
                let states = &before[row * hidden..][..hidden];
                for unit in 0..hidden {
                    let gates = std::array::from_fn(|gate| {
                        let column = gate * hidden + unit;
                        let place = now * batch + row;
                        let start = if table.is_some() {
                            let numbers = &self.table[self.places[place] * inputs..][..inputs];
                            let products = numbers.iter().enumerate();
                            let products =
                                products.map(|(row, number)| number * self.input_weights.weight(column, row));
                            products.fold(self.bias[column], |sum, product| sum + product)
                        } else {
                            let numbers = &self.input[place * inputs..][..inputs];
                            if reads_floats {
                                // As float layers do, each product is added in one rounding.
                                let numbers = numbers.iter().enumerate();
                                return numbers.fold(self.bias[column], |sum, (row, number)| {
                                    number.mul_add(self.input_weights.weight(column, row), sum)
                                }) + self.recurrent.product(column, states);
                            }
                            self.bias[column] + self.input_weights.product(column, numbers)
                        };
                        start + self.recurrent.product(column, states)
                    });
                    let place = row * hidden + unit;
                    let [next, state] = cell(gates, c[place]);
                    c[place] = next;
                    h[place] = step(state) as f32 * (1.0 / 127.0);
                }
            }
            sequence.extend_from_slice(&h);
        }
        [sequence, c]
    }
}

#[track_caller]
fn assert_same_bits(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            found.to_bits() == expected.to_bits(),
            "{what}: number {index} is {found:e} and should be {expected:e}"
        );
    }
}

fn check(case: Case) {
    let example = Example::new(case);
    let expected = example.naive();
    for instructions in Instructions::available() {
        let layer = example.layer(instructions);
        for workers in [&Alone as &dyn Workers, &Threads(3)] {
            let found = example.run(&layer, workers);
            let what = format!("{case:?}, {instructions:?}, {} threads", workers.count());
            assert_same_bits(&format!("hidden states, {what}"), &found[0], &expected[0]);
            assert_same_bits(&format!("cell states, {what}"), &found[1], &expected[1]);
        }
    }
}

#[test]
fn layers_have_the_bits_of_the_naive_twin() {
    for (time, batch) in [(1, 1), (7, 1), (3, 2), (2, 5), (3, 64)] {
        for (inputs, hidden) in [(1, 1), (4, 5), (65, 37), (130, 72), (7, 128)] {
            for (table, reads_floats) in [(None, false), (Some(9), false), (None, true)] {
                check(Case { time, batch, inputs, hidden, table, reads_floats });
            }
        }
    }
    // Inputs of more time steps than are multiplied beforehand at once.
    check(Case { time: 130, batch: 2, inputs: 3, hidden: 4, table: None, reads_floats: false });
}

#[test]
fn a_sequence_in_pieces_has_the_same_bits() {
    let case = Case { time: 6, batch: 2, inputs: 9, hidden: 21, table: None, reads_floats: false };
    let example = Example::new(case);
    for instructions in Instructions::available() {
        let layer = example.layer(instructions);
        let [together, cells] = example.run(&layer, &Alone);
        let (mut state, mut scratch) = (example.state.clone(), QuantizedScratch::default());
        for now in 0..case.time {
            let input = Input::Rows(&example.input[now * 18..][..18]);
            let mut next = vec![0.0; 42];
            let [hidden, cell] = &mut state;
            let before = cell.clone();
            layer.run(input, [1, 2], Some([hidden, &before]), &mut next, cell, &mut scratch, &Alone);
            *hidden = next;
            assert_same_bits(&format!("{instructions:?}, step {now}"), hidden, &together[now * 42..][..42]);
        }
        assert_same_bits(&format!("{instructions:?}, cell"), &state[1], &cells);
    }
}

#[test]
fn dense_products_have_the_bits_of_the_naive_twin() {
    for rows in [1, 2, 7, 13] {
        for inner in [1, 9, 64] {
            for columns in [1, 8, 17, 64, 65, 100, 130] {
                let mut numbers = Numbers((rows + inner * 7 + columns * 31) as u64);
                let matrix = Matrix::random(&mut numbers, [columns, inner]);
                let (left, bias) = (numbers.take(rows * inner, 1.0), numbers.take(columns, 1.0));
                let expected: Vec<f32> = (0..rows * columns)
                    .map(|place| (place / columns, place % columns))
                    .map(|(row, column)| bias[column] + matrix.product(column, &left[row * inner..][..inner]))
                    .collect();
                // As a file has it, (K, columns).
                let bytes = (0..inner * columns).map(|place| matrix.bytes[place % columns * inner + place / columns]);
                let (bytes, scales) = (bytes.collect::<Vec<_>>(), matrix.scales());
                let source = QuantizedColumns { bytes: &bytes, scales: &scales, strides: [columns, 1] };
                let start: Vec<Number> = bias.iter().map(|number| number.to_le_bytes()).collect();
                for instructions in Instructions::available() {
                    let dense = QuantizedDense::pack(instructions, [inner, columns], &source, Some(&start));
                    let mut out = vec![f32::NAN; rows * columns];
                    dense.multiply(rows, &left, &mut out, &mut Buffer::default());
                    assert_same_bits(&format!("{instructions:?}: ({rows}, {inner}, {columns})"), &out, &expected);
                }
            }
        }
    }
}

#[test]
fn rounded_states_stay_as_they_are() {
    for step in -127..=127 {
        let state = round_state(step as f32 / 127.0);
        assert_eq!(state.to_bits(), round_state(state).to_bits(), "step {step}");
        assert!((state - step as f32 / 127.0).abs() < 1e-7, "step {step} is {state}");
    }
    assert_same_bits("ends", &[round_state(1.5), round_state(-7.0), round_state(0.3 / 127.0)], &[1.0, -1.0, 0.0]);
}

#[test]
fn the_cell_is_the_operator_s_within_a_millionth() {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let mut numbers = Numbers(3);
    for _ in 0..20_000 {
        let sums: [f32; 5] = numbers.take(5, 12.0).try_into().unwrap();
        let [i, o, f, g, c] = sums.map(f64::from);
        let next = sigmoid(f) * c + sigmoid(i) * g.tanh();
        let [cell, hidden] = cell([sums[0], sums[1], sums[2], sums[3]], sums[4]);
        assert!((f64::from(cell) - next).abs() < 3e-6, "{sums:?}: {cell}, {next}");
        assert!((f64::from(hidden) - sigmoid(o) * next.tanh()).abs() < 1e-6, "{sums:?}: {hidden}");
    }
}
