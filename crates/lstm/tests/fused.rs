//! The kernels against the naive cell, in every shape that could go wrong.

use candle_core::{Device, Result, Tensor, Var};
use lstm::{
    CharLstm, Implementation, Outputs, State,
    kernels::{Instructions, Processor},
};
use model_card::{InputEncoding, ModelSize};

/// One network and one batch.
#[derive(Debug, Clone, Copy)]
struct Case {
    vocabulary: usize,
    embedding: usize,
    hidden: usize,
    layers: usize,
    batch: usize,
    time: usize,
    outputs: Outputs,
    given_state: bool,
}

const CASE: Case = Case {
    vocabulary: 7,
    embedding: 0,
    hidden: 8,
    layers: 1,
    batch: 3,
    time: 4,
    outputs: Outputs::All,
    given_state: false,
};

fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case { batch: 1, ..CASE },
        Case { time: 1, ..CASE },
        Case { time: 1, outputs: Outputs::Last, given_state: true, ..CASE },
        Case { hidden: 1, vocabulary: 2, ..CASE },
        Case { layers: 3, hidden: 13, ..CASE },
        Case { layers: 3, hidden: 13, outputs: Outputs::Last, given_state: true, ..CASE },
        Case { embedding: 5, hidden: 40, vocabulary: 70, ..CASE },
        Case { embedding: 19, layers: 2, given_state: true, ..CASE },
        // Enough rows for every height of a tile, enough units for wide and narrow panels, enough work for threads.
        Case { batch: 37, hidden: 100, time: 9, layers: 2, vocabulary: 65, given_state: true, ..CASE },
    ];
    cases.extend((1..=13).map(|batch| Case { batch, hidden: 20, outputs: Outputs::Last, ..CASE }));
    cases.extend([15, 16, 17, 31, 33, 64, 65, 81].map(|hidden| Case { hidden, given_state: true, ..CASE }));
    cases
}

