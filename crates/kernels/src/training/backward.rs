//! A layer's backward pass for some rows of the batch, from the last time step to the first.
//!
//! Gradients of the gates overwrite the gates: the first half of them where a word holds two numbers. The product that
//! takes them from one time step to the one before continues, still in registers, to the gradients of that step's gates.

use std::ops::Range;

use super::{forward::Initial, panels::column_panels, sizes::Sizes};
use crate::{
    activation::tanh,
    instructions::Kernel,
    precision::Precision,
    shared::Shared,
    simd::{Simd, load, load_padded, store, store_bf16, store_partial},
    tile::{LeftOperand, accumulate_words, for_tiles},
};

/// Gradients of what the layer returned.
#[derive(Debug, Clone, Copy)]
pub struct OutputGradient<'a> {
    /// Of the final hidden state, (N, H).
    pub hidden: &'a [f32],
    /// Of the final cell state, (N, H).
    pub cell: &'a [f32],
    /// Of the hidden states of all time steps, (T, N, H), if they have any.
    pub steps: Option<&'a [f32]>,
}

impl OutputGradient<'_> {
    /// Adds the gradients of some units of a row at a time step.
    #[inline(always)]
    fn add<S: Simd>(
        &self,
        simd: S,
        sizes: &Sizes,
        time: usize,
        row: usize,
        units: &Range<usize>,
        mut hidden: S::Vector,
    ) -> S::Vector {
        if let Some(steps) = self.steps {
            hidden = simd.add(hidden, load_padded(simd, &steps[sizes.hidden_at(time, row)..][units.clone()]));
        }
        if time + 1 == sizes.time {
            hidden = simd.add(hidden, load_padded(simd, &self.hidden[row * sizes.hidden..][units.clone()]));
        }
        hidden
    }
}

/// The backward pass of some rows.
#[derive(Debug, Clone)]
pub(super) struct Backward<'a> {
    /// Sizes of the sequence.
    pub(super) sizes: Sizes,
    /// The rows of the batch.
    pub(super) rows: Range<usize>,
    /// Gradients of the results.
    pub(super) output: OutputGradient<'a>,
    /// Words of the recurrent weights, transposed, in panels.
    pub(super) recurrent: &'a [f32],
    /// State before the first step.
    pub(super) initial: Initial<'a>,
    /// (T, blocks, N, W)
    pub(super) cells: &'a [f32],
    /// (T, blocks, N, 4, W): gates, overwritten by words of their gradients.
    pub(super) gates: Shared<'a>,
    /// Gradient of the cell state, (blocks, N, W): scratch.
    pub(super) cell_gradient: Shared<'a>,
    /// Gradient of the initial hidden and cell state, (2, N, H), written if it is wanted.
    pub(super) initial_gradient: Option<Shared<'a>>,
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for time in (0..self.sizes.time).rev() {
            self.step(simd, Some(time));
        }
        if self.initial_gradient.is_some() {
            self.step(simd, None);
        }
    }
}

