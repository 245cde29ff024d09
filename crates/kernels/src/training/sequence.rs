//! A layer's whole sequence, forward and backward.

use super::{
    backward::{Backward, InputGradient, OutputGradient},
    forward::{Forward, Initial, PackedInput},
    gradient::{RowGradient, Vectors, WeightGradient},
    operand::{operand, rounded_before},
    packing::{pack_panels, pack_rows, pack_transposed, transposed_length, unpack_rows},
    sizes::{Shape, Sizes},
};
use crate::{buffer::Buffer, precision::Precision, processor::Processor, shared::Shared};

/// What a layer reads.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// Tokens, (T, N).
    Ids(&'a [u32]),
    /// Vectors, (T, N, I).
    Vectors(&'a [f32]),
}

/// Memory of one layer's sequence, kept from the forward to the backward pass.
#[derive(Debug, Default)]
pub struct Workspace {
    /// Input weights in panels, or a row of pre-activations per token.
    input_weights: Buffer,
    /// Recurrent weights in panels.
    recurrent_weights: Buffer,
    /// The bias, gates interleaved.
    bias: Buffer,
    /// Gates after activation; in the backward pass, their gradients.
    gates: Buffer,
    /// Cell states.
    cells: Buffer,
    /// Words of the input vectors, where they are not the numbers themselves.
    input_words: Buffer,
    /// Words of the hidden states, where they are not the numbers themselves.
    hidden_words: Buffer,
    /// Words of the initial hidden state, where they are not the numbers themselves.
    initial_words: Buffer,
    /// Gradient of the cell state.
    cell_gradient: Buffer,
    /// Transposed weights in panels.
    transposed: Buffer,
    /// Gradient of the weights, gates interleaved.
    weight_gradient: Buffer,
}

/// One layer's sequence. [`forward`](Self::forward) goes first; then, once each and with the same workspace,
/// [`backward`](Self::backward) and after it the two other gradients.
///
/// Weights are (I + H + 1, 4H): input weights, recurrent weights, bias, with gates in the order i, f, g, o. All methods panic
/// if a slice is shorter than the shape says, or if an id is not below I.
#[derive(Clone, Copy)]
pub struct Sequence<'a> {
    /// What to compute with.
    pub processor: Processor<'a>,
    /// The sizes.
    pub shape: Shape,
    /// What the layer reads.
    pub input: Input<'a>,
    /// The state before the first step.
    pub initial: Initial<'a>,
}

