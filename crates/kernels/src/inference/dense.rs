//! Dense products: rows of numbers times a packed matrix, and a bias.

use super::matrix::{Factor, MOST_TILE, Number, PackedMatrix, Source, VECTORS, tile_of_sums};
use crate::{
    instructions::{Instructions, Kernel},
    simd::{Simd, load, store_partial},
    tile::{Numbers, Tiles},
};

/// A dense layer: a matrix (K, columns) with a bias, packed once and never changed.
pub struct Dense {
    matrix: PackedMatrix,
    columns: usize,
}

impl Dense {
    /// Packs a matrix (K, columns) in row-major order and a bias (columns), or none.
    ///
    /// # Panics
    /// If the numbers are fewer than the sizes say.
    pub fn pack(
        instructions: Instructions,
        [inner, columns]: [usize; 2],
        weight: &[Number],
        bias: Option<&[Number]>,
    ) -> Self {
        let source = Source { numbers: weight, rows: inner, row_stride: columns, column_stride: 1 };
        let matrix = PackedMatrix::pack(
            instructions,
            columns.div_ceil(instructions.lanes()),
            &[source],
            |place| (place < columns).then_some(place),
            |column| bias.map_or(0.0, |bias| f32::from_le_bytes(bias[column])),
        );
        Self { matrix, columns }
    }

    /// K and the number of columns.
    pub fn sizes(&self) -> [usize; 2] {
        [self.matrix.inner, self.columns]
    }

    /// Multiplies rows (rows, K) and writes (rows, columns).
    ///
    /// # Panics
    /// If the slices have other lengths.
    pub fn multiply(&self, rows: usize, left: &[f32], out: &mut [f32]) {
        assert_eq!(left.len(), rows * self.matrix.inner, "the left operand has rows of K numbers");
        assert_eq!(out.len(), rows * self.columns, "the result has a number for each row and column");
        multiply(&self.matrix, rows, self.matrix.inner, left, self.columns, out);
    }
}

/// The first `numbers` rows of a matrix times each of the rows (rows, numbers) on the left, to `out` (rows, columns).
pub(super) fn multiply(
    matrix: &PackedMatrix,
    rows: usize,
    numbers: usize,
    left: &[f32],
    columns: usize,
    out: &mut [f32],
) {
    matrix.instructions.run_f32(Multiply { matrix, rows, numbers, left, columns, out });
}

struct Multiply<'a> {
    matrix: &'a PackedMatrix,
    rows: usize,
    numbers: usize,
    left: &'a [f32],
    columns: usize,
    out: &'a mut [f32],
}

impl Kernel for Multiply<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        for panel in 0..self.matrix.panels {
            match self.matrix.vectors(panel) {
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
        let Self { matrix, rows, numbers, left, columns, out } = self;
        let (rows, numbers, columns) = (*rows, *numbers, *columns);
        let first = panel * VECTORS * S::LANES;
        let bias = &matrix.bias()[first..][..C * S::LANES];
        let product = [Factor { left, stride: numbers, count: numbers, right: matrix.panel(panel, 0..numbers) }];
        let width = (columns - first).min(C * S::LANES);
        let mut tile = [0.0; MOST_TILE];
        for (row, height) in Tiles::of::<S>(0..rows) {
            tile_of_sums::<S, Numbers, C>(simd, [row, height], |_| bias, &product, &mut tile);
            for (row, sums) in (row..row + height).zip(tile.chunks_exact(C * S::LANES)) {
                let out = &mut out[row * columns + first..][..width];
                for (out, sums) in out.chunks_mut(S::LANES).zip(sums.chunks_exact(S::LANES)) {
                    store_partial(simd, out, load(simd, sums));
                }
            }
        }
    }
}
