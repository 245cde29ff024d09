//! Whole layers, the dense layer and optimizers beside their naive twins in double precision.

use super::{
    Clipping, Head, HeadMemory, Input, LogitGradient, OutputGradient, Sequence, Shape, Update, Workspace, apply_mask,
    apply_update, sum_of_squares,
};
use crate::{
    Alone, Instructions, Precision, Processor, Workers,
    testing::{Numbers, Threads},
};

fn numbers(count: usize, seed: u64) -> Vec<f32> {
    Numbers(seed * 7 + 1).take(count, 1.0)
}

/// Everything that comes out of a layer, by name.
type Results = [(&'static str, Vec<f32>); 7];

/// A layer, its input, and the gradients of its results.
struct Example {
    shape: Shape,
    ids: Option<Vec<u32>>,    // (T, N)
    vectors: Vec<f32>,        // (T, N, I), one-hot for ids
    weights: Vec<f32>,        // (I + H + 1, 4H)
    state: [Vec<f32>; 2],     // (N, H) each
    gradients: [Vec<f32>; 3], // of the final states, (N, H) each, and of all hidden states, (T, N, H)
}

impl Example {
    fn new(shape: Shape, has_ids: bool) -> Self {
        let Shape { time, batch, input, hidden } = shape;
        let ids: Option<Vec<u32>> =
            has_ids.then(|| (0..time * batch).map(|place| (place * 7 % input) as u32).collect());
        let mut vectors = numbers(time * batch * input, 1);
        if let Some(ids) = &ids {
            vectors.fill(0.0);
            ids.iter().enumerate().for_each(|(row, id)| vectors[row * input + *id as usize] = 1.0);
        }
        Self {
            shape,
            ids,
            vectors,
            weights: numbers((input + hidden + 1) * 4 * hidden, 2).iter().map(|number| number * 0.4).collect(),
            state: [3, 4].map(|salt| numbers(batch * hidden, salt)),
            gradients: [5, 6, 7].map(|salt| numbers(batch * hidden * if salt == 7 { time } else { 1 }, salt)),
        }
    }

    /// By the kernels.
    fn run(&self, processor: Processor<'_>) -> Results {
        let Shape { time, batch, input, hidden } = self.shape;
        let states = batch * hidden;
        let sequence = Sequence {
            processor,
            shape: self.shape,
            input: self.ids.as_ref().map_or(Input::Vectors(&self.vectors), |ids| Input::Ids(ids)),
            initial: Some((&self.state[0], &self.state[1])),
        };
        let mut work = Workspace::default();
        let (mut steps, mut end) = (vec![0.0; time * states], vec![0.0; 2 * states]);
        sequence.forward(&self.weights, &mut work, &mut steps, &mut end);
        let (mut cells, mut gates) = (vec![0.0; time * states], vec![0.0; time * 4 * states]);
        sequence.copy_activations(&work, &mut cells, &mut gates);
        let [hidden_gradient, cell_gradient, step_gradients] = &self.gradients;
        let output = OutputGradient { hidden: hidden_gradient, cell: cell_gradient, steps: Some(step_gradients) };
        let mut state_gradient = vec![0.0; 2 * states];
        sequence.backward(&self.weights, &mut work, output, Some(&mut state_gradient));
        let mut input_gradient = vec![0.0; time * batch * input];
        sequence.input_gradient(&self.weights, &mut work, &mut input_gradient);
        let mut weight_gradient = vec![0.0; self.weights.len()];
        sequence.weight_gradient(&mut work, &steps, &mut weight_gradient);
        steps.extend(end);
        [
            ("hidden states and final states", steps),
            ("state gradient", state_gradient),
            ("input gradient", input_gradient),
            ("weight gradient", weight_gradient),
            ("sum of squares", vec![sum_of_squares(&self.weights) as f32]),
            ("cell states", cells),
            ("gates", gates),
        ]
    }

    /// By the equations of the layer and their derivatives.
    fn naive(&self) -> [Vec<f64>; 7] {
        let Shape { time, batch, input, hidden } = self.shape;
        let (states, columns) = (batch * hidden, 4 * hidden);
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let weight = |row: usize, column: usize| f64::from(self.weights[row * columns + column]);
        let wide = |numbers: &[f32]| numbers.iter().copied().map(f64::from).collect::<Vec<_>>();
        // What the gates are computed from, (I + H + 1), at each time step of each row.
        let (mut h, mut c) = (wide(&self.state[0]), wide(&self.state[1]));
        let (mut steps, mut read, mut gates, mut cells) = (vec![], vec![], vec![], vec![c.clone()]);
        for now in 0..time {
            let before = h.clone();
            for row in 0..batch {
                let mut from = wide(&self.vectors[(now * batch + row) * input..][..input]);
                from.extend(&before[row * hidden..][..hidden]);
                from.push(1.0);
                for unit in 0..hidden {
                    let sum = |gate: usize| -> f64 {
                        from.iter().enumerate().map(|(k, x)| x * weight(k, gate * hidden + unit)).sum()
                    };
                    let activated = [sigmoid(sum(0)), sigmoid(sum(1)), sum(2).tanh(), sigmoid(sum(3))];
                    let [i, f, g, o] = activated;
                    let place = row * hidden + unit;
                    c[place] = f * c[place] + i * g;
                    h[place] = o * c[place].tanh();
                    gates.push(activated);
                }
                read.push(from);
            }
            steps.extend(&h);
            cells.push(c.clone());
        }
        steps.extend(h.iter().chain(&c));
        let [mut dh, mut dc] = [0, 1].map(|which| wide(&self.gradients[which]));
        let mut input_gradient = vec![0.0; time * batch * input];
        let mut weight_gradient = vec![0.0; self.weights.len()];
        for now in (0..time).rev() {
            for (sum, step) in dh.iter_mut().zip(&self.gradients[2][now * states..][..states]) {
                *sum += f64::from(*step);
            }
            let mut before = vec![0.0; states];
            for place in 0..states {
                let (row, unit) = (place / hidden, place % hidden);
                let [i, f, g, o] = gates[now * states + place];
                let tanh = cells[now + 1][place].tanh();
                let cell = dc[place] + dh[place] * o * (1.0 - tanh * tanh);
                let of_gates = [
                    cell * g * i * (1.0 - i),
                    cell * cells[now][place] * f * (1.0 - f),
                    cell * i * (1.0 - g * g),
                    dh[place] * tanh * o * (1.0 - o),
                ];
                dc[place] = cell * f;
                for (gate, gradient) in of_gates.into_iter().enumerate() {
                    let column = gate * hidden + unit;
                    for (k, x) in read[now * batch + row].iter().enumerate() {
                        weight_gradient[k * columns + column] += gradient * x;
                    }
                    for k in 0..input {
                        input_gradient[(now * batch + row) * input + k] += gradient * weight(k, column);
                    }
                    for k in 0..hidden {
                        before[row * hidden + k] += gradient * weight(input + k, column);
                    }
                }
            }
            dh = before;
        }
        dh.extend(dc);
        let squares = self.weights.iter().map(|number| f64::from(*number).powi(2)).sum();
        let rows = gates.chunks_exact(hidden);
        let by_gate = rows.flat_map(|units| (0..4).flat_map(move |gate| units.iter().map(move |gates| gates[gate])));
        let by_gate = by_gate.collect(); // (T, N, 4H)
        [steps, dh, input_gradient, weight_gradient, vec![squares], cells[1..].concat(), by_gate]
    }
}

/// Asserts that numbers differ by at most a share of the largest, or of 1/8 where all are smaller.
#[track_caller]
fn assert_close(what: &str, found: &[f32], expected: &[f64], share: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.125_f64, |largest, number| largest.max(number.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let difference = (f64::from(*found) - expected).abs();
        assert!(difference <= share * largest, "{what}: number {index} is {found} and should be {expected}");
    }
}

/// All instruction sets with both precisions, and how far they may be off as a share of the largest number.
fn processors(workers: &dyn Workers) -> impl Iterator<Item = (Processor<'_>, f64)> {
    Instructions::available().into_iter().flat_map(move |instructions| {
        let processor = move |precision| Processor { instructions, precision, workers };
        [(processor(Precision::Float32), 5e-6), (processor(Precision::BFloat16), 2e-2)]
    })
}

#[test]
fn layers_and_their_gradients_are_those_of_the_naive_twin() {
    for (time, batch, input, hidden, has_ids) in [
        (1, 1, 1, 1, false),
        (4, 3, 5, 7, false),
        (5, 2, 9, 20, true),
        (3, 13, 33, 40, false),
        // More rows than a visit to the gradient of the weights takes in, and enough work for threads.
        (9, 37, 17, 33, true),
        (9, 37, 17, 70, false),
    ] {
        let example = Example::new(Shape { time, batch, input, hidden }, has_ids);
        let naive = example.naive();
        for (processor, share) in processors(&Alone) {
            let found = example.run(processor);
            let what = format!("{:?}, {:?} {:?}", example.shape, processor.instructions, processor.precision);
            for ((name, found), expected) in found.iter().zip(&naive) {
                assert_close(&format!("{what}: {name}"), found, expected, share);
            }
            let shared = example.run(Processor { workers: &Threads(3), ..processor });
            assert!(found == shared, "{what}: three threads give other bits than one");
        }
    }
}

#[test]
fn logits_and_loss_and_their_gradients_are_those_of_the_naive_twin() {
    for (rows, hidden, vocabulary) in [(1, 1, 1), (3, 5, 17), (40, 33, 70), (7, 64, 64)] {
        let (vectors, weight, bias) =
            (numbers(rows * hidden, 1), numbers(hidden * vocabulary, 2), numbers(vocabulary, 3));
        let targets: Vec<u32> = (0..rows).map(|row| (row * 5 % vocabulary) as u32).collect();
        let wide = |numbers: &[f32], index: usize| f64::from(numbers[index]);
        let logit = |row: usize, column: usize| {
            let products =
                (0..hidden).map(|k| wide(&vectors, row * hidden + k) * wide(&weight, k * vocabulary + column));
            wide(&bias, column) + products.sum::<f64>()
        };
        let logits: Vec<f64> =
            (0..rows * vocabulary).map(|place| logit(place / vocabulary, place % vocabulary)).collect();
        let sums: Vec<f64> = logits.chunks(vocabulary).map(|row| row.iter().map(|logit| logit.exp()).sum()).collect();
        let losses =
            targets.iter().enumerate().map(|(row, id)| sums[row].ln() - logits[row * vocabulary + *id as usize]);
        let loss = losses.sum::<f64>() / rows as f64;
        // The gradient of half the loss.
        let gradient = |row: usize, column: usize| {
            let probability = logits[row * vocabulary + column].exp() / sums[row];
            0.5 * (probability - f64::from(u8::from(targets[row] as usize == column))) / rows as f64
        };
        let sum = |count: usize, of: &dyn Fn(usize) -> f64| (0..count).map(of).sum::<f64>();
        let expected = [
            (0..rows * hidden)
                .map(|place| {
                    sum(vocabulary, &|v| gradient(place / hidden, v) * wide(&weight, place % hidden * vocabulary + v))
                })
                .collect::<Vec<_>>(),
            (0..hidden * vocabulary)
                .map(|place| {
                    let (unit, column) = (place / vocabulary, place % vocabulary);
                    sum(rows, &|row| gradient(row, column) * wide(&vectors, row * hidden + unit))
                })
                .collect(),
            (0..vocabulary).map(|column| sum(rows, &|row| gradient(row, column))).collect(),
        ];
        for (processor, share) in processors(&Threads(2)) {
            let what = format!("{rows}, {hidden}, {vocabulary}, {:?}", processor.instructions);
            let head = Head { processor, rows, hidden, vocabulary };
            let mut memory = HeadMemory::default();
            head.logits(&mut memory, &vectors, &weight, &bias);
            let mut matrix = vec![0.0; rows * vocabulary];
            head.copy_logits(&memory, &mut matrix);
            assert_close(&format!("{what}: logits"), &matrix, &logits, share);
            assert_close(&format!("{what}: loss"), &[head.loss(&mut memory, &targets)], &[loss], share);
            head.backward(&mut memory, LogitGradient::Loss(0.5));
            let mut input_gradient = vec![0.0; rows * hidden];
            head.input_gradient(&mut memory, &weight, &mut input_gradient);
            let (weight_gradient, bias_gradient) = head.weight_gradients(&mut memory, &vectors);
            let found = [input_gradient, weight_gradient, bias_gradient];
            for (name, (found, expected)) in ["input", "weight", "bias"].into_iter().zip(found.iter().zip(&expected)) {
                assert_close(&format!("{what}: gradient of the {name}"), found, expected, share);
            }
            // A gradient of the logits themselves gives the same.
            let of_logits: Vec<f32> =
                (0..rows * vocabulary).map(|place| gradient(place / vocabulary, place % vocabulary) as f32).collect();
            head.backward(&mut memory, LogitGradient::Logits(&of_logits));
            let (weight_gradient, _) = head.weight_gradients(&mut memory, &vectors);
            assert_close(&format!("{what}: gradient of logits"), &weight_gradient, &expected[1], share);
        }
    }
}

#[test]
fn masks_are_repeated_for_all_time_steps_or_have_one_for_each() {
    let processor = Processor { instructions: Instructions::detect(), precision: Precision::Float32, workers: &Alone };
    let mut steps = [1.0, 2.0, 3.0, 4.0];
    apply_mask(&processor, 2, &mut steps, &[0.0, 2.0]);
    assert_eq!(steps[..], [0.0, 4.0, 0.0, 8.0]);
    apply_mask(&processor, 2, &mut steps, &[1.0, 0.5, 1.0, 2.0]);
    assert_eq!(steps[..], [0.0, 2.0, 0.0, 16.0]);
}

/// Applies an update on every instruction set and compares each number with `expected(old, clipped gradient, square)`.
fn check_update(update: Update, clipping: Clipping, expected: impl Fn(f64, f64, f64) -> f64) {
    // Below, at and beyond a vector's lanes, and enough for several threads.
    for length in [1, 7, 16, 35, 70_000] {
        let [old, gradient] = [1, 2].map(|salt| numbers(length, salt));
        let square: Vec<f32> = numbers(length, 3).iter().map(|number| number * number).collect();
        for (processor, _) in processors(&Threads(2)) {
            let mut found = old.clone();
            apply_update(&processor, update, clipping, &mut found, &gradient, &square);
            let (scale, limit) = (f64::from(clipping.scale), f64::from(clipping.limit));
            for (index, found) in found.iter().enumerate() {
                let clipped = (f64::from(gradient[index]) * scale).clamp(-limit, limit);
                let expected = expected(old[index].into(), clipped, square[index].into());
                let what = format!("{update:?}, {clipping:?}, {:?}", processor.instructions);
                assert!(
                    (f64::from(*found) - expected).abs() < 1e-5,
                    "{what}, {index} of {length}: {found} should be {expected}"
                );
            }
        }
    }
}

#[test]
fn each_update_follows_its_formula() {
    for clipping in [Clipping::NONE, Clipping { scale: 0.5, limit: 0.25 }] {
        let average = Update::MovingAverage { decay: 0.9, gain: 0.3 };
        check_update(average, clipping, |old, gradient, _| 0.9 * old + 0.3 * gradient);
        let square = Update::MovingSquare { decay: 0.75 };
        check_update(square, clipping, |old, gradient, _| 0.75 * old + 0.25 * gradient * gradient);
        let adaptive = Update::Adaptive { learning_rate: 0.01, correction: 4.0, epsilon: 0.01, weight_decay: 0.125 };
        check_update(adaptive, clipping, |old, gradient, square| {
            0.875 * old - 0.01 * gradient / ((4.0 * square).sqrt() + 0.01)
        });
        let descent = Update::Descent { learning_rate: 0.1, weight_decay: 0.5 };
        check_update(descent, clipping, |old, gradient, _| 0.5 * old - 0.1 * gradient);
    }
}

#[test]
fn nan_passes_through_the_clipping() {
    for (processor, _) in processors(&Alone) {
        let (mut target, gradient) = ([0.0; 3], [f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
        let descent = Update::Descent { learning_rate: 1.0, weight_decay: 0.0 };
        let clipping = Clipping { scale: 1.0, limit: 2.0 };
        apply_update(&processor, descent, clipping, &mut target, &gradient, &gradient);
        assert!(target[0].is_nan(), "{:?}", processor.instructions);
        assert_eq!(target[1..], [-2.0, 2.0], "{:?}", processor.instructions);
    }
}

#[test]
#[should_panic(expected = "slices of one length")]
fn an_update_refuses_slices_of_different_lengths() {
    let processor = Processor { instructions: Instructions::detect(), precision: Precision::Float32, workers: &Alone };
    let descent = Update::Descent { learning_rate: 1.0, weight_decay: 0.0 };
    apply_update(&processor, descent, Clipping::NONE, &mut [0.0; 4], &[0.0; 5], &[0.0; 4]);
}
