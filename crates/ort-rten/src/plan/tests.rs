//! The kernels beside their naive twin and beside rten's operator.

use rten::{BufferPool, ops};
use rten_tensor::{NdTensor, prelude::*};

use super::{
    Plan, Threads,
    lanes::{Instructions, Job, Lanes, store},
    lstm::{Input, Layer, Weights},
    matrix::{Matrix, Number, Source},
};
use crate::pool::SessionPool;

/// Largest difference between a kernel's state and the exact one, after so few steps of so many inputs.
const BOUND: f32 = 3e-6;

/// Numbers between -1 and 1 that look random.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn take(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| self.next() * scale).collect()
    }
}

fn bytes(numbers: &[f32]) -> Vec<Number> {
    numbers.iter().map(|number| number.to_le_bytes()).collect()
}

#[derive(Debug, Clone, Copy)]
struct Case {
    time: usize,
    batch: usize,
    inputs: usize,
    hidden: usize,
    has_bias: bool,
    has_state: bool,
}

/// A layer's weights, what it reads and where it begins.
struct Example {
    case: Case,
    input: Vec<f32>,     // (T, N, I)
    weight_ih: Vec<f32>, // (4H, I)
    weight_hh: Vec<f32>, // (4H, H)
    bias: Vec<f32>,      // (8H)
    state: [Vec<f32>; 2],
}

impl Example {
    fn new(case: Case) -> Self {
        let Case { time, batch, inputs, hidden, has_bias, has_state } = case;
        let mut numbers = Numbers((time * 31 + batch * 7 + inputs * 3 + hidden) as u64);
        let scale = (hidden as f32).powf(-0.5);
        Self {
            case,
            input: numbers.take(time * batch * inputs, 1.0),
            weight_ih: numbers.take(4 * hidden * inputs, scale),
            weight_hh: numbers.take(4 * hidden * hidden, scale),
            bias: numbers.take(8 * hidden, if has_bias { 1.0 } else { 0.0 }),
            state: [1.0, 3.0].map(|scale| numbers.take(batch * hidden, if has_state { scale } else { 0.0 })),
        }
    }

    fn layer(&self, instructions: Instructions, table: Option<&[f32]>) -> Layer {
        let Case { inputs, hidden, .. } = self.case;
        let (input, recurrent) = (bytes(&self.weight_ih), bytes(&self.weight_hh));
        let bias = (0..4 * hidden).map(|row| self.bias[row] + self.bias[4 * hidden + row]).collect();
        let weights = Weights { inputs, hidden, input: &input, recurrent: &recurrent, bias };
        match table {
            Some(table) => Layer::over_table(instructions, &weights, &bytes(table)),
            None => Layer::new(instructions, &weights),
        }
    }

    fn run(&self, layer: &Layer, input: Input<'_>, threads: Threads<'_>) -> (Vec<f32>, Vec<f32>) {
        let state = |which: usize| self.case.has_state.then_some(&*self.state[which]);
        layer.run(input, [self.case.time, self.case.batch], state(0), state(1), threads)
    }

    /// The definition of the operator, in double precision.
    fn naive(&self) -> (Vec<f32>, Vec<f32>) {
        let Case { time, batch, inputs, hidden, .. } = self.case;
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let [mut h, mut c] = self.state.clone().map(|state| state.into_iter().map(f64::from).collect::<Vec<_>>());
        let mut sequence = Vec::new();
        for now in 0..time {
            let before = h.clone();
            for place in 0..batch * hidden {
                let (row, unit) = (place / hidden, place % hidden);
                let gate = |gate: usize| {
                    let column = gate * hidden + unit;
                    let input = &self.input[(now * batch + row) * inputs..][..inputs];
                    let dot = |weights: &[f32], numbers: &mut dyn Iterator<Item = f64>| -> f64 {
                        weights.iter().zip(numbers).map(|(&weight, number)| f64::from(weight) * number).sum()
                    };
                    dot(&self.weight_ih[column * inputs..][..inputs], &mut input.iter().copied().map(f64::from))
                        + dot(
                            &self.weight_hh[column * hidden..][..hidden],
                            &mut before[row * hidden..][..hidden].iter().copied(),
                        )
                        + f64::from(self.bias[column])
                        + f64::from(self.bias[4 * hidden + column])
                };
                c[place] = sigmoid(gate(2)) * c[place] + sigmoid(gate(0)) * gate(3).tanh();
                h[place] = sigmoid(gate(1)) * c[place].tanh();
            }
            sequence.extend(h.iter().map(|&number| number as f32));
        }
        (sequence, c.into_iter().map(|number| number as f32).collect())
    }

