//! The kernels beside their naive twins, and their bits beside those of other instruction sets, workers and batches.

use super::{Dense, Input, Layer, Number, Scratch, Weights, cell};
use crate::{
    Alone, Instructions, Workers,
    instructions::Kernel,
    simd::{Simd, store},
    testing::{Numbers, Threads},
};

/// Largest difference between a kernel's state and the exact one, for the sizes and steps of these tests.
const BOUND: f32 = 3e-6;

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
    bias: Vec<f32>,      // (4H)
    state: [Vec<f32>; 2],
}

/// Hidden states of all time steps, (T, N, H), and the last cell state, (N, H).
type States = [Vec<f32>; 2];

impl Example {
    fn new(case: Case) -> Self {
        let Case { time, batch, inputs, hidden, has_bias, has_state } = case;
        let mut numbers = Numbers((time * 31 + batch * 7 + inputs * 3 + hidden) as u64);
        // A power of two, which every machine's `powf` agrees on.
        let scale = 0.5_f32.powi((hidden.ilog2() / 2) as i32);
        Self {
            case,
            input: numbers.take(time * batch * inputs, 1.0),
            weight_ih: numbers.take(4 * hidden * inputs, scale),
            weight_hh: numbers.take(4 * hidden * hidden, scale),
            bias: numbers.take(4 * hidden, if has_bias { 2.0 } else { 0.0 }),
            state: [1.0, 3.0].map(|scale| numbers.take(batch * hidden, if has_state { scale } else { 0.0 })),
        }
    }

    fn layer(&self, instructions: Instructions, table: Option<&[f32]>) -> Layer {
        let Case { inputs, hidden, .. } = self.case;
        let (input, recurrent) = (bytes(&self.weight_ih), bytes(&self.weight_hh));
        let weights = Weights { inputs, hidden, input: &input, recurrent: &recurrent, bias: self.bias.clone() };
        match table {
            Some(table) => Layer::over_table(instructions, &weights, &bytes(table)),
            None => Layer::new(instructions, &weights),
        }
    }

    fn run(&self, layer: &Layer, input: Input<'_>, workers: &dyn Workers) -> States {
        let Case { time, batch, has_state, .. } = self.case;
        let state = has_state.then_some([&self.state[0][..], &self.state[1][..]]);
        run(layer, input, [time, batch], state, workers)
    }

    /// The definition of the operator, in double precision.
    fn naive(&self) -> States {
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
                };
                c[place] = sigmoid(gate(2)) * c[place] + sigmoid(gate(0)) * gate(3).tanh();
                h[place] = sigmoid(gate(1)) * c[place].tanh();
            }
            sequence.extend(h.iter().map(|&number| number as f32));
        }
        [sequence, c.into_iter().map(|number| number as f32).collect()]
    }
}

fn run(
    layer: &Layer,
    input: Input<'_>,
    [time, batch]: [usize; 2],
    state: Option<[&[f32]; 2]>,
    workers: &dyn Workers,
) -> States {
    let mut sequence = vec![f32::NAN; time * batch * layer.hidden()];
    let mut cell = vec![f32::NAN; batch * layer.hidden()];
    layer.run(input, [time, batch], state, &mut sequence, &mut cell, &mut Scratch::default(), workers);
    [sequence, cell]
}

#[track_caller]
fn assert_close(what: &str, found: &States, expected: &States) {
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.len(), expected.len(), "{what}");
        for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!((found - expected).abs() <= BOUND, "{what}: number {index} is {found} and should be {expected}");
        }
    }
}

#[track_caller]
fn assert_same_bits(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(found.to_bits() == expected.to_bits(), "{what}: number {index} is {found:e} and {expected:e}");
    }
}

/// Compares a layer with its twin on every instruction set, and its bits with those of portable code and of threads.
fn check(case: Case) {
    let example = Example::new(case);
    let naive = example.naive();
    let sets = Instructions::available();
    let portable = example.layer(sets[sets.len() - 1], None);
    let expected = example.run(&portable, Input::Rows(&example.input), &Alone);
    for instructions in sets {
        let what = format!("{case:?} {instructions:?}");
        let layer = example.layer(instructions, None);
        let found = example.run(&layer, Input::Rows(&example.input), &Alone);
        assert_close(&format!("{what}, naive"), &found, &naive);
        for workers in [1, 2, 3] {
            let found = example.run(&layer, Input::Rows(&example.input), &Threads(workers));
            for (found, expected) in found.iter().zip(&expected) {
                assert_same_bits(&format!("{what}, {workers} threads, portable code"), found, expected);
            }
        }
    }
}

