//! The engine's naive twin: an interpreter of the same operators with plain loops, after the definitions of ONNX.
//!
//! It is written for any [`Arithmetic`]. [`super::floats`] computes in `f64` with a bound of what `f32` may make of each number,
//! and [`super::integers`] as the engine computes int8 models, to the bit.

use std::collections::HashMap;

use lstm_engine::onnx_view::{Model, Node, Tensor};

use super::generator::{Given, Numbers};

pub type Result<T> = std::result::Result<T, String>;

/// In what products and cells are computed.
pub trait Arithmetic {
    type Number: Copy + Default;

    /// A number of an input or of a table.
    fn number(value: f32) -> Self::Number;

    /// Whether it has not overflowed, nor may have.
    fn is_moderate(_: Self::Number) -> bool {
        true
    }

    /// The sum of a gate: of the biases, the input's product and the hidden state's.
    fn gate(inputs: Factor<'_, Self::Number>, states: Factor<'_, Self::Number>, bias: [f32; 2])
    -> Result<Self::Number>;

    /// The next cell and hidden state, from the gates in ONNX' order and the cell state before.
    fn cell(gates: [Self::Number; 4], cell: Self::Number) -> [Self::Number; 2];

    /// A number of a product without a bias.
    fn product(factor: Factor<'_, Self::Number>) -> Result<Self::Number>;

    /// A number of a product and its bias.
    fn add_bias(product: Self::Number, bias: f32) -> Self::Number;
}

/// A row of numbers, and the column of weights that it is multiplied with.
#[derive(Clone, Copy)]
pub struct Factor<'a, N> {
    pub numbers: &'a [N],
    pub reads: Reads,
    weights: &'a Constant,
    column: usize,
    /// Distances between neighbours: of the same column, and of the same row.
    strides: [usize; 2],
}

impl<N> Factor<'_, N> {
    fn places(&self) -> impl Iterator<Item = usize> {
        let first = self.column * self.strides[1];
        (first..).step_by(self.strides[0]).take(self.numbers.len())
    }

    pub fn floats(&self) -> impl Iterator<Item = f32> {
        self.places().map(|place| self.weights.floats[place])
    }

    /// The bytes of the weights and the scale of the column, if each column has one.
    pub fn bytes(&self) -> Option<(impl Iterator<Item = i8>, f32)> {
        let Bytes { numbers, scales, axis } = self.weights.bytes.as_ref()?;
        (*axis == Some(1)).then(|| (self.places().map(|place| numbers[place]), scales[self.column]))
    }
}

/// What an operator reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// Any numbers.
    Numbers,
    /// Hidden states of a layer, or a view of them.
    States,
    /// Rows of a table of so many rows and nonzero numbers.
    Rows { rows: usize, nonzeros: usize },
    /// Such rows, by a layer whose product with the whole table is computed in advance.
    Table,
}

/// A tensor of numbers.
#[derive(Debug, Clone)]
pub struct Floats<N> {
    pub shape: Vec<usize>,
    pub numbers: Vec<N>,
    reads: Reads,
}

impl<N> Floats<N> {
    fn new(shape: Vec<usize>, numbers: Vec<N>) -> Self {
        Self { shape, numbers, reads: Reads::Numbers }
    }

    /// Numbers along all axes but the first.
    fn stride(&self) -> usize {
        self.shape[1..].iter().product()
    }
}

impl<N: Clone> Floats<N> {
    /// A view: of hidden states, these are hidden states too.
    fn view(&self) -> Self {
        let reads = if self.reads == Reads::States { Reads::States } else { Reads::Numbers };
        Self { reads, ..self.clone() }
    }
}

enum Value<'i, N> {
    Floats(Floats<N>),
    Ids(&'i [usize], Vec<i64>),
}

