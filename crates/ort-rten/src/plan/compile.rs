//! From a graph to a plan: what every operator means here, which of them go together, and the packing of weights.

use smallvec::{SmallVec, smallvec};

use super::{
    Operation, Part, Plan, Step,
    graph::{Constant, Graph, Node},
    lanes::Instructions,
    lstm::{Layer, Weights},
    matrix::{Matrix, Source},
};

/// An operator that is understood, before its weights are packed.
enum What<'a, 'g> {
    Rows(&'g Constant<'a>),
    Lstm {
        input: &'g Constant<'a>,
        recurrent: &'g Constant<'a>,
        bias: Option<&'g Constant<'a>>,
        /// The table whose rows it reads.
        table: Option<&'g Constant<'a>>,
    },
    Dense {
        weight: &'g Constant<'a>,
        bias: Option<&'g Constant<'a>>,
    },
    Ready(Operation),
}

/// What is read and made, by value.
type Values = SmallVec<[Option<usize>; 3]>;

/// A step before its weights are packed.
struct Draft<'a, 'g> {
    what: What<'a, 'g>,
    inputs: Values,
    outputs: Values,
}

/// Values by name, and what is done with them.
struct Compiler<'a, 'g> {
    graph: &'g Graph<'a>,
    /// The model's outputs.
    outputs: &'g [&'g str],
    /// The name of each value.
    names: Vec<&'a [u8]>,
    /// Whether each value holds ids.
    are_ids: Vec<bool>,
    drafts: Vec<Draft<'a, 'g>>,
}

impl Plan {
    /// Makes a plan of a model, if its graph has one: `inputs` says of each input's name whether it is of ids (64-bit or
    /// 32-bit integers) and not of floats. If it has none, `obstacle` says what it is that is not understood, where that
    /// is an operator.
    pub(crate) fn compile(
        model: &[u8],
        inputs: &[(&str, bool)],
        outputs: &[&str],
        obstacle: &mut String,
    ) -> Option<Self> {
        let instructions = Instructions::detect();
        let graph = &Graph::read(model)?;
        let (mut names, mut are_ids) = (Vec::new(), Vec::new());
        for (name, is_of_ids) in inputs {
            names.push(name.as_bytes());
            are_ids.push(*is_of_ids);
        }
        let mut compiler = Compiler { graph, outputs, names, are_ids, drafts: Vec::new() };
        for node in &graph.nodes {
            let Some(()) = compiler.add(node) else {
                *obstacle = format!("its operator {}", String::from_utf8_lossy(node.operator));
                return None;
            };
        }
        // The engine is the better one for graphs without recurrence.
        if !compiler.drafts.iter().any(|draft| matches!(draft.what, What::Lstm { .. })) {
            return None;
        }
        let outputs: Vec<usize> = outputs.iter().map(|name| compiler.float(name.as_bytes())).collect::<Option<_>>()?;
        let values = compiler.names.len();
        Some(Self { steps: compiler.pack(instructions, &outputs)?, values, outputs })
    }
}

impl<'a, 'g> Compiler<'a, 'g> {
    fn add(&mut self, node: &'g Node<'a>) -> Option<()> {
        let axis_is_first = || node.attribute(b"axis").is_none_or(|axis| axis.integer == 0);
        match node.operator {
            _ if !node.is_standard() => None,
            b"LSTM" => self.add_lstm(node),
            b"MatMul" => {
                let weight = self.graph.constant(node.input(1)?).filter(|weight| weight.shape.len() == 2)?;
                weight.floats()?;
                let input = self.float(node.input(0)?)?;
                self.push(What::Dense { weight, bias: None }, smallvec![Some(input)], node)
            }
            b"Add" => self.add_bias(node),
            b"Gather" if axis_is_first() => {
                if let Some(table) = self.graph.constant(node.input(0)?) {
                    let ids = self.find(node.input(1)?).filter(|&ids| self.are_ids[ids])?;
                    let fits = table.shape.len() == 2 && table.shape.iter().all(|&size| size > 0);
                    table.floats().filter(|_| fits)?;
                    return self.push(What::Rows(table), smallvec![Some(ids)], node);
                }
                let index = self.graph.constant(node.input(1)?)?;
                let (&[index], [1]) = (&*index.integers, &*index.shape) else { return None };
                self.ready(Operation::Part(Part::One(index)), node)
            }
            b"Split" if axis_is_first() => self.add_split(node),
            b"Concat" if axis_is_first() => {
                let parts = node.inputs.iter().map(|name| self.float(name).map(Some)).collect::<Option<_>>()?;
                self.push(What::Ready(Operation::Concat), parts, node)
            }
            b"Squeeze" => self.ready(Operation::Squeeze(self.integers(node, b"axes")?), node),
            b"Unsqueeze" => self.ready(Operation::Unsqueeze(self.integers(node, b"axes")?), node),
            b"Identity" => self.ready(Operation::Identity, node),
            _ => None,
        }
    }

