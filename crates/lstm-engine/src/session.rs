//! Running a plan.

use std::sync::Arc;

use kernels::{Buffer, inference};
use onnx_view::MOST_DIMENSIONS;
use smallvec::{SmallVec, smallvec};

use crate::{
    error::{Error, Result},
    limits::Allowance,
    memory::{no_memory, set_len},
    plan::{Layer, Operation, Part, Plan, Product, Reads, Step},
    threads::ScopedThreads,
};

/// What a run is given.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Its dimensions.
    pub shape: &'a [usize],
    /// Its numbers in row-major order, as many as the product of the dimensions.
    pub numbers: Numbers<'a>,
}

/// The numbers of an input.
#[derive(Debug, Clone, Copy)]
pub enum Numbers<'a> {
    /// Floats.
    Floats(&'a [f32]),
    /// Ids; negative ones count from the table's end.
    Longs(&'a [i64]),
    /// Ids as 32-bit integers.
    Integers(&'a [i32]),
}

/// The memory of runs, one after another, over a plan that sessions share.
///
/// A run of the same shapes as an earlier one allocates nothing.
#[derive(Debug)]
pub struct Session {
    plan: Arc<Plan>,
    memory: Memory,
    scratch: Scratch,
    /// Rows of a table, for the layer that runs.
    places: Vec<usize>,
    zeros: Vec<f32>,
    /// What the run may still take.
    allowance: Allowance,
    threads: ScopedThreads,
}

/// Memory that the kernels work in.
#[derive(Debug, Default)]
struct Scratch {
    floats: inference::Scratch,
    integers: inference::QuantizedScratch,
    /// Hidden states as bytes, for a product.
    bytes: Buffer,
}

/// Sizes, without a heap allocation for the usual ones.
type Sizes = SmallVec<[usize; 6]>;

#[derive(Debug)]
struct Memory {
    values: Vec<Value>,
    buffers: Vec<Vec<f32>>,
}

/// Numbers of an input or of a buffer, seen as a tensor.
#[derive(Debug, Clone, Default)]
struct Value {
    shape: Sizes,
    source: Source,
    start: usize,
}

#[derive(Debug, Clone, Copy, Default)]
enum Source {
    /// No step has made the value yet.
    #[default]
    Nothing,
    Input(usize),
    Buffer(usize),
}

impl Session {
    /// A session over a plan. A run may use up to this many threads; one is best for single sequences.
    pub fn new(plan: Arc<Plan>, threads: usize) -> Self {
        let memory = Memory { values: vec![Value::default(); plan.values], buffers: vec![Vec::new(); plan.buffers] };
        let threads = ScopedThreads::new(threads);
        let (scratch, allowance) = (Scratch::default(), Allowance::default());
        Self { plan, memory, scratch, places: Vec::new(), zeros: Vec::new(), allowance, threads }
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Runs on the inputs, in the order of [`Plan::inputs`].
    pub fn run(&mut self, inputs: &[Input<'_>]) -> Result<()> {
        if inputs.len() != self.plan.inputs.len() {
            return Err(misfit(format_args!("{} inputs are given to {}", inputs.len(), self.plan.inputs.len())));
        }
        let (mut ids, mut states) = (0_usize, 0_usize);
        for (index, (input, value)) in inputs.iter().zip(&mut self.memory.values).enumerate() {
            let (found, sum) = match input.numbers {
                Numbers::Floats(numbers) => (numbers.len(), &mut states),
                Numbers::Longs(numbers) => (numbers.len(), &mut ids),
                Numbers::Integers(numbers) => (numbers.len(), &mut ids),
            };
            *sum = sum.saturating_add(found);
            if found != input.shape.iter().product::<usize>() || found == 0 {
                return Err(misfit(format_args!("an input of shape {:?} has {found} numbers", input.shape)));
            }
            set_shape(value, input.shape);
            (value.source, value.start) = (Source::Input(index), 0);
        }
        self.allowance = Allowance::new(if ids > 0 { ids } else { states }, states, self.plan.packed);
        let plan = Arc::clone(&self.plan);
        plan.steps.iter().try_for_each(|step| self.step(step, inputs))
    }

    /// The shape and the numbers of one of [`Plan::outputs`], as the last run left it; nothing before the first.
    pub fn output(&self, index: usize) -> (&[usize], &[f32]) {
        let value = &self.memory.values[self.plan.outputs[index]];
        // The plan sees to it that no output is a view of an input.
        self.memory.floats(&[], Some(self.plan.outputs[index])).unwrap_or((&value.shape, &[]))
    }

    fn step(&mut self, step: &Step, inputs: &[Input<'_>]) -> Result<()> {
        match &step.operation {
            Operation::Rows { table, width } => self.look_up(step, table, *width, inputs),
            Operation::Lstm { layer, reads } => self.run_lstm(step, layer, *reads, inputs),
            Operation::Dense(dense) => self.multiply(step, dense, inputs),
            Operation::Concat => self.join(step, inputs),
            Operation::Part(_) | Operation::Squeeze(_) | Operation::Unsqueeze(_) | Operation::Identity => {
                let mut value = self.memory.value(step.inputs[0])?.clone();
                let changed = match &step.operation {
                    Operation::Part(part) => take_part(&mut value, *part),
                    Operation::Squeeze(axes) => squeeze(&mut value.shape, axes),
                    Operation::Unsqueeze(axes) => unsqueeze(&mut value.shape, axes),
                    _ => Some(()),
                };
                let shape = &value.shape;
                changed.ok_or_else(|| misfit(format_args!("{shape:?} has no such axes or parts")))?;
                self.memory.set(step.outputs[0], &value.shape, value.source, value.start);
                Ok(())
            }
        }
    }

    fn look_up(&mut self, step: &Step, table: &[f32], width: usize, inputs: &[Input<'_>]) -> Result<()> {
        let shape = find_places(&self.memory, inputs, step.inputs[0], table.len() / width, &mut self.places)?;
        let mut shape = Sizes::from(shape);
        shape.push(width);
        let rows = &mut self.memory.buffers[step.buffer];
        self.allowance.take(self.places.len() * width, 0)?;
        set_len(rows, self.places.len() * width)?;
        for (&place, row) in self.places.iter().zip(rows.chunks_exact_mut(width)) {
            row.copy_from_slice(&table[place * width..][..width]);
        }
        self.memory.set(step.outputs[0], &shape, Source::Buffer(step.buffer), 0);
        Ok(())
    }

    fn run_lstm(&mut self, step: &Step, layer: &Layer, reads: Reads, inputs: &[Input<'_>]) -> Result<()> {
        // Buffers are taken out to be written while others are read. An error loses them, which costs an allocation.
        let [mut sequence, mut cell] =
            [0, 1].map(|offset| std::mem::take(&mut self.memory.buffers[step.buffer + offset]));
        let (memory, hidden) = (&self.memory, layer.hidden());
        let (input, [time, batch]) = match reads {
            Reads::Ids(rows) => {
                let shape = find_places(memory, inputs, step.inputs[0], rows, &mut self.places)?;
                (inference::Input::Places(&self.places), sequences(shape)?)
            }
            Reads::Numbers(width) => {
                let (shape, numbers) = memory.floats(inputs, step.inputs[0])?;
                let Some((_, shape)) = shape.split_last().filter(|(found, _)| **found == width) else {
                    return Err(misfit(format_args!("an LSTM of {width} inputs reads {shape:?}")));
                };
                (inference::Input::Rows(numbers), sequences(shape)?)
            }
        };
        let size = batch * hidden;
        if self.zeros.len() < size {
            set_len(&mut self.zeros, size)?;
        }
        let state = |value: Option<usize>| {
            let Some(value) = value else { return Ok(&self.zeros[..size]) };
            let (shape, numbers) = memory.floats(inputs, Some(value))?;
            if shape != [1, batch, hidden] {
                let expected = [1, batch, hidden];
                return Err(misfit(format_args!(
                    "an LSTM starts from a state {shape:?} where {expected:?} is expected"
                )));
            }
            Ok(numbers)
        };
        let initial = Some([state(step.inputs[1])?, state(step.inputs[2])?]);
        let inputs = if let Reads::Numbers(width) = reads { width } else { 0 };
        self.allowance.take((time + 1) * size, 4 * time * size * (inputs + hidden))?;
        set_len(&mut sequence, time * size)?;
        set_len(&mut cell, size)?;
        let (sizes, Scratch { floats, integers, .. }) = ([time, batch], &mut self.scratch);
        match layer {
            Layer::Floats(layer) => {
                layer.run(input, sizes, initial, &mut sequence, &mut cell, floats, &self.threads);
            }
            Layer::Integers(layer) => {
                layer.run(input, sizes, initial, &mut sequence, &mut cell, integers, &self.threads);
            }
        }
        let memory = &mut self.memory;
        let output = |index: usize| step.outputs.get(index).copied().flatten();
        let sources = [Source::Buffer(step.buffer), Source::Buffer(step.buffer + 1)];
        memory.set(output(0), &[time, 1, batch, hidden], sources[0], 0);
        memory.set(output(1), &[1, batch, hidden], sources[0], (time - 1) * size);
        memory.set(output(2), &[1, batch, hidden], sources[1], 0);
        (memory.buffers[step.buffer], memory.buffers[step.buffer + 1]) = (sequence, cell);
        Ok(())
    }

    fn multiply(&mut self, step: &Step, dense: &Product, inputs: &[Input<'_>]) -> Result<()> {
        let mut product = std::mem::take(&mut self.memory.buffers[step.buffer]);
        let [inner, columns] = dense.sizes();
        let (shape, numbers) = self.memory.floats(inputs, step.inputs[0])?;
        let Some((_, outer)) = shape.split_last().filter(|(last, _)| **last == inner) else {
            return Err(misfit(format_args!("{shape:?} is multiplied with a matrix of {inner} rows")));
        };
        let rows = numbers.len() / inner;
        self.allowance.take(rows * columns, numbers.len().saturating_mul(columns))?;
        set_len(&mut product, rows * columns)?;
        match dense {
            Product::Floats(dense) => dense.multiply(rows, numbers, &mut product),
            Product::Integers(dense) => dense.multiply(rows, numbers, &mut product, &mut self.scratch.bytes),
        }
        let mut shape = Sizes::from(outer);
        shape.push(columns);
        self.memory.set(step.outputs[0], &shape, Source::Buffer(step.buffer), 0);
        self.memory.buffers[step.buffer] = product;
        Ok(())
    }

    fn join(&mut self, step: &Step, inputs: &[Input<'_>]) -> Result<()> {
        let mut joined = std::mem::take(&mut self.memory.buffers[step.buffer]);
        joined.clear();
        let mut whole = Sizes::new();
        for &value in &step.inputs {
            let (shape, numbers) = self.memory.floats(inputs, value)?;
            if whole.is_empty() && joined.is_empty() {
                whole = shape.into();
            } else if shape.len() == whole.len() && !shape.is_empty() && shape[1..] == whole[1..] {
                whole[0] += shape[0];
            } else {
                return Err(misfit(format_args!("{shape:?} and {whole:?} are joined along their first axis")));
            }
            self.allowance.take(numbers.len(), 0)?;
            joined.try_reserve(numbers.len()).map_err(|_| no_memory::<f32>(numbers.len()))?;
            joined.extend_from_slice(numbers);
        }
        self.memory.set(step.outputs[0], &whole, Source::Buffer(step.buffer), 0);
        self.memory.buffers[step.buffer] = joined;
        Ok(())
    }
}

impl Memory {
    fn value(&self, value: Option<usize>) -> Result<&Value> {
        let value = value.and_then(|value| self.values.get(value));
        value.ok_or_else(|| misfit("an operator reads a value that does not exist"))
    }

    /// The shape and the numbers of a value of floats.
    fn floats<'v>(&'v self, inputs: &'v [Input<'_>], value: Option<usize>) -> Result<(&'v [usize], &'v [f32])> {
        let value = self.value(value)?;
        let numbers = match value.source {
            Source::Buffer(buffer) => self.buffers.get(buffer).map(Vec::as_slice),
            Source::Input(input) => match inputs.get(input).map(|input| input.numbers) {
                Some(Numbers::Floats(numbers)) => Some(numbers),
                _ => None,
            },
            Source::Nothing => None,
        };
        let end = value.start + value.shape.iter().product::<usize>();
        let numbers = numbers.and_then(|numbers| numbers.get(value.start..end));
        numbers.map(|numbers| (&*value.shape, numbers)).ok_or_else(|| misfit("an operator reads what is no float"))
    }

    fn set(&mut self, value: Option<usize>, shape: &[usize], source: Source, start: usize) {
        if let Some(value) = value.and_then(|value| self.values.get_mut(value)) {
            set_shape(value, shape);
            (value.source, value.start) = (source, start);
        }
    }
}

fn set_shape(value: &mut Value, shape: &[usize]) {
    value.shape.clear();
    value.shape.extend_from_slice(shape);
}

/// The time steps and the sequences of what an LSTM reads.
fn sequences(shape: &[usize]) -> Result<[usize; 2]> {
    match *shape {
        [time, batch] if time > 0 && batch > 0 => Ok([time, batch]),
        _ => Err(misfit(format_args!("an LSTM reads {shape:?} where (time, batch) is expected"))),
    }
}

/// Writes to `places` the rows of a table that a value's ids stand for, and gives the shape of the ids.
fn find_places<'v>(
    memory: &'v Memory,
    inputs: &[Input<'_>],
    value: Option<usize>,
    rows: usize,
    places: &mut Vec<usize>,
) -> Result<&'v [usize]> {
    let value = memory.value(value)?;
    let Source::Input(input) = value.source else { return Err(misfit("a table is looked up by what is no input")) };
    let place = |id: i64| {
        let place = usize::try_from(if id < 0 { id + rows as i64 } else { id }).ok().filter(|&place| place < rows);
        place.ok_or_else(|| misfit(format_args!("the id {id} is looked up in a table of {rows} rows")))
    };
    places.clear();
    places.try_reserve(value.shape.iter().product()).map_err(|_| no_memory::<usize>(value.shape.iter().product()))?;
    match inputs[input].numbers {
        Numbers::Longs(ids) => ids.iter().try_for_each(|&id| place(id).map(|place| places.push(place)))?,
        Numbers::Integers(ids) => ids.iter().try_for_each(|&id| place(id.into()).map(|place| places.push(place)))?,
        Numbers::Floats(_) => return Err(misfit("a table is looked up by floats")),
    }
    Ok(&value.shape)
}

/// One part of a value along its first axis.
fn take_part(value: &mut Value, part: Part) -> Option<()> {
    let whole = *value.shape.first()?;
    let (start, len) = match part {
        Part::Range { start, len, whole: expected } => (expected == whole).then_some((start, len))?,
        Part::Equal { index, of } => whole.is_multiple_of(of).then_some((whole / of * index, whole / of))?,
        Part::One(index) => (usize::try_from(if index < 0 { index + whole as i64 } else { index }).ok()?, 1),
    };
    if start.checked_add(len)? > whole {
        return None;
    }
    value.start += start * value.shape[1..].iter().product::<usize>();
    value.shape[0] = len;
    Some(())
}

fn squeeze(shape: &mut Sizes, axes: &[i64]) -> Option<()> {
    let axes = resolve(axes, shape.len())?;
    if axes.iter().any(|&axis| shape[axis] != 1) {
        return None;
    }
    for &axis in axes.iter().rev() {
        shape.remove(axis);
    }
    Some(())
}

fn unsqueeze(shape: &mut Sizes, axes: &[i64]) -> Option<()> {
    if shape.len() + axes.len() > MOST_DIMENSIONS {
        return None;
    }
    let axes = resolve(axes, shape.len() + axes.len())?;
    axes.iter().for_each(|&axis| shape.insert(axis, 1));
    Some(())
}

/// Axes counted from the front, in order, no two of them the same.
fn resolve(axes: &[i64], rank: usize) -> Option<SmallVec<[usize; 4]>> {
    let mut resolved: SmallVec<[usize; 4]> = smallvec![];
    for &axis in axes {
        resolved.push(usize::try_from(if axis < 0 { axis + rank as i64 } else { axis }).ok()?);
    }
    resolved.sort_unstable();
    let is_valid =
        resolved.windows(2).all(|pair| pair[0] != pair[1]) && resolved.last().is_none_or(|&last| last < rank);
    is_valid.then_some(resolved)
}

#[cold]
fn misfit(what: impl std::fmt::Display) -> Error {
    Error::Inputs(what.to_string())
}
