//! The op itself: what candle calls, and how its tensors become the kernels' slices.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Storage, Tensor, bail};

use super::{
    Instructions,
    backward::{Backward, InputGradient, OutputGradient},
    floats,
    forward::{Forward, Initial, Input},
    gradient::{RowGradient, Vectors, WeightGradient},
    in_parallel,
    layout::{self, Sizes},
    memory::{Lease, Pool, Shared, Workspace},
};

/// One layer's sequence as an op of three tensors, good for one forward and at most one backward pass:
///
/// 1. what the layer reads: ids (N, T) of u32, or vectors (T or more, N, I), of which it reads the first T;
/// 2. its weights, (I + H + 1, 4H): input weight, recurrent weight, bias, with gates in the order i, f, g, o;
/// 3. the hidden and the cell state before the first step, (2, N, H).
///
/// The result is (T + 1, N, H), the hidden states and below them the final cell state, if `every` step is asked for;
/// otherwise (2, N, H), the final hidden state and the final cell state.
#[derive(Debug)]
pub struct Sequence {
    instructions: Instructions,
    time: usize,
    every: bool,
    zero_state: bool,
    pool: Pool,
    saved: Mutex<Option<Box<Lease>>>,
}

impl Sequence {
    /// An op over `time` steps. `zero_state` says that the third tensor is zeros and wants no gradient.
    pub fn new(instructions: Instructions, time: usize, every: bool, zero_state: bool, pool: &Pool) -> Self {
        Self { instructions, time, every, zero_state, pool: pool.clone(), saved: Mutex::new(None) }
    }

    /// Checks the shapes against each other.
    fn sizes(&self, input: &Shape, ids: bool, weights: &Shape, state: &Shape) -> Result<Sizes> {
        let (rows, gates) = weights.dims2()?;
        let hidden = gates / 4;
        let (batch, length) = match *input.dims() {
            [batch, time] if ids && time == self.time => (batch, rows.saturating_sub(hidden + 1)),
            [time, batch, length] if !ids && time >= self.time => (batch, length),
            _ => bail!("lstm-sequence: {input:?} is not the input of {} time steps", self.time),
        };
        if rows != length + hidden + 1 || gates != 4 * hidden || state.dims() != [2, batch, hidden] {
            bail!("lstm-sequence: input {input:?}, weights {weights:?} and state {state:?} do not belong together");
        }
        if self.time * batch * length * hidden == 0 {
            bail!("lstm-sequence: no size may be zero: {self:?}, input {input:?}, weights {weights:?}");
        }
        Ok(Sizes { time: self.time, batch, input: length, hidden, width: self.instructions.width() })
    }

