//! A layer's sequence as an op: what candle calls, and how its tensors become the kernels' slices.

use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};

use super::{
    backward::{Backward, InputGradient, OutputGradient},
    forward::{Forward, Initial, Input},
    gradient::{RowGradient, Vectors, WeightGradient},
    layout::{self, Sizes},
    memory::{Lease, Link, Pool, Shared, Steps, Workspace, lock},
    precision::{Precision, again, operand},
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
    /// Where hidden states go.
    pub steps: Link,
    /// What the next layer does not see of the hidden states: a mask for all time steps, (N, H), or one for each, (T, N, H).
    pub mask: Option<Vec<f32>>,
    /// Says that the third tensor is zeros and wants no gradient.
    pub zero_state: bool,
    /// The op's own memory from the forward to the backward pass; starts as none.
    pub saved: Mutex<Option<Lease<Workspace>>>,
    /// Where that memory comes from.
    pub pool: Pool<Workspace>,
}

impl Sequence {
    /// Checks the shapes against each other.
    fn sizes(&self, input: &Shape, weights: &Shape, state: &Shape) -> Result<Sizes> {
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
        let Processor { instructions, precision, .. } = self.processor;
        Ok(Sizes { time: self.time, batch, input: length, hidden, width: instructions.width(), precision })
    }

