//! Recurrent networks by this crate's own kernels.
//!
//! A model whose graph consists of the operators below, with weights that are constants, becomes a [`Plan`] when it is
//! opened; every other model is the engine's. The engine computes an LSTM as one general product a time step, which leaves
//! half of the machine idle at small batches; a plan has the weights packed for reading and the cell fused into the
//! product. What a plan takes:
//!
//! - `LSTM`: forward, sequences first, the default activations, no peepholes, no clipping, no lengths;
//! - `Gather` of a table by ids, and of one part of a state;
//! - `MatMul` with constant weights, and an `Add` of a constant bias behind it;
//! - `Split` and `Concat` along the first axis, `Squeeze`, `Unsqueeze`, `Identity`, `Constant`.

#![expect(
    clippy::inline_always,
    reason = "vector code must be inlined into the function compiled for its instructions"
)]

mod cell;
mod compile;
mod graph;
mod lanes;
mod lstm;
mod matrix;
mod threads;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use smallvec::{SmallVec, smallvec};

use self::{
    lstm::{Input, Layer},
    matrix::Matrix,
};
use crate::error::{Error, Result};

pub(crate) use self::threads::Threads;

/// A graph as a list of steps.
pub(crate) struct Plan {
    steps: Vec<Step>,
    /// Values that there are while it runs; the first are the inputs.
    values: usize,
    /// Which of them are the outputs.
    outputs: Vec<usize>,
}

/// One operator, or several in one.
struct Step {
    operation: Operation,
    /// Values that it reads; one that it may leave out is none.
    inputs: SmallVec<[Option<usize>; 3]>,
    /// Values that it makes.
    outputs: SmallVec<[Option<usize>; 3]>,
    /// Whether nothing reads the first input afterwards.
    is_last: bool,
}

enum Operation {
    /// ids → their rows of the table (rows, width).
    Rows {
        table: Vec<f32>,
        width: usize,
    },
    /// Input (T, N, I) or ids (T, N), hidden and cell state (1, N, H) → all hidden states (T, 1, N, H), the last hidden
    /// and cell state (1, N, H).
    Lstm {
        layer: Layer,
        inputs: usize,
        table: Option<usize>,
        hidden: usize,
    },
    /// (…, K) → (…, columns)
    Dense {
        matrix: Matrix,
        inner: usize,
        columns: usize,
    },
    /// One part of many along the first axis.
    Part(Part),
    /// Many along the first axis.
    Concat,
    /// Drops axes of size 1.
    Squeeze(Vec<i64>),
    /// Puts in axes of size 1.
    Unsqueeze(Vec<i64>),
    Identity,
}

#[derive(Clone, Copy)]
enum Part {
    /// So many from there on.
    Range { start: usize, len: usize },
    /// One of so many of equal size.
    Equal { index: usize, of: usize },
    /// The one there; from the end, if negative.
    One(i64),
}

/// Sizes, without a heap allocation for the usual ones.
pub(crate) type Sizes = SmallVec<[usize; 4]>;

/// What a plan gives: sizes, and numbers in row-major order.
pub(crate) type Output = (Sizes, Vec<f32>);

