//! Gradients of a layer's weights: tall products over all time steps and rows, after the backward pass.
//!
//! Every number is summed in the order of time and row, so the result does not depend on the number of threads.

use std::ops::Range;

use super::sizes::Sizes;
use crate::{
    bf16::pair_rows,
    buffer::Buffer,
    instructions::Kernel,
    precision::Precision,
    shared::Shared,
    simd::{Simd, load, store},
    tile::{LeftOperand, accumulate_words, for_tiles, load_four, load_operand},
};

/// Rows of activations per visit to a tile of the gradient: enough to make loading and storing the tile cheap, few enough
/// for the caches.
const ROWS_A_VISIT: usize = 256;

/// The vectors that a weight matrix was multiplied with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Vectors<'a> {
    /// The layer's input: words of (T, N, M).
    Input(&'a [f32]),
    /// The hidden state of the time step before.
    Before {
        /// Words of the hidden states, (T, N, H).
        hidden: &'a [f32],
        /// The hidden state before the first step, words of (N, H); None is zeros.
        initial: Option<&'a [f32]>,
    },
}

impl<'a> Vectors<'a> {
    /// The vectors of a time step, `words` words, and what follows in memory; None is zeros.
    #[inline(always)]
    fn at(self, time: usize, words: usize) -> Option<&'a [f32]> {
        match (self, time) {
            (Vectors::Input(vectors), _) => Some(&vectors[time * words..]),
            (Vectors::Before { hidden, .. }, 1..) => Some(&hidden[(time - 1) * words..]),
            (Vectors::Before { initial, .. }, 0) => initial,
        }
    }
}

/// The gradient of some rows of a weight matrix: the product of the vectors that the matrix was multiplied with and the
/// gradients of the gates.
#[derive(Debug, Clone)]
pub(super) struct WeightGradient<'a> {
    /// Sizes of the sequence.
    pub(super) sizes: Sizes,
    /// Rows of the matrix: numbers in a vector.
    pub(super) rows: Range<usize>,
    /// Length of a vector: M.
    pub(super) length: usize,
    /// The vectors.
    pub(super) vectors: Vectors<'a>,
    /// Words of the gates' gradients, (T, blocks, N, 4, W).
    pub(super) gates: &'a [f32],
    /// (M, blocks, 4, W), written.
    pub(super) gradient: Shared<'a>,
}

impl Kernel for WeightGradient<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (steps, visit) = match self.sizes.precision {
            Precision::Float32 => (self.sizes.time, ROWS_A_VISIT.div_ceil(self.sizes.batch)),
            Precision::BFloat16 => (self.sizes.time * self.sizes.batch.div_ceil(2), ROWS_A_VISIT / 2),
        };
        let mut pairs = Pairs::default();
        for first in (0..steps).step_by(visit) {
            let steps = first..steps.min(first + visit);
            if self.sizes.precision == Precision::BFloat16 {
                pairs.load_vectors(&self, steps.clone());
            }
            for block in 0..self.sizes.blocks() {
                if self.sizes.precision == Precision::BFloat16 {
                    pairs.load_gates(&self, steps.clone(), block);
                }
                for_tiles!(S, self.rows.clone(), |row, ROWS| {
                    self.tile::<S, ROWS>(simd, steps.clone(), block, row, &pairs);
                });
            }
        }
    }
}

/// Both operands of a visit where words hold two numbers. The product sums over rows, so the words pair two rows of the same
/// time step; the last of an odd number is paired with zeros.
#[derive(Debug, Default)]
struct Pairs {
    /// Pairs of rows.
    count: usize,
    /// Words of the vectors, (count, `length`).
    vectors: Buffer,
    /// The first of a vector's numbers that `vectors` has.
    first: usize,
    /// How many of a vector's numbers it has.
    length: usize,
    /// Words of the gates' gradients, (count, 4, W).
    gates: Buffer,
}

impl Pairs {
    /// Loads the vectors of some pairs.
    #[inline(always)]
    fn load_vectors(&mut self, job: &WeightGradient<'_>, pairs: Range<usize>) {
        let Sizes { batch, precision, .. } = job.sizes;
        let across = precision.words(job.length);
        let columns = job.rows.start / 2..precision.words(job.rows.end);
        (self.first, self.length, self.count) = (2 * columns.start, 2 * columns.len(), 0);
        let rows = pair_places(batch, pairs)
            .filter_map(|(time, row)| job.vectors.at(time, batch * across).map(|words| (row, words)));
        let lines = self.vectors.sized(ROWS_A_VISIT / 2 * self.length).chunks_exact_mut(self.length);
        for ((row, words), line) in rows.zip(lines) {
            let second = if row + 1 < batch { &words[(row + 1) * across..][columns.clone()] } else { &[] };
            pair_rows(&words[row * across..][columns.clone()], second, line);
            self.count += 1;
        }
    }

