//! What a network computed at every time step: by the kernels, by the naive cell, and token by token.

mod cases;

use candle_core::Device;
use cases::{Case, cases, numbers};
use lstm::{CharLstm, Implementation, Outputs, Recording, State};

/// Asserts that numbers differ by at most 2e-5 of the largest.
#[track_caller]
fn assert_close(what: &str, expected: &[f32], found: &[f32]) {
    assert_eq!(expected.len(), found.len(), "{what}");
    let largest = expected.iter().fold(0f32, |largest, number| largest.max(number.abs()));
    for (expected, found) in expected.iter().zip(found) {
        assert!((expected - found).abs() <= 2e-5 * largest + 1e-9, "{what}: {found} should be {expected}");
    }
}

fn record(case: &Case, network: &CharLstm) -> Recording {
    let [hidden, cell] = case.state().map(|state| state.as_detached_tensor());
    let state = case.given_state.then_some(State { hidden, cell });
    network.record(&case.ids(1, &[case.batch, case.time]), state.as_ref()).unwrap()
}

#[test]
fn the_kernels_record_what_the_naive_cell_records() {
    for case in cases() {
        let network = case.network();
        let found = record(&case, &network);
        let expected = record(&case, &network.with_implementation(Implementation::Naive));
        assert_eq!(found.layers.len(), case.layers);
        for (layer, (expected, found)) in expected.layers.iter().zip(&found.layers).enumerate() {
            assert_close(&format!("{case:?}: cells of layer {layer}"), &expected.cells, &found.cells);
            assert_close(&format!("{case:?}: gates of layer {layer}"), &expected.gates, &found.gates);
        }
        assert_close(&format!("{case:?}: logits"), &expected.logits, &found.logits);
        assert_close(&format!("{case:?}: hidden"), &numbers(&expected.state.hidden), &numbers(&found.state.hidden));
        assert_close(&format!("{case:?}: cell"), &numbers(&expected.state.cell), &numbers(&found.state.cell));
    }
}

#[test]
fn what_is_recorded_is_what_a_network_computes_token_by_token() {
    for case in cases().into_iter().filter(|case| !case.given_state && case.hidden <= 20) {
        let network = case.network();
        let found = record(&case, &network);
        let ids = case.ids(1, &[case.batch, case.time]);
        let (mut state, step) = (None, case.batch * case.hidden);
        for time in 0..case.time {
            let (logits, next) =
                network.forward(&ids.narrow(1, time, 1).unwrap(), state.as_ref(), Outputs::Last).unwrap();
            let logits_of_step = case.batch * case.vocabulary;
            assert_close("logits", &numbers(&logits), &found.logits[time * logits_of_step..][..logits_of_step]);
            for (layer, cells) in found.layers.iter().enumerate() {
                let expected = numbers(&next.cell.get(layer).unwrap());
                assert_close(&format!("{case:?}: step {time}"), &expected, &cells.cells[time * step..][..step]);
            }
            state = Some(next);
        }
    }
}

#[test]
fn a_token_outside_the_vocabulary_is_refused() {
    for embedding in [0, 3] {
        let case = Case { embedding, ..cases::CASE };
        let ids = candle_core::Tensor::new(&[[1u32, case.vocabulary as u32]], &Device::Cpu).unwrap();
        let error = case.network().record(&ids, None).unwrap_err().to_string();
        assert!(error.contains("beyond the vocabulary of 7"), "{error}");
    }
}