/// Runs a graph. The outputs, and whether no number on the way was so large that it may overflow.
pub fn run<A: Arithmetic>(model: &Model<'_>, inputs: &[Given]) -> Result<(Vec<Floats<A::Number>>, bool)> {
    let graph = &model.graph;
    let mut constants: HashMap<&str, Constant> =
        graph.initializers.iter().map(|tensor| (tensor.name, Constant::of(tensor))).collect();
    let mut uses: HashMap<&str, usize> = HashMap::new();
    let read = graph.nodes.iter().flat_map(|node| node.inputs.iter().copied());
    for name in read.chain(graph.outputs.iter().map(|output| output.name)) {
        *uses.entry(name).or_default() += 1;
    }
    let mut values: HashMap<&str, Value<'_, A::Number>> = HashMap::new();
    for (port, given) in graph.inputs.iter().zip(inputs) {
        let value = match &given.numbers {
            Numbers::Floats(floats) => {
                let numbers = floats.iter().map(|&float| A::number(float)).collect();
                Value::Floats(Floats::new(given.shape.clone(), numbers))
            }
            Numbers::Longs(ids) => Value::Ids(&given.shape, ids.clone()),
            Numbers::Integers(ids) => Value::Ids(&given.shape, ids.iter().map(|&id| id.into()).collect()),
        };
        values.insert(port.name, value);
    }
    let mut is_moderate = true;
    for node in &graph.nodes {
        if node.operator == "Constant" {
            let tensor = node.attribute("value").and_then(|value| value.tensor.as_deref());
            constants.insert(node.output(0).ok_or("no output")?, Constant::of(tensor.ok_or("no tensor")?));
            continue;
        }
        if node.operator == "DequantizeLinear" {
            let constant = dequantize(node, &constants)?;
            constants.insert(node.output(0).ok_or("no output")?, constant);
            continue;
        }
        let scope = Scope::<A> { node, constants: &constants, uses: &uses, values: &values };
        let outputs = scope.run()?;
        for (index, output) in outputs.into_iter().enumerate() {
            is_moderate &= output.numbers.iter().all(|&number| A::is_moderate(number));
            if let Some(name) = node.output(index) {
                values.insert(name, Value::Floats(output));
            }
        }
    }
    let outputs = graph.outputs.iter().map(|output| match values.get(output.name) {
        Some(Value::Floats(floats)) => Ok(floats.clone()),
        _ => Err(format!("no output {:?}", output.name)),
    });
    Ok((outputs.collect::<Result<_>>()?, is_moderate))
}

/// A constant: floats, integers or bytes; or bytes and what they stand for.
struct Constant {
    shape: Vec<usize>,
    floats: Vec<f32>,
    integers: Option<Vec<i64>>,
    bytes: Option<Bytes>,
}

struct Bytes {
    numbers: Vec<i8>,
    scales: Vec<f32>,
    /// The axis that has a scale for each place. None if one scale is for all.
    axis: Option<usize>,
}

impl Constant {
    fn of(tensor: &Tensor<'_>) -> Self {
        let floats = tensor.floats().unwrap_or_default().iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        let bytes = tensor.bytes().map(|bytes| bytes.iter().map(|&byte| byte as i8).collect());
        let bytes = bytes.map(|numbers| Bytes { numbers, scales: Vec::new(), axis: None });
        Self { shape: tensor.shape.clone(), floats, integers: tensor.integers(), bytes }
    }
}

/// Bytes times scales, rounded to `f32` as an engine that computes in floats does.
fn dequantize(node: &Node<'_>, constants: &HashMap<&str, Constant>) -> Result<Constant> {
    let constant = |index| node.input(index).and_then(|name| constants.get(name)).ok_or("a constant is missing");
    let (tensor, scales) = (constant(0)?, constant(1)?.floats.clone());
    let numbers = tensor.bytes.as_ref().ok_or("no bytes")?.numbers.clone();
    let axis = node.attribute("axis").map_or(1, |axis| axis.integer);
    let axis = if axis < 0 { axis + tensor.shape.len() as i64 } else { axis } as usize;
    let axis = (scales.len() != 1).then_some(axis);
    let scale = |index: usize| {
        let inner: usize = axis.map_or(1, |axis| tensor.shape[axis + 1..].iter().product());
        scales[axis.map_or(0, |axis| index / inner % tensor.shape[axis])]
    };
    let floats = numbers.iter().enumerate().map(|(index, &byte)| f32::from(byte) * scale(index)).collect();
    Ok(Constant { shape: tensor.shape.clone(), floats, integers: None, bytes: Some(Bytes { numbers, scales, axis }) })
}

