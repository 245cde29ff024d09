//! Time steps of a layer: products tile by tile, with the cell's arithmetic while the sums are in the first-level cache.

use std::ops::Range;

use super::{
    cell,
    matrix::{Factor, MOST_TILE, PackedMatrix, VECTORS, sums_of_two_panels, tile_of_sums},
};
use crate::{
    instructions::Kernel,
    shared::Shared,
    simd::{Simd, load_padded, store_partial},
    tile::{Numbers, Tiles, load_four},
};

/// What the sums of each row of each time step start from.
#[derive(Clone, Copy)]
pub(super) enum Starts<'a> {
    /// The bias.
    Bias(&'a [f32]),
    /// A row of its own, (T, N, padded).
    Rows(&'a [f32]),
    /// A row (padded) of a table, at its place, (T, N).
    Places { places: &'a [usize], table: &'a [f32] },
}

impl<'a> Starts<'a> {
    #[inline(always)]
    pub(super) fn get(self, row: usize, padded: usize, panel: Range<usize>) -> &'a [f32] {
        match self {
            Self::Bias(bias) => &bias[panel],
            Self::Rows(rows) => &rows[row * padded..][panel],
            Self::Places { places, table } => &table[places[row] * padded..][panel],
        }
    }
}

/// What all time steps have in common.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    /// Input weights, then recurrent ones, (I + H, 4H).
    pub(super) matrix: &'a PackedMatrix,
    /// Numbers of an input that `matrix` has rows for, I.
    pub(super) inputs: usize,
    /// H
    pub(super) hidden: usize,
    pub(super) starts: Starts<'a>,
    /// (T, N, I), unless the sums start from its product.
    pub(super) input: Option<&'a [f32]>,
    /// N
    pub(super) batch: usize,
}

impl Run<'_> {
    /// Some panels of some rows at one time. `previous`, `cell` and `next` begin with the first row and, the last two, with
    /// the first unit of the panels; their rows are H apart.
    #[inline(always)]
    fn step<S: Simd>(
        self,
        simd: S,
        now: usize,
        [rows, panels]: [Range<usize>; 2],
        previous: &[f32],
        cell: &mut [f32],
        next: &mut [f32],
    ) {
        let Self { matrix, inputs, hidden, starts, input, batch } = self;
        let padded = matrix.padded();
        let row_width = VECTORS * S::LANES;
        let (base, first_row) = (panels.start * S::LANES, now * batch + rows.start);
        let factors = |panel: usize| {
            [
                Factor {
                    left: input.map_or(&[], |input| &input[first_row * inputs..]),
                    stride: if input.is_some() { inputs } else { 0 },
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
        let start =
            |row: usize, panel: usize| starts.get(first_row + row, padded, panel * row_width..(panel + 1) * row_width);
        let mut tile = [0.0; MOST_TILE];
        let mut panel = panels.start;
        while panel < panels.end {
            // Two panels at a time of a single row, one panel of several rows.
            let is_pair = rows.len() == 1 && panel + 1 < panels.end;
            for (row, height) in Tiles::of::<S>(0..rows.len()) {
                if is_pair {
                    let (first, second) = (factors(panel), factors(panel + 1));
                    let factors = [[first[0], second[0]], [first[1], second[1]]];
                    sums_of_two_panels::<S, Numbers>(simd, [start(0, panel), start(0, panel + 1)], &factors, &mut tile);
                } else {
                    let start = |row| start(row, panel);
                    tile_of_sums::<S, Numbers, VECTORS>(simd, [row, height], start, &factors(panel), &mut tile);
                }
                let height = if is_pair { 2 } else { height };
                for (place, sums) in tile.chunks_exact(row_width).take(height).enumerate() {
                    let gates = load_four(simd, sums);
                    let (row, panel) = if is_pair { (0, panel + place) } else { (row + place, panel) };
                    let units = row * hidden + panel * S::LANES - base;
                    let units = units..units + S::LANES.min(hidden - panel * S::LANES);
                    let cell = &mut cell[units.clone()];
                    let (next_cell, next_hidden) = cell::update(simd, gates, load_padded(simd, cell));
                    store_partial(simd, cell, next_cell);
                    store_partial(simd, &mut next[units], next_hidden);
                }
            }
            panel += if is_pair { 2 } else { 1 };
        }
    }
}

/// All time steps and panels of some rows.
pub(super) struct Steps<'a> {
    pub(super) run: Run<'a>,
    pub(super) rows: Range<usize>,
    /// The hidden state before the first step, (N, H).
    pub(super) before: &'a [f32],
    /// (N, H), changed.
    pub(super) cell: Shared<'a>,
    /// (T, N, H), written.
    pub(super) sequence: Shared<'a>,
    /// T
    pub(super) time: usize,
}

impl Kernel for Steps<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { run, rows, before, cell, sequence, time } = self;
        let place = |now: usize| (now * run.batch + rows.start) * run.hidden..(now * run.batch + rows.end) * run.hidden;
        // SAFETY: this part alone has these rows of all three slices, and `previous` and `next` are two time steps.
        let cell = unsafe { cell.write(place(0)) };
        for now in 0..time {
            let previous = if now == 0 {
                &before[place(0)]
            } else {
                // SAFETY: this part alone has these rows, and writes only those of the next time step meanwhile.
                unsafe { sequence.read(place(now - 1)) }
            };
            // SAFETY: this part alone has these rows, and reads only those of the time step before meanwhile.
            let next = unsafe { sequence.write(place(now)) };
            run.step(simd, now, [rows.clone(), 0..run.matrix.panels], previous, cell, next);
        }
    }
}

/// One time step of a single sequence, some panels.
pub(super) struct Step<'a> {
    pub(super) run: Run<'a>,
    pub(super) now: usize,
    pub(super) panels: Range<usize>,
    /// The hidden state before, (H).
    pub(super) previous: &'a [f32],
    /// The cell state of the panels' units, changed.
    pub(super) cell: &'a mut [f32],
    /// The hidden state of the panels' units, written.
    pub(super) next: &'a mut [f32],
}

impl Kernel for Step<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        self.run.step(simd, self.now, [0..1, self.panels], self.previous, self.cell, self.next);
    }
}
