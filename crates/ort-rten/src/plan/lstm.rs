//! One LSTM layer over whole sequences: forward, from ONNX' weights.
//!
//! With more rows than a tile has, a time step is one product of input and hidden state with both weights, tile by tile,
//! and the cell follows while the sums are in the first-level cache. With fewer, a step is bound by reading the weights;
//! then the input of all time steps is multiplied at once, beforehand. A layer that reads rows of a table begins from
//! the table's product with the input weights, which is computed when the model is opened.

use std::ops::Range;

use super::{
    lanes::{Instructions, Job, Lanes, load, load_some, store_some},
    matrix::{Factor, Matrix, Number, Source, TILE, VECTORS, pair_of_sums, sums, tiles},
    threads::Threads,
};

/// The weights of a layer.
pub(super) struct Layer {
    /// Input weights, then recurrent ones, (I + H, 4H); the four gates (input, output, forget, cell) of a vector of units
    /// side by side.
    matrix: Matrix,
    /// Numbers of an input: I; 0 with a table.
    inputs: usize,
    hidden: usize,
    /// What the sums begin with for each row of a table, (V, padded).
    table: Option<Vec<f32>>,
}

/// Weights as ONNX has them; gates stand in the order input, output, forget, cell.
pub(super) struct Weights<'a> {
    pub(super) inputs: usize,
    pub(super) hidden: usize,
    /// (4H, I)
    pub(super) input: &'a [Number],
    /// (4H, H)
    pub(super) recurrent: &'a [Number],
    /// (4H), the sum of both.
    pub(super) bias: Vec<f32>,
}

/// What a layer reads.
#[derive(Clone, Copy)]
pub(super) enum Input<'a> {
    /// (T, N, I)
    Rows(&'a [f32]),
    /// Rows of the layer's table, (T, N).
    Places(&'a [usize]),
}

impl Input<'_> {
    fn rows(self, rows: Range<usize>, inputs: usize) -> Self {
        match self {
            Self::Rows(numbers) => Self::Rows(&numbers[rows.start * inputs..rows.end * inputs]),
            Self::Places(places) => Self::Places(&places[rows]),
        }
    }
}

/// Weights below this many are not worth a hand-over between threads at each time step.
const SHARED_STEP: usize = 1 << 19;
/// Multiplications below this many are done before another thread has woken up.
const SHARED_WORK: usize = 1 << 18;
/// With so many sequences at once or fewer, the inputs of several time steps are multiplied beforehand.
const FEW: usize = 5;
/// Rows that are multiplied beforehand at a time: their sums stay in the cache.
const PROJECTED: usize = 96;

impl Layer {
    /// Packs weights.
    pub(super) fn new(instructions: Instructions, weights: &Weights<'_>) -> Self {
        Self::pack(instructions, weights, weights.inputs)
    }

    /// Packs the weights of a layer that reads rows of a table (V, I).
    pub(super) fn over_table(instructions: Instructions, weights: &Weights<'_>, table: &[Number]) -> Self {
        let mut layer = Self::pack(instructions, weights, 0);
        let (width, hidden) = (layer.units(), layer.hidden);
        let padded = layer.matrix.padded();
        let mut product = vec![0.0; table.len() / weights.inputs * padded];
        for (sums, row) in product.chunks_exact_mut(padded).zip(table.chunks_exact(weights.inputs)) {
            sums.copy_from_slice(layer.matrix.bias());
            // Tables of one-hot vectors are mostly zeros.
            let numbers = row.iter().map(|&number| f32::from_le_bytes(number)).enumerate();
            for (input, number) in numbers.filter(|(_, number)| *number != 0.0) {
                for (place, sum) in sums.iter_mut().enumerate() {
                    if let Some(column) = column(place, hidden, width) {
                        *sum += number * f32::from_le_bytes(weights.input[column * weights.inputs + input]);
                    }
                }
            }
        }
        layer.table = Some(product);
        layer
    }