    fn add_lstm(&mut self, node: &'g Node<'a>) -> Option<()> {
        let is_default = node.attributes.iter().all(|attribute| match attribute.name {
            b"hidden_size" => true, // held against the weights below
            b"direction" => attribute.text == b"forward",
            b"layout" | b"input_forget" => attribute.integer == 0,
            b"activations" => attribute.texts == [&b"Sigmoid"[..], b"Tanh", b"Tanh"],
            _ => false,
        });
        if !is_default || node.input(4).is_some() || node.input(7).is_some() {
            return None;
        }
        let constant = |index| self.graph.constant(node.input(index)?).filter(|constant| constant.floats().is_some());
        let (input, recurrent) = (constant(1)?, constant(2)?);
        let bias = if node.input(3).is_some() { Some(constant(3)?) } else { None };
        let (&[1, rows, width], &[1, same, hidden]) = (&*input.shape, &*recurrent.shape) else { return None };
        let says = node.attribute(b"hidden_size").map(|size| size.integer);
        let fits = hidden > 0
            && width > 0
            && rows == 4 * hidden
            && same == rows
            && says.is_none_or(|says| says == hidden as i64)
            && bias.is_none_or(|bias| bias.shape == [1, 2 * rows]);
        let mut inputs = Values::new();
        for index in [0, 5, 6] {
            let name = node.input(index);
            inputs.push(if let Some(name) = name { Some(self.float(name)?) } else { None });
        }
        inputs[0].filter(|_| fits)?;
        let made_last = self.drafts.last().map(|draft| (&draft.what, &*draft.outputs, draft.inputs[0]));
        let table = match made_last {
            Some((What::Rows(table), made, ids))
                if made == [inputs[0]]
                    && table.shape[1] == width
                    && folds(table, hidden)
                    && self.uses(node.inputs[0]) == 1 =>
            {
                inputs[0] = ids;
                Some(*table)
            }
            _ => None,
        };
        if table.is_some() {
            self.drafts.pop();
        }
        self.push(What::Lstm { input, recurrent, bias, table }, inputs, node)
    }

    /// A constant that is added to a product alone is its bias.
    fn add_bias(&mut self, node: &'g Node<'a>) -> Option<()> {
        let (first, second) = (node.input(0)?, node.input(1)?);
        let (product, bias) = match self.graph.constant(second) {
            Some(bias) => (first, bias),
            None => (second, self.graph.constant(first)?),
        };
        let made = self.find(product)?;
        let is_alone = self.uses(product) == 1;
        let Draft { what: What::Dense { weight, bias: slot @ None }, outputs, .. } = self.drafts.last_mut()? else {
            return None;
        };
        let fits = bias.shape.len() == 1 && bias.shape[0] == weight.shape[1] && bias.floats().is_some();
        if !fits || !is_alone || outputs[..] != [Some(made)] {
            return None;
        }
        *slot = Some(bias);
        self.names[made] = node.output(0)?;
        Some(())
    }

    fn add_split(&mut self, node: &'g Node<'a>) -> Option<()> {
        let value = self.float(node.input(0)?)?;
        let is_even = node.input(1).is_none() && node.attribute(b"split").is_none();
        let lengths = if is_even { Vec::new() } else { self.integers(node, b"split")? };
        if !is_even && lengths.len() != node.outputs.len() {
            return None;
        }
        let mut start = 0_usize;
        for (index, &name) in node.outputs.iter().enumerate() {
            let part = if is_even {
                Part::Equal { index, of: node.outputs.len() }
            } else {
                let len = usize::try_from(lengths[index]).ok()?;
                start = start.checked_add(len)?;
                Part::Range { start: start - len, len }
            };
            let output = self.define(name)?;
            self.drafts.push(Draft {
                what: What::Ready(Operation::Part(part)),
                inputs: smallvec![Some(value)],
                outputs: smallvec![Some(output)],
            });
        }
        Some(())
    }

    /// What stands in a constant input (the second), or in an attribute, as it did in older versions.
    fn integers(&self, node: &Node<'a>, attribute: &[u8]) -> Option<Vec<i64>> {
        match node.input(1) {
            Some(name) => {
                let constant = self.graph.constant(name)?;
                (constant.shape.len() <= 1 && !constant.integers.is_empty()).then(|| constant.integers.clone())
            }
            None => node.attribute(attribute).map(|attribute| attribute.integers.clone()),
        }
    }

