//! One LSTM layer over whole sequences, forward, from ONNX' weights.
//!
//! With more sequences at once than a tile has rows, a time step is one product of input and hidden state with both weights,
//! tile by tile. With fewer, a step is bound by reading the weights; then the input of many time steps is multiplied
//! beforehand. A layer that reads rows of a table starts from the table's product with the input weights, which is computed
//! when the layer is packed: its steps multiply no input at all.

use super::{
    dense::multiply,
    matrix::{Number, PackedMatrix, Source, VECTORS},
    steps::{Run, Starts, Step, Steps},
};
use crate::{
    buffer::Buffer,
    instructions::Instructions,
    shared::Shared,
    workers::{Workers, part_range, parts as parts_of, run_parts},
};

/// The weights of a layer as ONNX has them: gates in the order input, output, forget, cell.
#[derive(Debug, Clone)]
pub struct Weights<'a> {
    /// Numbers of an input, I.
    pub inputs: usize,
    /// Hidden units, H.
    pub hidden: usize,
    /// (4H, I)
    pub input: &'a [Number],
    /// (4H, H)
    pub recurrent: &'a [Number],
    /// (4H), the sum of ONNX' two.
    pub bias: Vec<f32>,
}

/// What a layer reads.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// Numbers, (T, N, I).
    Rows(&'a [f32]),
    /// Rows of the table that the layer was packed with, (T, N).
    Places(&'a [usize]),
}

impl Input<'_> {
    /// Holds it against a run of a layer that reads numbers of a width, or places of a table if there is none.
    ///
    /// # Panics
    /// If it is of the other kind, or of another length.
    pub(super) fn check(self, width: Option<usize>, [time, batch]: [usize; 2]) {
        let (found, expected) = match (self, width) {
            (Self::Rows(rows), Some(width)) => (rows.len(), time * batch * width),
            (Self::Places(places), None) => (places.len(), time * batch),
            _ => panic!("a layer over a table reads places, and any other numbers"),
        };
        assert_eq!(found, expected, "the input has a row for each time step of each sequence");
    }
}

/// Memory of runs. It grows to what the largest run takes and never shrinks.
#[derive(Debug, Default)]
pub struct Scratch {
    /// A hidden state of zeros, which nothing writes to.
    zeros: Buffer,
    /// Products of inputs with the input weights.
    projected: Buffer,
}

/// A layer, packed once and never changed.
pub struct Layer {
    /// Input weights, then recurrent ones, (I + H, 4H): the four gates (input, output, forget, cell) of a vector of units
    /// side by side.
    matrix: PackedMatrix,
    /// Numbers of an input that are multiplied, I; 0 with a table.
    inputs: usize,
    hidden: usize,
    /// What the sums start from for each row of the table, (V, padded).
    table: Option<Buffer>,
}

/// Weights below this many are not worth a hand-over between threads at each time step.
const SHARED_STEP: usize = 1 << 19;
/// Multiplications below this many are done before another thread has woken up.
pub(super) const SHARED_WORK: usize = 1 << 18;
/// Batches up to this size have the inputs of several time steps multiplied beforehand.
pub(super) const FEW_SEQUENCES: usize = 5;
/// Rows that are multiplied beforehand at a time: their sums stay in the cache.
pub(super) const PROJECTED_ROWS: usize = 96;

impl Layer {
    /// Packs the weights of a layer that reads numbers.
    ///
    /// # Panics
    /// If the weights are fewer than the sizes say.
    pub fn new(instructions: Instructions, weights: &Weights<'_>) -> Self {
        Self::pack(instructions, weights, weights.inputs)
    }

    /// Packs the weights of a layer that reads rows of a table (V, I), such as an embedding or the identity of a one-hot
    /// alphabet. The table itself is not needed any more.
    ///
    /// # Panics
    /// If the weights are fewer than the sizes say.
    pub fn over_table(instructions: Instructions, weights: &Weights<'_>, table: &[Number]) -> Self {
        let mut layer = Self::pack(instructions, weights, 0);
        layer.table = Some(starts_of_rows(instructions, weights, table, layer.matrix.bias()));
        layer
    }