    fn pack(instructions: Instructions, weights: &Weights<'_>, inputs: usize) -> Self {
        let (width, hidden) = (instructions.width(), weights.hidden);
        let sources = [
            Source { numbers: weights.input, count: inputs, row: 1, column: weights.inputs },
            Source { numbers: weights.recurrent, count: hidden, row: 1, column: hidden },
        ];
        let matrix = Matrix::pack(
            instructions,
            VECTORS * hidden.div_ceil(width),
            &sources,
            |place| column(place, hidden, width),
            |column| weights.bias[column],
        );
        Self { matrix, inputs, hidden, table: None }
    }

    /// Units of a panel.
    fn units(&self) -> usize {
        self.matrix.instructions.width()
    }

    /// Runs over (T, N) from the states `hidden` and `cell`, (N, H), or from zero; gives the hidden states of all time
    /// steps, (T, N, H), and the last cell state, (N, H). Sizes must fit, T and N be at least 1, and places lie in the
    /// table.
    pub(super) fn run(
        &self,
        input: Input<'_>,
        [time, batch]: [usize; 2],
        hidden: Option<&[f32]>,
        cell: Option<&[f32]>,
        threads: Threads<'_>,
    ) -> (Vec<f32>, Vec<f32>) {
        if time * batch == 0 {
            let cell = cell.map_or_else(|| vec![0.0; batch * self.hidden], <[f32]>::to_vec);
            return (Vec::new(), cell);
        }
        let work = time * batch * 4 * self.hidden * (self.inputs + self.hidden);
        let parts = threads.count().min(batch).min(work / SHARED_WORK).max(1);
        if parts == 1 {
            let zeros = vec![0.0; if hidden.is_none() { batch * self.hidden } else { 0 }];
            let mut cell = cell.map_or_else(|| vec![0.0; batch * self.hidden], <[f32]>::to_vec);
            let mut sequence = vec![0.0; time * batch * self.hidden];
            self.run_part(input, [time, batch], hidden.unwrap_or(&zeros), &mut cell, &mut sequence, threads);
            return (sequence, cell);
        }
        self.run_parts(parts, input, [time, batch], [hidden, cell], threads)
    }

