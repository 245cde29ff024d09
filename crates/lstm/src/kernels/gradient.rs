//! Gradients of a layer's weights: tall products over all time steps and rows, after the backward pass.
//!
//! Every number is summed in the order of time and row, whichever thread sums it, so that the result does not depend on
//! how many there are.

use std::ops::Range;

use super::{
    lanes::Lanes,
    layout::Sizes,
    memory::{Buffer, Shared},
    precision::{Precision, pair_rows},
    processor::Job,
    tile::{Left, accumulate, for_tiles, load, load_operand, store},
};

/// Rows of activations that one visit to a tile of the gradient takes in: enough to make its loading and storing cheap,
/// few enough for the caches.
const ROWS_A_VISIT: usize = 256;

/// The vectors that a weight matrix was multiplied with.
#[derive(Debug, Clone, Copy)]
pub enum Vectors<'a> {
    /// One for each time step: words of (T, N, M).
    Input(&'a [f32]),
    /// At each time step the hidden state of the one before.
    Before {
        /// Words of the hidden states, (T, N, H).
        hidden: &'a [f32],
        /// The one before the first step, words of (N, H); None is zeros.
        initial: Option<&'a [f32]>,
    },
}

impl<'a> Vectors<'a> {
    /// Those of a time step, of `words` words, and what lies behind them in memory; None is zeros.
    #[inline(always)]
    fn at(self, time: usize, words: usize) -> Option<&'a [f32]> {
        match (self, time) {
            (Vectors::Input(vectors), _) => Some(&vectors[time * words..]),
            (Vectors::Before { hidden, .. }, 1..) => Some(&hidden[(time - 1) * words..]),
            (Vectors::Before { initial, .. }, 0) => initial,
        }
    }
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
    /// Words of the gates' gradients, (T, blocks, N, 4, W).
    pub gates: &'a [f32],
    /// (M, blocks, 4, W), written.
    pub gradient: Shared<'a>,
}

impl Job for WeightGradient<'_> {
    #[inline(always)]
    fn run<S: Lanes>(self, simd: S) {
        let (steps, visit) = match self.sizes.precision {
            Precision::Float32 => (self.sizes.time, ROWS_A_VISIT.div_ceil(self.sizes.batch)),
            Precision::BFloat16 => (self.sizes.time * self.sizes.batch.div_ceil(2), ROWS_A_VISIT / 2),
        };
        let mut pairs = Pairs::default();
        for first in (0..steps).step_by(visit) {
            let steps = first..steps.min(first + visit);
            if self.sizes.precision == Precision::BFloat16 {
                pairs.take_vectors(&self, steps.clone());
            }
            for block in 0..self.sizes.blocks() {
                if self.sizes.precision == Precision::BFloat16 {
                    pairs.take_gates(&self, steps.clone(), block);
                }
                for_tiles!(S, self.rows.clone(), |row, ROWS| {
                    self.tile::<S, ROWS>(simd, steps.clone(), block, row, &pairs);
                });
            }
        }
    }
}

/// Both operands of a visit where words hold two numbers: as words of pairs of rows, which are what the product sums over.
/// The rows of each time step make pairs among themselves, the last of an odd number with zeros.
#[derive(Debug, Default)]
struct Pairs {
    /// How many pairs of rows there are.
    count: usize,
    /// Words of the vectors, (count, `length`).
    vectors: Buffer,
    /// Which of a vector's numbers `vectors` begins with.
    first: usize,
    /// How many of them it has.
    length: usize,
    /// Words of the gates' gradients, (count, 4, W).
    gates: Buffer,
}

impl Pairs {
    /// Takes in the vectors of some pairs.
    #[inline(always)]
    fn take_vectors(&mut self, job: &WeightGradient<'_>, pairs: Range<usize>) {
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

    /// Takes in a block of the gates' gradients of the same pairs.
    #[inline(always)]
    fn take_gates(&mut self, job: &WeightGradient<'_>, pairs: Range<usize>, block: usize) {
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
    /// Adds the part of some time steps, or of some pairs of rows, to some rows of a block of columns.
    #[inline(always)]
    fn tile<S: Lanes, const R: usize>(&self, simd: S, steps: Range<usize>, block: usize, row: usize, pairs: &Pairs) {
        let (sizes, length) = (&self.sizes, self.length);
        let place = |index: usize| (row + index) * sizes.all_gates() + block * sizes.gates();
        let mut tile = [[simd.splat(0.0); 4]; R];
        if steps.start > 0 {
            for (index, vectors) in tile.iter_mut().enumerate() {
                // SAFETY: this thread alone has these rows of the gradient.
                let line = unsafe { self.gradient.read(place(index)..place(index) + 4 * S::WIDTH) };
                for (gate, vector) in vectors.iter_mut().enumerate() {
                    *vector = load(simd, &line[gate * S::WIDTH..]);
                }
            }
        }
        match sizes.precision {
            Precision::Float32 => {
                for time in steps {
                    let Some(numbers) = self.vectors.at(time, sizes.batch * length) else { continue };
                    let left = Left { words: &numbers[row..], row: 1, step: length };
                    let right = &self.gates[sizes.gates_at(time, block, 0)..];
                    accumulate(simd, sizes.precision, &mut tile, sizes.batch, left, right);
                }
            }
            Precision::BFloat16 if pairs.count > 0 => {
                let left = Left { words: &pairs.vectors.floats()[row - pairs.first..], row: 1, step: pairs.length };
                accumulate(simd, sizes.precision, &mut tile, pairs.count, left, pairs.gates.floats());
            }
            Precision::BFloat16 => {}
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
    /// Words of the gates' gradients, (T, blocks, N, 4, W).
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
                    let source = &self.gates[sizes.gates_at(time, block, row)..];
                    for (gate, target) in target.chunks_exact_mut(S::WIDTH).enumerate() {
                        let sum = simd.add(load(simd, target), load_operand(simd, sizes.precision, source, gate));
                        store(simd, target, sum);
                    }
                }
            }
        }
    }
}
