//! Which operators are understood, and which go together.

use std::collections::HashMap;

use kernels::inference::Number;
use onnx_view::{Model, Node, Port, PortType, Tensor, shortened};
use smallvec::smallvec;

use crate::{
    error::{Error, Result},
    fold::{MOST_WORK, folds},
    limits::MOST_PACKED,
    plan::{Operation, Part, Values},
    weights::Weights,
};

/// Axes of a squeeze that are more than any tensor has.
const MOST_AXES: usize = 64;

/// Something that is understood, or the reason why it is not.
type Understood<T = ()> = std::result::Result<T, &'static str>;

/// An operator that is understood, before its weights are packed.
pub(crate) enum Draft<'a, 'm> {
    Rows(Weights<'a, 'm>),
    Lstm {
        input: Weights<'a, 'm>,
        recurrent: Weights<'a, 'm>,
        bias: Option<Weights<'a, 'm>>,
        /// The table whose rows it reads.
        table: Option<Weights<'a, 'm>>,
    },
    Dense {
        weight: Weights<'a, 'm>,
        bias: Option<Weights<'a, 'm>>,
    },
    Ready(Operation),
    /// A table that the layer which reads it has taken in.
    Folded,
}

/// A step before its weights are packed.
pub(crate) struct DraftStep<'a, 'm> {
    pub(crate) draft: Draft<'a, 'm>,
    pub(crate) inputs: Values,
    pub(crate) outputs: Values,
}

/// What is known of a value.
#[derive(Clone, Copy)]
pub(crate) struct Known {
    /// Whether it holds ids, and not floats.
    is_ids: bool,
    /// Whether it is an input or a view of one.
    is_input: bool,
    /// Whether it holds hidden states, which lie between -1 and 1.
    pub(crate) is_hidden: bool,
    /// The step that makes it.
    maker: usize,
}

impl Known {
    /// An input, which no step makes.
    const fn input(is_ids: bool) -> Self {
        Self { is_ids, is_input: true, is_hidden: false, maker: usize::MAX }
    }

    /// What a step writes to memory of its own.
    const fn made(maker: usize) -> Self {
        Self { is_ids: false, is_input: false, is_hidden: false, maker }
    }
}

pub(crate) struct Compiler<'a, 'm> {
    constants: HashMap<&'a str, &'m Tensor<'a>>,
    /// What `DequantizeLinear` makes.
    dequantized: HashMap<&'a str, Weights<'a, 'm>>,
    /// Numbers of weights that may still be packed.
    budget: usize,
    /// Numbers of floats in the file.
    pub(crate) numbers: usize,
    /// Multiplications that products computed in advance may still take.
    work: usize,
    /// How many operators, and outputs of the model, read each name.
    uses: HashMap<&'a str, usize>,
    values: HashMap<&'a str, usize>,
    pub(crate) known: Vec<Known>,
    pub(crate) steps: Vec<DraftStep<'a, 'm>>,
}