/// A tensor while a plan runs.
#[derive(Clone)]
pub(crate) enum Value<'a> {
    Floats(Sizes, Cow<'a, [f32]>),
    Integers(Sizes, Cow<'a, [i64]>),
}

impl Plan {
    /// Runs on the inputs, in the order of the model's, and gives the outputs asked for.
    pub(crate) fn run<'a>(
        &self,
        inputs: impl Iterator<Item = Value<'a>>,
        outputs: &[usize],
        threads: Threads<'_>,
    ) -> Result<Vec<Output>> {
        let mut values: SmallVec<[Option<Value<'a>>; 32]> = inputs.map(Some).collect();
        values.resize(self.values, None);
        for step in &self.steps {
            step.run(&mut values, threads)?;
        }
        let mut results = Vec::with_capacity(outputs.len());
        for (place, &output) in outputs.iter().enumerate() {
            let slot = self.outputs[output];
            let is_last = !outputs[place + 1..].iter().any(|&later| self.outputs[later] == slot);
            let (shape, numbers) = take(&mut values, Some(slot), is_last)?;
            results.push((shape, numbers.into_owned()));
        }
        Ok(results)
    }
}

impl Step {
    fn run(&self, values: &mut [Option<Value<'_>>], threads: Threads<'_>) -> Result<()> {
        let mut results: SmallVec<[Value<'_>; 3]> = SmallVec::new();
        let first = self.inputs[0];
        match &self.operation {
            Operation::Rows { table, width } => {
                let (shape, ids) = integers(values, first)?;
                let places = places(ids, table.len() / width)?;
                let rows: Vec<f32> =
                    places.iter().flat_map(|place| &table[place * width..][..*width]).copied().collect();
                let mut shape = Sizes::from(shape);
                shape.push(*width);
                results.push(Value::Floats(shape, rows.into()));
            }
            Operation::Lstm { layer, inputs, table, hidden } => {
                results = self.run_lstm(layer, [*inputs, *hidden], *table, values, threads)?.into();
            }
            Operation::Dense { matrix, inner, columns } => {
                let (shape, numbers) = floats(values, first)?;
                let Some((last, outer)) = shape.split_last().filter(|(last, _)| *last == inner) else {
                    return Err(misfit(format_args!("{shape:?} is multiplied with a matrix of {inner} rows")));
                };
                let rows = numbers.len() / last;
                let mut product = vec![0.0; rows * columns];
                matrix.multiply(rows, *inner, numbers, *columns, &mut product);
                let mut shape = Sizes::from(outer);
                shape.push(*columns);
                results.push(Value::Floats(shape, product.into()));
            }
            Operation::Part(which) => results.push(part(take(values, first, self.is_last)?, *which)?),
            Operation::Concat => results.push(self.concat(values)?),
            Operation::Squeeze(_) | Operation::Unsqueeze(_) | Operation::Identity => {
                let (mut shape, numbers) = take(values, first, self.is_last)?;
                let changed = match &self.operation {
                    Operation::Squeeze(axes) => squeeze(&mut shape, axes),
                    Operation::Unsqueeze(axes) => unsqueeze(&mut shape, axes),
                    _ => Some(()),
                };
                changed.ok_or_else(|| misfit(format_args!("axes of {shape:?} are dropped or put in")))?;
                results.push(Value::Floats(shape, numbers));
            }
        }
        for (slot, result) in self.outputs.iter().zip(results) {
            if let Some(slot) = slot {
                values[*slot] = Some(result);
            }
        }
        Ok(())
    }

    fn run_lstm<'a>(
        &self,
        layer: &Layer,
        [inputs, hidden]: [usize; 2],
        table: Option<usize>,
        values: &[Option<Value<'a>>],
        threads: Threads<'_>,
    ) -> Result<[Value<'a>; 3]> {
        let found;
        let (shape, input) = if let Some(rows) = table {
            let (shape, ids) = integers(values, self.inputs[0])?;
            found = places(ids, rows)?;
            (shape, Input::Places(&found))
        } else {
            let (shape, numbers) = floats(values, self.inputs[0])?;
            let Some((&width, shape)) = shape.split_last() else { return Err(misfit("an LSTM reads a single number")) };
            if width != inputs {
                return Err(misfit(format_args!("an LSTM of {inputs} inputs reads {width}")));
            }
            (shape, Input::Rows(numbers))
        };
        let &[time, batch] = shape else {
            return Err(misfit(format_args!("an LSTM reads {shape:?} where (time, batch) is expected")));
        };
        let state = |index: usize| {
            let Some(slot) = self.inputs[index] else { return Ok(None) };
            let (shape, numbers) = floats(values, Some(slot))?;
            if shape != [1, batch, hidden] {
                let expected = [1, batch, hidden];
                return Err(misfit(format_args!(
                    "an LSTM begins from a state {shape:?} where {expected:?} is expected"
                )));
            }
            Ok(Some(numbers))
        };
        let first = state(1)?;
        let (sequence, cell) = layer.run(input, [time, batch], first, state(2)?, threads);
        let last = match sequence.len().checked_sub(batch * hidden) {
            Some(start) if time > 0 => sequence[start..].to_vec(),
            _ => first.map_or_else(|| vec![0.0; batch * hidden], <[f32]>::to_vec),
        };
        let state = |numbers: Vec<f32>| Value::Floats(smallvec![1, batch, hidden], numbers.into());
        Ok([Value::Floats(smallvec![time, 1, batch, hidden], sequence.into()), state(last), state(cell)])
    }

    fn concat<'a>(&self, values: &[Option<Value<'a>>]) -> Result<Value<'a>> {
        let mut whole = Sizes::new();
        let mut numbers = Vec::new();
        for &slot in &self.inputs {
            let (shape, part) = floats(values, slot)?;
            if whole.is_empty() {
                whole = shape.into();
            } else if shape.get(1..) == whole.get(1..) {
                whole[0] += shape[0];
            } else {
                return Err(misfit(format_args!("{shape:?} and {whole:?} are joined along their first axis")));
            }
            numbers.extend_from_slice(part);
        }
        Ok(Value::Floats(whole, numbers.into()))
    }
}

