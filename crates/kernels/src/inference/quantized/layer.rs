//! One LSTM layer with int8 weights over whole sequences, forward.

use std::ops::Range;

use super::{
    super::{
        cell,
        dense::multiply,
        layer::{FEW_SEQUENCES, Input, PROJECTED_ROWS, SHARED_WORK, Weights, column, starts_of_rows},
        matrix::{MOST_TILE, Number, PackedMatrix, Source, VECTORS},
        steps::Starts,
    },
    dense::Multiply,
    matrix::{QuantizedColumns, QuantizedMatrix},
    states::{ToBytes, round_row, words},
};
use crate::{
    buffer::Buffer,
    instructions::{Instructions, Kernel},
    shared::Shared,
    simd::{Simd, Unfused, load_padded, store_partial},
    tile::{Tiles, load_four},
    workers::{Workers, part_range, parts as parts_of, run_parts},
};

/// The weights of a layer as ONNX has them: gates in the order input, output, forget, cell.
#[derive(Debug, Clone)]
pub struct QuantizedWeights<'a> {
    /// What a float layer would have: sizes, bias, and the input weights unless they are bytes. The recurrent weights are not
    /// read.
    pub floats: Weights<'a>,
    /// (4H, I), if the layer reads hidden states of another.
    pub input: Option<QuantizedColumns<'a>>,
    /// (4H, H)
    pub recurrent: QuantizedColumns<'a>,
}

/// Memory of runs. It grows to what the largest run takes and never shrinks.
#[derive(Debug, Default)]
pub struct QuantizedScratch {
    /// The hidden states of the last time step as bytes, (N, words).
    states: Buffer,
    /// The input as bytes, (T, N, words).
    input: Buffer,
    /// Products of inputs with the input weights.
    projected: Buffer,
}

/// A layer with int8 weights, packed once and never changed.
pub struct QuantizedLayer {
    input: InputWeights,
    recurrent: QuantizedMatrix,
    inputs: usize,
    hidden: usize,
    bias: Buffer, // (padded)
}

/// What a layer does with its input.
enum InputWeights {
    /// Multiplies hidden states.
    Bytes(QuantizedMatrix),
    /// Multiplies numbers of any size, in floats.
    Floats(PackedMatrix),
    /// Looks up what the sums start from for each row of a table, (V, padded).
    Table(Buffer),
}

impl QuantizedLayer {
    /// Packs the weights of a layer. One with quantized input weights reads hidden states of another, between -1 and 1; one
    /// without reads any numbers, and multiplies them in floats.
    ///
    /// # Panics
    /// If the weights are fewer than the sizes say.
    pub fn new(instructions: Instructions, weights: &QuantizedWeights<'_>) -> Self {
        let Weights { inputs, hidden, input, ref bias, .. } = weights.floats;
        let lanes = instructions.lanes();
        let input = match &weights.input {
            Some(source) => InputWeights::Bytes(pack(instructions, inputs, hidden, source)),
            None => InputWeights::Floats(PackedMatrix::pack(
                instructions,
                VECTORS * hidden.div_ceil(lanes),
                &[Source { numbers: input, rows: inputs, row_stride: 1, column_stride: inputs }],
                |place| column(place, hidden, lanes),
                |column| bias[column],
            )),
        };
        Self::with_input(instructions, weights, input)
    }

    /// Packs the weights of a layer that reads rows of a table (V, I) of floats, such as an embedding or the identity of a
    /// one-hot alphabet. The table's product with the input weights is computed in floats, once.
    ///
    /// # Panics
    /// If the weights are fewer than the sizes say.
    pub fn over_table(instructions: Instructions, weights: &QuantizedWeights<'_>, table: &[Number]) -> Self {
        let mut layer = Self::with_input(instructions, weights, InputWeights::Table(Buffer::default()));
        layer.input = InputWeights::Table(starts_of_rows(instructions, &weights.floats, table, layer.bias.floats()));
        layer
    }

    fn with_input(instructions: Instructions, weights: &QuantizedWeights<'_>, input: InputWeights) -> Self {
        let (inputs, hidden) = (weights.floats.inputs, weights.floats.hidden);
        let recurrent = pack(instructions, hidden, hidden, &weights.recurrent);
        let mut bias = Buffer::default();
        for (place, start) in bias.sized(recurrent.matrix.padded()).iter_mut().enumerate() {
            *start = column(place, hidden, instructions.lanes()).map_or(0.0, |column| weights.floats.bias[column]);
        }
        Self { input, recurrent, inputs, hidden, bias }
    }