impl Backward<'_> {
    /// One time step, or the state before the first one.
    #[inline(always)]
    fn step<S: Simd>(&self, simd: S, time: Option<usize>) {
        for (first, blocks) in column_panels(S::LANES, self.sizes.hidden) {
            if blocks == 4 {
                for_tiles!(S, self.rows.clone(), |row, ROWS| self.tile::<S, ROWS, 4>(simd, time, first, row));
            } else {
                for_tiles!(S, self.rows.clone(), |row, ROWS| self.tile::<S, ROWS, 1>(simd, time, first, row));
            }
        }
    }

    /// Some rows' gradients of C blocks of hidden units, and what follows from them.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const C: usize>(&self, simd: S, time: Option<usize>, first: usize, row: usize) {
        let sizes = &self.sizes;
        let later = time.map_or(0, |time| time + 1);
        let mut tile = [[simd.splat(0.0); C]; R];
        if later < sizes.time {
            let panel = &self.recurrent[first * sizes.words(sizes.all_gates())..];
            // SAFETY: this thread alone has these rows; their gates at the later time are not written any more.
            unsafe { through_gates(simd, sizes, &self.gates, later, row, panel, &mut tile) };
        }
        for (index, vectors) in tile.iter().enumerate() {
            for (column, vector) in vectors.iter().enumerate() {
                let block = first / S::LANES + column;
                match time {
                    Some(time) => self.cell(simd, time, block, row + index, *vector),
                    None => self.initial_state(simd, block, row + index, *vector),
                }
            }
        }
    }

    /// From the gradient of a block's hidden units to those of their gates and of the cell state before.
    #[inline(always)]
    fn cell<S: Simd>(&self, simd: S, time: usize, block: usize, row: usize, hidden: S::Vector) {
        let (sizes, units, one) = (&self.sizes, self.sizes.units(block), simd.splat(1.0));
        let hidden = self.output.add(simd, sizes, time, row, &units, hidden);
        let start = sizes.gates_at(time, block, row);
        // SAFETY: this thread alone has this row, and no other slice of it is alive.
        let gates = unsafe { self.gates.write(start..start + 4 * S::LANES) };
        // Not `from_fn`: its closure would be a function of its own, compiled without the instructions.
        let (input, forget) = (load(simd, gates), load(simd, &gates[S::LANES..]));
        let (candidate, output) = (load(simd, &gates[2 * S::LANES..]), load(simd, &gates[3 * S::LANES..]));
        let activated = tanh(simd, load(simd, &self.cells[sizes.cells_at(time, block, row)..]));
        let before = match (time, self.initial) {
            (0, None) => simd.splat(0.0),
            (0, Some((_, cell))) => load_padded(simd, &cell[row * sizes.hidden..][units.clone()]),
            _ => load(simd, &self.cells[sizes.cells_at(time - 1, block, row)..]),
        };
        let start = sizes.cells_at(0, block, row);
        // SAFETY: this thread alone has this row, and no other slice of it is alive.
        let memory = unsafe { self.cell_gradient.write(start..start + S::LANES) };
        let carried = if time + 1 == sizes.time {
            load_padded(simd, &self.output.cell[row * sizes.hidden..][units.clone()])
        } else {
            load(simd, memory)
        };
        // σ' = σ(1 - σ), tanh' = 1 - tanh²
        let sigmoid_slope = |gate| simd.mul(gate, simd.sub(one, gate));
        let tanh_slope = |gate| simd.sub(one, simd.mul(gate, gate));
        let cell = simd.mul_add(simd.mul(hidden, output), tanh_slope(activated), carried);
        let gradients = [
            simd.mul(simd.mul(cell, candidate), sigmoid_slope(input)),
            simd.mul(simd.mul(cell, before), sigmoid_slope(forget)),
            simd.mul(simd.mul(cell, input), tanh_slope(candidate)),
            simd.mul(simd.mul(hidden, activated), sigmoid_slope(output)),
        ];
        let across = sizes.words(S::LANES);
        for (gate, vector) in gradients.into_iter().enumerate() {
            let gate = &mut gates[gate * across..][..across];
            match sizes.precision {
                Precision::Float32 => store(simd, gate, vector),
                Precision::BFloat16 => store_bf16(simd, gate, vector, units.len()),
            }
        }
        store(simd, memory, simd.mul(cell, forget));
    }

    /// The gradient of the state before the first step.
    #[inline(always)]
    fn initial_state<S: Simd>(&self, simd: S, block: usize, row: usize, hidden: S::Vector) {
        let (sizes, units) = (&self.sizes, self.sizes.units(block));
        let Some(gradient) = self.initial_gradient else { return };
        let start = row * sizes.hidden + units.start;
        let second = start + sizes.batch * sizes.hidden;
        let memory = sizes.cells_at(0, block, row);
        // SAFETY: this thread alone has this row, and no other slice of it is alive.
        let (hidden_gradient, cell_gradient, memory) = unsafe {
            (
                gradient.write(start..start + units.len()),
                gradient.write(second..second + units.len()),
                self.cell_gradient.read(memory..memory + S::LANES),
            )
        };
        store_partial(simd, hidden_gradient, hidden);
        store_partial(simd, cell_gradient, load(simd, memory));
    }
}