    /// Shares the rows out among threads, each of which runs its own for all time steps.
    fn run_parts(
        &self,
        parts: usize,
        input: Input<'_>,
        [time, batch]: [usize; 2],
        [hidden, cell]: [Option<&[f32]>; 2],
        threads: Threads<'_>,
    ) -> (Vec<f32>, Vec<f32>) {
        let rows = |part: usize| batch * part / parts..batch * (part + 1) / parts;
        let mut results = vec![Default::default(); parts];
        let job = |(part, result): (usize, &mut (Vec<f32>, Vec<f32>))| {
            let rows = rows(part);
            let mut own = OwnInput::default();
            (0..time)
                .for_each(|now| own.extend(input.rows(now * batch + rows.start..now * batch + rows.end, self.inputs)));
            let state = |state: Option<&'_ [f32]>| {
                state.map(|state| state[rows.start * self.hidden..rows.end * self.hidden].to_vec())
            };
            let (hidden, cell) = (state(hidden), state(cell));
            *result = self.run(own.get(input), [time, rows.len()], hidden.as_deref(), cell.as_deref(), Threads(None));
        };
        threads.for_each(&mut results, job);
        let mut sequence = Vec::with_capacity(time * batch * self.hidden);
        for now in 0..time {
            for (part, (own, _)) in results.iter().enumerate() {
                let size = rows(part).len() * self.hidden;
                sequence.extend_from_slice(&own[now * size..][..size]);
            }
        }
        (sequence, results.into_iter().flat_map(|(_, cell)| cell).collect())
    }

    fn run_part(
        &self,
        input: Input<'_>,
        [time, batch]: [usize; 2],
        hidden: &[f32],
        cell: &mut [f32],
        sequence: &mut [f32],
        threads: Threads<'_>,
    ) {
        let size = batch * self.hidden;
        match input {
            Input::Places(places) => {
                let starts = Starts::Places { places, table: self.table.as_deref().unwrap_or_default() };
                self.steps(Run { layer: self, starts, input: None, batch }, hidden, cell, sequence, threads);
            }
            Input::Rows(rows) if time > 1 && batch <= FEW => {
                let block = (PROJECTED / batch).max(1);
                let blocks = rows.chunks(block * batch * self.inputs);
                for (number, rows) in blocks.enumerate() {
                    let projected = self.project(rows, threads);
                    let run = Run { layer: self, starts: Starts::Rows(&projected), input: None, batch };
                    let (before, after) = sequence.split_at_mut(number * block * size);
                    let hidden = if number == 0 { hidden } else { &before[before.len() - size..] };
                    let steps = rows.len() / (batch * self.inputs);
                    self.steps(run, hidden, cell, &mut after[..steps * size], threads);
                }
            }
            Input::Rows(rows) => {
                let run = Run { layer: self, starts: Starts::Bias(self.matrix.bias()), input: Some(rows), batch };
                self.steps(run, hidden, cell, sequence, threads);
            }
        }
    }

    fn steps(&self, run: Run<'_>, hidden: &[f32], cell: &mut [f32], sequence: &mut [f32], threads: Threads<'_>) {
        let shared = threads.count().min(self.matrix.panels);
        if run.batch > 1 || shared < 2 || 4 * self.hidden * self.matrix.inner < SHARED_STEP {
            self.matrix.instructions.run(Steps { run, hidden, cell, sequence });
            return;
        }
        let share = self.matrix.panels.div_ceil(shared);
        let units = share * self.units();
        for now in 0..sequence.len() / self.hidden {
            let (before, after) = sequence.split_at_mut(now * self.hidden);
            let previous = if now == 0 { hidden } else { &before[(now - 1) * self.hidden..] };
            let mut parts: Vec<_> = cell.chunks_mut(units).zip(after[..self.hidden].chunks_mut(units)).collect();
            threads.for_each(&mut parts, |(part, (cell, next))| {
                let panels = part * share..self.matrix.panels.min((part + 1) * share);
                self.matrix.instructions.run(Step { run, now, panels, previous, cell, next });
            });
        }
    }

    /// The bias and the product of inputs (rows, I) with the input weights, (rows, padded).
    fn project(&self, input: &[f32], threads: Threads<'_>) -> Vec<f32> {
        let (padded, rows) = (self.matrix.padded(), input.len() / self.inputs);
        let mut out = vec![0.0; rows * padded];
        let worth = threads.count().min(rows * padded * self.inputs / SHARED_WORK).max(1);
        let share = rows.div_ceil(worth);
        let mut parts: Vec<_> = input.chunks(share * self.inputs).zip(out.chunks_mut(share * padded)).collect();
        threads.for_each(&mut parts, |(_, (input, out))| {
            self.matrix.multiply(input.len() / self.inputs, self.inputs, input, padded, out);
        });
        out
    }
}

/// The column of ONNX' weights that stands at one place of a packed row: gates of `width` units side by side.
fn column(place: usize, hidden: usize, width: usize) -> Option<usize> {
    let (panel, gate) = (place / width / VECTORS, place / width % VECTORS);
    let unit = panel * width + place % width;
    (unit < hidden).then_some(gate * hidden + unit)
}

/// The rows of one thread, gathered from all time steps.
#[derive(Default)]
struct OwnInput {
    rows: Vec<f32>,
    places: Vec<usize>,
}

impl OwnInput {
    fn extend(&mut self, input: Input<'_>) {
        match input {
            Input::Rows(rows) => self.rows.extend_from_slice(rows),
            Input::Places(places) => self.places.extend_from_slice(places),
        }
    }

    fn get(&self, like: Input<'_>) -> Input<'_> {
        match like {
            Input::Rows(_) => Input::Rows(&self.rows),
            Input::Places(_) => Input::Places(&self.places),
        }
    }
}

/// What the sums of each row, of each time step, begin with.
#[derive(Clone, Copy)]
enum Starts<'a> {
    Bias(&'a [f32]),
    Rows(&'a [f32]),
    Places { places: &'a [usize], table: &'a [f32] },
}

impl<'a> Starts<'a> {
    #[inline(always)]
    fn get(self, row: usize, padded: usize, panel: Range<usize>) -> &'a [f32] {
        match self {
            Self::Bias(bias) => &bias[panel],
            Self::Rows(rows) => &rows[row * padded..][panel],
            Self::Places { places, table } => &table[places[row] * padded..][panel],
        }
    }
}

/// What all time steps have in common.
#[derive(Clone, Copy)]
struct Run<'a> {
    layer: &'a Layer,
    starts: Starts<'a>,
    input: Option<&'a [f32]>, // (T, N, I), where it is not projected
    batch: usize,
}