    fn initial<'a>(&self, sizes: &Sizes, state: &'a [f32]) -> Initial<'a> {
        (!self.zero_state).then(|| state.split_at(sizes.batch * sizes.hidden))
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
        let ids = matches!(input, CpuStorage::U32(_));
        let sizes = self.sizes(input_layout.shape(), ids, weights_layout.shape(), state_layout.shape())?;
        let (weights, state) = (floats(weights, weights_layout)?, floats(state, state_layout)?);
        let mut lease = self.pool.take();
        let work = &mut lease.workspace;
        let vectors = match input {
            CpuStorage::U32(ids) => {
                collect_ids(&sizes, ids, input_layout, &mut work.ids)?;
                None
            }
            input => Some(floats(input, input_layout)?),
        };
        let states = sizes.batch * sizes.hidden;
        let mut output = vec![0.0; if self.every { sizes.time + 1 } else { 2 } * states];
        let (first, cell) = output.split_at_mut(if self.every { sizes.time * states } else { states });
        pack(&sizes, weights, ids, work);
        let Workspace { ids, input_weights, recurrent_weights, bias, gates, cells, hidden, .. } = work;
        let hidden = if self.every { &mut *first } else { hidden.sized(sizes.time * states) };
        let forward = Forward {
            sizes,
            rows: 0..sizes.batch,
            input: match vectors {
                None => Input::Ids { ids, table: input_weights.floats() },
                Some(vectors) => Input::Vectors { vectors, weights: input_weights.floats(), bias: bias.floats() },
            },
            recurrent: recurrent_weights.floats(),
            initial: self.initial(&sizes, state),
            gates: Shared::new(gates.sized(sizes.time * sizes.batch * sizes.all_gates())),
            cells: Shared::new(cells.sized(sizes.time * sizes.batch * sizes.blocks() * sizes.width)),
            hidden: Shared::new(hidden),
        };
        in_parallel(sizes.batch, multiplications(&sizes), |rows| {
            self.instructions.run(Forward { rows, ..forward.clone() });
        });
        for row in 0..sizes.batch {
            for block in 0..sizes.blocks() {
                let units = sizes.units(block);
                let start = sizes.cells_at(sizes.time - 1, block, row);
                cell[row * sizes.hidden..][units.clone()].copy_from_slice(&work.cells.floats()[start..][..units.len()]);
            }
        }
        if !self.every {
            first.copy_from_slice(&work.hidden.floats()[(sizes.time - 1) * states..]);
        }
        *self.saved.lock().unwrap_or_else(PoisonError::into_inner) = Some(lease);
        let shape = (output.len() / states, sizes.batch, sizes.hidden);
        Ok((CpuStorage::F32(output), shape.into()))
    }

    fn bwd(
        &self,
        input: &Tensor,
        weights: &Tensor,
        state: &Tensor,
        output: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(mut lease) = self.saved.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            bail!("lstm-sequence: the gradients of this pass were taken before; run the network forward again");
        };
        let gradient = gradient.contiguous()?;
        with_floats([weights, state, output, &gradient], |[weights_in, state_in, output, gradient]| {
            let ids = input.dtype() == candle_core::DType::U32;
            let sizes = self.sizes(input.shape(), ids, weights.shape(), state.shape())?;
            let run = |vectors: Option<&[f32]>| {
                self.gradients(&sizes, &mut lease.workspace, vectors, weights_in, state_in, output, gradient)
            };
            let mut run = run;
            let gradients = if ids { run(None) } else { with_floats([input], |[vectors]| Ok(run(Some(vectors))))? };
            let tensor = |numbers: Vec<f32>, like: &Tensor| Tensor::from_vec(numbers, like.shape(), like.device());
            Ok((
                gradients.input.map(|numbers| tensor(numbers, input)).transpose()?,
                Some(tensor(gradients.weights, weights)?),
                gradients.state.map(|numbers| tensor(numbers, state)).transpose()?,
            ))
        })
    }
}

/// What the backward pass gives.
struct Gradients {
    input: Option<Vec<f32>>,
    weights: Vec<f32>,
    state: Option<Vec<f32>>,
}