/// Adds to a tile the product of the gates' gradients at a time step with a panel of transposed weights.
///
/// # Safety
/// No one writes these rows' gates at this time step meanwhile.
#[inline(always)]
unsafe fn through_gates<S: Simd, const R: usize, const C: usize>(
    simd: S,
    sizes: &Sizes,
    gates: &Shared<'_>,
    time: usize,
    row: usize,
    panel: &[f32],
    tile: &mut [[S::Vector; C]; R],
) {
    // Words of one gate of a block.
    let across = sizes.words(S::LANES);
    for block in 0..sizes.blocks() {
        let start = sizes.gates_at(time, block, row);
        // SAFETY: the caller vouches that nobody writes them.
        let words = unsafe { gates.read(start..start + R * sizes.gates()) };
        let panel = &panel[block * 4 * across * C * S::LANES..];
        let units = sizes.units(block).len();
        if units == S::LANES {
            accumulate_words(
                simd,
                sizes.precision,
                tile,
                4 * across,
                LeftOperand { words, row: sizes.gates(), step: 1 },
                panel,
            );
        } else {
            // The padding is left out: a product of its zeros with an infinity would be NaN.
            for gate in 0..4 {
                let left = LeftOperand { words: &words[gate * across..], row: sizes.gates(), step: 1 };
                let panel = &panel[gate * across * C * S::LANES..];
                accumulate_words(simd, sizes.precision, tile, sizes.words(units), left, panel);
            }
        }
    }
}

/// The gradient of some rows' input vectors.
#[derive(Debug, Clone)]
pub(super) struct InputGradient<'a> {
    /// Sizes of the sequence.
    pub(super) sizes: Sizes,
    /// The rows of the batch.
    pub(super) rows: Range<usize>,
    /// Words of the input weights, transposed, in panels.
    pub(super) weights: &'a [f32],
    /// Words of the gates' gradients, (T, blocks, N, 4, W).
    pub(super) gates: Shared<'a>,
    /// (T, N, I), written.
    pub(super) gradient: Shared<'a>,
}

impl Kernel for InputGradient<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (first, blocks) in column_panels(S::LANES, self.sizes.input) {
            for time in 0..self.sizes.time {
                if blocks == 4 {
                    for_tiles!(S, self.rows.clone(), |row, ROWS| self.tile::<S, ROWS, 4>(simd, time, first, row));
                } else {
                    for_tiles!(S, self.rows.clone(), |row, ROWS| self.tile::<S, ROWS, 1>(simd, time, first, row));
                }
            }
        }
    }
}

impl InputGradient<'_> {
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const C: usize>(&self, simd: S, time: usize, first: usize, row: usize) {
        let sizes = &self.sizes;
        let mut tile = [[simd.splat(0.0); C]; R];
        let panel = &self.weights[first * sizes.words(sizes.all_gates())..];
        // SAFETY: nothing writes the gates' gradients while this job runs.
        unsafe { through_gates(simd, sizes, &self.gates, time, row, panel, &mut tile) };
        for (index, vectors) in tile.iter().enumerate() {
            let start = (time * sizes.batch + row + index) * sizes.input;
            for (column, vector) in vectors.iter().enumerate() {
                let from = first + column * S::LANES;
                // SAFETY: this thread alone has this row, and no other slice of it is alive.
                let target = unsafe { self.gradient.write(start + from..start + sizes.input.min(from + S::LANES)) };
                store_partial(simd, target, *vector);
            }
        }
    }
}
