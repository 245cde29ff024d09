//! From a graph to a plan: the checks of the whole, and the packing of weights.

use std::borrow::Cow;

use kernels::{
    Instructions,
    inference::{self, Dense, Number, QuantizedDense, QuantizedLayer, QuantizedWeights, Weights},
};
use onnx_view::{Model, Port, shortened};

use crate::{
    draft::{Compiler, Draft, DraftStep, Known},
    error::{Error, Result},
    limits,
    plan::{Arithmetic, Layer, Operation, Plan, Product, Reads, Step},
};

/// More nodes and values than a recurrent network of any sensible depth has.
const MOST_VALUES: usize = 1 << 14;

impl Plan {
    /// Compiles a model for the fastest instructions of this processor.
    pub fn compile(model: &Model<'_>) -> Result<Self> {
        Self::compile_for(model, Instructions::detect())
    }

    /// Compiles a model for some instructions of [`Instructions::available`].
    pub fn compile_for(model: &Model<'_>, instructions: Instructions) -> Result<Self> {
        Self::compile_in(model, instructions, Arithmetic::Stored)
    }

    /// Compiles a model whose products are computed in some arithmetic.
    pub fn compile_in(model: &Model<'_>, instructions: Instructions, arithmetic: Arithmetic) -> Result<Self> {
        let graph = &model.graph;
        let size = graph.nodes.iter().map(|node| 1 + node.inputs.len() + node.outputs.len()).sum::<usize>();
        if size + graph.initializers.len() + graph.inputs.len() + graph.outputs.len() > MOST_VALUES {
            return Err(Error::Graph(format!("it has more than {MOST_VALUES} nodes and values")));
        }
        if model.facts.external_data {
            return Err(Error::Graph("its weights are in other files; save it as one file".into()));
        }
        if graph.has_sparse_initializers {
            return Err(Error::Graph("it has sparse weights".into()));
        }
        let mut compiler = Compiler::new(model)?;
        for (place, node) in graph.nodes.iter().enumerate() {
            compiler.add(node).map_err(|reason| Error::Operator {
                operator: shortened(node.operator).into(),
                node: if node.name.is_empty() { place.to_string() } else { shortened(node.name).into() },
                reason,
            })?;
        }
        if !compiler.steps.iter().any(|step| matches!(step.draft, Draft::Lstm { .. })) {
            return Err(Error::Graph("it has no LSTM".into()));
        }
        let outputs = graph.outputs.iter().map(|output| compiler.output(output)).collect::<Result<Vec<_>>>()?;
        let values = compiler.known.len();
        let packed = limits::packed(&compiler.steps, compiler.numbers)?;
        let known = compiler.known;
        // All or none: next to products of floats, rounded states would cost accuracy and win little.
        let integers = arithmetic == Arithmetic::Stored && compiler.steps.iter().all(|step| is_quantized(step, &known));
        let mut buffers = 0;
        let steps = compiler.steps.into_iter().filter(|step| !matches!(step.draft, Draft::Folded));
        let steps = steps.map(|DraftStep { draft, inputs, outputs }| {
            let reads_states = inputs[0].is_some_and(|value| known[value].is_hidden);
            let operation = pack(instructions, draft, integers, reads_states)?;
            let buffer = buffers;
            buffers += operation.buffers();
            Ok(Step { operation, inputs, outputs, buffer })
        });
        let steps = steps.collect::<Result<Vec<_>>>()?;
        let names = |ports: &[Port<'_>]| ports.iter().map(|port| port.name.to_owned()).collect();
        let (inputs, output_names) = (names(&graph.inputs), names(&graph.outputs));
        Ok(Self { instructions, inputs, outputs, output_names, steps, values, buffers, packed })
    }
}

/// Whether an operator's weights can be multiplied as bytes: they have a scale for each column, and what they are
/// multiplied with are hidden states. What is no product always can.
fn is_quantized(step: &DraftStep<'_, '_>, known: &[Known]) -> bool {
    let reads_states = || step.inputs[0].is_some_and(|value| known[value].is_hidden);
    match &step.draft {
        Draft::Dense { weight, .. } => weight.has_scales(1) && reads_states(),
        Draft::Lstm { input, recurrent, table, .. } => {
            recurrent.has_scales(1) && (table.is_some() || !reads_states() || input.has_scales(1))
        }
        Draft::Rows(_) | Draft::Ready(_) | Draft::Folded => true,
    }
}

fn pack(instructions: Instructions, draft: Draft<'_, '_>, integers: bool, reads_states: bool) -> Result<Operation> {
    Ok(match draft {
        Draft::Folded => return Err(Error::Graph("its tables are no steps".into())),
        Draft::Ready(operation) => operation,
        Draft::Rows(table) => Operation::Rows {
            table: table.floats()?.iter().map(|&number| float(number)).collect(),
            width: table.shape()[1],
        },
        Draft::Dense { weight, bias } => {
            let bias = bias.map(|bias| bias.mask()).transpose()?;
            let sizes = [weight.shape()[0], weight.shape()[1]];
            Operation::Dense(if integers {
                let columns = weight.columns([sizes[1], 1])?;
                Product::Integers(QuantizedDense::pack(instructions, sizes, &columns, bias.as_deref()))
            } else {
                Product::Floats(Dense::pack(instructions, sizes, &weight.floats()?, bias.as_deref()))
            })
        }
        Draft::Lstm { input, recurrent, bias, table } => {
            let (inputs, hidden) = (input.shape()[2], recurrent.shape()[2]);
            let bias = match bias {
                Some(bias) => {
                    let bias = bias.floats()?;
                    let (input, recurrent) = bias.split_at(4 * hidden);
                    input.iter().zip(recurrent).map(|(&input, &recurrent)| float(input) + float(recurrent)).collect()
                }
                None => vec![0.0; 4 * hidden],
            };
            let reads = table.as_ref().map_or(Reads::Numbers(inputs), |table| Reads::Ids(table.shape()[0]));
            let table = table.map(|table| table.floats()).transpose()?;
            // Bytes are multiplied as they are, unless their products are computed in advance.
            let bytes =
                (integers && reads_states && table.is_none()).then(|| input.columns([1, inputs])).transpose()?;
            let input = if bytes.is_some() { Cow::default() } else { input.floats()? };
            let layer = if integers {
                let recurrent = recurrent.columns([1, hidden])?;
                let floats = Weights { inputs, hidden, input: &input, recurrent: &[], bias };
                let weights = QuantizedWeights { floats, input: bytes, recurrent };
                Layer::Integers(match table {
                    Some(table) => QuantizedLayer::over_table(instructions, &weights, &table),
                    None => QuantizedLayer::new(instructions, &weights),
                })
            } else {
                let recurrent = recurrent.floats()?;
                let weights = Weights { inputs, hidden, input: &input, recurrent: &recurrent, bias };
                Layer::Floats(match table {
                    Some(table) => inference::Layer::over_table(instructions, &weights, &table),
                    None => inference::Layer::new(instructions, &weights),
                })
            };
            Operation::Lstm { layer, reads }
        }
    })
}

fn float(number: Number) -> f32 {
    f32::from_le_bytes(number)
}
