//! The engine's naive twin: an interpreter of the same operators in `f64`, with plain loops, after the definitions of ONNX.
//!
//! Beside each number it carries a bound of what `f32` arithmetic may make of it, to the first order: a sum of k products
//! adds k + 2 roundings of the sum of their sizes, an activation its stated error, and every operator passes the errors of
//! its operands on. The engine has to stay within [`SLACK`] times that bound.

use std::collections::HashMap;

use lstm_engine::onnx_view::{Model, Node, Tensor};

use super::generator::{Given, Numbers};

/// How much larger than the first-order bound an error may be.
pub const SLACK: f64 = 4.0;
/// Largest relative error of one rounding to `f32`.
const ROUNDING: f64 = 1.0 / (1 << 24) as f64;
/// Largest absolute error of the kernels' activations, whose own tests measure 1.2e-7 and 3.6e-7.
const ACTIVATION: f64 = 4e-7;
/// Roundings of a sum that starts from a bias: of as many products as a generated matrix has rows at most, and two more.
const BIASED: f64 = 11.0;
/// Numbers so large may overflow in `f32`: nothing is compared then.
const LARGE: f64 = 1e30;

type Result<T> = std::result::Result<T, String>;

/// A number, and how far `f32` arithmetic may be off.
#[derive(Debug, Clone, Copy, Default)]
pub struct Number {
    pub value: f64,
    pub error: f64,
}

/// A tensor of numbers.
#[derive(Debug, Clone)]
pub struct Floats {
    pub shape: Vec<usize>,
    pub numbers: Vec<Number>,
}

impl Floats {
    /// Whether nothing in it has overflowed or may have.
    pub fn is_moderate(&self) -> bool {
        self.numbers.iter().all(|number| number.value.abs() < LARGE && number.error < LARGE)
    }

    /// Numbers along all axes but the first.
    fn stride(&self) -> usize {
        self.shape[1..].iter().product()
    }
}

enum Value<'i> {
    Floats(Floats),
    Ids(&'i [usize], Vec<i64>),
}

