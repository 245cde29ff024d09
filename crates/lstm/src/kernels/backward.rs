//! A layer's backward pass for some rows of the batch, from the last time step to the first.
//!
//! Gradients of the gates take the gates' place in memory, the first half of it where they are words of two numbers. The product that brings them from one time step to the one
//! before ends, still in registers, in the gradients of that step's gates.

use std::ops::Range;

use super::{
    activation::tanh,
    forward::Initial,
    lanes::Lanes,
    layout::{Sizes, column_panels},
    memory::Shared,
    precision::Precision,
    processor::Job,
    tile::{Left, accumulate, for_tiles, load, load_some, store, store_rounded, store_some},
};

/// Gradients that come from what the layer gave out.
#[derive(Debug, Clone, Copy)]
pub struct OutputGradient<'a> {
    /// Of the final hidden state, (N, H).
    pub hidden: &'a [f32],
    /// Of the final cell state, (N, H).
    pub cell: &'a [f32],
    /// Of the hidden states of all time steps, (T, N, H), if anything came from there.
    pub steps: Option<&'a [f32]>,
}

impl OutputGradient<'_> {
    /// Adds what came to some units of a row at a time.
    #[inline(always)]
    fn add<S: Lanes>(
        &self,
        simd: S,
        sizes: &Sizes,
        time: usize,
        row: usize,
        units: &Range<usize>,
        mut hidden: S::Vector,
    ) -> S::Vector {
        if let Some(steps) = self.steps {
            hidden = simd.add(hidden, load_some(simd, &steps[sizes.hidden_at(time, row)..][units.clone()]));
        }
        if time + 1 == sizes.time {
            hidden = simd.add(hidden, load_some(simd, &self.hidden[row * sizes.hidden..][units.clone()]));
        }
        hidden
    }
}

/// The backward pass of some rows.
#[derive(Debug, Clone)]
pub struct Backward<'a> {
    /// Sizes of the sequence.
    pub sizes: Sizes,
    /// The rows of the batch.
    pub rows: Range<usize>,
    /// What comes in.
    pub output: OutputGradient<'a>,
    /// Words of the recurrent weights, transposed, in panels.
    pub recurrent: &'a [f32],
    /// State before the first step.
    pub initial: Initial<'a>,
    /// (T, blocks, N, W)
    pub cells: &'a [f32],
    /// (T, blocks, N, 4, W): gates, which words of their gradients replace.
    pub gates: Shared<'a>,
    /// Gradient of the cell state, (blocks, N, W): scratch.
    pub cell_gradient: Shared<'a>,
    /// Gradient of the initial hidden and cell state, (2, N, H), written if wanted.
    pub initial_gradient: Option<Shared<'a>>,
}

impl Job for Backward<'_> {
    #[inline(always)]
    fn run<S: Lanes>(self, simd: S) {
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
    fn step<S: Lanes>(&self, simd: S, time: Option<usize>) {
        for (first, blocks) in column_panels(S::WIDTH, self.sizes.hidden) {
            if blocks == 4 {
                for_tiles!(S, self.rows.clone(), |row, ROWS| self.tile::<S, ROWS, 4>(simd, time, first, row));
            } else {
                for_tiles!(S, self.rows.clone(), |row, ROWS| self.tile::<S, ROWS, 1>(simd, time, first, row));
            }
        }
    }

    /// Some rows' gradients of C blocks of hidden units, and what follows from them.
    #[inline(always)]
    fn tile<S: Lanes, const R: usize, const C: usize>(&self, simd: S, time: Option<usize>, first: usize, row: usize) {
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
                let block = first / S::WIDTH + column;
                match time {
                    Some(time) => self.cell(simd, time, block, row + index, *vector),
                    None => self.initial_state(simd, block, row + index, *vector),
                }
            }
        }
    }

    /// From the gradient of a block's hidden units to those of their gates and of the cell state before.
    #[inline(always)]
    fn cell<S: Lanes>(&self, simd: S, time: usize, block: usize, row: usize, hidden: S::Vector) {
        let (sizes, units, one) = (&self.sizes, self.sizes.units(block), simd.splat(1.0));
        let hidden = self.output.add(simd, sizes, time, row, &units, hidden);
        let start = sizes.gates_at(time, block, row);
        // SAFETY: this thread alone has this row, and no other slice of it is alive.
        let gates = unsafe { self.gates.write(start..start + 4 * S::WIDTH) };
        // Not `from_fn`: its closure would be a function of its own, compiled without the instructions.
        let (input, forget) = (load(simd, gates), load(simd, &gates[S::WIDTH..]));
        let (candidate, output) = (load(simd, &gates[2 * S::WIDTH..]), load(simd, &gates[3 * S::WIDTH..]));
        let activated = tanh(simd, load(simd, &self.cells[sizes.cells_at(time, block, row)..]));
        let before = match (time, self.initial) {
            (0, None) => simd.splat(0.0),
            (0, Some((_, cell))) => load_some(simd, &cell[row * sizes.hidden..][units.clone()]),
            _ => load(simd, &self.cells[sizes.cells_at(time - 1, block, row)..]),
        };
        let start = sizes.cells_at(0, block, row);
        // SAFETY: as above.
        let memory = unsafe { self.cell_gradient.write(start..start + S::WIDTH) };
        let carried = if time + 1 == sizes.time {
            load_some(simd, &self.output.cell[row * sizes.hidden..][units.clone()])
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
        let across = sizes.words(S::WIDTH);
        for (gate, vector) in gradients.into_iter().enumerate() {
            let gate = &mut gates[gate * across..][..across];
            match sizes.precision {
                Precision::Float32 => store(simd, gate, vector),
                Precision::BFloat16 => store_rounded(simd, gate, vector, units.len()),
            }
        }
        store(simd, memory, simd.mul(cell, forget));
    }

    /// The gradient of the state before the first step.
    #[inline(always)]
    fn initial_state<S: Lanes>(&self, simd: S, block: usize, row: usize, hidden: S::Vector) {
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
                self.cell_gradient.read(memory..memory + S::WIDTH),
            )
        };
        store_some(simd, hidden_gradient, hidden);
        store_some(simd, cell_gradient, load(simd, memory));
    }
}