/// What an operator sees.
struct Scope<'s, 'a, 'i, A: Arithmetic> {
    node: &'s Node<'a>,
    constants: &'s HashMap<&'a str, Constant>,
    /// How many operators, and outputs of the model, read each name.
    uses: &'s HashMap<&'a str, usize>,
    values: &'s HashMap<&'a str, Value<'i, A::Number>>,
}

impl<A: Arithmetic> Scope<'_, '_, '_, A> {
    fn run(&self) -> Result<Vec<Floats<A::Number>>> {
        match self.node.operator {
            "LSTM" => self.lstm(),
            "MatMul" => Ok(vec![self.product()?]),
            "Add" => Ok(vec![self.sum()?]),
            "Gather" => Ok(vec![self.gather()?]),
            "Split" => self.split(),
            "Concat" => Ok(vec![self.concat()?]),
            "Squeeze" => Ok(vec![self.squeeze()?]),
            "Unsqueeze" => Ok(vec![self.unsqueeze()?]),
            "Identity" => Ok(vec![self.floats(0)?.view()]),
            operator => Err(format!("the operator {operator}")),
        }
    }

    fn floats(&self, index: usize) -> Result<&Floats<A::Number>> {
        match self.node.input(index).and_then(|name| self.values.get(name)) {
            Some(Value::Floats(floats)) => Ok(floats),
            _ => Err(format!("{}: no floats at {index}", self.node.operator)),
        }
    }

    fn is_constant(&self, index: usize) -> bool {
        self.node.input(index).is_some_and(|name| self.constants.contains_key(name))
    }

    /// A constant of floats.
    fn constant(&self, index: usize) -> Result<&Constant> {
        let constant = self.node.input(index).and_then(|name| self.constants.get(name));
        let constant = constant.ok_or_else(|| format!("{}: no constant at {index}", self.node.operator))?;
        let count: usize = constant.shape.iter().product();
        if constant.floats.len() == count { Ok(constant) } else { Err("a constant that is no float".into()) }
    }

    /// Integers of the second input, or of an attribute.
    fn integers(&self, attribute: &str) -> Result<Option<Vec<i64>>> {
        if let Some(name) = self.node.input(1) {
            let constant = self.constants.get(name).ok_or("integers that are not constant")?;
            return constant.integers.clone().map(Some).ok_or("integers of another type".into());
        }
        Ok(self.node.attribute(attribute).map(|attribute| attribute.integers.clone()))
    }

    /// Whether the engine multiplies a layer's input weights with all rows of the table that it reads, when it opens the model.
    fn folds(&self, input: &Floats<A::Number>, width: usize, hidden: usize) -> bool {
        let Reads::Rows { rows, nonzeros } = input.reads else { return false };
        let weights = self.constant(1).map_or(&[][..], |weights| &weights.floats);
        let is_identity = weights.len() == width * width
            && weights
                .iter()
                .enumerate()
                .all(|(place, &weight)| weight.to_bits() == f32::from(place % (width + 1) == 0).to_bits());
        let is_small = rows * 4 * hidden <= rows * width + weights.len() || rows <= hidden;
        let is_alone = self.node.input(0).and_then(|name| self.uses.get(name)) == Some(&1);
        is_alone && is_small && (nonzeros <= rows || is_identity || rows <= width.max(hidden))
    }

    fn lstm(&self) -> Result<Vec<Floats<A::Number>>> {
        let input = self.floats(0)?;
        let (weights, recurrent) = (self.constant(1)?, self.constant(2)?);
        let (&[1, rows, width], &[1, _, hidden]) = (&*weights.shape, &*recurrent.shape) else {
            return Err("weights".into());
        };
        let &[time, batch, found] = &*input.shape else { return Err("the rank of an LSTM's input".into()) };
        if rows != 4 * hidden || recurrent.floats.len() != rows * hidden || found != width || time == 0 || batch == 0 {
            return Err("the sizes of an LSTM".into());
        }
        let bias = if self.node.input(3).is_some() { self.constant(3)?.floats.clone() } else { vec![0.0; 2 * rows] };
        let state = |index: usize| -> Result<Vec<A::Number>> {
            if self.node.input(index).is_none() {
                return Ok(vec![A::number(0.0); batch * hidden]);
            }
            let state = self.floats(index)?;
            if state.shape != [1, batch, hidden] {
                return Err("the shape of a state".into());
            }
            Ok(state.numbers.clone())
        };
        let (mut h, mut c) = (state(5)?, state(6)?);
        let reads = if self.folds(input, width, hidden) { Reads::Table } else { input.reads };
        let mut sequence = Vec::new();
        for step in 0..time {
            for one in 0..batch {
                let numbers = &input.numbers[(step * batch + one) * width..][..width];
                let before = h[one * hidden..][..hidden].to_vec();
                let gate = |column: usize| {
                    let inputs = Factor { numbers, reads, weights, column, strides: [1, width] };
                    let states = Factor {
                        numbers: &before[..],
                        reads: Reads::States,
                        weights: recurrent,
                        column,
                        strides: [1, hidden],
                    };
                    A::gate(inputs, states, [bias[column], bias[rows + column]])
                };
                for unit in 0..hidden {
                    let gates = [gate(unit)?, gate(hidden + unit)?, gate(2 * hidden + unit)?, gate(3 * hidden + unit)?];
                    let place = one * hidden + unit;
                    [c[place], h[place]] = A::cell(gates, c[place]);
                }
            }
            sequence.extend_from_slice(&h);
        }
        let last = vec![1, batch, hidden];
        Ok(vec![
            Floats { shape: vec![time, 1, batch, hidden], numbers: sequence, reads: Reads::States },
            Floats { shape: last.clone(), numbers: h, reads: Reads::States },
            Floats::new(last, c),
        ])
    }

    fn product(&self) -> Result<Floats<A::Number>> {
        let (input, weights) = (self.floats(0)?, self.constant(1)?);
        let (&[inner, columns], Some((&last, outer))) = (&*weights.shape, input.shape.split_last()) else {
            return Err("the ranks of a product".into());
        };
        if last != inner || inner == 0 {
            return Err("the sizes of a product".into());
        }
        let mut products = Vec::new();
        for numbers in input.numbers.chunks_exact(inner) {
            for column in 0..columns {
                let strides = [columns, 1];
                products.push(A::product(Factor { numbers, reads: input.reads, weights, column, strides })?);
            }
        }
        Ok(Floats::new([outer, &[columns]].concat(), products))
    }

    /// A value and a constant row.
    fn sum(&self) -> Result<Floats<A::Number>> {
        let (mut sum, bias) = if self.is_constant(1) {
            (self.floats(0)?.clone(), self.constant(1)?)
        } else {
            (self.floats(1)?.clone(), self.constant(0)?)
        };
        let bias = if bias.shape.len() == 1 { &bias.floats } else { return Err("the rank of a bias".into()) };
        if sum.shape.last() != Some(&bias.len()) || bias.is_empty() {
            return Err("the shape of a bias".into());
        }
        for row in sum.numbers.chunks_exact_mut(bias.len()) {
            for (number, &bias) in row.iter_mut().zip(bias) {
                *number = A::add_bias(*number, bias);
            }
        }
        Ok(sum)
    }

    fn gather(&self) -> Result<Floats<A::Number>> {
        let place = |index: i64, rows: usize| {
            let index = if index < 0 { index + rows as i64 } else { index };
            usize::try_from(index).ok().filter(|&index| index < rows).ok_or("an index outside")
        };
        if self.is_constant(0) {
            let Constant { shape, floats: table, .. } = self.constant(0)?;
            let Some(Value::Ids(ids_shape, ids)) = self.node.input(1).and_then(|name| self.values.get(name)) else {
                return Err("no ids".into());
            };
            let &[rows, width] = &**shape else { return Err("the rank of a table".into()) };
            let mut numbers = Vec::new();
            for &id in ids {
                let row = &table[place(id, rows)? * width..][..width];
                numbers.extend(row.iter().map(|&value| A::number(value)));
            }
            let nonzeros = table.iter().filter(|&&number| number != 0.0).count();
            let shape = [*ids_shape, &[width]].concat();
            return Ok(Floats { shape, numbers, reads: Reads::Rows { rows, nonzeros } });
        }
        let input = self.floats(0)?;
        let integers = self.integers("")?.ok_or("no index")?;
        let (&[index], Some(&whole)) = (&*integers, input.shape.first()) else { return Err("no single index".into()) };
        Ok(part(input, place(index, whole)?, 1))
    }

    fn split(&self) -> Result<Vec<Floats<A::Number>>> {
        let (input, count) = (self.floats(0)?, self.node.outputs.len());
        let whole = *input.shape.first().ok_or("a split of one number")?;
        let lengths: Vec<usize> = match self.integers("split")? {
            Some(lengths) => lengths
                .into_iter()
                .map(usize::try_from)
                .collect::<std::result::Result<_, _>>()
                .map_err(|_| "a length")?,
            None if count > 0 && whole.is_multiple_of(count) => vec![whole / count; count],
            None => return Err("an uneven split".into()),
        };
        let mut start = 0_usize;
        let mut parts = Vec::new();
        for length in lengths {
            if start.checked_add(length).is_none_or(|end| end > whole) {
                return Err("a split beyond the end".into());
            }
            parts.push(part(input, start, length));
            start += length;
        }
        if start == whole && parts.len() == count { Ok(parts) } else { Err("a split of a part".into()) }
    }

    fn concat(&self) -> Result<Floats<A::Number>> {
        let mut whole = Floats { reads: Reads::Numbers, ..self.floats(0)?.clone() };
        for index in 1..self.node.inputs.len() {
            let next = self.floats(index)?;
            if whole.shape.is_empty() || next.shape.len() != whole.shape.len() || next.shape[1..] != whole.shape[1..] {
                return Err("shapes that cannot be joined".into());
            }
            whole.shape[0] += next.shape[0];
            whole.numbers.extend_from_slice(&next.numbers);
        }
        Ok(whole)
    }

    fn squeeze(&self) -> Result<Floats<A::Number>> {
        let mut value = self.floats(0)?.view();
        let axes = self.integers("axes")?.ok_or("no axes")?;
        let mut axes = resolve(&axes, value.shape.len())?;
        axes.reverse();
        for axis in axes {
            if value.shape.remove(axis) != 1 {
                return Err("an axis that is not 1".into());
            }
        }
        Ok(value)
    }

    fn unsqueeze(&self) -> Result<Floats<A::Number>> {
        let mut value = self.floats(0)?.view();
        let axes = self.integers("axes")?.ok_or("no axes")?;
        for axis in resolve(&axes, value.shape.len() + axes.len())? {
            value.shape.insert(axis, 1);
        }
        Ok(value)
    }
}

/// Axes counted from the front, in order.
fn resolve(axes: &[i64], rank: usize) -> Result<Vec<usize>> {
    let mut resolved = Vec::new();
    for &axis in axes {
        let axis = if axis < 0 { axis.checked_add(rank as i64).ok_or("an axis")? } else { axis };
        resolved.push(usize::try_from(axis).ok().filter(|&axis| axis < rank).ok_or("an axis outside")?);
    }
    resolved.sort_unstable();
    let count = resolved.len();
    resolved.dedup();
    if resolved.len() == count { Ok(resolved) } else { Err("an axis twice".into()) }
}

fn part<N: Clone>(value: &Floats<N>, start: usize, length: usize) -> Floats<N> {
    let stride = value.stride();
    let mut shape = value.shape.clone();
    shape[0] = length;
    let numbers = value.numbers[start * stride..][..length * stride].to_vec();
    Floats { shape, numbers, ..value.view() }
}
