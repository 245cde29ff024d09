//! The ONNX graph of a character LSTM.
//!
//! Inputs `ids` int64 (sequence, batch), `h` and `c` f32 (layers, batch, hidden); outputs `logits` f32 (sequence,
//! batch, vocabulary), `h_next` and `c_next` like `h` and `c`. Sequence and batch are dynamic. The graph uses only
//! operators of the standard set, version [`OPSET`]: `Gather`, `LSTM`, `Squeeze`, `MatMul`, `Add`, `Concat` if there are
//! several layers, and `DequantizeLinear` if the weights are stored as int8.

use std::collections::HashMap;

use candle_core::Tensor;
use candle_onnx::onnx::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto,
    attribute_proto::AttributeType,
    tensor_proto::DataType,
    tensor_shape_proto::{Dimension, dimension},
    type_proto,
};
use model_card::gates::{GateOrder, reorder};
use model_card::{CARD_KEY, InputEncoding, ModelCard, tensors};

use crate::{Checkpoint, Error, Result, quantize::Quantized};

/// The version of the ONNX operator set that the graph uses. It is old enough for every engine in use.
pub const OPSET: i64 = 14;
/// The version of the ONNX file format that belongs to [`OPSET`].
const IR_VERSION: i64 = 8;

/// How an exported model stores its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Storage {
    /// 32-bit floats.
    #[default]
    Float32,
    /// Signed bytes with one scale per row, and `DequantizeLinear` operators that turn them into floats: a quarter of the
    /// size. Biases stay floats.
    Int8,
}

/// Builds the model: the graph, the weights, and the whole card in `metadata_props` under [`CARD_KEY`].
pub fn model(checkpoint: &Checkpoint, storage: Storage) -> Result<ModelProto> {
    let Checkpoint { tensors: weights, card } = checkpoint;
    let mut graph = Builder { weights, card, storage, nodes: Vec::new(), initializers: Vec::new() };
    let mut sequence = graph.embed()?;
    let (mut hidden_states, mut cell_states) = (Vec::new(), Vec::new());
    for layer in 0..card.size.layers {
        let [output, hidden, cell] = graph.layer(layer, &sequence)?;
        sequence = output;
        hidden_states.push(hidden);
        cell_states.push(cell);
    }
    graph.stack(&hidden_states, "h_next");
    graph.stack(&cell_states, "c_next");
    graph.output(&sequence)?;

    let size = &card.size;
    let state = [Axis::Fixed(size.layers), Axis::Free("batch"), Axis::Fixed(size.hidden)];
    let logits = [Axis::Free("sequence"), Axis::Free("batch"), Axis::Fixed(size.vocabulary)];
    Ok(ModelProto {
        ir_version: IR_VERSION,
        producer_name: "scrimshaw".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: vec![StringStringEntryProto { key: CARD_KEY.into(), value: card.to_json() }],
        graph: Some(GraphProto {
            name: "character-lstm".into(),
            node: graph.nodes,
            initializer: graph.initializers,
            input: vec![
                value("ids", DataType::Int64, &[Axis::Free("sequence"), Axis::Free("batch")]),
                value("h", DataType::Float, &state),
                value("c", DataType::Float, &state),
            ],
            output: vec![
                value("logits", DataType::Float, &logits),
                value("h_next", DataType::Float, &state),
                value("c_next", DataType::Float, &state),
            ],
            ..GraphProto::default()
        }),
        ..ModelProto::default()
    })
}

struct Builder<'w> {
    weights: &'w HashMap<String, Tensor>,
    card: &'w ModelCard,
    storage: Storage,
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
}

