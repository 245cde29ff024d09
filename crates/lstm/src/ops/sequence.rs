//! A layer's sequence as an op of candle.

use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use kernels::training::{self, Initial, Input, OutputGradient, apply_mask};

use super::{
    memory::{LayerMemory, Lease, Link, Pool, Steps, lock},
    processor::Processor,
    tensors::{floats, with_floats},
};

/// What a layer reads.
#[derive(Debug, Clone)]
pub enum Source {
    /// Ids: the op's first tensor, (N, T) of u32.
    Ids,
    /// Vectors: the op's first tensor, (T, N, I).
    Vectors,
    /// The steps of the layer below, whose final states (2, N, H) are the op's first tensor.
    Below(Link),
}

/// One layer's sequence as an op of three tensors, good for one forward and at most one backward pass:
///
/// 1. what the layer reads, see [`Source`];
/// 2. its weights, (I + H + 1, 4H): input weight, recurrent weight, bias, with gates in the order i, f, g, o;
/// 3. the hidden and the cell state before the first step, (2, N, H).
///
/// The result is the final hidden and cell state, (2, N, H); the hidden states of all time steps go into a link.
#[derive(Debug)]
pub struct Sequence {
    /// What to compute with.
    pub processor: Processor,
    /// T
    pub time: usize,
    /// What the layer reads.
    pub source: Source,
    /// Where the hidden states go.
    pub steps: Link,
    /// Dropout of the hidden states that the next layer reads: a mask for all time steps, (N, H), or for each, (T, N, H).
    pub mask: Option<Vec<f32>>,
    /// Whether the third tensor is zeros and wants no gradient.
    pub zero_state: bool,
    /// The op's memory from the forward to the backward pass; none before.
    pub saved: Mutex<Option<Lease<LayerMemory>>>,
    /// Where that memory comes from.
    pub pool: Pool<LayerMemory>,
}

impl Sequence {
    /// Checks the shapes against each other.
    fn shape(&self, input: &Shape, weights: &Shape, state: &Shape) -> Result<training::Shape> {
        let (rows, gates) = weights.dims2()?;
        let hidden = gates / 4;
        let (batch, length) = match (&self.source, input.dims()) {
            (Source::Ids, &[batch, time]) if time == self.time => (batch, rows.saturating_sub(hidden + 1)),
            (Source::Vectors, &[time, batch, length]) if time == self.time => (batch, length),
            (Source::Below(_), &[2, batch, length]) => (batch, length),
            _ => bail!("lstm-sequence: {input:?} is not the input of {} time steps", self.time),
        };
        if rows != length + hidden + 1 || gates != 4 * hidden || state.dims() != [2, batch, hidden] {
            bail!("lstm-sequence: input {input:?}, weights {weights:?} and state {state:?} do not belong together");
        }
        if self.time * batch * length * hidden == 0 {
            bail!("lstm-sequence: no size may be zero, input {input:?}, weights {weights:?}, time {}", self.time);
        }
        Ok(training::Shape { time: self.time, batch, input: length, hidden })
    }

    /// The arithmetic over an input.
    fn kernels<'a>(&'a self, shape: training::Shape, input: Input<'a>, initial: Initial<'a>) -> training::Sequence<'a> {
        training::Sequence { processor: self.processor.kernels(), shape, input, initial }
    }

    fn initial<'a>(&self, shape: &training::Shape, state: &'a [f32]) -> Initial<'a> {
        (!self.zero_state).then(|| state.split_at(shape.batch * shape.hidden))
    }

    /// Fills the link with the hidden states of all steps; returns the final states, (2, N, H).
    fn forward(&self, sequence: training::Sequence<'_>, weights: &[f32], memory: &mut training::Workspace) -> Vec<f32> {
        let (time, states) = (sequence.shape.time, sequence.shape.batch * sequence.shape.hidden);
        let Steps { hidden, dropped, .. } = &mut lock(&self.steps).memory;
        let mut output = vec![0.0; 2 * states];
        sequence.forward(weights, memory, hidden.sized(time * states), &mut output);
        match &self.mask {
            None => *dropped = None,
            Some(mask) => {
                let target = dropped.get_or_insert_default().sized(time * states);
                target.copy_from_slice(hidden.floats());
                apply_mask(&sequence.processor, time, target, mask);
            }
        }
        output
    }

    /// Turns the gates into their gradients; returns the gradient of the initial state if there is one.
    fn backward(
        &self,
        sequence: training::Sequence<'_>,
        weights: &[f32],
        memory: &mut training::Workspace,
        gradient: &[f32],
    ) -> Option<Vec<f32>> {
        let mut state_gradient = sequence.initial.map(|_| vec![0.0; gradient.len()]);
        let steps = &mut lock(&self.steps).memory;
        let returned = std::mem::take(&mut steps.returned);
        if let (true, Some(mask)) = (returned, &self.mask) {
            apply_mask(&sequence.processor, sequence.shape.time, steps.gradient.floats_mut(), mask);
        }
        let (hidden, cell) = gradient.split_at(gradient.len() / 2);
        let output = OutputGradient { hidden, cell, steps: returned.then(|| steps.gradient.floats()) };
        sequence.backward(weights, memory, output, state_gradient.as_deref_mut());
        state_gradient
    }

    /// The gradient of the weights, (I + H + 1, 4H).
    fn weight_gradient(
        &self,
        sequence: training::Sequence<'_>,
        memory: &mut training::Workspace,
        length: usize,
    ) -> Vec<f32> {
        let mut gradient = vec![0.0; length];
        sequence.weight_gradient(memory, lock(&self.steps).memory.hidden.floats(), &mut gradient);
        gradient
    }
}