    fn initial<'a>(&self, sizes: &Sizes, state: &'a [f32]) -> Initial<'a> {
        (!self.zero_state).then(|| state.split_at(sizes.batch * sizes.hidden))
    }

    /// Hidden states of all steps and the final states (2, N, H), from packed weights.
    fn forward(&self, sizes: Sizes, work: &mut Workspace, vectors: Option<&[f32]>, initial: Initial<'_>) -> Vec<f32> {
        let Workspace { ids, input_weights, recurrent_weights, bias, gates, cells, words, .. } = work;
        let mut steps = lock(&self.steps);
        let (states, width) = (sizes.batch * sizes.hidden, sizes.width);
        let [vector_words, hidden_words, initial_words] = words;
        let vectors = vectors.map(|vectors| operand(&self.processor, vectors, sizes.input, vector_words));
        let hidden = Shared::new(steps.memory.hidden.sized(sizes.time * states));
        let hidden_words = match sizes.precision {
            Precision::Float32 => hidden,
            Precision::BFloat16 => {
                Shared::new(hidden_words.sized(sizes.time * sizes.batch * sizes.words(sizes.hidden)))
            }
        };
        let job = Forward {
            sizes,
            rows: 0..0,
            input: match vectors {
                None => Input::Ids { ids, table: input_weights.floats() },
                Some(vectors) => Input::Vectors { vectors, weights: input_weights.floats(), bias: bias.floats() },
            },
            recurrent: recurrent_weights.floats(),
            initial,
            initial_words: initial
                .map_or(&[], |(hidden, _)| operand(&self.processor, hidden, sizes.hidden, initial_words)),
            gates: Shared::new(gates.sized(sizes.time * sizes.batch * sizes.all_gates())),
            cells: Shared::new(cells.sized(sizes.time * sizes.batch * sizes.blocks() * width)),
            hidden,
            hidden_words,
        };
        self.processor.run(sizes.batch, multiplications(&sizes), |rows| Forward { rows, ..job.clone() });
        let Steps { hidden, dropped, .. } = &mut steps.memory;
        match &self.mask {
            None => *dropped = None,
            Some(mask) => {
                let target = dropped.get_or_insert_default().sized(sizes.time * states);
                target.copy_from_slice(hidden.floats());
                masked(&self.processor, &sizes, target, mask);
            }
        }
        let mut output = vec![0.0; 2 * states];
        let (hidden, cell) = output.split_at_mut(states);
        hidden.copy_from_slice(&steps.memory.hidden.floats()[(sizes.time - 1) * states..]);
        for row in 0..sizes.batch {
            for block in 0..sizes.blocks() {
                let (units, start) = (sizes.units(block), sizes.cells_at(sizes.time - 1, block, row));
                cell[row * sizes.hidden..][units.clone()].copy_from_slice(&cells.floats()[start..][..units.len()]);
            }
        }
        output
    }

    /// Turns the gates into their gradients; gives the gradient of the initial state if there is one.
    fn backward(
        &self,
        sizes: Sizes,
        work: &mut Workspace,
        recurrent_weights: &[f32],
        initial: Initial<'_>,
        gradient: &[f32],
    ) -> Option<Vec<f32>> {
        let states = sizes.batch * sizes.hidden;
        let transposed = work.transposed.sized(layout::transposed_length(&sizes, sizes.hidden));
        layout::pack_transposed(&self.processor, &sizes, recurrent_weights, transposed);
        let mut state_gradient = initial.map(|_| vec![0.0; 2 * states]);
        let mut steps = lock(&self.steps);
        let returned = std::mem::take(&mut steps.memory.returned);
        if let (true, Some(mask)) = (returned, &self.mask) {
            masked(&self.processor, &sizes, steps.memory.gradient.floats_mut(), mask);
        }
        let job = Backward {
            sizes,
            rows: 0..0,
            output: OutputGradient {
                hidden: &gradient[..states],
                cell: &gradient[states..],
                steps: returned.then(|| steps.memory.gradient.floats()),
            },
            recurrent: transposed,
            initial,
            cells: work.cells.floats(),
            gates: Shared::new(work.gates.floats_mut()),
            cell_gradient: Shared::new(work.cell_gradient.sized(sizes.batch * sizes.blocks() * sizes.width)),
            initial_gradient: state_gradient.as_mut().map(|gradient| Shared::new(gradient)),
        };
        self.processor.run(sizes.batch, multiplications(&sizes), |rows| Backward { rows, ..job.clone() });
        state_gradient
    }

    /// Writes the gradient of the input vectors.
    fn input_gradient(&self, sizes: Sizes, work: &mut Workspace, input_weights: &[f32], gradient: &mut [f32]) {
        let transposed = work.transposed.sized(layout::transposed_length(&sizes, sizes.input));
        layout::pack_transposed(&self.processor, &sizes, input_weights, transposed);
        let job = InputGradient {
            sizes,
            rows: 0..0,
            weights: transposed,
            gates: Shared::new(work.gates.floats_mut()),
            gradient: Shared::new(gradient),
        };
        self.processor.run(sizes.batch, multiplications(&sizes), |rows| InputGradient { rows, ..job.clone() });
    }

    /// The gradient of the weights, (I + H + 1, 4H), from the gradients of the gates.
    fn weight_gradient(
        &self,
        sizes: Sizes,
        work: &mut Workspace,
        vectors: Option<&[f32]>,
        initial: Initial<'_>,
    ) -> Vec<f32> {
        let (gates, lines, columns) = (work.gates.floats(), sizes.all_gates(), 4 * sizes.hidden);
        let interleaved = work.weight_gradient.sized((sizes.input + sizes.hidden + 1) * lines);
        let (input_part, rest) = interleaved.split_at_mut(sizes.input * lines);
        let (recurrent_part, bias_part) = rest.split_at_mut(sizes.hidden * lines);
        let steps = lock(&self.steps);
        let [vector_words, hidden_words, initial_words] = &work.words;
        let recurrent = WeightGradient {
            sizes,
            rows: 0..0,
            length: sizes.hidden,
            vectors: Vectors::Before {
                hidden: again(sizes.precision, steps.memory.hidden.floats(), hidden_words),
                initial: initial.map(|(hidden, _)| again(sizes.precision, hidden, initial_words)),
            },
            gates,
            gradient: Shared::new(recurrent_part),
        };
        let work_of_product = multiplications(&sizes);
        self.processor.run(sizes.hidden, work_of_product, |rows| WeightGradient { rows, ..recurrent.clone() });
        let ids = if let Some(vectors) = vectors {
            let (length, gradient) = (sizes.input, Shared::new(&mut *input_part));
            let vectors = Vectors::Input(again(sizes.precision, vectors, vector_words));
            let job = WeightGradient { length, vectors, gradient, ..recurrent };
            self.processor.run(length, work_of_product, |rows| WeightGradient { rows, ..job.clone() });
            None
        } else {
            Some(&work.ids[..])
        };
        let (rows, target) = if ids.is_some() { (sizes.input, &mut *input_part) } else { (1, &mut *bias_part) };
        let job = RowGradient { sizes, blocks: 0..0, ids, rows, gates, gradient: Shared::new(target) };
        self.processor.run(sizes.blocks(), gates.len(), |blocks| RowGradient { blocks, ..job.clone() });
        if ids.is_some() {
            // Each row of gates was added to one token's row, so that together the tokens have the bias' gradient.
            bias_part.fill(0.0);
            for row in input_part.chunks_exact(lines) {
                bias_part.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
            }
        }
        let mut gradient = vec![0.0; (sizes.input + sizes.hidden + 1) * columns];
        layout::unpack_rows(&self.processor, &sizes, interleaved, &mut gradient);
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
        let sizes = self.sizes(input_layout.shape(), weights_layout.shape(), state_layout.shape())?;
        let initial = self.initial(&sizes, floats(state, state_layout)?);
        let mut lease = self.pool.take();
        let work = &mut lease.memory;
        pack(&self.processor, &sizes, floats(weights, weights_layout)?, matches!(self.source, Source::Ids), work);
        let output = match &self.source {
            Source::Ids => {
                collect_ids(&sizes, input, input_layout, &mut work.ids)?;
                self.forward(sizes, work, None, initial)
            }
            Source::Vectors => self.forward(sizes, work, Some(floats(input, input_layout)?), initial),
            Source::Below(link) => self.forward(sizes, work, Some(lock(link).memory.output()), initial),
        };
        *lock(&self.saved) = Some(lease);
        Ok((CpuStorage::F32(output), (2, sizes.batch, sizes.hidden).into()))
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
        let work = &mut lease.memory;
        let sizes = self.sizes(input.shape(), weights.shape(), state.shape())?;
        let gradient = gradient.contiguous()?;
        let tensor = |numbers: Vec<f32>, like: &Tensor| Tensor::from_vec(numbers, like.shape(), like.device());
        with_floats([weights, state, &gradient], |[weight_numbers, initial, gradient]| {
            let initial = self.initial(&sizes, initial);
            let (input_weights, rest) = weight_numbers.split_at(sizes.input * 4 * sizes.hidden);
            let recurrent_weights = &rest[..sizes.hidden * 4 * sizes.hidden];
            let state_gradient = self.backward(sizes, work, recurrent_weights, initial, gradient);
            let (input_gradient, weight_gradient) = match &self.source {
                Source::Ids => (None, self.weight_gradient(sizes, work, None, initial)),
                Source::Vectors => {
                    let mut numbers = vec![0.0; input.elem_count()];
                    self.input_gradient(sizes, work, input_weights, &mut numbers);
                    let weight_gradient = with_floats([input], |[vectors]| {
                        Ok(self.weight_gradient(sizes, work, Some(vectors), initial))
                    })?;
                    (Some(numbers), weight_gradient)
                }
                Source::Below(link) => {
                    let steps = &mut lock(link).memory;
                    steps.returned = true;
                    let length = sizes.time * sizes.batch * sizes.input;
                    self.input_gradient(sizes, work, input_weights, steps.gradient.sized(length));
                    let weight_gradient = self.weight_gradient(sizes, work, Some(steps.output()), initial);
                    // The gradient went through the link; candle wants one of its own for the edge of the graph.
                    (Some(vec![0.0; input.elem_count()]), weight_gradient)
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

/// Multiplies numbers (T, N, H) by a mask (N, H) or (T, N, H).
fn masked(processor: &Processor, sizes: &Sizes, numbers: &mut [f32], mask: &[f32]) {
    let states = sizes.batch * sizes.hidden;
    let work = numbers.len();
    let numbers = Shared::new(numbers);
    processor.share(sizes.time, work, |steps| {
        for time in steps {
            // SAFETY: each time step falls to one thread.
            let step = unsafe { numbers.write(time * states..(time + 1) * states) };
            let mask = &mask[time * states % mask.len()..][..states];
            step.iter_mut().zip(mask).for_each(|(number, factor)| *number *= factor);
        }
    });
}

/// Multiplications of one product of all gates with the hidden state over the whole sequence.
fn multiplications(sizes: &Sizes) -> usize {
    sizes.time * sizes.batch * sizes.all_gates() * sizes.hidden
}

/// Lays out the weights as the forward pass reads them.
fn pack(processor: &Processor, sizes: &Sizes, weights: &[f32], ids: bool, work: &mut Workspace) {
    let columns = 4 * sizes.hidden;
    let (input, rest) = weights.split_at(sizes.input * columns);
    let (recurrent, bias) = rest.split_at(sizes.hidden * columns);
    let lines = sizes.all_gates();
    let packed_bias = work.bias.sized(lines);
    if ids {
        layout::pack_rows(sizes, input, Some(bias), work.input_weights.sized(sizes.input * lines), packed_bias);
    } else {
        layout::pack_rows(sizes, bias, None, packed_bias, &mut []);
        layout::pack_panels(processor, sizes, input, work.input_weights.sized(sizes.words(sizes.input) * lines));
    }
    let packed = work.recurrent_weights.sized(sizes.words(sizes.hidden) * lines);
    layout::pack_panels(processor, sizes, recurrent, packed);
}

/// Copies ids (N, T) to (T, N) and refuses those that have no row.
fn collect_ids(sizes: &Sizes, ids: &CpuStorage, layout: &Layout, target: &mut Vec<u32>) -> Result<()> {
    let (CpuStorage::U32(ids), &[row_stride, time_stride]) = (ids, layout.stride()) else {
        bail!("lstm-sequence: ids are (N, T) of u32")
    };
    target.clear();
    for time in 0..sizes.time {
        for row in 0..sizes.batch {
            let id = ids[layout.start_offset() + row * row_stride + time * time_stride];
            if id as usize >= sizes.input {
                bail!("lstm-sequence: id {id} at ({row}, {time}) is beyond the vocabulary of {}", sizes.input);
            }
            target.push(id);
        }
    }
    Ok(())
}
