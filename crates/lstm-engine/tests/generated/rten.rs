//! Another implementation of the operators, to hold the engine to.

use lstm_engine::onnx_view::Model;
use rten::{Value, ValueView};

use super::{
    floats::{Bounded, SLACK},
    generator::{Case, Numbers},
    twin,
};

/// Compares rten with the twin on a valid graph.
///
/// # Panics
/// If rten refuses it, or if the two differ by more than twice what the engine may.
pub fn compare(case: &Case) {
    let model = Model::read(&case.file).expect("a valid file");
    let (expected, is_moderate) = twin::run::<Bounded>(&model, &case.inputs).expect("a valid graph");
    let found = run(case).unwrap_or_else(|error| panic!("rten refuses a valid graph: {error}"));
    for (index, (found, expected)) in found.into_iter().zip(&expected).enumerate() {
        let found = found.into_tensor::<f32>().expect("floats").into_data();
        assert_eq!(found.len(), expected.numbers.len(), "rten, the numbers of output {index}");
        for (found, exact) in found.iter().zip(&expected.numbers).filter(|_| is_moderate) {
            let bound = 2.0 * SLACK * exact.error + 1e-6;
            let difference = (f64::from(*found) - exact.value).abs();
            assert!(difference <= bound, "rten, output {index}: {found} should be {} within {bound}", exact.value);
        }
    }
}

fn run(case: &Case) -> Result<Vec<Value>, Box<dyn std::error::Error>> {
    let registry = rten::op_registry!(Add, Concat, Gather, Identity, LSTM, MatMul, Split, Squeeze, Unsqueeze);
    let network = rten::ModelOptions::with_ops(registry).load(case.file.clone())?;
    // rten's ids have 32 bits.
    let ids: Vec<Vec<i32>> = case
        .inputs
        .iter()
        .map(|given| match &given.numbers {
            Numbers::Longs(ids) => ids.iter().map(|&id| id as i32).collect(),
            _ => Vec::new(),
        })
        .collect();
    let mut inputs = Vec::new();
    for (given, ids) in case.inputs.iter().zip(&ids) {
        let view = match &given.numbers {
            Numbers::Floats(floats) => ValueView::from_shape(&given.shape, floats.as_slice())?,
            Numbers::Longs(_) => ValueView::from_shape(&given.shape, ids.as_slice())?,
            Numbers::Integers(ids) => ValueView::from_shape(&given.shape, ids.as_slice())?,
        };
        inputs.push((network.node_id(&given.name)?, view.into()));
    }
    let outputs = case.outputs.iter().map(|name| network.node_id(name)).collect::<Result<Vec<_>, _>>()?;
    Ok(network.run(inputs, &outputs, None)?)
}
