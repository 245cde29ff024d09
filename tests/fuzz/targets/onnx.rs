//! Any bytes as an ONNX file: it is read or refused, and whatever is read can be looked at.
#![no_main]

use onnx_view::{Graph, Model, PortType, Tensor};

fuzz::target!(|bytes: &[u8]| {
    if let Ok(model) = Model::read(bytes) {
        let _ = model.property("scrimshaw.card");
        look(&model.graph);
    }
});

fuzz::mutator!(fuzz::mutate_onnx);

fn look(graph: &Graph<'_>) {
    for tensor in &graph.initializers {
        look_at(tensor);
    }
    for node in &graph.nodes {
        let _ = (node.is_standard(), node.input(0), node.output(0), node.attribute("axis"));
        node.attributes.iter().filter_map(|attribute| attribute.tensor.as_deref()).for_each(look_at);
    }
    for port in graph.inputs.iter().chain(&graph.outputs) {
        if let PortType::Tensor { shape: Some(shape), .. } = &port.kind {
            assert!(shape.len() < 1 << 20);
        }
    }
}

fn look_at(tensor: &Tensor<'_>) {
    let count = tensor.shape.iter().product::<usize>();
    if let Some(floats) = tensor.floats() {
        assert_eq!(floats.len(), count);
    }
    if let Some(integers) = tensor.integers() {
        assert_eq!(integers.len(), count);
    }
}