/// A number anywhere in ±1 that is the same in every run.
fn noise(index: usize, salt: usize) -> f32 {
    let mixed =
        (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (salt as u64).wrapping_mul(0xD1B5_4A32_D192_ED03);
    (mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

impl Case {
    fn network(&self) -> CharLstm {
        let input =
            if self.embedding == 0 { InputEncoding::OneHot } else { InputEncoding::Embedding { size: self.embedding } };
        let size = ModelSize { vocabulary: self.vocabulary, hidden: self.hidden, layers: self.layers, input };
        let network = CharLstm::init(&size, 5, &Device::Cpu).unwrap();
        for (salt, variable) in network.variables().iter().enumerate() {
            let noise = (0..variable.elem_count()).map(|index| 0.1 * noise(index, salt)).collect::<Vec<_>>();
            let noise = Tensor::from_vec(noise, variable.shape(), &Device::Cpu).unwrap();
            variable.set(&(variable.as_tensor() + noise).unwrap()).unwrap();
        }
        network
    }

    fn ids(&self, salt: usize, dims: &[usize]) -> Tensor {
        let id = |index| ((noise(index, salt) + 1.0) * 0.5 * self.vocabulary as f32) as u32 % self.vocabulary as u32;
        Tensor::from_vec((0..dims.iter().product()).map(id).collect::<Vec<_>>(), dims, &Device::Cpu).unwrap()
    }

    fn state(&self) -> [Var; 2] {
        let dims = (self.layers, self.batch, self.hidden);
        [21, 22].map(|salt| {
            let numbers = (0..self.layers * self.batch * self.hidden).map(|index| noise(index, salt)).collect();
            Var::from_vec::<_, f32>(numbers, dims, &Device::Cpu).unwrap()
        })
    }

    /// Everything that comes out: logits, states, loss, and the gradients of loss, final and initial states.
    fn results(&self, network: &CharLstm, implementation: Implementation) -> Result<Vec<(String, Tensor)>> {
        let network = network.with_implementation(implementation);
        let initial = self.state();
        let state = State { hidden: initial[0].as_tensor().clone(), cell: initial[1].as_tensor().clone() };
        let state = self.given_state.then_some(&state);
        let (all, ids) = ([self.batch, self.time], self.ids(1, &[self.batch, self.time]));
        let targets = self.ids(2, if self.outputs == Outputs::All { &all } else { &all[..1] });
        let (logits, _) = network.forward(&ids, state, self.outputs).unwrap();
        let (loss, end) = network.loss(&ids, &targets, state, self.outputs).unwrap();
        let weighted = |tensor: &Tensor, salt| {
            let weights = (0..tensor.elem_count()).map(|index| noise(index, salt)).collect::<Vec<_>>();
            (tensor * Tensor::from_vec(weights, tensor.shape(), &Device::Cpu)?)?.mean_all()
        };
        let objective = ((&loss + weighted(&end.hidden, 31)?)? + weighted(&end.cell, 32)?)?;
        let objective = (objective + weighted(&logits, 33)?)?;
        let gradients = objective.backward()?;
        let mut results = vec![("logits".into(), logits), ("loss".into(), loss.reshape(1)?)];
        results.extend([("hidden".into(), end.hidden), ("cell".into(), end.cell)]);
        for (index, variable) in network.variables().iter().enumerate() {
            results.push((format!("gradient of variable {index}"), gradients.get(variable).unwrap().clone()));
        }
        if self.given_state {
            results.extend(
                initial.iter().map(|state| ("gradient of state".into(), gradients.get(state).unwrap().clone())),
            );
        }
        Ok(results)
    }
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn fused(instructions: Instructions, threads: usize) -> Implementation {
    Implementation::Fused(Processor { instructions, threads })
}

#[test]
fn every_shape_agrees_with_the_naive_cell() {
    for case in cases() {
        let network = case.network();
        let expected = case.results(&network, Implementation::Naive).unwrap();
        let fused = Instructions::available().into_iter().map(|instructions| fused(instructions, 2));
        for implementation in fused.chain([Implementation::Stepwise]) {
            let found = case.results(&network, implementation).unwrap();
            for ((name, expected), (_, found)) in expected.iter().zip(&found) {
                let (expected, found) = (numbers(expected), numbers(found));
                assert_eq!(expected.len(), found.len(), "{case:?}, {implementation:?}: length of {name}");
                let largest = expected.iter().fold(0f32, |largest, number| largest.max(number.abs()));
                for (expected, found) in expected.iter().zip(found) {
                    let difference = (expected - found).abs();
                    assert!(
                        difference <= 2e-5 * largest + 1e-9,
                        "{case:?}, {implementation:?}: {name} is off by {difference}"
                    );
                }
            }
        }
    }
}

#[test]
fn results_are_the_same_bits_for_any_number_of_threads() {
    let case = Case { batch: 37, hidden: 70, time: 12, layers: 2, vocabulary: 65, given_state: true, ..CASE };
    for case in [case, Case { outputs: Outputs::Last, given_state: false, layers: 1, ..case }] {
        let network = case.network();
        for instructions in Instructions::available() {
            let [one, two, three] =
                [1, 2, 3].map(|threads| case.results(&network, fused(instructions, threads)).unwrap());
            for (((name, one), (_, two)), (_, three)) in one.iter().zip(&two).zip(&three) {
                assert!(numbers(one) == numbers(two) && numbers(one) == numbers(three), "{instructions:?}: {name}");
            }
        }
    }
}

#[test]
fn gradients_are_the_slopes_of_the_loss() {
    let case = Case { hidden: 3, vocabulary: 4, layers: 2, ..CASE };
    let network = case.network();
    let (ids, targets) = (case.ids(1, &[case.batch, case.time]), case.ids(2, &[case.batch, case.time]));
    let loss = || network.loss(&ids, &targets, None, Outputs::All).unwrap().0;
    let gradients = loss().backward().unwrap();
    for variable in network.variables() {
        let (before, slopes) = (variable.as_tensor().copy().unwrap(), numbers(gradients.get(&variable).unwrap()));
        for index in (0..variable.elem_count()).step_by(5) {
            let moved = |step: f32| {
                let mut moved = numbers(&before);
                moved[index] += step;
                variable.set(&Tensor::from_vec(moved, variable.shape(), &Device::Cpu).unwrap()).unwrap();
                f64::from(loss().to_scalar::<f32>().unwrap())
            };
            // Central differences: the error falls with the square of the step, rounding grows with its inverse.
            let slope = (moved(0.02) - moved(-0.02)) / 0.04;
            assert!((slope - f64::from(slopes[index])).abs() < 2e-4, "{index}: {slope} against {}", slopes[index]);
        }
        variable.set(&before).unwrap();
    }
}

#[test]
fn memory_left_by_other_steps_changes_nothing() {
    let network = Case { layers: 2, ..CASE }.network();
    let network = &network;
    let gradients = |case: Case, factor: f64| {
        let (ids, targets) = (case.ids(1, &[case.batch, case.time]), case.ids(2, &[case.batch, case.time]));
        let loss = network.loss(&ids, &targets, None, Outputs::All).unwrap().0;
        move || {
            let gradients = (loss * factor).unwrap().backward().unwrap();
            network.variables().iter().map(|variable| numbers(gradients.get(variable).unwrap())).collect::<Vec<_>>()
        }
    };
    let (small, large) = (Case { layers: 2, ..CASE }, Case { layers: 2, batch: 9, time: 11, ..CASE });
    let gradients = &gradients;
    let alone = gradients(small, 1.0)();
    let (first, second) = (gradients(small, 1.0), gradients(large, 1.0));
    second();
    assert_eq!(first(), alone, "two graphs at once");
    assert_eq!(gradients(small, 1.0)(), alone, "after a larger batch");
    let doubled: Vec<Vec<f32>> = alone.iter().map(|row| row.iter().map(|number| number * 2.0).collect()).collect();
    assert_eq!(gradients(small, 2.0)(), doubled, "twice the loss");
}

#[test]
fn nan_and_infinity_go_where_the_naive_cell_lets_them() {
    let case = Case { batch: 4, hidden: 18, layers: 2, given_state: true, ..CASE };
    for poison in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for place in ["bias", "recurrent weight"] {
            let network = case.network();
            let weights = &network.variables()[0];
            let mut poisoned = numbers(weights.as_tensor());
            let row = if place == "bias" { case.vocabulary + case.hidden } else { case.vocabulary + 2 };
            poisoned[row * 4 * case.hidden + 17] = poison;
            weights.set(&Tensor::from_vec(poisoned, weights.shape(), &Device::Cpu).unwrap()).unwrap();
            let expected = case.results(&network, Implementation::Naive).unwrap();
            for instructions in Instructions::available() {
                let found = case.results(&network, fused(instructions, 1)).unwrap();
                for ((name, expected), (_, found)) in expected.iter().zip(&found) {
                    let kind = |number: &f32| (number.is_nan(), number.is_infinite());
                    let kinds = |tensor: &Tensor| numbers(tensor).iter().map(kind).collect::<Vec<_>>();
                    assert_eq!(kinds(expected), kinds(found), "{poison} in the {place}, {instructions:?}: {name}");
                }
            }
        }
    }
}

#[test]
fn misuse_is_refused_in_words() {
    let network = CASE.network();
    let (ids, targets) = (CASE.ids(1, &[CASE.batch, CASE.time]), CASE.ids(2, &[CASE.batch, CASE.time]));
    let (loss, _) = network.loss(&ids, &targets, None, Outputs::All).unwrap();
    loss.backward().unwrap();
    let beyond = (&ids * 100.0).unwrap();
    let cases = [
        (loss.backward().unwrap_err().to_string(), "taken before"),
        (network.forward(&beyond, None, Outputs::All).unwrap_err().to_string(), "beyond the vocabulary of 7"),
        (network.loss(&ids, &beyond, None, Outputs::All).unwrap_err().to_string(), "each below 7"),
        (network.loss(&ids, &targets, None, Outputs::Last).unwrap_err().to_string(), "the tensor of targets"),
    ];
    for (message, part) in cases {
        assert!(message.contains(part), "{message} should say {part}");
    }
}