    /// rten's operator.
    fn engine(&self) -> (Vec<f32>, Vec<f32>) {
        let Case { time, batch, inputs, hidden, has_bias, has_state } = self.case;
        let state = |which: usize| NdTensor::from_data([1, batch, hidden], self.state[which].clone());
        let (h, c) = (state(0), state(1));
        let bias = NdTensor::from_data([1, 8 * hidden], self.bias.clone());
        let outputs = ops::lstm(
            &BufferPool::new(),
            ops::Direction::Forward,
            NdTensor::from_data([time, batch, inputs], self.input.clone()).view(),
            NdTensor::from_data([1, 4 * hidden, inputs], self.weight_ih.clone()).view(),
            NdTensor::from_data([1, 4 * hidden, hidden], self.weight_hh.clone()).view(),
            has_bias.then(|| bias.view()),
            has_state.then(|| h.view()),
            has_state.then(|| c.view()),
        );
        let mut outputs = outputs.unwrap();
        let cell = outputs.pop().unwrap().into_data();
        (outputs.swap_remove(0).into_data(), cell)
    }
}

#[track_caller]
fn assert_close(what: &str, found: &(Vec<f32>, Vec<f32>), expected: &(Vec<f32>, Vec<f32>)) {
    for (found, expected) in [(&found.0, &expected.0), (&found.1, &expected.1)] {
        assert_eq!(found.len(), expected.len(), "{what}");
        for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!((found - expected).abs() <= BOUND, "{what}: number {index} is {found} and should be {expected}");
        }
    }
}

/// Holds a layer against both, and its results with two threads against those with one.
fn check(case: Case) {
    let example = Example::new(case);
    let (naive, engine) = (example.naive(), example.engine());
    let pool = SessionPool::new(2);
    for instructions in Instructions::available() {
        let what = format!("{case:?} {instructions:?}");
        let layer = example.layer(instructions, None);
        let found = example.run(&layer, Input::Rows(&example.input), Threads(None));
        assert_close(&format!("{what}, naive"), &found, &naive);
        assert_close(&format!("{what}, rten"), &found, &engine);
        let shared = example.run(&layer, Input::Rows(&example.input), Threads(Some(&pool)));
        assert!(found == shared, "{what}: two threads give other bits than one");
    }
}

#[test]
fn layers_are_those_of_the_naive_twin_and_of_rten() {
    let mut number = 0;
    for time in [1, 7] {
        for batch in [1, 2, 5, 64] {
            for (inputs, hidden) in [(1, 1), (4, 5), (65, 128), (130, 200), (200, 5)] {
                number += 1;
                check(Case { time, batch, inputs, hidden, has_bias: number % 3 != 0, has_state: number % 2 != 0 });
            }
        }
    }
}

#[test]
fn one_sequence_is_shared_among_threads_unit_by_unit() {
    // Large enough to be worth it, and with a last panel that is not full.
    check(Case { time: 3, batch: 1, inputs: 300, hidden: 361, has_bias: true, has_state: true });
}

#[test]
fn a_sequence_has_the_same_bits_alone_among_others_and_in_pieces() {
    let case = Case { time: 7, batch: 9, inputs: 20, hidden: 37, has_bias: true, has_state: true };
    let example = Example::new(case);
    for instructions in Instructions::available() {
        let layer = example.layer(instructions, None);
        let (together, _) = example.run(&layer, Input::Rows(&example.input), Threads(None));
        for row in 0..case.batch {
            let mut state = example.state.clone().map(|state| state[row * 37..][..37].to_vec());
            for now in 0..case.time {
                let input = &example.input[(now * case.batch + row) * 20..][..20];
                let (h, c) = layer.run(Input::Rows(input), [1, 1], Some(&state[0]), Some(&state[1]), Threads(None));
                assert_eq!(
                    h,
                    together[(now * case.batch + row) * 37..][..37],
                    "{instructions:?}: row {row}, step {now}"
                );
                state = [h, c];
            }
        }
    }
}

