//! Gradients of a layer's weights: tall products over all time steps and rows, after the backward pass.
//!
//! Every number is summed in the order of time and row, whichever thread sums it, so that the result does not depend on
//! how many there are.

use std::ops::Range;

use super::{
    lanes::Lanes,
    layout::Sizes,
    memory::Shared,
    processor::Job,
    tile::{Left, accumulate, for_tiles, load, store},
};

/// Rows of activations that one visit to a tile of the gradient takes in: enough to make its loading and storing cheap,
/// few enough for the caches.
const ROWS_A_VISIT: usize = 256;

/// The vectors that a weight matrix was multiplied with.
#[derive(Debug, Clone, Copy)]
pub enum Vectors<'a> {
    /// One for each time step, (T, N, M).
    Input(&'a [f32]),
    /// At each time step the hidden state of the one before.
    Before {
        /// Hidden states, (T, N, H).
        hidden: &'a [f32],
        /// The one before the first step, (N, H); None is zeros.
        initial: Option<&'a [f32]>,
    },
}

/// The gradient of some rows of a weight matrix, whose left operand is the vectors that it was multiplied with.
#[derive(Debug, Clone)]
pub struct WeightGradient<'a> {
    /// Sizes of the sequence.
    pub sizes: Sizes,
    /// Rows of the matrix: numbers in a vector.
    pub rows: Range<usize>,
    /// Length of a vector: M.
    pub length: usize,
    /// The vectors.
    pub vectors: Vectors<'a>,
    /// Gradients of the gates, (T, blocks, N, 4, W).
    pub gates: &'a [f32],
    /// (M, blocks, 4, W), written.
    pub gradient: Shared<'a>,
}

impl Job for WeightGradient<'_> {
    #[inline(always)]
    fn run<S: Lanes>(self, simd: S) {
        let visit = ROWS_A_VISIT.div_ceil(self.sizes.batch);
        for first in (0..self.sizes.time).step_by(visit) {
            let times = first..self.sizes.time.min(first + visit);
            for block in 0..self.sizes.blocks() {
                for_tiles!(S, self.rows.clone(), |row, ROWS| self.tile::<S, ROWS>(simd, times.clone(), block, row));
            }
        }
    }
}

impl WeightGradient<'_> {
    /// Adds some time steps' part to some rows of a block of columns.
    #[inline(always)]
    fn tile<S: Lanes, const R: usize>(&self, simd: S, times: Range<usize>, block: usize, row: usize) {
        let (sizes, length) = (&self.sizes, self.length);
        let place = |index: usize| (row + index) * sizes.all_gates() + block * sizes.gates();
        let mut tile = [[simd.splat(0.0); 4]; R];
        if times.start > 0 {
            for (index, vectors) in tile.iter_mut().enumerate() {
                // SAFETY: this thread alone has these rows of the gradient.
                let line = unsafe { self.gradient.read(place(index)..place(index) + 4 * S::WIDTH) };
                for (gate, vector) in vectors.iter_mut().enumerate() {
                    *vector = load(simd, &line[gate * S::WIDTH..]);
                }
            }
        }
        for time in times {
            let numbers = match (self.vectors, time) {
                (Vectors::Input(vectors), _) => &vectors[time * sizes.batch * length..],
                (Vectors::Before { hidden, .. }, 1..) => &hidden[(time - 1) * sizes.batch * length..],
                (Vectors::Before { initial: Some(initial), .. }, 0) => initial,
                (Vectors::Before { initial: None, .. }, 0) => continue,
            };
            let left = Left { numbers: &numbers[row..], row: 1, step: length };
            accumulate(simd, &mut tile, sizes.batch, left, &self.gates[sizes.gates_at(time, block, 0)..]);
        }
        for (index, vectors) in tile.iter().enumerate() {
            // SAFETY: as above, and no other slice of them is alive.
            let line = unsafe { self.gradient.write(place(index)..place(index) + 4 * S::WIDTH) };
            for (gate, vector) in vectors.iter().enumerate() {
                store(simd, &mut line[gate * S::WIDTH..], *vector);
            }
        }
    }
}

/// The gradient of what is added to the gates: of one row per token, or of the bias alone.
#[derive(Debug, Clone)]
pub struct RowGradient<'a> {
    /// Sizes of the sequence.
    pub sizes: Sizes,
    /// Blocks of columns.
    pub blocks: Range<usize>,
    /// The row that each step adds to, (T, N); None is row 0.
    pub ids: Option<&'a [u32]>,
    /// How many rows there are.
    pub rows: usize,
    /// Gradients of the gates, (T, blocks, N, 4, W).
    pub gates: &'a [f32],
    /// (rows, blocks, 4, W), written.
    pub gradient: Shared<'a>,
}

impl Job for RowGradient<'_> {
    #[inline(always)]
    fn run<S: Lanes>(self, simd: S) {
        let sizes = &self.sizes;
        // SAFETY (of all calls): this thread alone has these blocks of every row, and each slice dies before the next.
        let line = |row: usize, block: usize| {
            let start = row * sizes.all_gates() + block * sizes.gates();
            // SAFETY: as above.
            unsafe { self.gradient.write(start..start + 4 * S::WIDTH) }
        };
        for block in self.blocks.clone() {
            for row in 0..self.rows {
                line(row, block).fill(0.0);
            }
            for time in 0..sizes.time {
                for row in 0..sizes.batch {
                    let target = line(self.ids.map_or(0, |ids| ids[time * sizes.batch + row] as usize), block);
                    let source = &self.gates[sizes.gates_at(time, block, row)..][..4 * S::WIDTH];
                    for start in [0, S::WIDTH, 2 * S::WIDTH, 3 * S::WIDTH] {
                        let sum = simd.add(load(simd, &target[start..]), load(simd, &source[start..]));
                        store(simd, &mut target[start..], sum);
                    }
                }
            }
        }
    }
}
