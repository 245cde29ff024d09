//! Valid graphs of every kind that the engine runs, drawn from bytes: the operators that exporters write, in any order, with
//! every way to write them down. Sizes are 1 to 9.
//!
//! To teach it an operator, write a method like [`Generator::matrix_product`] that appends nodes and keeps the value they
//! make, and name it in [`Generator::step`]; then teach the twin ([`super::twin`]). All weights go through
//! [`Generator::weights`], which stores those of one graph in eight as int8 behind a `DequantizeLinear`.

use arbitrary::{Result, Unstructured};

use super::wire::Message;

/// Numbers between -1 and 1 that look random, from a seed: weights would use up the bytes.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn take(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| self.next() * scale).collect()
    }
}

/// An input of a graph, and what to run it on.
#[derive(Debug, Clone)]
pub struct Given {
    pub name: String,
    pub shape: Vec<usize>,
    pub numbers: Numbers,
}

/// The numbers of an input.
#[derive(Debug, Clone)]
pub enum Numbers {
    Floats(Vec<f32>),
    Longs(Vec<i64>),
    Integers(Vec<i32>),
}

/// A graph as an ONNX file.
#[derive(Debug)]
pub struct Case {
    pub file: Vec<u8>,
    pub inputs: Vec<Given>,
    pub outputs: Vec<String>,
    /// Whether rten can read the form in which it is written.
    pub for_rten: bool,
}

/// A graph.
pub fn generate(choices: &mut Unstructured<'_>) -> Result<Case> {
    draw(choices, false)
}

/// A graph of which all products have int8 weights with a scale for each column, so that it may be computed in integers.
pub fn generate_bytes(choices: &mut Unstructured<'_>) -> Result<Case> {
    draw(choices, true)
}

fn draw(choices: &mut Unstructured<'_>, all_bytes: bool) -> Result<Case> {
    let seed = u64::from(choices.arbitrary::<u32>()?);
    let scale = *choices.choose(&[0.5, 1.0, 0.1, 3.0])?;
    let mut generator = Generator {
        time: choices.int_in_range(1..=4)?,
        batch: choices.int_in_range(1..=3)?,
        is_old: choices.ratio(1, 4)?,
        choices,
        random: Random(seed),
        scale,
        nodes: Vec::new(),
        constants: Vec::new(),
        inputs: Vec::new(),
        floats: Vec::new(),
        ids: Vec::new(),
        names: 0,
        has_layer: false,
        is_quantized: all_bytes,
        all_bytes,
        for_rten: true,
        cells: Vec::new(),
    };
    if !all_bytes {
        generator.is_quantized = generator.rarely(8)?;
    }
    if generator.flip()? {
        generator.float_input(None)?;
    }
    for _ in 0..generator.choices.int_in_range(1..=9_u8)? {
        generator.step()?;
    }
    if !generator.has_layer {
        generator.layer()?;
    }
    generator.finish()
}

/// A value of floats.
#[derive(Debug, Clone)]
struct Value {
    name: String,
    shape: Vec<usize>,
}