impl Run<'_> {
    /// Some panels of one time step. `cell` and `next` begin with the first of their units; their rows are H apart.
    #[inline(always)]
    fn step<S: Lanes>(
        self,
        simd: S,
        now: usize,
        panels: Range<usize>,
        previous: &[f32],
        cell: &mut [f32],
        next: &mut [f32],
    ) {
        let Self { layer, starts, input, batch } = self;
        let Layer { matrix, inputs, hidden, .. } = layer;
        let (inputs, hidden, padded) = (*inputs, *hidden, matrix.padded());
        let row_width = VECTORS * S::WIDTH;
        let base = panels.start * S::WIDTH;
        let factors = |panel: usize| {
            [
                Factor {
                    left: input.map_or(&[], |input| &input[now * batch * inputs..]),
                    stride: inputs,
                    count: if input.is_some() { inputs } else { 0 },
                    right: matrix.panel(panel, 0..inputs),
                },
                Factor {
                    left: previous,
                    stride: hidden,
                    count: hidden,
                    right: matrix.panel(panel, inputs..inputs + hidden),
                },
            ]
        };
        let start = |row: usize, panel: usize| {
            starts.get(now * batch + row, padded, panel * row_width..(panel + 1) * row_width)
        };
        let mut tile = [0.0; TILE];
        let mut panel = panels.start;
        while panel < panels.end {
            // Of one row two panels at a time, of many rows one.
            let pair = batch == 1 && panel + 1 < panels.end;
            for (row, height) in tiles::<S>(batch) {
                if pair {
                    let (first, second) = (factors(panel), factors(panel + 1));
                    let factors = [[first[0], second[0]], [first[1], second[1]]];
                    pair_of_sums(simd, [start(0, panel), start(0, panel + 1)], &factors, &mut tile);
                } else {
                    sums::<S, VECTORS>(simd, row, height, |row| start(row, panel), &factors(panel), &mut tile);
                }
                let height = if pair { 2 } else { height };
                for (place, sums) in tile.chunks_exact(row_width).take(height).enumerate() {
                    let mut gates = [simd.splat(0.0); VECTORS];
                    for (gate, sums) in gates.iter_mut().zip(sums.chunks_exact(S::WIDTH)) {
                        *gate = load(simd, sums);
                    }
                    let (row, panel) = if pair { (0, panel + place) } else { (row + place, panel) };
                    let units = row * hidden + panel * S::WIDTH - base;
                    let units = units..units + S::WIDTH.min(hidden - panel * S::WIDTH);
                    let cell = &mut cell[units.clone()];
                    let (next_cell, next_hidden) = super::cell::update(simd, gates, load_some(simd, cell));
                    store_some(simd, cell, next_cell);
                    store_some(simd, &mut next[units], next_hidden);
                }
            }
            panel += if pair { 2 } else { 1 };
        }
    }
}

/// All time steps, all panels.
struct Steps<'a> {
    run: Run<'a>,
    hidden: &'a [f32],
    cell: &'a mut [f32],
    sequence: &'a mut [f32],
}

impl Job for Steps<'_> {
    #[inline(always)]
    fn run<S: Lanes>(self, simd: S) {
        let Self { run, hidden, cell, sequence } = self;
        let size = run.batch * run.layer.hidden;
        for now in 0..sequence.len() / size {
            let (before, after) = sequence.split_at_mut(now * size);
            let previous = if now == 0 { hidden } else { &before[(now - 1) * size..] };
            run.step(simd, now, 0..run.layer.matrix.panels, previous, cell, &mut after[..size]);
        }
    }
}

/// One time step of one sequence, some panels.
struct Step<'a> {
    run: Run<'a>,
    now: usize,
    panels: Range<usize>,
    previous: &'a [f32],
    cell: &'a mut [f32],
    next: &'a mut [f32],
}

impl Job for Step<'_> {
    #[inline(always)]
    fn run<S: Lanes>(self, simd: S) {
        self.run.step(simd, self.now, self.panels, self.previous, self.cell, self.next);
    }
}