impl Sequence {
    #[expect(clippy::too_many_arguments, reason = "the tensors of an op and their gradients")]
    fn gradients(
        &self,
        sizes: &Sizes,
        work: &mut Workspace,
        vectors: Option<&[f32]>,
        weights: &[f32],
        state: &[f32],
        output: &[f32],
        gradient: &[f32],
    ) -> Gradients {
        let (sizes, run) = (*sizes, self.instructions);
        let (states, columns) = (sizes.batch * sizes.hidden, 4 * sizes.hidden);
        let initial = self.initial(&sizes, state);
        let (input_weights, rest) = weights.split_at(sizes.input * columns);
        let recurrent_weights = &rest[..sizes.hidden * columns];

        let transposed = work.transposed.sized(layout::transposed_length(&sizes, sizes.hidden));
        layout::pack_transposed(&sizes, recurrent_weights, transposed);
        let mut state_gradient = initial.map(|_| vec![0.0; 2 * states]);
        let (hidden_gradient, cell_gradient) = gradient.split_at(gradient.len() - states);
        let backward = Backward {
            sizes,
            rows: 0..sizes.batch,
            output: OutputGradient { hidden: hidden_gradient, cell: cell_gradient, every: self.every },
            recurrent: transposed,
            initial,
            cells: work.cells.floats(),
            gates: Shared::new(work.gates.floats_mut()),
            cell_gradient: Shared::new(work.cell_gradient.sized(sizes.batch * sizes.blocks() * sizes.width)),
            initial_gradient: state_gradient.as_mut().map(|gradient| Shared::new(gradient)),
        };
        in_parallel(sizes.batch, multiplications(&sizes), |rows| run.run(Backward { rows, ..backward.clone() }));

        let input_gradient = vectors.map(|vectors| {
            let mut gradient = vec![0.0; vectors.len()];
            let transposed = work.transposed.sized(layout::transposed_length(&sizes, sizes.input));
            layout::pack_transposed(&sizes, input_weights, transposed);
            let job = InputGradient {
                sizes,
                rows: 0..sizes.batch,
                weights: transposed,
                gates: Shared::new(work.gates.floats_mut()),
                gradient: Shared::new(&mut gradient),
            };
            in_parallel(sizes.batch, multiplications(&sizes), |rows| run.run(InputGradient { rows, ..job.clone() }));
            gradient
        });

        let hidden = if self.every { &output[..sizes.time * states] } else { work.hidden.floats() };
        let ids = vectors.is_none().then_some(&work.ids[..]);
        let gates = work.gates.floats();
        let lines = sizes.all_gates();
        let interleaved = work.weight_gradient.sized((sizes.input + sizes.hidden + 1) * lines);
        let (input_part, rest) = interleaved.split_at_mut(sizes.input * lines);
        let (recurrent_part, bias_part) = rest.split_at_mut(sizes.hidden * lines);
        let recurrent = WeightGradient {
            sizes,
            rows: 0..sizes.hidden,
            length: sizes.hidden,
            vectors: Vectors::Before { hidden, initial: initial.map(|(hidden, _)| hidden) },
            gates,
            gradient: Shared::new(recurrent_part),
        };
        in_parallel(sizes.hidden, multiplications(&sizes), |rows| {
            run.run(WeightGradient { rows, ..recurrent.clone() });
        });
        if let Some(vectors) = vectors {
            let (length, gradient) = (sizes.input, Shared::new(&mut *input_part));
            let job = WeightGradient { vectors: Vectors::Input(vectors), length, gradient, ..recurrent };
            in_parallel(length, multiplications(&sizes), |rows| run.run(WeightGradient { rows, ..job.clone() }));
        }
        let (rows, target) = if ids.is_some() { (sizes.input, &mut *input_part) } else { (1, &mut *bias_part) };
        let job = RowGradient { sizes, blocks: 0..0, ids, rows, gates, gradient: Shared::new(target) };
        in_parallel(sizes.blocks(), gates.len(), |blocks| run.run(RowGradient { blocks, ..job.clone() }));
        if ids.is_some() {
            // Each row of gates was added to one token's row, so that together the tokens have the bias' gradient.
            bias_part.fill(0.0);
            for row in input_part.chunks_exact(lines) {
                bias_part.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
            }
        }
        let mut weight_gradient = vec![0.0; weights.len()];
        for (lines, row) in interleaved.chunks_exact(lines).zip(weight_gradient.chunks_exact_mut(columns)) {
            layout::unpack_row(&sizes, lines, row);
        }
        Gradients { input: input_gradient, weights: weight_gradient, state: state_gradient }
    }
}

/// Multiplications of one product of all gates with the hidden state over the whole sequence, roughly.
fn multiplications(sizes: &Sizes) -> usize {
    sizes.time * sizes.batch * sizes.all_gates() * sizes.hidden
}

/// Lays out the weights as the forward pass reads them.
fn pack(sizes: &Sizes, weights: &[f32], ids: bool, work: &mut Workspace) {
    let columns = 4 * sizes.hidden;
    let (input, rest) = weights.split_at(sizes.input * columns);
    let (recurrent, bias) = rest.split_at(sizes.hidden * columns);
    let lines = sizes.all_gates();
    let packed_bias = work.bias.sized(lines);
    let packed_input = work.input_weights.sized(sizes.input * lines);
    if ids {
        layout::pack_rows(sizes, input, Some(bias), packed_input, packed_bias);
    } else {
        layout::pack_rows(sizes, bias, None, packed_bias, &mut []);
        layout::pack_panels(sizes, input, packed_input);
    }
    layout::pack_panels(sizes, recurrent, work.recurrent_weights.sized(sizes.hidden * lines));
}

/// Copies ids (N, T) to (T, N) and refuses those that have no row.
fn collect_ids(sizes: &Sizes, ids: &[u32], layout: &Layout, target: &mut Vec<u32>) -> Result<()> {
    let &[row_stride, time_stride] = layout.stride() else { bail!("lstm-sequence: ids are (N, T)") };
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

/// The numbers of several tensors at once.
fn with_floats<const N: usize, R>(tensors: [&Tensor; N], body: impl FnOnce([&[f32]; N]) -> Result<R>) -> Result<R> {
    let guards = tensors.map(Tensor::storage_and_layout);
    let mut slices = [&[] as &[f32]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(&guards) {
        let Storage::Cpu(storage) = &**storage else { bail!("lstm-sequence: a tensor is not in memory") };
        *slice = floats(storage, layout)?;
    }
    body(slices)
}