/// One part of a value along its first axis.
fn part((mut shape, numbers): (Sizes, Cow<'_, [f32]>), part: Part) -> Result<Value<'_>> {
    let whole = shape.first().copied().unwrap_or(0);
    let range = match part {
        Part::Range { start, len } => Some((start, len)),
        Part::Equal { index, of } => whole.is_multiple_of(of).then_some((whole / of * index, whole / of)),
        Part::One(index) => {
            let index = if index < 0 { index + whole as i64 } else { index };
            usize::try_from(index).ok().map(|index| (index, 1))
        }
    };
    let Some((start, len)) = range.filter(|(start, len)| start.checked_add(*len).is_some_and(|end| end <= whole))
    else {
        return Err(misfit(format_args!("a part is taken of {shape:?} that is not there")));
    };
    shape[0] = len;
    let size: usize = shape[1..].iter().product();
    let range = start * size..(start + len) * size;
    Ok(Value::Floats(
        shape,
        match numbers {
            Cow::Borrowed(numbers) => Cow::Borrowed(&numbers[range]),
            Cow::Owned(numbers) => Cow::Owned(numbers[range].to_vec()),
        },
    ))
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
    let axes = resolve(axes, shape.len() + axes.len())?;
    axes.iter().for_each(|&axis| shape.insert(axis, 1));
    Some(())
}

/// Axes counted from the front, in order, no two of them the same.
fn resolve(axes: &[i64], rank: usize) -> Option<SmallVec<[usize; 4]>> {
    let from_front = |&axis: &i64| usize::try_from(if axis < 0 { axis + rank as i64 } else { axis }).ok();
    let mut axes: SmallVec<[usize; 4]> = axes.iter().map(from_front).collect::<Option<_>>()?;
    axes.sort_unstable();
    (axes.windows(2).all(|pair| pair[0] != pair[1]) && axes.last().is_none_or(|&last| last < rank)).then_some(axes)
}

/// Rows of a table; ids below zero count from its end.
fn places(ids: &[i64], rows: usize) -> Result<SmallVec<[usize; 64]>> {
    let place = |&id: &i64| {
        let place = usize::try_from(if id < 0 { id + rows as i64 } else { id }).ok().filter(|&place| place < rows);
        place.ok_or_else(|| misfit(format_args!("the id {id} is looked up in a table of {rows} rows")))
    };
    ids.iter().map(place).collect()
}

fn floats<'v>(values: &'v [Option<Value<'_>>], slot: Option<usize>) -> Result<(&'v [usize], &'v [f32])> {
    match slot.and_then(|slot| values[slot].as_ref()) {
        Some(Value::Floats(shape, numbers)) => Ok((shape, numbers)),
        _ => Err(misfit("an operator reads what is not there")),
    }
}

fn integers<'v>(values: &'v [Option<Value<'_>>], slot: Option<usize>) -> Result<(&'v [usize], &'v [i64])> {
    match slot.and_then(|slot| values[slot].as_ref()) {
        Some(Value::Integers(shape, numbers)) => Ok((shape, numbers)),
        _ => Err(misfit("an operator reads ids that are not there")),
    }
}

/// A value for good, if nothing reads it afterwards, or a copy.
fn take<'a>(values: &mut [Option<Value<'a>>], slot: Option<usize>, is_last: bool) -> Result<(Sizes, Cow<'a, [f32]>)> {
    let value = slot.and_then(|slot| if is_last { values[slot].take() } else { values[slot].clone() });
    match value {
        Some(Value::Floats(shape, numbers)) => Ok((shape, numbers)),
        _ => Err(misfit("an operator reads what is not there")),
    }
}

#[cold]
fn misfit(what: impl std::fmt::Display) -> Error {
    Error::Misfit(what.to_string())
}