#[test]
fn layers_are_those_of_the_naive_twin_with_the_same_bits_everywhere() {
    let mut number = 0;
    for time in [1, 7] {
        for batch in [1, 2, 5, 64] {
            for (inputs, hidden) in [(1, 1), (4, 5), (65, 128), (130, 200), (200, 5)] {
                number += 1;
                check(Case { time, batch, inputs, hidden, has_bias: number % 3 != 0, has_state: number % 2 != 0 });
            }
        }
    }
    // Inputs of more time steps than are multiplied beforehand at once.
    check(Case { time: 130, batch: 2, inputs: 3, hidden: 4, has_bias: true, has_state: true });
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
        let [together, _] = example.run(&layer, Input::Rows(&example.input), &Alone);
        for row in 0..case.batch {
            let mut state = example.state.clone().map(|state| state[row * 37..][..37].to_vec());
            for now in 0..case.time {
                let input = &example.input[(now * case.batch + row) * 20..][..20];
                let next = run(&layer, Input::Rows(input), [1, 1], Some([&state[0], &state[1]]), &Alone);
                let expected = &together[(now * case.batch + row) * 37..][..37];
                assert_same_bits(&format!("{instructions:?}: row {row}, step {now}"), &next[0], expected);
                state = next;
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
        let mut first: Option<States> = None;
        for instructions in Instructions::available() {
            let layer = example.layer(instructions, Some(&table));
            let found = example.run(&layer, Input::Places(&places), &Alone);
            assert_close(&format!("{instructions:?}"), &found, &example.naive());
            let first = first.get_or_insert_with(|| found.clone());
            assert_same_bits(&format!("{instructions:?}"), &found[0], &first[0]);
        }
    }
}

#[test]
fn no_time_steps_leave_the_state_as_it_was() {
    let example = Example::new(Case { time: 0, batch: 2, inputs: 3, hidden: 5, has_bias: true, has_state: true });
    let layer = example.layer(Instructions::detect(), None);
    assert_eq!(example.run(&layer, Input::Rows(&[]), &Alone), [vec![], example.state[1].clone()]);
    assert_eq!(run(&layer, Input::Rows(&[]), [0, 2], None, &Alone), [vec![], vec![0.0; 10]]);
    assert_eq!(run(&layer, Input::Rows(&[]), [3, 0], None, &Alone), [vec![], vec![]]);
}

#[test]
#[should_panic(expected = "reads places")]
fn a_layer_without_a_table_refuses_places() {
    let example = Example::new(Case { time: 1, batch: 1, inputs: 3, hidden: 5, has_bias: true, has_state: false });
    example.run(&example.layer(Instructions::detect(), None), Input::Places(&[0]), &Alone);
}

#[test]
fn a_scratch_serves_runs_of_any_size_one_after_another() {
    let mut scratch = Scratch::default();
    for (time, batch) in [(9, 2), (1, 1), (4, 7), (9, 1)] {
        let example = Example::new(Case { time, batch, inputs: 3, hidden: 18, has_bias: true, has_state: false });
        let layer = example.layer(Instructions::detect(), None);
        let (mut sequence, mut cell) = (vec![0.0; time * batch * 18], vec![0.0; batch * 18]);
        let input = Input::Rows(&example.input);
        layer.run(input, [time, batch], None, &mut sequence, &mut cell, &mut scratch, &Alone);
        assert_eq!([sequence, cell], example.run(&layer, input, &Alone), "{time} steps of {batch} sequences");
    }
}

/// A dense product on every instruction set, (rows, columns), and what it should be in double precision.
fn products(rows: usize, inner: usize, columns: usize) -> (Vec<(Instructions, Vec<f32>)>, Vec<f64>) {
    let mut numbers = Numbers((rows + inner * 7 + columns * 31) as u64);
    let (left, right) = (numbers.take(rows * inner, 1.0), numbers.take(inner * columns, 1.0));
    let bias = numbers.take(columns, 1.0);
    let found = Instructions::available().into_iter().map(|instructions| {
        let dense = Dense::pack(instructions, [inner, columns], &bytes(&right), Some(&bytes(&bias)));
        let mut out = vec![f32::NAN; rows * columns];
        dense.multiply(rows, &left, &mut out);
        (instructions, out)
    });
    let expected = (0..rows * columns).map(|index| {
        let (row, column) = (index / columns, index % columns);
        let products = (0..inner).map(|k| f64::from(left[row * inner + k]) * f64::from(right[k * columns + column]));
        f64::from(bias[column]) + products.sum::<f64>()
    });
    (found.collect(), expected.collect())
}

#[test]
fn dense_products_are_sums_of_products_with_the_same_bits_everywhere() {
    for rows in [1, 2, 7, 13] {
        for inner in [1, 9, 64] {
            for columns in [1, 8, 17, 64, 65, 100, 130] {
                let (found, expected) = products(rows, inner, columns);
                for (instructions, out) in &found {
                    let what = format!("{instructions:?}: ({rows}, {inner}) times ({inner}, {columns})");
                    for (index, (found, expected)) in out.iter().zip(&expected).enumerate() {
                        assert!((f64::from(*found) - expected).abs() < 1e-5, "{what}, number {index}: {found}");
                    }
                    assert_same_bits(&what, out, &found[0].1);
                }
            }
        }
    }
}

/// FNV-1a over the bits of numbers.
fn checksum(numbers: &[f32]) -> u64 {
    let bytes = numbers.iter().flat_map(|number| number.to_bits().to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Ten characters' worth of a two-layer network: one-hot ids, two layers, logits. The constant was printed by this test with
/// AVX-512 and holds on every machine: `cargo test -p kernels --target aarch64-unknown-linux-gnu` runs it under qemu.
#[test]
fn a_network_has_the_same_bits_on_every_machine() {
    let (vocabulary, hidden, time, batch) = (31, 77, 10, 3);
    let case = Case { time, batch, inputs: vocabulary, hidden, has_bias: true, has_state: true };
    let (lower, upper) = (Example::new(case), Example::new(Case { inputs: hidden, has_state: false, ..case }));
    let identity: Vec<f32> =
        (0..vocabulary * vocabulary).map(|place| if place % (vocabulary + 1) == 0 { 1.0 } else { 0.0 }).collect();
    let places: Vec<usize> = (0..time * batch).map(|place| place * 17 % vocabulary).collect();
    let weight = bytes(&Numbers(5).take(hidden * vocabulary, 0.25));
    for instructions in Instructions::available() {
        let [states, _] = lower.run(&lower.layer(instructions, Some(&identity)), Input::Places(&places), &Threads(2));
        let [states, cell] = upper.run(&upper.layer(instructions, None), Input::Rows(&states), &Alone);
        let mut logits = vec![0.0; time * batch * vocabulary];
        Dense::pack(instructions, [hidden, vocabulary], &weight, None).multiply(time * batch, &states, &mut logits);
        let found = [checksum(&states), checksum(&cell), checksum(&logits)];
        assert_eq!(found, GOLDEN, "{instructions:?}: {found:#x?}");
    }
}

/// Checksums of hidden states, cell states and logits.
const GOLDEN: [u64; 3] = [0xe0d0_5381_ffb8_0c94, 0x6cae_e2a8_bdcc_f24b, 0xd744_f47a_c096_d187];

/// The cell and hidden state that follow from the pre-activations of four gates and a cell state, in each lane.
struct Update<'a>([f32; 5], &'a mut [f32; 32]);

impl Kernel for Update<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let [i, o, f, g, c] = self.0;
        let gates = [simd.splat(i), simd.splat(o), simd.splat(f), simd.splat(g)];
        let (cell, hidden) = cell::update(simd, gates, simd.splat(c));
        store(simd, &mut self.1[..16], cell);
        store(simd, &mut self.1[16..], hidden);
    }
}

#[test]
fn the_cell_holds_at_the_ends_of_the_floats() {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let ends =
        [0.0, 1e-30, 0.3, -0.3, 8.9, -9.3, 29.0, -31.0, 500.0, -500.0, f32::MAX, f32::INFINITY, f32::NEG_INFINITY];
    let mut first: Vec<u32> = vec![];
    for instructions in Instructions::available() {
        let mut bits = vec![];
        let mut update = |sums: [f32; 5]| {
            let mut lanes = [0.0; 32];
            instructions.run(Update(sums, &mut lanes));
            bits.extend([lanes[0], lanes[16]].map(|number| if number.is_nan() { 0 } else { number.to_bits() }));
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
        if first.is_empty() {
            first.clone_from(&bits);
        }
        assert_eq!(bits, first, "{instructions:?}: other bits than the first set");
    }
}