    fn pack(instructions: Instructions, weights: &Weights<'_>, inputs: usize) -> Self {
        let (lanes, hidden) = (instructions.lanes(), weights.hidden);
        let sources = [
            Source { numbers: weights.input, rows: inputs, row_stride: 1, column_stride: weights.inputs },
            Source { numbers: weights.recurrent, rows: hidden, row_stride: 1, column_stride: hidden },
        ];
        let matrix = PackedMatrix::pack(
            instructions,
            VECTORS * hidden.div_ceil(lanes),
            &sources,
            |place| column(place, hidden, lanes),
            |column| weights.bias[column],
        );
        Self { matrix, inputs, hidden, table: None }
    }

    /// Hidden units, H.
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// Runs over (T, N) from the hidden and cell states `initial`, (N, H) each, or from zeros. Writes the hidden states of
    /// all time steps, (T, N, H), and the last cell state, (N, H).
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
        scratch: &mut Scratch,
        workers: &dyn Workers,
    ) {
        let size = batch * self.hidden;
        let width = if self.table.is_some() { None } else { Some(self.inputs) };
        input.check(width, [time, batch]);
        assert_eq!([sequence.len(), cell.len()], [time * size, size], "the results have a number for each unit");
        match initial {
            Some([hidden, initial_cell]) => {
                assert_eq!(hidden.len(), size, "the initial hidden state has a number for each unit");
                cell.copy_from_slice(initial_cell);
            }
            None => cell.fill(0.0),
        }
        if time * size == 0 {
            return;
        }
        let Scratch { zeros, projected } = scratch;
        let mut before = match initial {
            Some([hidden, _]) => hidden,
            None => zeros.sized(size),
        };
        let Self { matrix, inputs, hidden, .. } = self;
        let work = time * batch * 4 * hidden * (inputs + hidden);
        let parts = parts_of(workers, batch, work, SHARED_WORK);
        let run =
            Run { matrix, inputs: *inputs, hidden: *hidden, starts: Starts::Bias(matrix.bias()), input: None, batch };
        match input {
            Input::Places(places) => {
                let table = self.table.as_ref().map_or(&[][..], Buffer::floats);
                let run = Run { starts: Starts::Places { places, table }, ..run };
                run_steps(run, before, cell, sequence, parts, workers);
            }
            Input::Rows(rows) if time > 1 && batch.div_ceil(parts) <= FEW_SEQUENCES && *inputs > 0 => {
                let block = (PROJECTED_ROWS * parts / batch).max(1) * batch;
                let blocks = rows.chunks(block * inputs).zip(sequence.chunks_mut(block * hidden));
                for (rows, sequence) in blocks {
                    let projected = projected.sized(rows.len() / inputs * matrix.padded());
                    self.project(rows, projected, workers);
                    let run = Run { starts: Starts::Rows(projected), ..run };
                    run_steps(run, before, cell, sequence, parts, workers);
                    let sequence: &[f32] = sequence;
                    before = &sequence[sequence.len() - size..];
                }
            }
            Input::Rows(rows) => {
                let run = Run { input: Some(rows), ..run };
                run_steps(run, before, cell, sequence, parts, workers);
            }
        }
    }

    /// The bias and the product of inputs (rows, I) with the input weights, to `out` (rows, padded).
    fn project(&self, input: &[f32], out: &mut [f32], workers: &dyn Workers) {
        let (padded, rows) = (self.matrix.padded(), input.len() / self.inputs);
        let parts = parts_of(workers, rows, rows * padded * self.inputs, SHARED_WORK);
        let out = Shared::new(out);
        run_parts(workers, parts, |part| {
            let rows = part_range(rows, part, parts);
            let input = &input[rows.start * self.inputs..rows.end * self.inputs];
            // SAFETY: each part has its own rows, and each part runs once.
            let out = unsafe { out.write(rows.start * padded..rows.end * padded) };
            multiply(&self.matrix, rows.len(), self.inputs, input, padded, out);
        });
    }
}

