//! Whole graphs beside another engine, and their bits beside those of other instructions, threads and batches.

mod common;

use std::sync::Arc;

use common::{Character, Table};
use lstm_engine::{Instructions, Plan, Session, onnx_view::Model};
use rten::ValueView;

/// Largest difference from rten, after so few steps.
const BOUND: f32 = 1e-5;

/// What rten makes of the same file.
fn rten(model: &Character, [time, batch]: [usize; 2], ids: &[i64], state: &[Vec<f32>; 2]) -> [Vec<f32>; 3] {
    let registry = rten::op_registry!(Add, Concat, Gather, LSTM, MatMul, Split, Squeeze);
    let network = rten::ModelOptions::with_ops(registry).load(model.bytes.clone()).unwrap();
    let ids: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
    let shape = [model.layers, batch, model.hidden];
    let [h, c] = state.each_ref().map(|state| ValueView::from_shape(&shape, state.as_slice()).unwrap());
    let node = |name| network.node_id(name).unwrap();
    let inputs = vec![
        (node("ids"), ValueView::from_shape(&[time, batch], ids.as_slice()).unwrap().into()),
        (node("h"), h.into()),
        (node("c"), c.into()),
    ];
    let outputs = network.run(inputs, &["logits", "h_next", "c_next"].map(node), None).unwrap();
    let floats = |value: rten::Value| value.into_tensor::<f32>().unwrap().into_data();
    let outputs: Vec<Vec<f32>> = outputs.into_iter().map(floats).collect();
    outputs.try_into().unwrap()
}

#[test]
fn results_are_those_of_rten() {
    let cases = [
        (1, 5, 7, Table::Identity),
        (2, 16, 11, Table::Embedding(3)),
        (3, 37, 20, Table::Embedding(70)),
        // Alphabets larger than four times the hidden size, in both ways that exporters write them.
        (1, 6, 90, Table::Identity),
        (2, 6, 90, Table::Product),
        (1, 64, 600, Table::Product),
        // A table that is too large to fold.
        (1, 8, 300, Table::Embedding(4)),
    ];
    for (layers, hidden, vocabulary, table) in cases {
        let model = Character::new(layers, hidden, vocabulary, table);
        let mut session = Session::new(model.plan(), 1);
        for sizes in [[1, 1], [5, 1], [1, 3], [4, 9]] {
            let (ids, state) = model.inputs(sizes[0], sizes[1]);
            let found = model.run(&mut session, sizes, &ids, &state);
            let expected = rten(&model, sizes, &ids, &state);
            for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                let case = format!("{layers}x{hidden}, {vocabulary}, {table:?}, {sizes:?}");
                assert!((found - expected).abs() < BOUND, "{case}: {found} should be {expected}");
            }
            assert_eq!(found.each_ref().map(Vec::len), expected.each_ref().map(Vec::len));
        }
    }
}

#[test]
fn one_hot_inputs_are_looked_up_and_never_multiplied() {
    for (vocabulary, table, first) in [
        (65, Table::Identity, "[LSTM of 6 over 65 ids,"),
        (24, Table::Product, "[LSTM of 6 over 24 ids,"),
        // Larger than four times the hidden size.
        (900, Table::Identity, "[LSTM of 6 over 900 ids,"),
        (900, Table::Product, "[LSTM of 6 over 900 ids,"),
        (6, Table::Embedding(3), "[LSTM of 6 over 6 ids,"),
        // Its product with the input weights would be larger than the layer.
        (900, Table::Embedding(3), "[rows of 3, LSTM of 6 over 3 numbers,"),
    ] {
        let model = Character::new(1, 6, vocabulary, table);
        let plan = format!("{:?}", model.plan()).replace("view, ", "");
        assert!(plan.contains(first), "{vocabulary}, {table:?}: {plan}");
    }
}

#[test]
fn logits_are_the_same_bits_on_all_instructions() {
    for (layers, hidden, vocabulary, table) in
        [(1, 128, 65, Table::Identity), (2, 50, 31, Table::Embedding(9)), (1, 20, 100, Table::Product)]
    {
        let model = Character::new(layers, hidden, vocabulary, table);
        let view = Model::read(&model.bytes).unwrap();
        let mut logits: Option<Vec<u32>> = None;
        for instructions in Instructions::available() {
            let plan = Arc::new(Plan::compile_for(&view, instructions).unwrap());
            let mut session = Session::new(plan, 1);
            let (_, mut state) = model.inputs(1, 2);
            let mut found = Vec::new();
            for step in 0..100 {
                let ids = [step % vocabulary as i64, step * step % vocabulary as i64];
                let [now, h, c] = model.run(&mut session, [1, 2], &ids, &state);
                found.extend(now.iter().map(|logit| logit.to_bits()));
                state = [h, c];
            }
            assert_eq!(found.len(), 100 * 2 * vocabulary);
            match &logits {
                Some(expected) => assert!(*expected == found, "{} has other bits", instructions.name()),
                None => logits = Some(found),
            }
        }
    }
}

#[test]
fn a_sequence_has_the_same_bits_alone_among_others_in_pieces_and_on_threads() {
    let model = Character::new(2, 96, 30, Table::Identity);
    let plan = model.plan();
    let (time, batch, row) = (6, 40, 2 * 96);
    let (ids, state) = model.inputs(time, batch);
    let together = model.run(&mut Session::new(Arc::clone(&plan), 1), [time, batch], &ids, &state);
    assert!(model.run(&mut Session::new(Arc::clone(&plan), 3), [time, batch], &ids, &state) == together);
    let mut session = Session::new(Arc::clone(&plan), 1);
    for text in 0..batch {
        let part = |part: &Vec<f32>| {
            part.chunks_exact(batch * 96).flat_map(|layer| &layer[text * 96..][..96]).copied().collect::<Vec<_>>()
        };
        let mut own = state.each_ref().map(part);
        assert_eq!(own[0].len(), row);
        for now in 0..time {
            let [logits, h, c] = model.run(&mut session, [1, 1], &[ids[now * batch + text]], &own);
            assert!(logits == together[0][(now * batch + text) * 30..][..30], "text {text}, step {now}");
            own = [h, c];
        }
    }
    // Every session runs the one plan.
    assert!(Arc::ptr_eq(session.plan(), &plan));
}

#[test]
fn a_large_step_of_one_sequence_is_the_same_on_threads() {
    let model = Character::new(1, 400, 10, Table::Embedding(350));
    let (ids, state) = model.inputs(3, 1);
    let [alone, shared] =
        [1, 2].map(|threads| model.run(&mut Session::new(model.plan(), threads), [3, 1], &ids, &state));
    assert!(alone == shared);
}

#[test]
fn files_of_earlier_versions_are_read() {
    for file in [
        &include_bytes!("../../sampler/tests/data/stateful.onnx")[..],
        include_bytes!("../../sampler/tests/data/window.onnx"),
        include_bytes!("../../sampler/tests/data/names.onnx"),
        include_bytes!("../../sampler/tests/data/bytes.onnx"),
        include_bytes!("../../ort-rten/tests/models/character.onnx"),
    ] {
        let plan = common::compile(file).unwrap();
        assert_eq!(plan.outputs(), ["logits", "h_next", "c_next"]);
        assert_eq!(plan.inputs(), ["ids", "h", "c"]);
    }
}