/// An input of ids, each from `-rows` to below `rows`.
#[derive(Debug, Clone)]
struct Ids {
    name: String,
    shape: Vec<usize>,
    rows: usize,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a property of the graph by itself")]
struct Generator<'c, 'd> {
    choices: &'c mut Unstructured<'d>,
    random: Random,
    scale: f32,
    time: usize,
    batch: usize,
    /// Whether axes and lengths are attributes, as before version 13 of the operators.
    is_old: bool,
    /// The fields of nodes, in order.
    nodes: Vec<Message>,
    /// The fields of initializers.
    constants: Vec<Message>,
    inputs: Vec<Given>,
    floats: Vec<Value>,
    ids: Vec<Ids>,
    names: usize,
    has_layer: bool,
    /// Whether matrices are stored as int8.
    is_quantized: bool,
    /// Whether all of them are, with a scale for each column.
    all_bytes: bool,
    for_rten: bool,
    /// The cell states of all layers, if all weights are bytes.
    cells: Vec<Value>,
}

/// An attribute of a node.
enum Attribute<'a> {
    Integer(&'a str, i64),
    Integers(&'a str, &'a [i64]),
    Text(&'a str, &'a str),
    Texts(&'a str, &'a [&'a str]),
}

impl Generator<'_, '_> {
    fn flip(&mut self) -> Result<bool> {
        self.choices.arbitrary()
    }

    /// True once in `count` times.
    fn rarely(&mut self, count: u8) -> Result<bool> {
        // Zero, which is also what used-up bytes give, is the usual case.
        Ok(self.choices.int_in_range(0..=count - 1)? == count - 1)
    }

    fn size(&mut self) -> Result<usize> {
        self.choices.int_in_range(1..=9)
    }

    /// A name that no other value has.
    fn name(&mut self) -> Result<String> {
        self.names += 1;
        let stem = *self.choices.choose(&["", "v", "/layer.0/out:", "größe ", "a\n", "_\u{1f40b}"])?;
        Ok(format!("{stem}{}", self.names))
    }

    /// Appends one operator.
    fn step(&mut self) -> Result<()> {
        match self.choices.int_in_range(0..=10_u8)? {
            0..=2 => self.layer(),
            3 => self.rows().map(drop),
            4 | 5 => self.matrix_product(),
            6 => self.split(),
            7 => self.concat(),
            8 => self.squeeze(),
            9 => self.unsqueeze(),
            _ => self.part_or_identity(),
        }
    }

    /// A value of floats that is there, or a new input.
    fn any_float(&mut self) -> Result<Value> {
        if self.floats.is_empty() || self.rarely(8)? {
            return if self.flip()? { self.rows() } else { self.float_input(None) };
        }
        let last = self.floats.len() - 1;
        // The last one usually, so that graphs become deep.
        let index = if self.flip()? { last } else { self.choices.int_in_range(0..=last)? };
        Ok(self.floats[index].clone())
    }

    fn float_input(&mut self, shape: Option<Vec<usize>>) -> Result<Value> {
        let shape = match shape {
            Some(shape) => shape,
            None => vec![self.time, self.batch, self.size()?],
        };
        let name = self.name()?;
        let numbers = Numbers::Floats(self.random.take(shape.iter().product(), 1.0));
        self.inputs.push(Given { name: name.clone(), shape: shape.clone(), numbers });
        Ok(self.keep(name, shape))
    }

    fn keep(&mut self, name: String, shape: Vec<usize>) -> Value {
        let value = Value { name, shape };
        self.floats.push(value.clone());
        value
    }

    /// Ids of up to so many rows.
    fn ids(&mut self) -> Result<Ids> {
        if !self.ids.is_empty() && self.flip()? {
            return Ok(self.choices.choose(&self.ids)?.clone());
        }
        let (name, rows) = (self.name()?, self.size()?);
        let shape = match self.choices.int_in_range(0..=9_u8)? {
            8 => vec![self.time],
            9 => vec![1, self.time, self.batch],
            _ => vec![self.time, self.batch],
        };
        let count = shape.iter().product();
        let is_signed = self.rarely(4)?;
        let draw = |random: &mut Random| {
            let unit = f64::midpoint(f64::from(random.next()), 1.0);
            let id = (unit * rows as f64) as i64;
            if is_signed { id - rows as i64 } else { id }
        };
        let ids: Vec<i64> = (0..count).map(|_| draw(&mut self.random).min(rows as i64 - 1)).collect();
        let is_short = self.rarely(4)?;
        let numbers =
            if is_short { Numbers::Integers(ids.iter().map(|&id| id as i32).collect()) } else { Numbers::Longs(ids) };
        self.inputs.push(Given { name: name.clone(), shape: shape.clone(), numbers });
        self.ids.push(Ids { name, shape, rows });
        Ok(self.ids[self.ids.len() - 1].clone())
    }

    /// A constant of floats, as an initializer or as a node.
    fn constant(&mut self, shape: &[usize], floats: &[f32]) -> Result<String> {
        let is_typed = self.rarely(4)?;
        self.tensor(shape, 1, |tensor| {
            if is_typed {
                tensor.message(4, |data| data.0.extend(floats.iter().flat_map(|float| float.to_le_bytes())));
            } else {
                tensor.message(9, |data| data.0.extend(floats.iter().flat_map(|float| float.to_le_bytes())));
            }
        })
    }

    /// A constant row of integers.
    fn integers(&mut self, integers: &[i64]) -> Result<String> {
        let form = self.choices.int_in_range(0..=3_u8)?;
        self.tensor(&[integers.len()], 7, |tensor| match form {
            2 => tensor.packed(7, integers.iter().map(|&integer| integer as u64)),
            3 => integers.iter().for_each(|&integer| tensor.number(7, integer as u64)),
            _ => tensor.message(9, |data| data.0.extend(integers.iter().flat_map(|integer| integer.to_le_bytes()))),
        })
    }

    fn tensor(&mut self, shape: &[usize], element: u64, data: impl FnOnce(&mut Message)) -> Result<String> {
        let name = self.name()?;
        let is_packed = self.rarely(16)?;
        self.for_rten &= !is_packed;
        let is_node = self.rarely(4)?;
        let write = |tensor: &mut Message| {
            if is_packed {
                tensor.packed(1, shape.iter().map(|&size| size as u64));
            } else {
                for &size in shape {
                    tensor.number(1, size as u64);
                }
            }
            tensor.number(2, element);
            data(tensor);
            if !is_node {
                tensor.bytes(8, &name);
            }
        };
        let mut field = Message::default();
        if is_node {
            field.message(1, |node| {
                node.bytes(2, &name);
                node.bytes(4, "Constant");
                node.message(5, |attribute| {
                    attribute.bytes(1, "value");
                    attribute.message(5, write);
                    attribute.number(20, 4);
                });
            });
            self.nodes.push(field);
        } else {
            field.message(5, write);
            self.constants.push(field);
        }
        Ok(name)
    }

    /// Weights of a shape, as many as needed for sums that stay small, unless they are an identity.
    fn weights(&mut self, shape: &[usize], inner: usize) -> Result<String> {
        let scale = self.scale * (inner as f32).powf(-0.5);
        if self.is_quantized && shape.len() > 1 && (self.all_bytes || !self.rarely(8)?) {
            return self.quantized(shape, scale);
        }
        let floats = self.random.take(shape.iter().product(), scale);
        self.constant(shape, &floats)
    }

    /// Bytes of all values and a scale for each place along an axis, or one for all.
    fn quantized(&mut self, shape: &[usize], scale: f32) -> Result<String> {
        let bytes: Vec<u8> =
            self.random.take(shape.iter().product(), 128.0).iter().map(|&float| float as i8 as u8).collect();
        let tensor = self.tensor(shape, 3, |tensor| tensor.message(9, |data| data.0.extend_from_slice(&bytes)))?;
        let axis = if self.all_bytes {
            Some(1)
        } else if self.rarely(8)? {
            None
        } else {
            Some(if self.rarely(8)? { shape.len() - 2 } else { 1 })
        };
        let count = axis.map_or(1, |axis| shape[axis]);
        let places = if axis.is_some() { vec![count] } else { Vec::new() };
        let scales: Vec<f32> =
            self.random.take(count, 0.5).iter().map(|random| (random + 0.6) * scale / 127.0).collect();
        let scales = self.constant(&places, &scales)?;
        let mut inputs = vec![&*tensor, &*scales];
        let zero = if self.rarely(4)? {
            self.tensor(&places, 3, |tensor| {
                tensor.message(9, |data| data.0.extend(vec![0; count]));
            })?
        } else {
            String::new()
        };
        if !zero.is_empty() {
            inputs.push(&zero);
        }
        let output = self.name()?;
        let axis = axis.map(|axis| [Attribute::Integer("axis", axis as i64)]);
        self.node("DequantizeLinear", &inputs, &[&output], axis.as_ref().map_or(&[], |axis| &axis[..]))?;
        self.for_rten = false;
        Ok(output)
    }

    fn node(&mut self, operator: &str, inputs: &[&str], outputs: &[&str], attributes: &[Attribute<'_>]) -> Result<()> {
        let (is_named, has_domain) = (self.flip()?, self.rarely(8)?);
        let mut field = Message::default();
        field.message(1, |node| {
            for input in inputs {
                node.bytes(1, input);
            }
            for output in outputs {
                node.bytes(2, output);
            }
            if is_named {
                node.bytes(3, format!("{operator}_{}", self.nodes.len()));
            }
            node.bytes(4, operator);
            for attribute in attributes {
                node.message(5, |field| attribute.write(field));
            }
            if has_domain {
                node.bytes(7, "");
            }
        });
        self.nodes.push(field);
        Ok(())
    }

    /// One way to write a whole table down: any numbers, an identity, or rows with one number each.
    fn rows(&mut self) -> Result<Value> {
        let ids = self.ids()?;
        let rows = ids.rows + usize::from(self.rarely(4)?);
        let (width, table) = match self.choices.int_in_range(0..=3_u8)? {
            0 => (rows, (0..rows * rows).map(|place| f32::from(place % (rows + 1) == 0)).collect()),
            1 => {
                let width = self.size()?;
                let mut table = vec![0.0; rows * width];
                for row in 0..rows {
                    table[row * width + (row * 7 + 3) % width] = self.random.next();
                }
                (width, table)
            }
            _ => {
                let width = self.size()?;
                (width, self.random.take(rows * width, 1.0))
            }
        };
        let (table, output) = (self.constant(&[rows, width], &table)?, self.name()?);
        let axis = [Attribute::Integer("axis", 0)];
        let attributes = if self.flip()? { &axis[..] } else { &[] };
        self.node("Gather", &[&table, &ids.name], &[&output], attributes)?;
        Ok(self.keep(output, [&ids.shape[..], &[width]].concat()))
    }

    /// A layer, and usually a squeeze of its output behind.
    fn layer(&mut self) -> Result<()> {
        let mut input = self.any_float()?;
        if input.shape.len() != 3 {
            input = if self.flip()? { self.float_input(None)? } else { self.rows()? };
            if input.shape.len() != 3 {
                input = self.float_input(None)?;
            }
        }
        let [time, batch, width] = [input.shape[0], input.shape[1], input.shape[2]];
        let state =
            self.floats.iter().rfind(|value| value.shape[..].starts_with(&[1, batch]) && value.shape.len() == 3);
        let state = state.cloned();
        let is_identity = width % 4 == 0 && self.rarely(3)?;
        let hidden = match &state {
            _ if is_identity => width / 4,
            Some(state) if self.flip()? => state.shape[2],
            _ => self.size()?,
        };
        let gates = 4 * hidden;
        let weights = if is_identity {
            let identity: Vec<f32> = (0..gates * width).map(|place| f32::from(place % (width + 1) == 0)).collect();
            self.constant(&[1, gates, width], &identity)?
        } else {
            self.weights(&[1, gates, width], width)?
        };
        let recurrent = self.weights(&[1, gates, hidden], hidden)?;
        let bias = if self.rarely(4)? { String::new() } else { self.weights(&[1, 2 * gates], 1)? };
        let state = state.filter(|state| state.shape == [1, batch, hidden]);
        let mut initial = || match self.choices.int_in_range(0..=3_u8)? {
            0 => Ok(String::new()),
            1 if let Some(state) = &state => Ok(state.name.clone()),
            _ => Ok(self.float_input(Some(vec![1, batch, hidden]))?.name),
        };
        let (first_hidden, first_cell) = (initial()?, initial()?);
        let mut inputs = vec![&*input.name, &weights, &recurrent, &bias, "", &first_hidden, &first_cell];
        if self.flip()? {
            let len = inputs.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
            inputs.truncate(len);
        }
        let mut attributes = vec![Attribute::Integer("hidden_size", hidden as i64)];
        if self.rarely(4)? {
            attributes.push(Attribute::Text("direction", "forward"));
        }
        if self.rarely(8)? {
            attributes.push(Attribute::Integer("layout", 0));
        }
        if self.rarely(8)? {
            attributes.push(Attribute::Texts("activations", &["Sigmoid", "Tanh", "Tanh"]));
        }
        let wanted = self.choices.int_in_range(0..=7_u8)? ^ 7;
        let wanted = if wanted == 0 { 1 } else { wanted };
        // Rounding hides most differences of hidden states.
        let wanted = if self.all_bytes { wanted | 4 } else { wanted };
        let mut outputs = Vec::new();
        for output in 0..3 {
            outputs.push(if wanted >> output & 1 == 1 { self.name()? } else { String::new() });
        }
        if self.flip()? {
            outputs.truncate(outputs.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1));
        }
        let names: Vec<&str> = outputs.iter().map(String::as_str).collect();
        self.node("LSTM", &inputs, &names, &attributes)?;
        self.has_layer = true;
        if self.all_bytes {
            self.cells.push(Value { name: outputs[2].clone(), shape: vec![1, batch, hidden] });
        }
        for (name, shape) in outputs
            .into_iter()
            .zip([vec![time, 1, batch, hidden], vec![1, batch, hidden], vec![1, batch, hidden]])
            .rev()
        {
            if !name.is_empty() {
                self.keep(name, shape);
            }
        }
        if wanted & 1 == 1 && !self.rarely(4)? {
            self.squeeze()?;
        }
        Ok(())
    }

    /// A product, with or without a bias behind it.
    fn matrix_product(&mut self) -> Result<()> {
        let input = self.any_float()?;
        let Some((&inner, outer)) = input.shape.split_last() else { return Ok(()) };
        let columns = self.size()?;
        let (weights, product) = (self.weights(&[inner, columns], inner)?, self.name()?);
        self.node("MatMul", &[&input.name, &weights], &[&product], &[])?;
        let shape = [outer, &[columns]].concat();
        if self.rarely(3)? {
            self.keep(product, shape);
            return Ok(());
        }
        let (bias, sum) = (self.weights(&[columns], 1)?, self.name()?);
        let inputs = if self.flip()? { [&*product, &*bias] } else { [&*bias, &*product] };
        self.node("Add", &inputs, &[&sum], &[])?;
        self.keep(sum, shape);
        Ok(())
    }

    fn split(&mut self) -> Result<()> {
        let input = self.any_float()?;
        let Some(&whole) = input.shape.first() else { return Ok(()) };
        let mut lengths = Vec::new();
        let mut left = whole;
        while left > 0 {
            let length = self.choices.int_in_range(1..=left)?;
            lengths.push(length);
            left -= length;
        }
        let is_even = lengths.iter().all(|length| *length == lengths[0]) && self.flip()?;
        let outputs = lengths.iter().map(|_| self.name()).collect::<Result<Vec<_>>>()?;
        let names: Vec<&str> = outputs.iter().map(String::as_str).collect();
        let integers: Vec<i64> = lengths.iter().map(|&length| length as i64).collect();
        let axis = Attribute::Integer("axis", 0);
        if is_even {
            self.node("Split", &[&input.name], &names, &[axis, Attribute::Integer("num_outputs", names.len() as i64)])?;
        } else if self.is_old {
            self.node("Split", &[&input.name], &names, &[axis, Attribute::Integers("split", &integers)])?;
        } else {
            let lengths = self.integers(&integers)?;
            self.node("Split", &[&input.name, &lengths], &names, &[axis])?;
        }
        for (name, length) in outputs.into_iter().zip(lengths) {
            self.keep(name, [&[length], &input.shape[1..]].concat());
        }
        Ok(())
    }

    fn concat(&mut self) -> Result<()> {
        let first = self.any_float()?;
        if first.shape.is_empty() {
            return Ok(());
        }
        let fits = |value: &&Value| value.shape.len() == first.shape.len() && value.shape[1..] == first.shape[1..];
        let others: Vec<Value> = self.floats.iter().filter(fits).cloned().collect();
        let mut parts = vec![first.clone()];
        for _ in 0..self.choices.int_in_range(0..=2_u8)? {
            parts.push(self.choices.choose(&others)?.clone());
        }
        let whole: usize = parts.iter().map(|part| part.shape[0]).sum();
        if whole > 9 {
            return Ok(());
        }
        let output = self.name()?;
        let names: Vec<&str> = parts.iter().map(|part| &*part.name).collect();
        self.node("Concat", &names, &[&output], &[Attribute::Integer("axis", 0)])?;
        self.keep(output, [&[whole], &first.shape[1..]].concat());
        Ok(())
    }

    /// An operator whose axes are an input, or an attribute in old files.
    fn with_axes(&mut self, operator: &str, input: &Value, axes: &[i64]) -> Result<String> {
        let output = self.name()?;
        if self.is_old {
            self.node(operator, &[&input.name], &[&output], &[Attribute::Integers("axes", axes)])?;
        } else {
            let axes = self.integers(axes)?;
            self.node(operator, &[&input.name, &axes], &[&output], &[])?;
        }
        Ok(output)
    }

    fn squeeze(&mut self) -> Result<()> {
        let input = self.any_float()?;
        let rank = input.shape.len();
        let ones: Vec<usize> = (0..rank).filter(|&axis| input.shape[axis] == 1).collect();
        if ones.is_empty() {
            return Ok(());
        }
        // Of a layer's output (T, 1, N, H) the second, usually.
        let mut dropped = if ones.contains(&1) && rank == 4 { vec![1] } else { vec![*self.choices.choose(&ones)?] };
        if self.rarely(4)? {
            dropped.extend(ones.iter().filter(|axis| !dropped.contains(axis)).copied().collect::<Vec<_>>());
        }
        let is_negative = self.rarely(4)?;
        let axes: Vec<i64> =
            dropped.iter().map(|&axis| if is_negative { axis as i64 - rank as i64 } else { axis as i64 }).collect();
        let output = self.with_axes("Squeeze", &input, &axes)?;
        let shape = (0..rank).filter(|axis| !dropped.contains(axis)).map(|axis| input.shape[axis]).collect();
        self.keep(output, shape);
        Ok(())
    }

    fn unsqueeze(&mut self) -> Result<()> {
        let input = self.any_float()?;
        if input.shape.len() > 4 {
            return Ok(());
        }
        let rank = input.shape.len() + 1;
        let axis = self.choices.int_in_range(0..=rank - 1)?;
        let written = if self.rarely(4)? { axis as i64 - rank as i64 } else { axis as i64 };
        let output = self.with_axes("Unsqueeze", &input, &[written])?;
        let mut shape = input.shape;
        shape.insert(axis, 1);
        self.keep(output, shape);
        Ok(())
    }

    fn part_or_identity(&mut self) -> Result<()> {
        let input = self.any_float()?;
        let (is_part, output) = (self.flip()?, self.name()?);
        let Some((&whole, rest)) = input.shape.split_first().filter(|_| is_part) else {
            self.node("Identity", &[&input.name], &[&output], &[])?;
            self.keep(output, input.shape);
            return Ok(());
        };
        let index = self.choices.int_in_range(0..=2 * whole - 1)? as i64 - whole as i64;
        let index = self.integers(&[index])?;
        self.node("Gather", &[&input.name, &index], &[&output], &[Attribute::Integer("axis", 0)])?;
        self.keep(output, [&[1], rest].concat());
        Ok(())
    }

    /// Chooses outputs, and puts everything into a file.
    fn finish(mut self) -> Result<Case> {
        let mut outputs = std::mem::take(&mut self.cells);
        for _ in 0..self.choices.int_in_range(1..=4_u8)? {
            let output = self.any_float()?;
            if outputs.iter().all(|known| known.name != output.name) {
                outputs.push(output);
            }
        }
        let mut ports = Vec::new();
        let count = self.inputs.len();
        for index in 0..count + outputs.len() {
            let (number, name, shape, element) = if let Some(input) = self.inputs.get(index) {
                let element = match input.numbers {
                    Numbers::Floats(_) => 1,
                    Numbers::Longs(_) => 7,
                    Numbers::Integers(_) => 6,
                };
                (11, input.name.clone(), input.shape.clone(), element)
            } else {
                let Value { name, shape } = outputs[index - count].clone();
                (12, name, shape, 1)
            };
            let form = self.choices.int_in_range(0..=2_u8)?;
            let mut port = Message::default();
            port.message(number, |port| {
                port.bytes(1, &name);
                port.message(2, |kind| {
                    kind.message(1, |tensor| {
                        tensor.number(1, element);
                        if form > 0 {
                            tensor.message(2, |dimensions| {
                                for &size in &shape {
                                    dimensions.message(1, |dimension| match form {
                                        1 => dimension.number(1, size as u64),
                                        _ => dimension.bytes(2, format!("size{size}")),
                                    });
                                }
                            });
                        }
                    });
                });
            });
            ports.push(port);
        }
        let opset =
            if self.is_old { self.choices.int_in_range(7..=12)? } else { self.choices.int_in_range(13..=21)? };
        let is_graph_last = self.flip()?;
        let mut file = Message::default();
        file.number(1, 8);
        if is_graph_last {
            file.message(8, |opsets| opsets.number(2, opset));
        }
        file.message(7, |graph| {
            // Nodes stay in order; constants may stand before or behind.
            let parts = if is_graph_last { [&self.nodes, &self.constants] } else { [&self.constants, &self.nodes] };
            for field in parts.into_iter().flatten().chain(&ports) {
                graph.0.extend_from_slice(&field.0);
            }
            graph.bytes(2, "graph");
        });
        if !is_graph_last {
            file.message(8, |opsets| opsets.number(2, opset));
        }
        let outputs = outputs.into_iter().map(|output| output.name).collect();
        Ok(Case { file: file.0, inputs: self.inputs, outputs, for_rten: self.for_rten })
    }
}

impl Attribute<'_> {
    fn write(&self, field: &mut Message) {
        // Field 20 is the kind, which rten wants to know.
        match *self {
            Self::Integer(name, integer) => {
                field.bytes(1, name);
                field.number(3, integer as u64);
                field.number(20, 2);
            }
            Self::Integers(name, integers) => {
                field.bytes(1, name);
                for &integer in integers {
                    field.number(8, integer as u64);
                }
                field.number(20, 7);
            }
            Self::Text(name, text) => {
                field.bytes(1, name);
                field.bytes(4, text);
                field.number(20, 3);
            }
            Self::Texts(name, texts) => {
                field.bytes(1, name);
                for text in texts {
                    field.bytes(9, text);
                }
                field.number(20, 8);
            }
        }
    }
}
