//! Graphs that fuzzing found: each was run, or ended in a panic, and is no valid ONNX.

mod common;

use common::{compile, constant, field, file, integer, integers, node};
use lstm_engine::{Input, Numbers, Session};

/// A layer of one unit over one input, because a graph without any is refused for that.
fn layer() -> Vec<Vec<u8>> {
    vec![
        constant("w", &[1, 4, 1], &[0.0; 4]),
        constant("r", &[1, 4, 1], &[0.0; 4]),
        node("LSTM", "x w r", "y", &[integer("hidden_size", 1)]),
        constant("square", &[1, 1], &[1.0]),
    ]
}

/// A node with the names of these outputs; of none, if there are none.
fn with_outputs(operator: &str, inputs: [&str; 2], outputs: &[&str]) -> Vec<u8> {
    let inputs: Vec<u8> = inputs.into_iter().filter(|name| !name.is_empty()).flat_map(|name| field(1, name)).collect();
    let outputs: Vec<u8> = outputs.iter().flat_map(|name| field(2, name)).collect();
    field(1, [inputs, outputs, field(4, operator)].concat())
}

#[test]
fn an_operator_whose_outputs_are_not_its_own_is_refused() {
    let cases: [(&str, [&str; 2], &[&str]); 7] = [
        // These panicked when they ran: there was no output to write to.
        ("MatMul", ["x", "square"], &[]),
        ("Concat", ["x", ""], &[]),
        ("Gather", ["square", "ids"], &[]),
        // An operator with one output made a second one.
        ("Gather", ["square", "ids"], &["", "second"]),
        ("MatMul", ["x", "square"], &["first", "second"]),
        ("MatMul", ["x", "square"], &[""]),
        ("Split", ["x", ""], &[]),
    ];
    for (operator, inputs, outputs) in cases {
        let graph = [layer(), vec![with_outputs(operator, inputs, outputs)]].concat();
        let error = compile(&file("ids x", "y", &graph)).unwrap_err().to_string();
        assert!(error.contains(operator) && error.contains("outputs"), "{operator} {outputs:?}: {error}");
        let graph = [layer(), vec![with_outputs(operator, inputs, &["z"])]].concat();
        assert!(compile(&file("ids x", "y", &graph)).is_ok(), "{operator} with one output is a valid operator");
    }
}

/// What a run of a graph over x (3, 1, 1) says.
fn run(graph: &[Vec<u8>]) -> Result<(), String> {
    let graph = [layer(), graph.to_vec()].concat();
    let mut session = Session::new(compile(&file("x", "y", &graph)).unwrap(), 1);
    session
        .run(&[Input { shape: &[3, 1, 1], numbers: Numbers::Floats(&[1.0, 2.0, 3.0]) }])
        .map_err(|error| error.to_string())
}

#[test]
fn a_split_whose_lengths_leave_something_over_is_refused() {
    for (lengths, fits) in [([1, 1], false), ([1, 2], true), ([2, 2], false), ([0, 3], true)] {
        let result = run(&[integers("lengths", &lengths), node("Split", "x lengths", "a b", &[])]);
        assert_eq!(result.is_ok(), fits, "{lengths:?}: {result:?}");
    }
}

#[test]
fn single_numbers_are_not_joined() {
    // Three numbers claimed the shape of one.
    let number = [
        integers("second", &[1]),
        integers("all", &[0, 1, 2]),
        node("Gather", "x second", "one", &[]),
        node("Squeeze", "one all", "number", &[]),
    ];
    let join = |inputs: &str| run(&[&number[..], &[node("Concat", inputs, "joined", &[integer("axis", 0)])]].concat());
    assert!(join("number number number").unwrap_err().contains("are joined"));
    assert!(join("one one one").is_ok());
}
