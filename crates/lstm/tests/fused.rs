//! The kernels against the naive cell, in every shape that could go wrong.

mod cases;

use candle_core::{Device, Tensor};
use cases::{CASE, Case, cases, numbers};
use lstm::{Implementation, Instructions, Outputs, Precision, Processor};

fn fused(instructions: Instructions, threads: usize) -> Implementation {
    Implementation::Fused(Processor { instructions, threads, precision: Precision::Float32 })
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