#[test]
fn rows_of_a_table_are_what_they_stand_for() {
    let case = Case { time: 4, batch: 3, inputs: 6, hidden: 21, has_bias: true, has_state: false };
    let one_hot: Vec<f32> = (0..36).map(|place| if place % 7 == 0 { 1.0 } else { 0.0 }).collect();
    let dense = Numbers(1).take(5 * 6, 2.0);
    let places: Vec<usize> = (0..12).map(|place| place * 2 % 5).collect();
    for table in [one_hot, dense] {
        let mut example = Example::new(case);
        example.input = places.iter().flat_map(|place| &table[place * 6..][..6]).copied().collect();
        for instructions in Instructions::available() {
            let layer = example.layer(instructions, Some(&table));
            let found = example.run(&layer, Input::Places(&places), Threads(None));
            assert_close(&format!("{instructions:?}"), &found, &example.naive());
        }
    }
}

#[test]
fn products_are_sums_of_products() {
    for instructions in Instructions::available() {
        for columns in [1, 8, 17, 64, 65, 100, 130] {
            let (rows, inner) = (7, 9);
            let mut numbers = Numbers(columns as u64);
            let (left, right) = (numbers.take(rows * inner, 1.0), numbers.take(inner * columns, 1.0));
            let bias = numbers.take(columns, 1.0);
            let right_bytes = bytes(&right);
            let source = Source { numbers: &right_bytes, count: inner, row: columns, column: 1 };
            let vectors = columns.div_ceil(instructions.width());
            let place = |place: usize| (place < columns).then_some(place);
            let matrix = Matrix::pack(instructions, vectors, &[source], place, |column| bias[column]);
            let mut out = vec![f32::NAN; rows * columns];
            matrix.multiply(rows, inner, &left, columns, &mut out);
            for (index, found) in out.iter().enumerate() {
                let (row, column) = (index / columns, index % columns);
                let products = (0..inner).map(|k| left[row * inner + k] * right[k * columns + column]);
                let expected = bias[column] + products.sum::<f32>();
                assert!((found - expected).abs() < 1e-5, "{instructions:?}: {columns} columns, number {index}");
            }
        }
    }
}

/// The cell and hidden state that follow on the sums of four gates and a cell state, in each lane.
struct Update<'a>([f32; 5], &'a mut [f32; 32]);

impl Job for Update<'_> {
    #[inline(always)]
    fn run<S: Lanes>(self, simd: S) {
        let [i, o, f, g, c] = self.0;
        let gates = [simd.splat(i), simd.splat(o), simd.splat(f), simd.splat(g)];
        let (cell, hidden) = super::cell::update(simd, gates, simd.splat(c));
        store(simd, &mut self.1[..16], cell);
        store(simd, &mut self.1[16..], hidden);
    }
}

#[test]
fn the_cell_holds_at_the_ends_of_the_floats() {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let ends =
        [0.0, 1e-30, 0.3, -0.3, 8.9, -9.3, 29.0, -31.0, 500.0, -500.0, f32::MAX, f32::INFINITY, f32::NEG_INFINITY];
    for instructions in Instructions::available() {
        let update = |sums: [f32; 5]| {
            let mut lanes = [0.0; 32];
            instructions.run(Update(sums, &mut lanes));
            [lanes[0], lanes[16]]
        };
        for (place, sum) in ends.iter().enumerate() {
            for (gate, cell) in [(0, 0.5), (1, -0.5), (2, 2.0), (3, 1e-3)] {
                let mut sums = [0.2, -0.4, 0.6, -0.8, cell];
                sums[gate] = *sum;
                let [i, o, f, g, c] = sums.map(f64::from);
                let next = sigmoid(f) * c + sigmoid(i) * g.tanh();
                let expected = [next, sigmoid(o) * next.tanh()];
                for (found, expected) in update(sums).into_iter().zip(expected) {
                    let error = (f64::from(found) - expected).abs();
                    assert!(error < 1e-6, "{instructions:?}: gate {gate}, end {place}: {found}, {expected}");
                }
            }
        }
        for place in 0..5 {
            let mut sums = [0.1; 5];
            sums[place] = f32::NAN;
            let hidden = update(sums)[1];
            assert!(hidden.is_nan(), "{instructions:?}: NaN in place {place} became {hidden}");
        }
    }
}