    /// Hidden units, H.
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// Runs over (T, N) as [`Layer::run`](super::super::Layer::run) does. Inputs and initial hidden states are rounded to
    /// multiples of 1/127, and the hidden states that are written are such multiples.
    ///
    /// # Panics
    /// If the slices have other lengths, if the input is of another kind than the layer was packed for, or if a place is
    /// beyond the table.
    #[expect(clippy::too_many_arguments, reason = "what a run reads, what it writes, and what it works with")]
    pub fn run(
        &self,
        input: Input<'_>,
        [time, batch]: [usize; 2],
        initial: Option<[&[f32]; 2]>,
        sequence: &mut [f32],
        cell: &mut [f32],
        scratch: &mut QuantizedScratch,
        workers: &dyn Workers,
    ) {
        let size = batch * self.hidden;
        let width = if let InputWeights::Table(_) = self.input { None } else { Some(self.inputs) };
        input.check(width, [time, batch]);
        assert_eq!([sequence.len(), cell.len()], [time * size, size], "the results have a number for each unit");
        let instructions = self.recurrent.matrix.instructions;
        let states = scratch.states.sized(batch * words(self.hidden));
        if let Some([hidden, initial_cell]) = initial {
            assert_eq!(hidden.len(), size, "the initial hidden state has a number for each unit");
            instructions.run_bytes(ToBytes { states: hidden, count: self.hidden, words: states });
            cell.copy_from_slice(initial_cell);
        } else {
            cell.fill(0.0);
            instructions.run_bytes(ToBytes { states: cell, count: self.hidden, words: states });
        }
        if time * size == 0 {
            return;
        }
        let Self { inputs, hidden, .. } = self;
        let work = time * batch * hidden * (inputs + hidden);
        let parts = parts_of(workers, batch, work, SHARED_WORK);
        let run = Run { layer: self, starts: Starts::Bias(self.bias.floats()), input: None, batch };
        let (rows, matrix) = match (input, &self.input) {
            (Input::Places(places), InputWeights::Table(table)) => {
                let run = Run { starts: Starts::Places { places, table: table.floats() }, ..run };
                return run_steps(run, states, cell, sequence, parts, workers);
            }
            (Input::Rows(rows), InputWeights::Bytes(matrix)) => {
                let bytes = scratch.input.sized(time * batch * words(*inputs));
                instructions.run_bytes(ToBytes { states: rows, count: *inputs, words: bytes });
                (&*bytes, Some(matrix))
            }
            (Input::Rows(rows), _) => (rows, None),
            (Input::Places(_), _) => unreachable!("the kind of input was checked"),
        };
        if let Some(matrix) = matrix.filter(|_| time == 1 || batch.div_ceil(parts) > FEW_SEQUENCES) {
            let run = Run { input: Some((rows, matrix)), ..run };
            return run_steps(run, states, cell, sequence, parts, workers);
        }
        // A step of a few sequences is bound by reading the weights: the input of many steps is multiplied at once.
        let width = if matrix.is_some() { words(*inputs) } else { *inputs };
        let block = (PROJECTED_ROWS * parts / batch).max(1) * batch;
        for (rows, sequence) in rows.chunks(block * width).zip(sequence.chunks_mut(block * hidden)) {
            let projected = scratch.projected.sized(rows.len() / width * self.bias.floats().len());
            self.project(rows, width, projected, workers);
            let run = Run { starts: Starts::Rows(projected), ..run };
            run_steps(run, states, cell, sequence, parts, workers);
        }
    }

    /// The bias and the product of inputs (rows, width) with the input weights, to `out` (rows, padded).
    fn project(&self, input: &[f32], width: usize, out: &mut [f32], workers: &dyn Workers) {
        let (padded, rows) = (self.bias.floats().len(), input.len() / width);
        let parts = parts_of(workers, rows, rows * padded * width, SHARED_WORK);
        let out = Shared::new(out);
        run_parts(workers, parts, |part| {
            let rows = part_range(rows, part, parts);
            let left = &input[rows.start * width..rows.end * width];
            // SAFETY: each part has its own rows, and each part runs once.
            let out = unsafe { out.write(rows.start * padded..rows.end * padded) };
            match &self.input {
                InputWeights::Bytes(matrix) => {
                    let starts = self.bias.floats();
                    let kernel = Multiply { matrix, rows: rows.len(), left, starts, columns: padded, out };
                    matrix.matrix.instructions.run_bytes(kernel);
                }
                InputWeights::Floats(matrix) => multiply(matrix, rows.len(), width, left, padded, out),
                InputWeights::Table(_) => unreachable!("a table's products are known"),
            }
        });
    }
}

fn pack(instructions: Instructions, inner: usize, hidden: usize, source: &QuantizedColumns<'_>) -> QuantizedMatrix {
    let lanes = instructions.lanes();
    let vectors = VECTORS * hidden.div_ceil(lanes);
    QuantizedMatrix::pack(instructions, [inner, vectors], source, |place| column(place, hidden, lanes))
}