/// Adds to a tile what the gates' gradients at a time give back through a panel of transposed weights.
///
/// # Safety
/// No one writes these rows' gates at this time step meanwhile.
#[inline(always)]
unsafe fn through_gates<S: Lanes, const R: usize, const C: usize>(
    simd: S,
    sizes: &Sizes,
    gates: &Shared<'_>,
    time: usize,
    row: usize,
    panel: &[f32],
    tile: &mut [[S::Vector; C]; R],
) {
    // So many words a gate of a block has.
    let across = sizes.words(S::WIDTH);
    for block in 0..sizes.blocks() {
        let start = sizes.gates_at(time, block, row);
        // SAFETY: the caller's promise.
        let words = unsafe { gates.read(start..start + R * sizes.gates()) };
        let panel = &panel[block * 4 * across * C * S::WIDTH..];
        let units = sizes.units(block).len();
        if units == S::WIDTH {
            accumulate(simd, sizes.precision, tile, 4 * across, Left { words, row: sizes.gates(), step: 1 }, panel);
        } else {
            // The filling is left out: a product of its zeros with an infinity would be NaN.
            for gate in 0..4 {
                let left = Left { words: &words[gate * across..], row: sizes.gates(), step: 1 };
                let panel = &panel[gate * across * C * S::WIDTH..];
                accumulate(simd, sizes.precision, tile, sizes.words(units), left, panel);
            }
        }
    }
}

/// The gradient of some rows' input vectors.
#[derive(Debug, Clone)]
pub struct InputGradient<'a> {
    /// Sizes of the sequence.
    pub sizes: Sizes,
    /// The rows of the batch.
    pub rows: Range<usize>,
    /// Words of the input weights, transposed, in panels.
    pub weights: &'a [f32],
    /// Words of the gates' gradients, (T, blocks, N, 4, W).
    pub gates: Shared<'a>,
    /// (T, N, I), written.
    pub gradient: Shared<'a>,
}

impl Job for InputGradient<'_> {
    #[inline(always)]
    fn run<S: Lanes>(self, simd: S) {
        for (first, blocks) in column_panels(S::WIDTH, self.sizes.input) {
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
    fn tile<S: Lanes, const R: usize, const C: usize>(&self, simd: S, time: usize, first: usize, row: usize) {
        let sizes = &self.sizes;
        let mut tile = [[simd.splat(0.0); C]; R];
        let panel = &self.weights[first * sizes.words(sizes.all_gates())..];
        // SAFETY: nothing writes the gates' gradients while this job runs.
        unsafe { through_gates(simd, sizes, &self.gates, time, row, panel, &mut tile) };
        for (index, vectors) in tile.iter().enumerate() {
            let start = (time * sizes.batch + row + index) * sizes.input;
            for (column, vector) in vectors.iter().enumerate() {
                let from = first + column * S::WIDTH;
                // SAFETY: this thread alone has this row, and no other slice of it is alive.
                let target = unsafe { self.gradient.write(start + from..start + sizes.input.min(from + S::WIDTH)) };
                store_some(simd, target, *vector);
            }
        }
    }
}