impl Sequence<'_> {
    /// Writes the hidden states of all time steps, (T, N, H), and the final hidden and cell state, (2, N, H).
    pub fn forward(&self, weights: &[f32], work: &mut Workspace, hidden: &mut [f32], state: &mut [f32]) {
        let sizes = self.sizes();
        self.pack(&sizes, weights, work);
        let states = sizes.batch * sizes.hidden;
        let Workspace { input_weights, recurrent_weights, bias, gates, cells, .. } = work;
        let shared_hidden = Shared::new(hidden);
        let hidden_words = match sizes.precision {
            Precision::Float32 => shared_hidden,
            Precision::BFloat16 => {
                Shared::new(work.hidden_words.sized(sizes.time * sizes.batch * sizes.words(sizes.hidden)))
            }
        };
        let kernel = Forward {
            sizes,
            rows: 0..0,
            input: match self.input {
                Input::Ids(ids) => PackedInput::Ids { ids, table: input_weights.floats() },
                Input::Vectors(vectors) => PackedInput::Vectors {
                    vectors: operand(&self.processor, vectors, sizes.input, &mut work.input_words),
                    weights: input_weights.floats(),
                    bias: bias.floats(),
                },
            },
            recurrent: recurrent_weights.floats(),
            initial: self.initial,
            initial_words: self
                .initial
                .map_or(&[], |(hidden, _)| operand(&self.processor, hidden, sizes.hidden, &mut work.initial_words)),
            gates: Shared::new(gates.sized(sizes.time * sizes.batch * sizes.all_gates())),
            cells: Shared::new(cells.sized(sizes.time * sizes.batch * sizes.blocks() * sizes.lanes)),
            hidden: shared_hidden,
            hidden_words,
        };
        self.processor.run(sizes.batch, sizes.multiplications(), |rows| Forward { rows, ..kernel.clone() });
        let (final_hidden, final_cell) = state.split_at_mut(states);
        final_hidden.copy_from_slice(&hidden[(sizes.time - 1) * states..]);
        for row in 0..sizes.batch {
            for block in 0..sizes.blocks() {
                let (units, start) = (sizes.units(block), sizes.cells_at(sizes.time - 1, block, row));
                let cells = &cells.floats()[start..][..units.len()];
                final_cell[row * sizes.hidden..][units].copy_from_slice(cells);
            }
        }
    }

    /// Copies what [`forward`](Self::forward) computed at every time step, before [`backward`](Self::backward) overwrites it:
    /// the cell states, (T, N, H), and the gates after activation, (T, N, 4H) in the order i, f, g, o.
    pub fn copy_activations(&self, work: &Workspace, cells: &mut [f32], gates: &mut [f32]) {
        let sizes = self.sizes();
        let (saved_cells, saved_gates) = (work.cells.floats(), work.gates.floats());
        let rows = cells.chunks_exact_mut(sizes.hidden).zip(gates.chunks_exact_mut(4 * sizes.hidden));
        for (place, (cells, gates)) in rows.take(sizes.time * sizes.batch).enumerate() {
            let (time, row) = (place / sizes.batch, place % sizes.batch);
            for block in 0..sizes.blocks() {
                let units = sizes.units(block);
                let lane = &saved_cells[sizes.cells_at(time, block, row)..][..units.len()];
                cells[units.clone()].copy_from_slice(lane);
                let lanes = &saved_gates[sizes.gates_at(time, block, row)..][..sizes.gates()];
                for (gate, lane) in lanes.chunks_exact(sizes.lanes).enumerate() {
                    gates[gate * sizes.hidden..][units.clone()].copy_from_slice(&lane[..units.len()]);
                }
            }
        }
    }

    /// Turns the gates into their gradients. Writes the gradient of the initial state, (2, N, H), if it is wanted.
    pub fn backward(
        &self,
        weights: &[f32],
        work: &mut Workspace,
        output: OutputGradient<'_>,
        state_gradient: Option<&mut [f32]>,
    ) {
        let sizes = self.sizes();
        let columns = 4 * sizes.hidden;
        let recurrent = &weights[sizes.input * columns..][..sizes.hidden * columns];
        let transposed = work.transposed.sized(transposed_length(&sizes, sizes.hidden));
        pack_transposed(&self.processor, &sizes, recurrent, transposed);
        let kernel = Backward {
            sizes,
            rows: 0..0,
            output,
            recurrent: transposed,
            initial: self.initial,
            cells: work.cells.floats(),
            gates: Shared::new(work.gates.floats_mut()),
            cell_gradient: Shared::new(work.cell_gradient.sized(sizes.batch * sizes.blocks() * sizes.lanes)),
            initial_gradient: state_gradient.map(Shared::new),
        };
        self.processor.run(sizes.batch, sizes.multiplications(), |rows| Backward { rows, ..kernel.clone() });
    }

    /// Writes the gradient of the input vectors, (T, N, I).
    pub fn input_gradient(&self, weights: &[f32], work: &mut Workspace, gradient: &mut [f32]) {
        let sizes = self.sizes();
        let input = &weights[..sizes.input * 4 * sizes.hidden];
        let transposed = work.transposed.sized(transposed_length(&sizes, sizes.input));
        pack_transposed(&self.processor, &sizes, input, transposed);
        let kernel = InputGradient {
            sizes,
            rows: 0..0,
            weights: transposed,
            gates: Shared::new(work.gates.floats_mut()),
            gradient: Shared::new(gradient),
        };
        self.processor.run(sizes.batch, sizes.multiplications(), |rows| InputGradient { rows, ..kernel.clone() });
    }

    /// Writes the gradient of the weights, (I + H + 1, 4H). `hidden` is what [`forward`](Self::forward) wrote.
    pub fn weight_gradient(&self, work: &mut Workspace, hidden: &[f32], gradient: &mut [f32]) {
        let sizes = self.sizes();
        let (gates, row) = (work.gates.floats(), sizes.all_gates());
        let interleaved = work.weight_gradient.sized((sizes.input + sizes.hidden + 1) * row);
        let (input_part, rest) = interleaved.split_at_mut(sizes.input * row);
        let (recurrent_part, bias_part) = rest.split_at_mut(sizes.hidden * row);
        let recurrent = WeightGradient {
            sizes,
            rows: 0..0,
            length: sizes.hidden,
            vectors: Vectors::Before {
                hidden: rounded_before(sizes.precision, hidden, &work.hidden_words),
                initial: self.initial.map(|(hidden, _)| rounded_before(sizes.precision, hidden, &work.initial_words)),
            },
            gates,
            gradient: Shared::new(recurrent_part),
        };
        let multiplications = sizes.multiplications();
        self.processor.run(sizes.hidden, multiplications, |rows| WeightGradient { rows, ..recurrent.clone() });
        let ids = match self.input {
            Input::Ids(ids) => Some(ids),
            Input::Vectors(vectors) => {
                let (length, gradient) = (sizes.input, Shared::new(&mut *input_part));
                let vectors = Vectors::Input(rounded_before(sizes.precision, vectors, &work.input_words));
                let kernel = WeightGradient { length, vectors, gradient, ..recurrent };
                self.processor.run(length, multiplications, |rows| WeightGradient { rows, ..kernel.clone() });
                None
            }
        };
        let (rows, target) = if ids.is_some() { (sizes.input, &mut *input_part) } else { (1, &mut *bias_part) };
        let kernel = RowGradient { sizes, blocks: 0..0, ids, rows, gates, gradient: Shared::new(target) };
        self.processor.run(sizes.blocks(), gates.len(), |blocks| RowGradient { blocks, ..kernel.clone() });
        if ids.is_some() {
            // Each row of gates was added to one token's row, so that the tokens' rows add up to the bias' gradient.
            bias_part.fill(0.0);
            for row in input_part.chunks_exact(row) {
                bias_part.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
            }
        }
        unpack_rows(&self.processor, &sizes, interleaved, gradient);
    }

    fn sizes(&self) -> Sizes {
        Sizes::new(&self.processor, self.shape)
    }

    /// Packs the weights for the forward pass.
    fn pack(&self, sizes: &Sizes, weights: &[f32], work: &mut Workspace) {
        let (columns, row) = (4 * sizes.hidden, sizes.all_gates());
        let (input, rest) = weights.split_at(sizes.input * columns);
        let (recurrent, bias) = rest.split_at(sizes.hidden * columns);
        let packed_bias = work.bias.sized(row);
        match self.input {
            Input::Ids(_) => {
                pack_rows(sizes, input, Some(bias), work.input_weights.sized(sizes.input * row), packed_bias);
            }
            Input::Vectors(_) => {
                pack_rows(sizes, bias, None, packed_bias, &mut []);
                let packed = work.input_weights.sized(sizes.words(sizes.input) * row);
                pack_panels(&self.processor, sizes, input, packed);
            }
        }
        let packed = work.recurrent_weights.sized(sizes.words(sizes.hidden) * row);
        pack_panels(&self.processor, sizes, recurrent, packed);
    }
}

/// Multiplies numbers (T, N, H) by a mask, which is repeated: (N, H) for all time steps or (T, N, H).
pub fn apply_mask(processor: &Processor<'_>, time: usize, numbers: &mut [f32], mask: &[f32]) {
    let (states, work) = (numbers.len() / time, numbers.len());
    let numbers = Shared::new(numbers);
    processor.share(time, work, |steps| {
        for time in steps {
            // SAFETY: each time step falls to one thread.
            let step = unsafe { numbers.write(time * states..(time + 1) * states) };
            let mask = &mask[time * states % mask.len()..][..states];
            step.iter_mut().zip(mask).for_each(|(number, factor)| *number *= factor);
        }
    });
}