impl Builder<'_> {
    /// ids (T, N) → the first layer's input (T, N, E).
    fn embed(&mut self) -> Result<String> {
        let (vocabulary, hidden) = (self.card.size.vocabulary, self.card.size.hidden);
        let table = match self.card.size.embedding_size() {
            Some(size) => self.numbers(tensors::EMBEDDING_WEIGHT, &[vocabulary, size])?, // (V, E)
            // A one-hot input selects a column of the input weights. With more tokens than gate rows, it is cheaper to
            // look that column up here and give the LSTM an identity matrix as its input weights.
            None if self.gathers_product() => {
                let weight = self.gate_rows(&tensors::weight_ih(0), &[4 * hidden, vocabulary])?; // (4H, V)
                transpose(&weight, vocabulary) // (V, 4H)
            }
            None => identity(vocabulary), // (V, V)
        };
        let columns = (table.len() / vocabulary) as i64;
        // A row of the table that is a column of the input weights has a scale for each gate.
        let axis = i64::from(self.gathers_product());
        self.weights("embedding", &[vocabulary as i64, columns], axis, &table);
        self.node("Gather", &["embedding", "ids"], &["input"], vec![integer("axis", 0)]);
        Ok("input".into())
    }

    /// One LSTM layer: its output (T, N, H), its final hidden and cell state (1, N, H).
    fn layer(&mut self, layer: usize, input: &str) -> Result<[String; 3]> {
        let hidden = self.card.size.hidden;
        let rows = 4 * hidden;
        let mut input_size = self.card.size.input_size(layer);
        let weight_ih = if layer == 0 && self.gathers_product() {
            input_size = rows;
            identity(rows) // (4H, 4H)
        } else {
            self.gate_rows(&tensors::weight_ih(layer), &[rows, input_size])? // (4H, E)
        };
        let weight_hh = self.gate_rows(&tensors::weight_hh(layer), &[rows, hidden])?; // (4H, H)
        let mut bias = self.gate_rows(&tensors::bias_ih(layer), &[rows])?; // (4H)
        bias.extend(self.gate_rows(&tensors::bias_hh(layer), &[rows])?); // (8H)

        let name = |part: &str| format!("{part}_l{layer}");
        let [w, r, b] = ["weight_ih", "weight_hh", "bias"].map(name);
        self.weights(&w, &[1, rows as i64, input_size as i64], 1, &weight_ih);
        self.weights(&r, &[1, rows as i64, hidden as i64], 1, &weight_hh);
        self.initializer(&b, &[1, 2 * rows as i64], &bias);

        let [initial_h, initial_c] = ["h", "c"].map(|state| self.layer_of(state, layer));
        let [stacked, output] = ["stacked", "output"].map(name);
        let [final_h, final_c] = ["h_next", "c_next"]
            .map(|state| if self.card.size.layers == 1 { state.into() } else { format!("{state}_l{layer}") });
        self.node(
            "LSTM",
            &[input, &w, &r, &b, "", &initial_h, &initial_c],
            &[&stacked, &final_h, &final_c], // (T, 1, N, H), (1, N, H), (1, N, H)
            vec![integer("hidden_size", hidden as i64)],
        );
        if layer == 0 {
            self.initializers.push(int64("direction_axis", &[1], &[1]));
        }
        self.node("Squeeze", &[&stacked, "direction_axis"], &[&output], vec![]); // (T, N, H)
        Ok([output, final_h, final_c])
    }

    /// The name of one layer's slice (1, N, H) of a state (L, N, H).
    fn layer_of(&mut self, state: &str, layer: usize) -> String {
        if self.card.size.layers == 1 {
            return state.into();
        }
        let index = format!("layer_{layer}");
        if state == "h" {
            self.initializers.push(int64(&index, &[1], &[layer as i64]));
        }
        let name = format!("{state}_l{layer}");
        self.node("Gather", &[state, &index], &[&name], vec![integer("axis", 0)]);
        name
    }

    /// Concatenates the layers' states (1, N, H) to an output (L, N, H).
    fn stack(&mut self, states: &[String], output: &str) {
        if let [_, _, ..] = states {
            let inputs: Vec<&str> = states.iter().map(String::as_str).collect();
            self.node("Concat", &inputs, &[output], vec![integer("axis", 0)]);
        }
    }

    /// The dense layer: (T, N, H) → logits (T, N, V).
    fn output(&mut self, sequence: &str) -> Result<()> {
        let (vocabulary, hidden) = (self.card.size.vocabulary, self.card.size.hidden);
        let weight = transpose(&self.numbers(tensors::OUTPUT_WEIGHT, &[vocabulary, hidden])?, hidden); // (H, V)
        let bias = self.numbers(tensors::OUTPUT_BIAS, &[vocabulary])?;
        self.weights("output_weight", &[hidden as i64, vocabulary as i64], 1, &weight);
        self.initializer("output_bias", &[vocabulary as i64], &bias);
        self.node("MatMul", &[sequence, "output_weight"], &["product"], vec![]);
        self.node("Add", &["product", "output_bias"], &["logits"], vec![]);
        Ok(())
    }

    fn gathers_product(&self) -> bool {
        let size = &self.card.size;
        size.input == InputEncoding::OneHot && size.vocabulary > 4 * size.hidden
    }

    /// The numbers of a tensor in row-major order, once its shape is checked.
    fn numbers(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let tensor =
            self.weights.get(name).ok_or_else(|| Error::Checkpoint(format!("it has no tensor named {name}")))?;
        if tensor.dims() != shape {
            return Err(Error::Checkpoint(format!("{name} has the shape {:?}, not {shape:?}", tensor.dims())));
        }
        Ok(tensor.flatten_all()?.to_vec1()?)
    }

    /// The numbers of a tensor with gates, in ONNX's order of gates.
    fn gate_rows(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        Ok(reorder(&self.numbers(name, shape)?, GateOrder::PyTorch, GateOrder::Onnx))
    }

    /// Weights as they are to be stored, with a scale for each place along an axis if they are quantized.
    fn weights(&mut self, name: &str, shape: &[i64], axis: i64, numbers: &[f32]) {
        if self.storage == Storage::Float32 {
            return self.initializer(name, shape, numbers);
        }
        let [bytes, scales] = ["bytes", "scales"].map(|part| format!("{name}_{part}"));
        let inner: i64 = shape[axis as usize + 1..].iter().product();
        let Quantized { bytes: raw, scales: numbers } =
            Quantized::new(numbers, shape[axis as usize] as usize, inner as usize);
        self.tensor(&bytes, shape, DataType::Int8, raw.into_iter().map(|byte| byte as u8).collect());
        self.initializer(&scales, &[shape[axis as usize]], &numbers);
        self.node("DequantizeLinear", &[&bytes, &scales], &[name], vec![integer("axis", axis)]);
    }

    fn initializer(&mut self, name: &str, shape: &[i64], numbers: &[f32]) {
        let raw = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.tensor(name, shape, DataType::Float, raw);
    }

    fn tensor(&mut self, name: &str, shape: &[i64], data_type: DataType, raw_data: Vec<u8>) {
        self.initializers.push(TensorProto {
            name: name.into(),
            dims: shape.into(),
            data_type: data_type.into(),
            raw_data,
            ..TensorProto::default()
        });
    }

    fn node(&mut self, operator: &str, inputs: &[&str], outputs: &[&str], attributes: Vec<AttributeProto>) {
        self.nodes.push(NodeProto {
            name: format!("{operator}_{}", self.nodes.len()),
            op_type: operator.into(),
            input: inputs.iter().map(ToString::to_string).collect(),
            output: outputs.iter().map(ToString::to_string).collect(),
            attribute: attributes,
            ..NodeProto::default()
        });
    }
}

/// An axis of a graph input or output.
enum Axis {
    Free(&'static str),
    Fixed(usize),
}

fn value(name: &str, element: DataType, axes: &[Axis]) -> ValueInfoProto {
    let dim = axes
        .iter()
        .map(|axis| Dimension {
            value: Some(match axis {
                Axis::Free(name) => dimension::Value::DimParam((*name).into()),
                Axis::Fixed(size) => dimension::Value::DimValue(*size as i64),
            }),
            ..Dimension::default()
        })
        .collect();
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(type_proto::Tensor {
                elem_type: element.into(),
                shape: Some(TensorShapeProto { dim }),
            })),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}

fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: AttributeType::Int.into(), i: value, ..AttributeProto::default() }
}

fn int64(name: &str, shape: &[i64], values: &[i64]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: shape.into(),
        data_type: DataType::Int64.into(),
        raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        ..TensorProto::default()
    }
}

fn identity(size: usize) -> Vec<f32> {
    (0..size * size).map(|place| if place % (size + 1) == 0 { 1.0 } else { 0.0 }).collect()
}

/// Transposes a row-major matrix with `columns` columns.
fn transpose(numbers: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| numbers.iter().skip(column).step_by(columns).copied()).collect()
}