/// The time steps of `sequence`: each of `parts` workers takes its own sequences through all of them, or, of a single
/// sequence with large weights, its own units through each.
fn run_steps(
    run: Run<'_>,
    before: &[f32],
    cell: &mut [f32],
    sequence: &mut [f32],
    parts: usize,
    workers: &dyn Workers,
) {
    let Run { batch, hidden, matrix, .. } = run;
    let time = sequence.len() / (batch * hidden);
    let (cell, sequence) = (Shared::new(cell), Shared::new(sequence));
    let unit_parts = parts_of(workers, matrix.panels, 4 * hidden * matrix.inner, 1);
    if batch > 1 || unit_parts < 2 || 4 * hidden * matrix.inner < SHARED_STEP {
        run_parts(workers, parts, |part| {
            let rows = part_range(batch, part, parts);
            matrix.instructions.run_f32(Steps { run, rows, before, cell, sequence, time });
        });
        return;
    }
    for now in 0..time {
        let previous = if now == 0 {
            before
        } else {
            // SAFETY: the workers write the next time step meanwhile, and this one is finished.
            unsafe { sequence.read((now - 1) * hidden..now * hidden) }
        };
        run_parts(workers, unit_parts, |part| {
            let panels = part_range(matrix.panels, part, unit_parts);
            let lanes = matrix.instructions.lanes();
            let units = panels.start * lanes..hidden.min(panels.end * lanes);
            // SAFETY: each part has its own units, and each part runs once.
            let (cell, next) = unsafe {
                (cell.write(units.clone()), sequence.write(now * hidden + units.start..now * hidden + units.end))
            };
            matrix.instructions.run_f32(Step { run, now, panels, previous, cell, next });
        });
    }
}

/// What the sums of a layer start from for each row of a table (V, I): the bias and the row's product with the input weights,
/// (V, padded).
pub(super) fn starts_of_rows(
    instructions: Instructions,
    weights: &Weights<'_>,
    table: &[Number],
    bias: &[f32],
) -> Buffer {
    let (lanes, hidden, padded) = (instructions.lanes(), weights.hidden, bias.len());
    let mut product = Buffer::default();
    let rows = product.sized(table.len() / weights.inputs * padded).chunks_exact_mut(padded);
    let rows_are_gates = is_identity(weights.input, weights.inputs);
    for (sums, row) in rows.zip(table.chunks_exact(weights.inputs)) {
        sums.copy_from_slice(bias);
        if rows_are_gates {
            for (place, sum) in sums.iter_mut().enumerate() {
                *sum += column(place, hidden, lanes).map_or(0.0, |column| f32::from_le_bytes(row[column]));
            }
            continue;
        }
        // Tables of one-hot vectors are mostly zeros.
        let numbers = row.iter().map(|&number| f32::from_le_bytes(number)).enumerate();
        for (input, number) in numbers.filter(|(_, number)| *number != 0.0) {
            for (place, sum) in sums.iter_mut().enumerate() {
                if let Some(column) = column(place, hidden, lanes) {
                    *sum += number * f32::from_le_bytes(weights.input[column * weights.inputs + input]);
                }
            }
        }
    }
    product
}

/// Whether numbers are an identity matrix of this size.
pub fn is_identity(numbers: &[Number], size: usize) -> bool {
    let expected = |place: usize| if place.is_multiple_of(size + 1) { 1.0_f32.to_le_bytes() } else { [0; 4] };
    numbers.len() == size * size && numbers.iter().enumerate().all(|(place, &number)| number == expected(place))
}

/// The column of ONNX' weights at a place of a packed row: gates of one vector of units side by side.
pub(super) fn column(place: usize, hidden: usize, lanes: usize) -> Option<usize> {
    let (panel, gate) = (place / lanes / VECTORS, place / lanes % VECTORS);
    let unit = panel * lanes + place % lanes;
    (unit < hidden).then_some(gate * hidden + unit)
}
