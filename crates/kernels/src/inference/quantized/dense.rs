//! Dense products of hidden states with quantized weights.

use super::{
    super::matrix::{MOST_TILE, Number, VECTORS},
    matrix::{QuantizedColumns, QuantizedMatrix},
    states::{ToBytes, words},
};
use crate::{
    buffer::Buffer,
    instructions::{Instructions, Kernel},
    simd::{Simd, load, store, store_partial},
    tile::Tiles,
};

/// A dense layer with int8 weights (K, columns) and a bias, packed once and never changed. It multiplies hidden states, which
/// lie between -1 and 1.
pub struct QuantizedDense {
    matrix: QuantizedMatrix,
    bias: Buffer, // (padded)
    sizes: [usize; 2],
}

impl QuantizedDense {
    /// Packs a matrix (K, columns) and a bias (columns), or none.
    ///
    /// # Panics
    /// If the weights are fewer than the sizes say.
    pub fn pack(
        instructions: Instructions,
        [inner, columns]: [usize; 2],
        weight: &QuantizedColumns<'_>,
        bias: Option<&[Number]>,
    ) -> Self {
        let vectors = columns.div_ceil(instructions.lanes());
        let column = |place: usize| (place < columns).then_some(place);
        let matrix = QuantizedMatrix::pack(instructions, [inner, vectors], weight, column);
        let mut starts = Buffer::default();
        for (place, start) in starts.sized(matrix.matrix.padded()).iter_mut().enumerate() {
            *start = column(place).and_then(|column| bias.map(|bias| bias[column])).map_or(0.0, f32::from_le_bytes);
        }
        Self { matrix, bias: starts, sizes: [inner, columns] }
    }

    /// K and the number of columns.
    pub fn sizes(&self) -> [usize; 2] {
        self.sizes
    }

    /// Multiplies rows (rows, K) of hidden states, rounded to multiples of 1/127, and writes (rows, columns).
    ///
    /// # Panics
    /// If the slices have other lengths.
    pub fn multiply(&self, rows: usize, left: &[f32], out: &mut [f32], scratch: &mut Buffer) {
        let [inner, columns] = self.sizes;
        assert_eq!(left.len(), rows * inner, "the left operand has rows of K numbers");
        assert_eq!(out.len(), rows * columns, "the result has a number for each row and column");
        let bytes = scratch.sized(rows * words(inner));
        let instructions = self.matrix.matrix.instructions;
        instructions.run_bytes(ToBytes { states: left, count: inner, words: bytes });
        instructions.run_bytes(Multiply {
            matrix: &self.matrix,
            rows,
            left: bytes,
            starts: self.bias.floats(),
            columns,
            out,
        });
    }
}

/// Rows of words (rows, words) times a matrix, and what the sums start from, to `out` (rows, columns).
pub(super) struct Multiply<'a> {
    pub(super) matrix: &'a QuantizedMatrix,
    pub(super) rows: usize,
    pub(super) left: &'a [f32],
    /// (padded)
    pub(super) starts: &'a [f32],
    pub(super) columns: usize,
    pub(super) out: &'a mut [f32],
}

impl Kernel for Multiply<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        for panel in 0..self.matrix.matrix.panels {
            match self.matrix.matrix.vectors(panel) {
                1 => self.panel::<S, 1>(simd, panel),
                2 => self.panel::<S, 2>(simd, panel),
                _ => self.panel::<S, VECTORS>(simd, panel),
            }
        }
    }
}

impl Multiply<'_> {
    /// One panel of C vectors.
    #[inline(always)]
    fn panel<S: Simd, const C: usize>(&mut self, simd: S, panel: usize) {
        let first = panel * VECTORS * S::LANES;
        let starts = &self.starts[first..][..C * S::LANES];
        let width = (self.columns - first).min(C * S::LANES);
        let mut tile = [0.0; MOST_TILE];
        for (row, height) in Tiles::of::<S>(0..self.rows) {
            for tile in tile.chunks_exact_mut(C * S::LANES).take(height) {
                for (sum, start) in tile.chunks_exact_mut(S::LANES).zip(starts.chunks_exact(S::LANES)) {
                    store(simd, sum, load(simd, start));
                }
            }
            self.matrix.add_products::<S, C>(simd, panel, self.left, [row, height], &mut tile);
            for (row, sums) in (row..row + height).zip(tile.chunks_exact(C * S::LANES)) {
                let out = &mut self.out[row * self.columns + first..][..width];
                for (out, sums) in out.chunks_mut(S::LANES).zip(sums.chunks_exact(S::LANES)) {
                    store_partial(simd, out, load(simd, sums));
                }
            }
        }
    }
}