/// Each of `parts` workers takes its own sequences through all time steps.
fn run_steps(
    run: Run<'_>,
    states: &mut [f32],
    cell: &mut [f32],
    sequence: &mut [f32],
    parts: usize,
    workers: &dyn Workers,
) {
    let (batch, hidden) = (run.batch, run.layer.hidden);
    let time = sequence.len() / (batch * hidden);
    let [states, cell, sequence] = [states, cell, sequence].map(Shared::new);
    run_parts(workers, parts, |part| {
        let rows = part_range(batch, part, parts);
        run.layer.recurrent.matrix.instructions.run_bytes(Steps { run, rows, states, cell, sequence, time });
    });
}

/// What all time steps have in common.
#[derive(Clone, Copy)]
struct Run<'a> {
    layer: &'a QuantizedLayer,
    starts: Starts<'a>,
    /// (T, N, words), unless the sums start from its product, and what it is multiplied with.
    input: Option<(&'a [f32], &'a QuantizedMatrix)>,
    /// N
    batch: usize,
}

/// All time steps of some rows.
struct Steps<'a> {
    run: Run<'a>,
    rows: Range<usize>,
    /// Hidden states as bytes, (N, words), changed.
    states: Shared<'a>,
    /// (N, H), changed.
    cell: Shared<'a>,
    /// (T, N, H), written.
    sequence: Shared<'a>,
    /// T
    time: usize,
}

impl Kernel for Steps<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { run, rows, states, cell, sequence, time } = self;
        let hidden = run.layer.hidden;
        let place = |width: usize| rows.start * width..rows.end * width;
        // SAFETY: this part alone has these rows of all three slices.
        let (states, cell) = unsafe { (states.write(place(words(hidden))), cell.write(place(hidden))) };
        for now in 0..time {
            let step = now * run.batch * hidden;
            // SAFETY: as above.
            let next = unsafe { sequence.write(step + place(hidden).start..step + place(hidden).end) };
            run.step(simd, now, rows.clone(), states, cell, next);
            for (next, states) in next.chunks_exact_mut(hidden).zip(states.chunks_exact_mut(words(hidden))) {
                round_row::<S>(next, states);
            }
        }
    }
}

impl Run<'_> {
    /// Some rows at one time. `states`, `cell` and `next` begin with the first row.
    #[inline(always)]
    fn step<S: Simd>(
        self,
        simd: S,
        now: usize,
        rows: Range<usize>,
        states: &[f32],
        cell: &mut [f32],
        next: &mut [f32],
    ) {
        let Self { layer, starts, input, batch } = self;
        let (hidden, padded) = (layer.hidden, layer.bias.floats().len());
        let width = VECTORS * S::LANES;
        let first_row = now * batch + rows.start;
        let input = input.map(|(input, matrix)| (&input[first_row * words(layer.inputs)..], matrix));
        let panels = layer.recurrent.matrix.panels;
        let mut tile = [0.0; MOST_TILE];
        let mut panel = 0;
        while panel < panels {
            // Two panels at a time of a single row, one panel of several rows.
            let is_pair = rows.len() == 1 && panel + 1 < panels;
            for (row, height) in Tiles::of::<S>(0..rows.len()) {
                let height = if is_pair { 2 } else { height };
                for (place, sums) in tile.chunks_exact_mut(width).take(height).enumerate() {
                    let (row, panel) = if is_pair { (row, panel + place) } else { (row + place, panel) };
                    sums.copy_from_slice(starts.get(first_row + row, padded, panel * width..(panel + 1) * width));
                }
                if is_pair {
                    if let Some((words, matrix)) = input {
                        matrix.add_products_of_two_panels(simd, panel, words, &mut tile);
                    }
                    layer.recurrent.add_products_of_two_panels(simd, panel, states, &mut tile);
                } else {
                    if let Some((words, matrix)) = input {
                        matrix.add_products::<S, VECTORS>(simd, panel, words, [row, height], &mut tile);
                    }
                    layer.recurrent.add_products::<S, VECTORS>(simd, panel, states, [row, height], &mut tile);
                }
                for (place, sums) in tile.chunks_exact(width).take(height).enumerate() {
                    let gates = load_four(simd, sums);
                    let (row, panel) = if is_pair { (0, panel + place) } else { (row + place, panel) };
                    let units = row * hidden + panel * S::LANES;
                    let units = units..units + S::LANES.min(hidden - panel * S::LANES);
                    let cell = &mut cell[units.clone()];
                    let (next_cell, next_hidden) = cell::update(Unfused(simd), gates, load_padded(simd, cell));
                    store_partial(simd, cell, next_cell);
                    store_partial(simd, &mut next[units], next_hidden);
                }
            }
            panel += if is_pair { 2 } else { 1 };
        }
    }
}