    /// Loads a block of the gates' gradients of the same pairs.
    #[inline(always)]
    fn load_gates(&mut self, job: &WeightGradient<'_>, pairs: Range<usize>, block: usize) {
        let sizes = &job.sizes;
        let across = sizes.words(sizes.gates());
        let rows = pair_places(sizes.batch, pairs).filter(|(time, _)| job.vectors.at(*time, 0).is_some());
        let lines = self.gates.sized(ROWS_A_VISIT / 2 * sizes.gates()).chunks_exact_mut(sizes.gates());
        for ((time, row), line) in rows.zip(lines) {
            let words = &job.gates[sizes.gates_at(time, block, row)..];
            let second = if row + 1 < sizes.batch { &words[sizes.gates()..][..across] } else { &[] };
            pair_rows(&words[..across], second, line);
        }
    }
}

/// Time and first row of some pairs of rows.
#[inline(always)]
fn pair_places(batch: usize, pairs: Range<usize>) -> impl Iterator<Item = (usize, usize)> {
    let pairs_a_step = batch.div_ceil(2);
    pairs.map(move |pair| (pair / pairs_a_step, 2 * (pair % pairs_a_step)))
}

impl WeightGradient<'_> {
    /// Adds the products of some time steps, or of some pairs of rows, to a tile of the gradient.
    #[inline(always)]
    fn tile<S: Simd, const R: usize>(&self, simd: S, steps: Range<usize>, block: usize, row: usize, pairs: &Pairs) {
        let (sizes, length) = (&self.sizes, self.length);
        let place = |index: usize| (row + index) * sizes.all_gates() + block * sizes.gates();
        let mut tile = [[simd.splat(0.0); 4]; R];
        if steps.start > 0 {
            for (index, vectors) in tile.iter_mut().enumerate() {
                // SAFETY: this thread alone has these rows of the gradient, and no slice of them to write to is alive.
                let line = unsafe { self.gradient.read(place(index)..place(index) + 4 * S::LANES) };
                *vectors = load_four(simd, line);
            }
        }
        match sizes.precision {
            Precision::Float32 => {
                for time in steps {
                    let Some(numbers) = self.vectors.at(time, sizes.batch * length) else { continue };
                    let left = LeftOperand { words: &numbers[row..], row: 1, step: length };
                    let right = &self.gates[sizes.gates_at(time, block, 0)..];
                    accumulate_words(simd, sizes.precision, &mut tile, sizes.batch, left, right);
                }
            }
            Precision::BFloat16 if pairs.count > 0 => {
                let left =
                    LeftOperand { words: &pairs.vectors.floats()[row - pairs.first..], row: 1, step: pairs.length };
                accumulate_words(simd, sizes.precision, &mut tile, pairs.count, left, pairs.gates.floats());
            }
            Precision::BFloat16 => {}
        }
        for (index, vectors) in tile.iter().enumerate() {
            // SAFETY: this thread alone has these rows of the gradient, and no other slice of them is alive.
            let line = unsafe { self.gradient.write(place(index)..place(index) + 4 * S::LANES) };
            for (gate, vector) in vectors.iter().enumerate() {
                store(simd, &mut line[gate * S::LANES..], *vector);
            }
        }
    }
}

/// The gradient of what is added to the gates: one row per token, or the bias alone.
#[derive(Debug, Clone)]
pub(super) struct RowGradient<'a> {
    /// Sizes of the sequence.
    pub(super) sizes: Sizes,
    /// Blocks of columns.
    pub(super) blocks: Range<usize>,
    /// The row that each step adds to, (T, N); None is row 0 for all.
    pub(super) ids: Option<&'a [u32]>,
    /// Rows of the gradient.
    pub(super) rows: usize,
    /// Words of the gates' gradients, (T, blocks, N, 4, W).
    pub(super) gates: &'a [f32],
    /// (rows, blocks, 4, W), written.
    pub(super) gradient: Shared<'a>,
}

impl Kernel for RowGradient<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let sizes = &self.sizes;
        let line = |row: usize, block: usize| {
            let start = row * sizes.all_gates() + block * sizes.gates();
            // SAFETY: this thread alone has these blocks of every row, and each slice dies before the next.
            unsafe { self.gradient.write(start..start + 4 * S::LANES) }
        };
        for block in self.blocks.clone() {
            for row in 0..self.rows {
                line(row, block).fill(0.0);
            }
            for time in 0..sizes.time {
                for row in 0..sizes.batch {
                    let target = line(self.ids.map_or(0, |ids| ids[time * sizes.batch + row] as usize), block);
                    let source = &self.gates[sizes.gates_at(time, block, row)..];
                    for (gate, target) in target.chunks_exact_mut(S::LANES).enumerate() {
                        let sum = simd.add(load(simd, target), load_operand(simd, sizes.precision, source, gate));
                        store(simd, target, sum);
                    }
                }
            }
        }
    }
}