impl<'a, 'm> Compiler<'a, 'm> {
    pub(crate) fn new(model: &'m Model<'a>) -> Result<Self> {
        let graph = &model.graph;
        let constants = graph.initializers.iter().map(|tensor| (tensor.name, tensor)).collect();
        let attributes = graph.nodes.iter().flat_map(|node| &node.attributes);
        let tensors = graph.initializers.iter().chain(attributes.filter_map(|attribute| attribute.tensor.as_deref()));
        // A byte is a float once it is dequantized.
        let length = |tensor: &Tensor<'_>| match tensor.element {
            1 => tensor.floats().map_or(0, <[Number]>::len),
            3 => tensor.bytes().map_or(0, <[u8]>::len),
            _ => 0,
        };
        let numbers: usize = tensors.map(length).sum();
        let budget = MOST_PACKED * numbers;
        let mut uses: HashMap<&str, usize> = HashMap::new();
        let read = graph.nodes.iter().flat_map(|node| node.inputs.iter().copied());
        for name in read.chain(graph.outputs.iter().map(|output| output.name)) {
            *uses.entry(name).or_default() += 1;
        }
        let (values, known, steps) = (HashMap::new(), Vec::new(), Vec::new());
        let dequantized = HashMap::new();
        let mut compiler =
            Self { constants, dequantized, budget, numbers, work: MOST_WORK, uses, values, known, steps };
        for input in &graph.inputs {
            let is_ids = match input.kind {
                PortType::Tensor { element: 1, .. } => false,
                PortType::Tensor { element: 6 | 7, .. } => true,
                _ => {
                    return Err(Error::Graph(format!(
                        "its input {:?} holds neither floats nor ids",
                        shortened(input.name)
                    )));
                }
            };
            compiler
                .define(input.name, Known::input(is_ids))
                .map_err(|reason| Error::Graph(format!("{:?}: {reason}", shortened(input.name))))?;
        }
        Ok(compiler)
    }

    pub(crate) fn add(&mut self, node: &'m Node<'a>) -> Understood {
        if !node.is_standard() {
            return Err("it is not one of ONNX's own operators");
        }
        let along_first = || {
            let is_first = node.attribute("axis").is_none_or(|axis| axis.integer == 0);
            if is_first { Ok(()) } else { Err("its axis is not the first") }
        };
        match node.operator {
            "LSTM" => self.add_lstm(node),
            "MatMul" => {
                let weight = self.weights(node, 1)?;
                if weight.shape().len() != 2 {
                    return Err("its weights are no matrix");
                }
                let input = self.float(node, 0)?;
                self.push(Draft::Dense { weight, bias: None }, smallvec![Some(input)], node)
            }
            "DequantizeLinear" => self.add_dequantized(node),
            "Add" => self.add_bias(node),
            "Gather" => along_first().and_then(|()| self.add_gather(node)),
            "Split" => along_first().and_then(|()| self.add_split(node)),
            "Concat" => {
                along_first()?;
                let parts = (0..node.inputs.len()).map(|index| self.float(node, index).map(Some));
                let parts = parts.collect::<Understood<Values>>()?;
                self.push(Draft::Ready(Operation::Concat), parts, node)
            }
            "Squeeze" => self.push_view(Operation::Squeeze(self.integers(node, "axes")?), node),
            "Unsqueeze" => self.push_view(Operation::Unsqueeze(self.integers(node, "axes")?), node),
            "Identity" => self.push_view(Operation::Identity, node),
            "Constant" => {
                let tensor = node.attribute("value").and_then(|value| value.tensor.as_deref());
                let name = node.output(0).ok_or("it has no output")?;
                if !self.is_new(name) {
                    return Err("its output has the name of another value");
                }
                self.constants.insert(name, tensor.ok_or("its value is no tensor")?);
                Ok(())
            }
            _ => Err("the engine does not know it"),
        }
    }

    fn add_lstm(&mut self, node: &'m Node<'a>) -> Understood {
        let is_plain = node.attributes.iter().all(|attribute| match attribute.name {
            "hidden_size" => true, // compared with the weights below
            "direction" => attribute.text == b"forward",
            "layout" | "input_forget" => attribute.integer == 0,
            "activations" => attribute.texts == [&b"Sigmoid"[..], b"Tanh", b"Tanh"],
            _ => false,
        });
        if !is_plain {
            return Err("it has another direction, layout or activation than the usual one, or clips");
        }
        if node.input(4).is_some() || node.input(7).is_some() {
            return Err("it has lengths of sequences or peepholes");
        }
        let (input, recurrent) = (self.weights(node, 1)?, self.weights(node, 2)?);
        let bias = if node.input(3).is_some() { Some(self.weights(node, 3)?) } else { None };
        let (&[1, rows, width], &[1, same, hidden]) = (input.shape(), recurrent.shape()) else {
            return Err("its weights have not the shapes of one direction");
        };
        let says = node.attribute("hidden_size").map(|size| size.integer);
        let fits = hidden.checked_mul(4) == Some(rows)
            && same == rows
            && says.is_none_or(|says| says == hidden as i64)
            && bias.is_none_or(|bias| bias.shape() == [1, 2 * rows]);
        if !fits {
            return Err("its weights do not go together");
        }
        let mut inputs: Values = smallvec![Some(self.float(node, 0)?)];
        for index in [5, 6] {
            inputs.push(if node.input(index).is_some() { Some(self.float(node, index)?) } else { None });
        }
        // A layer that alone reads the rows of a table may read the ids.
        let is_alone = node.input(0).and_then(|name| self.uses.get(name)) == Some(&1);
        let maker = inputs[0].and_then(|value| self.steps.get_mut(self.known[value].maker)).filter(|_| is_alone);
        let table = match maker {
            Some(DraftStep { draft, inputs: ids, .. }) => match draft {
                Draft::Rows(table) if table.shape()[1] == width && folds(table, &input, hidden, &mut self.work) => {
                    let table = *table;
                    *draft = Draft::Folded;
                    inputs[0] = ids[0];
                    Some(table)
                }
                _ => None,
            },
            None => None,
        };
        self.push(Draft::Lstm { input, recurrent, bias, table }, inputs, node)?;
        for name in [node.output(0), node.output(1)].into_iter().flatten() {
            if let Some(value) = self.values.get(name) {
                self.known[*value].is_hidden = true;
            }
        }
        Ok(())
    }

    /// Rows of a table, or one part of a state.
    fn add_gather(&mut self, node: &'m Node<'a>) -> Understood {
        if node.input(0).is_some_and(|name| self.is_constant(name)) {
            let table = self.weights(node, 0)?;
            let ids = node.input(1).and_then(|name| self.values.get(name)).copied();
            let ids = ids.filter(|&ids| self.known[ids].is_ids).ok_or("it looks up by what is no input of ids")?;
            if table.shape().len() != 2 {
                return Err("its table is no matrix");
            }
            return self.push(Draft::Rows(table), smallvec![Some(ids)], node);
        }
        let index = node.input(1).and_then(|name| self.constants.get(name));
        match index.map(|index| (index.integers(), &*index.shape)) {
            Some((Some(index), [1])) => self.push_view(Operation::Part(Part::One(index[0])), node),
            _ => Err("it takes other parts of a state than one by a constant"),
        }
    }

    /// A constant that is added to a product that nothing else reads is its bias.
    fn add_bias(&mut self, node: &'m Node<'a>) -> Understood {
        let bias_is_second = node.input(1).is_some_and(|name| self.is_constant(name));
        let (product, bias) = if bias_is_second { (0, self.weights(node, 1)?) } else { (1, self.weights(node, 0)?) };
        let made = self.float(node, product)?;
        let name = node.input(product).ok_or("an input is left out")?;
        let is_alone = self.uses.get(name) == Some(&1);
        let output = node.output(0).filter(|name| self.is_new(name)).ok_or("its output is not wanted or not new")?;
        match self.steps.get_mut(self.known[made].maker) {
            Some(DraftStep { draft: Draft::Dense { weight, bias: slot @ None }, .. })
                if is_alone && bias.shape() == &weight.shape()[1..] =>
            {
                *slot = Some(bias);
            }
            _ => return Err("it adds something else than a bias to a product"),
        }
        self.values.remove(name);
        self.values.insert(output, made);
        Ok(())
    }

    fn add_split(&mut self, node: &'m Node<'a>) -> Understood {
        let value = self.float(node, 0)?;
        let of = node.outputs.len();
        let is_even = node.input(1).is_none() && node.attribute("split").is_none();
        let lengths = if is_even { Vec::new() } else { self.integers(node, "split")? };
        if !is_even && lengths.len() != of {
            return Err("it has not as many lengths as outputs");
        }
        if of == 0 {
            return Err("it has no outputs");
        }
        let lengths = lengths.into_iter().map(usize::try_from).collect::<std::result::Result<Vec<_>, _>>();
        let lengths = lengths.map_err(|_| "a length is negative")?;
        let whole = lengths.iter().try_fold(0_usize, |whole, &len| whole.checked_add(len));
        let whole = whole.ok_or("a length is too large")?;
        let mut start = 0;
        for (index, &name) in node.outputs.iter().enumerate() {
            let part = if is_even {
                Part::Equal { index, of }
            } else {
                let part = Part::Range { start, len: lengths[index], whole };
                start += lengths[index];
                part
            };
            let output = self.define(name, self.view_of(value))?;
            let draft = Draft::Ready(Operation::Part(part));
            self.steps.push(DraftStep { draft, inputs: smallvec![Some(value)], outputs: smallvec![Some(output)] });
        }
        Ok(())
    }

    /// The integers of a constant input (the second), or of an attribute, as in older versions.
    fn integers(&self, node: &Node<'a>, attribute: &str) -> Understood<Vec<i64>> {
        let fits = |count: Option<&usize>| count.is_some_and(|&count| count <= MOST_AXES.max(node.outputs.len()));
        let integers = if let Some(name) = node.input(1) {
            let constant = self.constants.get(name).filter(|constant| fits(constant.shape.first()));
            constant.and_then(|constant| constant.integers())
        } else {
            let integers = node.attribute(attribute).map(|attribute| &attribute.integers);
            integers.filter(|integers| fits(Some(&integers.len()))).cloned()
        };
        integers.filter(|integers| !integers.is_empty()).ok_or("its axes or lengths are not constant")
    }

    /// Bytes and their scales become weights.
    fn add_dequantized(&mut self, node: &'m Node<'a>) -> Understood {
        let constant = |index: usize| node.input(index).map(|name| self.constants.get(name).copied());
        let (tensor, scale) = (constant(0).flatten(), constant(1).flatten());
        let (tensor, scale) = tensor.zip(scale).ok_or("its bytes or scales are not constant")?;
        let zero_point = constant(2).map(|zero| zero.ok_or("its zero point is not constant")).transpose()?;
        let weights = Weights::dequantized(node, tensor, scale, zero_point)?;
        let name = node.output(0).filter(|name| self.is_new(name)).ok_or("its output is not wanted or not new")?;
        self.dequantized.insert(name, weights);
        Ok(())
    }

    /// Constant weights with at least one number, which the operator packs.
    fn weights(&mut self, node: &Node<'a>, index: usize) -> Understood<Weights<'a, 'm>> {
        let name = node.input(index).ok_or("its weights are not constant")?;
        let weights = match (self.dequantized.get(name), self.constants.get(name)) {
            (Some(weights), _) => *weights,
            (None, Some(tensor)) => Weights::floats_of(tensor).ok_or("its weights are not stored as 32-bit floats")?,
            (None, None) => return Err("its weights are not constant"),
        };
        if weights.shape().contains(&0) {
            return Err("its weights have a dimension of 0");
        }
        self.budget =
            self.budget.checked_sub(weights.len()).ok_or("too many operators before it have the same weights")?;
        Ok(weights)
    }

    /// The value of floats that an input names.
    fn float(&self, node: &Node<'a>, index: usize) -> Understood<usize> {
        let value = node.input(index).and_then(|name| self.values.get(name)).copied();
        value.filter(|&value| !self.known[value].is_ids).ok_or("an input is no float, or no operator before makes it")
    }

    fn is_new(&self, name: &str) -> bool {
        !self.values.contains_key(name) && !self.is_constant(name)
    }

    fn is_constant(&self, name: &str) -> bool {
        self.constants.contains_key(name) || self.dequantized.contains_key(name)
    }

    fn define(&mut self, name: &'a str, known: Known) -> Understood<usize> {
        if name.is_empty() || !self.is_new(name) {
            return Err("a value has no name, or that of another");
        }
        self.values.insert(name, self.known.len());
        self.known.push(known);
        Ok(self.known.len() - 1)
    }

    /// What is known of a view that the next step makes of a value.
    fn view_of(&self, value: usize) -> Known {
        Known { maker: self.steps.len(), ..self.known[value] }
    }

    /// A step whose output is a view of its input.
    fn push_view(&mut self, operation: Operation, node: &'m Node<'a>) -> Understood {
        let input = self.float(node, 0)?;
        let output = self.define(node.output(0).ok_or("it has no output")?, self.view_of(input))?;
        let draft = Draft::Ready(operation);
        self.steps.push(DraftStep { draft, inputs: smallvec![Some(input)], outputs: smallvec![Some(output)] });
        Ok(())
    }

    fn push(&mut self, draft: Draft<'a, 'm>, inputs: Values, node: &'m Node<'a>) -> Understood {
        let most = if matches!(draft, Draft::Lstm { .. }) { 3 } else { 1 };
        let is_wanted = most > 1 || node.output(0).is_some();
        if inputs.is_empty() || !(1..=most).contains(&node.outputs.len()) || !is_wanted {
            return Err("it has no inputs, no outputs, or too many outputs");
        }
        let known = Known::made(self.steps.len());
        let mut outputs = Values::new();
        for index in 0..node.outputs.len() {
            outputs.push(node.output(index).map(|name| self.define(name, known)).transpose()?);
        }
        self.steps.push(DraftStep { draft, inputs, outputs });
        Ok(())
    }

    /// The value of an output of the model. One that is a view of an input is copied: the input is gone after a run.
    pub(crate) fn output(&mut self, output: &Port<'a>) -> Result<usize> {
        let value = self.values.get(output.name).copied().filter(|&value| !self.known[value].is_ids);
        let value = value.filter(|_| matches!(output.kind, PortType::Tensor { element: 1, .. }));
        let Some(value) = value else {
            return Err(Error::Graph(format!(
                "no operator makes its output {:?}, or it is no float",
                shortened(output.name)
            )));
        };
        if !self.known[value].is_input {
            return Ok(value);
        }
        self.known.push(Known::made(self.steps.len()));
        let copy = self.known.len() - 1;
        let draft = Draft::Ready(Operation::Concat);
        self.steps.push(DraftStep { draft, inputs: smallvec![Some(value)], outputs: smallvec![Some(copy)] });
        Ok(copy)
    }
}
