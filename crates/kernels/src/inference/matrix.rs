//! Weights in the order in which the kernels read them, and tiles of products with them.
//!
//! Columns are cut into panels of four vectors. A panel holds, for each word of the left operand in turn, the four vectors
//! that it is multiplied with, so that the kernels read memory strictly forward. A word is a number, or four bytes of a
//! quantized matrix.

use std::ops::Range;

use crate::{
    buffer::Buffer,
    instructions::Instructions,
    simd::{MOST_LANES, Simd, load, store},
    tile::{LeftOperand, MultiplyWords, accumulate, accumulate_two_panels, load_four, with_rows},
};

/// A little-endian `f32`, as files have it.
pub type Number = [u8; 4];

/// Vectors per panel. An LSTM's are the four gates of as many units as a vector has lanes.
pub(super) const VECTORS: usize = 4;

/// The most floats of a tile of [`Simd::TILE_ROWS`] rows of a panel.
pub(super) const MOST_TILE: usize = 6 * VECTORS * MOST_LANES;

/// A matrix (K, columns) in panels, and what each column's sums start from.
pub(super) struct PackedMatrix {
    pub(super) instructions: Instructions,
    /// Rows: words of the left operand, K if they are numbers.
    pub(super) inner: usize,
    pub(super) panels: usize,
    /// Vectors of the last panel: 1, 2 or all.
    tail: usize,
    weights: Buffer, // (panels, K, VECTORS, lanes)
    bias: Buffer,    // (panels, VECTORS, lanes)
}

/// Numbers of a file that become rows of a matrix.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) numbers: &'a [Number],
    pub(super) rows: usize,
    /// Distance between rows.
    pub(super) row_stride: usize,
    /// Distance between columns.
    pub(super) column_stride: usize,
}

impl PackedMatrix {
    /// Packs the rows of the sources, one source after the other, as the given number of vectors. `column` maps a place in
    /// a packed row to its column, if it has one; `bias` gives what a column's sums start from.
    pub(super) fn pack(
        instructions: Instructions,
        vectors: usize,
        sources: &[Source<'_>],
        column: impl Fn(usize) -> Option<usize>,
        bias: impl Fn(usize) -> f32,
    ) -> Self {
        /// Rows at a time: what is read and written meanwhile stays in the first-level cache.
        const BLOCK: usize = 16;
        let inner: usize = sources.iter().map(|source| source.rows).sum();
        let mut matrix = Self::unfilled(instructions, inner, vectors);
        let (whole, padded) = (VECTORS * instructions.lanes(), matrix.padded());
        for (panel, mut packed) in matrix.weights.sized(inner * padded).chunks_mut((inner * whole).max(1)).enumerate() {
            let row = packed.len() / inner;
            let columns: Vec<_> = (0..row).filter_map(|place| Some((place, column(panel * whole + place)?))).collect();
            for source in sources {
                for start in (0..source.rows).step_by(BLOCK) {
                    let (block, rest) = packed.split_at_mut(row * BLOCK.min(source.rows - start));
                    packed = rest;
                    for (place, column) in &columns {
                        let mut from = start * source.row_stride + column * source.column_stride;
                        for numbers in block.chunks_exact_mut(row) {
                            numbers[*place] = f32::from_le_bytes(source.numbers[from]);
                            from += source.row_stride;
                        }
                    }
                }
            }
        }
        for (place, start) in matrix.bias.floats_mut().iter_mut().enumerate() {
            *start = column(place).map_or(0.0, &bias);
        }
        matrix
    }

    /// A matrix of zeros: `inner` rows of this many vectors.
    pub(super) fn unfilled(instructions: Instructions, inner: usize, vectors: usize) -> Self {
        let lanes = instructions.lanes();
        let panels = vectors.div_ceil(VECTORS);
        let tail = match vectors % VECTORS {
            few @ (1 | 2) => few,
            _ => VECTORS,
        };
        let padded = (panels * VECTORS - (VECTORS - tail)) * lanes;
        let (mut weights, mut bias) = (Buffer::default(), Buffer::default());
        weights.sized(inner * padded);
        bias.sized(padded);
        Self { instructions, inner, panels, tail, weights, bias }
    }

    /// The words of all panels, and the bias, to be filled.
    pub(super) fn parts_mut(&mut self) -> (&mut [f32], &mut [f32]) {
        (self.weights.floats_mut(), self.bias.floats_mut())
    }

    /// Floats of one row of sums, those of lanes without a column included.
    pub(super) fn padded(&self) -> usize {
        self.bias.floats().len()
    }

    /// What the sums of every row start from, (padded).
    pub(super) fn bias(&self) -> &[f32] {
        self.bias.floats()
    }

    /// Vectors of a panel.
    #[inline(always)]
    pub(super) fn vectors(&self, panel: usize) -> usize {
        if panel + 1 == self.panels { self.tail } else { VECTORS }
    }

    /// The rows of one panel that are multiplied with these words of the left operand.
    pub(super) fn panel(&self, panel: usize, rows: Range<usize>) -> &[f32] {
        let lanes = self.instructions.lanes();
        let row = lanes * self.vectors(panel);
        &self.weights.floats()[panel * self.inner * VECTORS * lanes + rows.start * row..][..rows.len() * row]
    }
}

/// One summand of a tile: rows of words times a part of a panel.
#[derive(Clone, Copy)]
pub(super) struct Factor<'a> {
    /// The words, from the first row on.
    pub(super) left: &'a [f32],
    /// Distance between rows on the left.
    pub(super) stride: usize,
    /// Words of a row that count.
    pub(super) count: usize,
    pub(super) right: &'a [f32], // (count, C, lanes)
}

/// Sums of one tile of `height` rows from `row` on, to `tile` (height, C, lanes): what `start` gives for each row, and the
/// products of the factors.
#[inline(always)]
pub(super) fn tile_of_sums<'a, S: Simd, M: MultiplyWords, const C: usize>(
    simd: S,
    [row, height]: [usize; 2],
    start: impl Fn(usize) -> &'a [f32],
    factors: &[Factor<'_>],
    tile: &mut [f32; MOST_TILE],
) {
    with_rows!(S, height, |ROWS| {
        let mut sums = [[simd.splat(0.0); C]; ROWS];
        for (index, sums) in sums.iter_mut().enumerate() {
            let start = start(row + index);
            for (vector, sum) in sums.iter_mut().enumerate() {
                *sum = load(simd, &start[vector * S::LANES..]);
            }
        }
        for factor in factors {
            let left = LeftOperand { words: &factor.left[row * factor.stride..], row: factor.stride, step: 1 };
            accumulate::<S, M, ROWS, C>(simd, &mut sums, factor.count, left, factor.right);
        }
        for (target, sum) in tile.chunks_exact_mut(S::LANES).zip(sums.as_flattened()) {
            store(simd, target, *sum);
        }
    });
}

/// Sums of one row in two panels, to the first two rows of a tile.
#[inline(always)]
pub(super) fn sums_of_two_panels<S: Simd, M: MultiplyWords>(
    simd: S,
    starts: [&[f32]; 2],
    factors: &[[Factor<'_>; 2]],
    tile: &mut [f32; MOST_TILE],
) {
    let mut sums = [load_four(simd, starts[0]), load_four(simd, starts[1])];
    for [first, second] in factors {
        accumulate_two_panels::<S, M, VECTORS>(
            simd,
            &mut sums,
            &first.left[..first.count],
            [first.right, second.right],
        );
    }
    for (target, sum) in tile.chunks_exact_mut(S::LANES).zip(sums.as_flattened()) {
        store(simd, target, *sum);
    }
}