/// Runs a graph. The outputs, and whether no number on the way was so large that `f32` may overflow.
pub fn run(model: &Model<'_>, inputs: &[Given]) -> Result<(Vec<Floats>, bool)> {
    let graph = &model.graph;
    let mut constants: HashMap<&str, &Tensor<'_>> =
        graph.initializers.iter().map(|tensor| (tensor.name, tensor)).collect();
    let mut dequantized: HashMap<&str, Constant> = HashMap::new();
    let mut values: HashMap<&str, Value<'_>> = HashMap::new();
    for (port, given) in graph.inputs.iter().zip(inputs) {
        let value = match &given.numbers {
            Numbers::Floats(floats) => {
                let numbers = floats.iter().map(|&float| Number { value: f64::from(float), error: 0.0 }).collect();
                Value::Floats(Floats { shape: given.shape.clone(), numbers })
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
            constants.insert(node.output(0).ok_or("no output")?, tensor.ok_or("no tensor")?);
            continue;
        }
        if node.operator == "DequantizeLinear" {
            let name = node.output(0).ok_or("no output")?;
            dequantized.insert(name, dequantize(node, &constants)?);
            continue;
        }
        let scope = Scope { node, constants: &constants, dequantized: &dequantized, values: &values };
        let outputs = scope.run()?;
        for (index, output) in outputs.into_iter().enumerate() {
            is_moderate &= output.is_moderate();
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

/// Dimensions and numbers.
type Constant = (Vec<usize>, Vec<f64>);

/// Bytes times scales, rounded to `f32` as an engine that computes in floats does.
fn dequantize(node: &Node<'_>, constants: &HashMap<&str, &Tensor<'_>>) -> Result<Constant> {
    let constant = |index| node.input(index).and_then(|name| constants.get(name)).ok_or("a constant is missing");
    let (tensor, scales) = (constant(0)?, constant(1)?.floats().ok_or("no scales")?);
    let bytes = tensor.bytes().ok_or("no bytes")?;
    let rank = tensor.shape.len() as i64;
    let axis = node.attribute("axis").map_or(1, |axis| axis.integer);
    let axis = if axis < 0 { axis + rank } else { axis } as usize;
    let scale = |index: usize| {
        if scales.len() == 1 {
            return scales[0];
        }
        let inner: usize = tensor.shape[axis + 1..].iter().product();
        scales[index / inner % tensor.shape[axis]]
    };
    let numbers = bytes.iter().enumerate();
    let numbers = numbers.map(|(index, &byte)| f64::from(f32::from(byte as i8) * f32::from_le_bytes(scale(index))));
    Ok((tensor.shape.clone(), numbers.collect()))
}

/// What an operator sees.
struct Scope<'s, 'a, 'i> {
    node: &'s Node<'a>,
    constants: &'s HashMap<&'a str, &'s Tensor<'a>>,
    dequantized: &'s HashMap<&'a str, Constant>,
    values: &'s HashMap<&'a str, Value<'i>>,
}

impl Scope<'_, '_, '_> {
    fn run(&self) -> Result<Vec<Floats>> {
        match self.node.operator {
            "LSTM" => self.lstm(),
            "MatMul" => Ok(vec![self.product()?]),
            "Add" => Ok(vec![self.sum()?]),
            "Gather" => Ok(vec![self.gather()?]),
            "Split" => self.split(),
            "Concat" => Ok(vec![self.concat()?]),
            "Squeeze" => Ok(vec![self.squeeze()?]),
            "Unsqueeze" => Ok(vec![self.unsqueeze()?]),
            "Identity" => Ok(vec![self.floats(0)?.clone()]),
            operator => Err(format!("the operator {operator}")),
        }
    }

    fn floats(&self, index: usize) -> Result<&Floats> {
        match self.node.input(index).and_then(|name| self.values.get(name)) {
            Some(Value::Floats(floats)) => Ok(floats),
            _ => Err(format!("{}: no floats at {index}", self.node.operator)),
        }
    }

    fn is_constant(&self, index: usize) -> bool {
        let is_known = |name| self.constants.contains_key(name) || self.dequantized.contains_key(name);
        self.node.input(index).is_some_and(is_known)
    }

    fn constant(&self, index: usize) -> Result<(&[usize], Vec<f64>)> {
        if let Some((shape, numbers)) = self.node.input(index).and_then(|name| self.dequantized.get(name)) {
            return Ok((shape, numbers.clone()));
        }
        let tensor = self.node.input(index).and_then(|name| self.constants.get(name));
        let tensor = tensor.ok_or_else(|| format!("{}: no constant at {index}", self.node.operator))?;
        let floats = tensor.floats().ok_or("a constant that is no float")?;
        Ok((&tensor.shape, floats.iter().map(|&bytes| f64::from(f32::from_le_bytes(bytes))).collect()))
    }

    /// Integers of the second input, or of an attribute.
    fn integers(&self, attribute: &str) -> Result<Option<Vec<i64>>> {
        if let Some(name) = self.node.input(1) {
            let tensor = self.constants.get(name).ok_or("integers that are not constant")?;
            return tensor.integers().map(Some).ok_or("integers of another type".into());
        }
        Ok(self.node.attribute(attribute).map(|attribute| attribute.integers.clone()))
    }

    fn lstm(&self) -> Result<Vec<Floats>> {
        let input = self.floats(0)?;
        let (weights_shape, weights) = self.constant(1)?;
        let (recurrent_shape, recurrent) = self.constant(2)?;
        let (&[1, rows, width], &[1, _, hidden]) = (weights_shape, recurrent_shape) else {
            return Err("weights".into());
        };
        let &[time, batch, found] = &*input.shape else { return Err("the rank of an LSTM's input".into()) };
        if rows != 4 * hidden || recurrent.len() != rows * hidden || found != width || time == 0 || batch == 0 {
            return Err("the sizes of an LSTM".into());
        }
        let bias = if self.node.input(3).is_some() { self.constant(3)?.1 } else { vec![0.0; 2 * rows] };
        let state = |index: usize| -> Result<Vec<Number>> {
            if self.node.input(index).is_none() {
                return Ok(vec![Number::default(); batch * hidden]);
            }
            let state = self.floats(index)?;
            if state.shape != [1, batch, hidden] {
                return Err("the shape of a state".into());
            }
            Ok(state.numbers.clone())
        };
        let (mut h, mut c) = (state(5)?, state(6)?);
        let mut sequence = Vec::new();
        let mut gates = vec![Number::default(); rows];
        for step in 0..time {
            for one in 0..batch {
                let x = &input.numbers[(step * batch + one) * width..][..width];
                let before = &h[one * hidden..][..hidden];
                for (row, gate) in gates.iter_mut().enumerate() {
                    let mut sum = Sum::default();
                    sum.add_products(x, &weights[row * width..][..width], 1);
                    sum.add_products(before, &recurrent[row * hidden..][..hidden], 1);
                    sum.add(bias[row]);
                    sum.add(bias[rows + row]);
                    *gate = sum.finish();
                }
                for unit in 0..hidden {
                    // i, o, f, c
                    let [input, output, forget] =
                        [0, 1, 2].map(|gate| activate(gates[gate * hidden + unit], sigmoid, 0.25));
                    let candidate = activate(gates[3 * hidden + unit], f64::tanh, 1.0);
                    let place = one * hidden + unit;
                    let kept = multiply(forget, c[place]);
                    let added = multiply(input, candidate);
                    c[place] = Number {
                        value: kept.value + added.value,
                        error: kept.error + added.error + ROUNDING * (kept.value + added.value).abs(),
                    };
                    h[place] = multiply(output, activate(c[place], f64::tanh, 1.0));
                }
            }
            sequence.extend_from_slice(&h);
        }
        let last = vec![1, batch, hidden];
        Ok(vec![
            Floats { shape: vec![time, 1, batch, hidden], numbers: sequence },
            Floats { shape: last.clone(), numbers: h },
            Floats { shape: last, numbers: c },
        ])
    }

    fn product(&self) -> Result<Floats> {
        let input = self.floats(0)?;
        let (shape, weights) = self.constant(1)?;
        let (&[inner, columns], Some((&last, outer))) = (shape, input.shape.split_last()) else {
            return Err("the ranks of a product".into());
        };
        if last != inner || inner == 0 {
            return Err("the sizes of a product".into());
        }
        let mut numbers = Vec::new();
        for row in input.numbers.chunks_exact(inner) {
            for column in 0..columns {
                let mut sum = Sum::default();
                sum.add_products(row, &weights[column..], columns);
                numbers.push(sum.finish());
            }
        }
        Ok(Floats { shape: [outer, &[columns]].concat(), numbers })
    }

    /// A value and a constant row.
    fn sum(&self) -> Result<Floats> {
        let bias_is_second = self.is_constant(1);
        let (mut sum, (shape, bias)) = if bias_is_second {
            (self.floats(0)?.clone(), self.constant(1)?)
        } else {
            (self.floats(1)?.clone(), self.constant(0)?)
        };
        if shape.len() != 1 || sum.shape.last() != shape.first() || shape[0] == 0 {
            return Err("the shape of a bias".into());
        }
        for row in sum.numbers.chunks_exact_mut(bias.len()) {
            for (number, bias) in row.iter_mut().zip(&bias) {
                let size = number.value.abs() + bias.abs();
                // The engine's sum starts from the bias, so that each of its products is rounded at the bias' size.
                *number = Number { value: number.value + bias, error: number.error + BIASED * ROUNDING * size };
            }
        }
        Ok(sum)
    }

    fn gather(&self) -> Result<Floats> {
        let place = |index: i64, rows: usize| {
            let index = if index < 0 { index + rows as i64 } else { index };
            usize::try_from(index).ok().filter(|&index| index < rows).ok_or("an index outside")
        };
        if self.is_constant(0) {
            let (shape, table) = self.constant(0)?;
            let Some(Value::Ids(ids_shape, ids)) = self.node.input(1).and_then(|name| self.values.get(name)) else {
                return Err("no ids".into());
            };
            let &[rows, width] = shape else { return Err("the rank of a table".into()) };
            let mut numbers = Vec::new();
            for &id in ids {
                let row = &table[place(id, rows)? * width..][..width];
                numbers.extend(row.iter().map(|&value| Number { value, error: 0.0 }));
            }
            return Ok(Floats { shape: [*ids_shape, &[width]].concat(), numbers });
        }
        let input = self.floats(0)?;
        let integers = self.integers("")?.ok_or("no index")?;
        let (&[index], Some(&whole)) = (&*integers, input.shape.first()) else { return Err("no single index".into()) };
        Ok(part(input, place(index, whole)?, 1))
    }

    fn split(&self) -> Result<Vec<Floats>> {
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

    fn concat(&self) -> Result<Floats> {
        let mut whole = self.floats(0)?.clone();
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

    fn squeeze(&self) -> Result<Floats> {
        let mut value = self.floats(0)?.clone();
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

    fn unsqueeze(&self) -> Result<Floats> {
        let mut value = self.floats(0)?.clone();
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

fn part(value: &Floats, start: usize, length: usize) -> Floats {
    let stride = value.stride();
    let mut shape = value.shape.clone();
    shape[0] = length;
    Floats { shape, numbers: value.numbers[start * stride..][..length * stride].to_vec() }
}

/// A sum of products, and of the sizes of its terms.
#[derive(Default)]
struct Sum {
    value: f64,
    size: f64,
    error: f64,
    terms: usize,
}

impl Sum {
    fn add_products(&mut self, numbers: &[Number], weights: &[f64], stride: usize) {
        for (number, weight) in numbers.iter().zip(weights.iter().step_by(stride)) {
            self.add(number.value * weight);
            self.error += number.error * weight.abs();
        }
    }

    fn add(&mut self, term: f64) {
        self.value += term;
        self.size += term.abs();
        self.terms += 1;
    }

    fn finish(&self) -> Number {
        Number { value: self.value, error: self.error + (self.terms + 2) as f64 * ROUNDING * self.size }
    }
}

fn multiply(left: Number, right: Number) -> Number {
    let value = left.value * right.value;
    let error = left.value.abs() * right.error + right.value.abs() * left.error + left.error * right.error;
    Number { value, error: error + ROUNDING * value.abs() }
}

fn activate(number: Number, function: fn(f64) -> f64, steepest: f64) -> Number {
    // No error moves an activation by more than the whole of its range.
    Number { value: function(number.value), error: (steepest * number.error).min(2.0) + ACTIVATION }
}

fn sigmoid(value: f64) -> f64 {
    1.0 / (1.0 + (-value).exp())
}