    /// A step of one input.
    fn ready(&mut self, operation: Operation, node: &Node<'a>) -> Option<()> {
        let input = self.float(node.input(0)?)?;
        self.push(What::Ready(operation), smallvec![Some(input)], node)
    }

    fn push(&mut self, what: What<'a, 'g>, inputs: Values, node: &Node<'a>) -> Option<()> {
        let mut outputs = SmallVec::new();
        for index in 0..node.outputs.len() {
            outputs.push(match node.output(index) {
                Some(name) => Some(self.define(name)?),
                None => None,
            });
        }
        (!inputs.is_empty() && outputs.len() <= 3).then(|| self.drafts.push(Draft { what, inputs, outputs }))
    }

    fn define(&mut self, name: &'a [u8]) -> Option<usize> {
        let is_new = self.find(name).is_none() && self.graph.constant(name).is_none();
        is_new.then(|| {
            self.names.push(name);
            self.are_ids.push(false);
            self.names.len() - 1
        })
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        self.names.iter().position(|known| *known == name)
    }

    /// The value of floats that has this name.
    fn float(&self, name: &[u8]) -> Option<usize> {
        self.find(name).filter(|&value| !self.are_ids[value])
    }

    /// How many operators, and outputs of the model, read this value.
    fn uses(&self, name: &[u8]) -> usize {
        let inputs = self.graph.nodes.iter().flat_map(|node| &node.inputs).filter(|input| **input == name).count();
        inputs + self.outputs.iter().filter(|output| output.as_bytes() == name).count()
    }

    /// Packs the weights.
    fn pack(self, instructions: Instructions, outputs: &[usize]) -> Option<Vec<Step>> {
        // For each value the last step that reads it; outputs are read at the very end.
        let mut last = vec![0; self.names.len()];
        for (place, draft) in self.drafts.iter().enumerate() {
            draft.inputs.iter().flatten().for_each(|&value| last[value] = place);
        }
        for &value in outputs {
            last[value] = usize::MAX;
        }
        let pack = |(place, Draft { what, inputs, outputs }): (usize, Draft<'_, '_>)| {
            let is_last = inputs[0].is_some_and(|value| last[value] == place);
            Some(Step { operation: pack(instructions, what)?, inputs, outputs, is_last })
        };
        self.drafts.into_iter().enumerate().map(pack).collect()
    }
}

fn pack(instructions: Instructions, what: What<'_, '_>) -> Option<Operation> {
    match what {
        What::Ready(operation) => Some(operation),
        What::Rows(table) => {
            let width = table.shape[1];
            Some(Operation::Rows { table: table.floats()?.iter().map(|&number| float(number)).collect(), width })
        }
        What::Dense { weight, bias } => {
            let (inner, columns, numbers) = (weight.shape[0], weight.shape[1], weight.floats()?);
            let bias = bias.map_or(Some(&[][..]), Constant::floats)?;
            let width = instructions.width();
            let matrix = Matrix::pack(
                instructions,
                columns.div_ceil(width),
                &[Source { numbers, count: inner, row: columns, column: 1 }],
                |place| (place < columns).then_some(place),
                |column| bias.get(column).map_or(0.0, |&number| float(number)),
            );
            Some(Operation::Dense { matrix, inner, columns })
        }
        What::Lstm { input, recurrent, bias, table } => {
            let (inputs, hidden) = (input.shape[2], recurrent.shape[2]);
            let bias = match bias {
                Some(bias) => {
                    let (input, recurrent) = bias.floats()?.split_at(4 * hidden);
                    input.iter().zip(recurrent).map(|(&input, &recurrent)| float(input) + float(recurrent)).collect()
                }
                None => vec![0.0; 4 * hidden],
            };
            let weights = Weights { inputs, hidden, input: input.floats()?, recurrent: recurrent.floats()?, bias };
            let layer = match table {
                Some(table) => Layer::over_table(instructions, &weights, table.floats()?),
                None => Layer::new(instructions, &weights),
            };
            let rows = table.map(|table| table.shape[0]);
            Some(Operation::Lstm { layer, inputs, table: rows, hidden })
        }
    }
}

/// Whether a layer may read a table's product with its input weights in the place of the table: the product of a large
/// table would take more memory than the layer itself.
fn folds(table: &Constant<'_>, hidden: usize) -> bool {
    table.shape[0] <= table.shape[1].max(hidden)
}

fn float(number: [u8; 4]) -> f32 {
    f32::from_le_bytes(number)
}