impl CustomOp3 for Sequence {
    fn name(&self) -> &'static str {
        "lstm-sequence"
    }

    fn cpu_fwd(
        &self,
        input: &CpuStorage,
        input_layout: &Layout,
        weights: &CpuStorage,
        weights_layout: &Layout,
        state: &CpuStorage,
        state_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let shape = self.shape(input_layout.shape(), weights_layout.shape(), state_layout.shape())?;
        let initial = self.initial(&shape, floats(state, state_layout)?);
        let weights = floats(weights, weights_layout)?;
        let mut lease = self.pool.take();
        let LayerMemory { ids, workspace } = &mut lease.memory;
        let output = match &self.source {
            Source::Ids => {
                collect_ids(&shape, input, input_layout, ids)?;
                self.forward(self.kernels(shape, Input::Ids(ids), initial), weights, workspace)
            }
            Source::Vectors => {
                let vectors = Input::Vectors(floats(input, input_layout)?);
                self.forward(self.kernels(shape, vectors, initial), weights, workspace)
            }
            Source::Below(link) => {
                let below = lock(link);
                let vectors = Input::Vectors(below.memory.output());
                self.forward(self.kernels(shape, vectors, initial), weights, workspace)
            }
        };
        *lock(&self.saved) = Some(lease);
        Ok((CpuStorage::F32(output), (2, shape.batch, shape.hidden).into()))
    }

    fn bwd(
        &self,
        input: &Tensor,
        weights: &Tensor,
        state: &Tensor,
        _output: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(mut lease) = lock(&self.saved).take() else {
            bail!("lstm-sequence: the gradients of this pass were taken before; run the network forward again");
        };
        let LayerMemory { ids, workspace } = &mut lease.memory;
        let shape = self.shape(input.shape(), weights.shape(), state.shape())?;
        let gradient = gradient.contiguous()?;
        let tensor = |numbers: Vec<f32>, like: &Tensor| Tensor::from_vec(numbers, like.shape(), like.device());
        with_floats([weights, state, &gradient], |[numbers, initial, gradient]| {
            let initial = self.initial(&shape, initial);
            let (input_gradient, weight_gradient, state_gradient) = match &self.source {
                Source::Ids => {
                    let sequence = self.kernels(shape, Input::Ids(ids), initial);
                    let state_gradient = self.backward(sequence, numbers, workspace, gradient);
                    (None, self.weight_gradient(sequence, workspace, numbers.len()), state_gradient)
                }
                Source::Vectors => with_floats([input], |[vectors]| {
                    let sequence = self.kernels(shape, Input::Vectors(vectors), initial);
                    let state_gradient = self.backward(sequence, numbers, workspace, gradient);
                    let mut input_gradient = vec![0.0; vectors.len()];
                    sequence.input_gradient(numbers, workspace, &mut input_gradient);
                    let weight_gradient = self.weight_gradient(sequence, workspace, numbers.len());
                    Ok((Some(input_gradient), weight_gradient, state_gradient))
                })?,
                Source::Below(link) => {
                    let Steps { hidden, dropped, gradient: below, returned } = &mut lock(link).memory;
                    let vectors = dropped.as_ref().unwrap_or(hidden).floats();
                    let sequence = self.kernels(shape, Input::Vectors(vectors), initial);
                    let state_gradient = self.backward(sequence, numbers, workspace, gradient);
                    *returned = true;
                    sequence.input_gradient(numbers, workspace, below.sized(vectors.len()));
                    let weight_gradient = self.weight_gradient(sequence, workspace, numbers.len());
                    // The gradient went through the link; candle wants one of its own for the edge of the graph.
                    (Some(vec![0.0; input.elem_count()]), weight_gradient, state_gradient)
                }
            };
            Ok((
                input_gradient.map(|numbers| tensor(numbers, input)).transpose()?,
                Some(tensor(weight_gradient, weights)?),
                state_gradient.map(|numbers| tensor(numbers, state)).transpose()?,
            ))
        })
    }
}

/// Copies ids (N, T) to (T, N) and refuses those that have no row.
fn collect_ids(shape: &training::Shape, ids: &CpuStorage, layout: &Layout, target: &mut Vec<u32>) -> Result<()> {
    let (CpuStorage::U32(ids), &[row_stride, time_stride]) = (ids, layout.stride()) else {
        bail!("lstm-sequence: ids are (N, T) of u32")
    };
    target.clear();
    for time in 0..shape.time {
        for row in 0..shape.batch {
            let id = ids[layout.start_offset() + row * row_stride + time * time_stride];
            if id as usize >= shape.input {
                bail!("lstm-sequence: id {id} at ({row}, {time}) is beyond the vocabulary of {}", shape.input);
            }
            target.push(id);
        }
    }
    Ok(())
}