/// A field of bytes, as the wire has it.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        field.push(length as u8 | 0x80);
        length >>= 7;
    }
    field.push(length as u8);
    field.extend(bytes);
    field
}

/// A model of one layer of two units over one input, with these attributes, and another operator behind it.
fn model(attributes: &[Vec<u8>], then: &str, inputs: &str) -> Vec<u8> {
    let tensor = |name: &str, shape: &[u8]| {
        let count: u8 = shape.iter().product();
        // The third version of protobuf packs numbers, the second does not.
        let one_by_one: Vec<u8> = shape.iter().flat_map(|&size| [1 << 3, size]).collect();
        let dims = if name == "w" { field(1, shape) } else { one_by_one };
        field(
            5,
            &[dims, vec![2 << 3, 1], field(8, name.as_bytes()), field(9, &vec![0; 4 * usize::from(count)])].concat(),
        )
    };
    let names = |number: u8, names: &str| -> Vec<u8> {
        names.split(' ').flat_map(|name| field(number, name.trim_matches('-').as_bytes())).collect()
    };
    let attributes: Vec<u8> = attributes.iter().flat_map(|attribute| field(5, attribute)).collect();
    let lstm = [names(1, inputs), names(2, "y"), field(4, b"LSTM"), attributes].concat();
    let then = [names(1, "y"), names(2, "z"), field(4, then.as_bytes())].concat();
    let constants = [tensor("w", &[1, 8, 1]), tensor("r", &[1, 8, 2]), tensor("b", &[1, 16])].concat();
    field(7, &[field(1, &lstm), field(1, &then), constants].concat())
}

#[test]
fn only_what_is_understood_becomes_a_plan() {
    let text =
        |name: &str, number: u8, text: &str| [field(1, name.as_bytes()), field(number, text.as_bytes())].concat();
    let integer = |name: &str, integer: u8| [field(1, name.as_bytes()), vec![3 << 3, integer]].concat();
    let plain = "x w r b";
    for (is_plan, attributes, then, inputs) in [
        (true, vec![], "Identity", plain),
        (
            true,
            vec![integer("hidden_size", 2), text("direction", 4, "forward"), integer("layout", 0)],
            "Identity",
            plain,
        ),
        (true, vec![], "Identity", "x w r"),
        (true, vec![], "Identity", "x w r b - h h"),
        (false, vec![], "Softmax", plain),
        (false, vec![], "Identity", "x w r b h"),
        (false, vec![], "Identity", "x w r b - h h w"),
        (false, vec![], "Identity", "x r w b"),
        (false, vec![], "Identity", "x w h b"),
        (false, vec![integer("hidden_size", 3)], "Identity", plain),
        (false, vec![integer("layout", 1)], "Identity", plain),
        (false, vec![integer("input_forget", 1)], "Identity", plain),
        (false, vec![text("direction", 4, "reverse")], "Identity", plain),
        (false, vec![text("direction", 4, "bidirectional")], "Identity", plain),
        (false, vec![text("activations", 9, "Relu")], "Identity", plain),
        (false, vec![integer("clip", 1)], "Identity", plain),
    ] {
        let model = model(&attributes, then, inputs);
        let plan = Plan::compile(&model, &[("x", false), ("h", false)], &["z"], &mut String::new());
        assert_eq!(plan.is_some(), is_plan, "{attributes:?} {then} {inputs}");
    }
}

#[test]
fn the_fixture_becomes_a_plan() {
    let model = include_bytes!("../../tests/models/character.onnx");
    let inputs = [("ids", true), ("h", false), ("c", false)];
    let mut obstacle = String::new();
    assert!(Plan::compile(model, &inputs, &["logits", "h_next", "c_next"], &mut obstacle).is_some(), "{obstacle}");
    let unknown = include_bytes!("../../tests/models/unknown_operator.onnx");
    assert!(Plan::compile(unknown, &[("x", false)], &["y"], &mut obstacle).is_none());
    assert_eq!(obstacle, "its operator Frobnicate");
}
