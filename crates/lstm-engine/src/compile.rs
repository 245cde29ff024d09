//! From a graph to a plan: the checks of the whole, and the packing of weights.

use kernels::{
    Instructions,
    inference::{Dense, Layer, Number, Weights},
};
use onnx_view::{Model, Port, Tensor, shortened};

use crate::{
    draft::{Compiler, Draft, DraftStep},
    error::{Error, Result},
    limits,
    plan::{Operation, Plan, Reads, Step},
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
        let mut buffers = 0;
        let steps = compiler.steps.into_iter().filter(|step| !matches!(step.draft, Draft::Folded));
        let steps = steps.map(|DraftStep { draft, inputs, outputs }| {
            let operation = pack(instructions, draft)?;
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

fn pack(instructions: Instructions, draft: Draft<'_, '_>) -> Result<Operation> {
    Ok(match draft {
        Draft::Folded => return Err(Error::Graph("its tables are no steps".into())),
        Draft::Ready(operation) => operation,
        Draft::Rows(table) => Operation::Rows {
            table: floats(table)?.iter().map(|&number| float(number)).collect(),
            width: table.shape[1],
        },
        Draft::Dense { weight, bias } => {
            let bias = bias.map(mask).transpose()?;
            let sizes = [weight.shape[0], weight.shape[1]];
            Operation::Dense(Dense::pack(instructions, sizes, floats(weight)?, bias))
        }
        Draft::Lstm { input, recurrent, bias, table } => {
            let (inputs, hidden) = (input.shape[2], recurrent.shape[2]);
            let bias = match bias {
                Some(bias) => {
                    let (input, recurrent) = floats(bias)?.split_at(4 * hidden);
                    input.iter().zip(recurrent).map(|(&input, &recurrent)| float(input) + float(recurrent)).collect()
                }
                None => vec![0.0; 4 * hidden],
            };
            let weights = Weights { inputs, hidden, input: floats(input)?, recurrent: floats(recurrent)?, bias };
            let (layer, reads) = match table {
                Some(table) => (Layer::over_table(instructions, &weights, floats(table)?), Reads::Ids(table.shape[0])),
                None => (Layer::new(instructions, &weights), Reads::Numbers(inputs)),
            };
            Operation::Lstm { layer, reads }
        }
    })
}

/// The floats of a constant, all of them finite.
fn floats<'a>(tensor: &Tensor<'a>) -> Result<&'a [Number]> {
    checked(tensor, |_| false)
}

/// The floats of a bias, all of them finite or minus infinity, which keeps a token from ever being written.
fn mask<'a>(tensor: &Tensor<'a>) -> Result<&'a [Number]> {
    checked(tensor, |bits| bits == f32::NEG_INFINITY.to_bits())
}

fn checked<'a>(tensor: &Tensor<'a>, is_allowed: impl Fn(u32) -> bool) -> Result<&'a [Number]> {
    let numbers = tensor.floats().ok_or_else(|| Error::Graph("its weights are no floats".into()))?;
    // NaN and the infinities are the numbers whose exponent is all ones. The largest of all is found in vectors.
    let bits = |number: &Number| u32::from_le_bytes(*number);
    let is_finite = |bits: u32| bits & 0x7fff_ffff < 0x7f80_0000;
    let largest = numbers.iter().map(|number| bits(number) & 0x7fff_ffff).max().unwrap_or(0);
    if is_finite(largest) || numbers.iter().map(bits).all(|bits| is_finite(bits) || is_allowed(bits)) {
        return Ok(numbers);
    }
    Err(Error::NotFinite { tensor: shortened(tensor.name).into() })
}

fn float(number: Number) -> f32 {
    f32::from_le_bytes(number)
}
