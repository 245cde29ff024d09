//! Quantized weights in the order in which the kernels read them.

use super::{
    super::matrix::{Factor, MOST_TILE, Number, PackedMatrix, VECTORS, sums_of_two_panels, tile_of_sums},
    states::{BYTES, STEPS, words},
};
use crate::{
    buffer::Buffer,
    instructions::{Instructions, Kernel},
    simd::{Simd, load},
    tile::Bytes,
};

/// A matrix as a file has it: a signed byte per weight and a scale per column of the product. A weight is its byte times
/// the scale.
#[derive(Debug, Clone, Copy)]
pub struct QuantizedColumns<'a> {
    /// The bytes, (columns, K) or (K, columns).
    pub bytes: &'a [u8],
    /// (columns)
    pub scales: &'a [Number],
    /// Distances between neighbouring bytes: of the same column, and of the same row.
    pub strides: [usize; 2],
}

impl QuantizedColumns<'_> {
    fn byte(&self, row: usize, column: usize) -> i8 {
        self.bytes[row * self.strides[0] + column * self.strides[1]] as i8
    }
}

/// A packed matrix of bytes, and the scale of each column.
pub(super) struct QuantizedMatrix {
    /// Four rows to a word. Its bias takes back what the offset of the left operand's bytes adds.
    pub(super) matrix: PackedMatrix,
    /// What a column's integer stands for: its scale / 127, (padded).
    scales: Buffer,
}

impl QuantizedMatrix {
    /// Packs `inner` rows of this many vectors. `column` maps a place in a packed row to its column, if it has one.
    pub(super) fn pack(
        instructions: Instructions,
        [inner, vectors]: [usize; 2],
        source: &QuantizedColumns<'_>,
        column: impl Fn(usize) -> Option<usize>,
    ) -> Self {
        /// Finds the left operand's offset, which depends on the instruction set.
        struct Offset<'a>(&'a mut i32);
        impl Kernel for Offset<'_> {
            #[inline(always)]
            fn run<S: Simd>(self, _simd: S) {
                *self.0 = S::BYTE_OFFSET.into();
            }
        }
        let mut offset = 0;
        instructions.run_bytes(Offset(&mut offset));
        let lanes = instructions.lanes();
        let mut matrix = PackedMatrix::unfilled(instructions, words(inner), vectors);
        let (padded, whole) = (matrix.padded(), VECTORS * lanes);
        let (packed, starts) = matrix.parts_mut();
        let mut scales = Buffer::default();
        scales.sized(padded);
        for (panel, packed) in packed.chunks_mut((words(inner) * whole).max(1)).enumerate() {
            let row = packed.len() / words(inner);
            for place in 0..row {
                let Some(column) = column(panel * whole + place) else { continue };
                let mut sum = 0_i32;
                for (word, packed) in packed.iter_mut().skip(place).step_by(row).enumerate() {
                    let byte = |byte: usize| Some(word * BYTES + byte).filter(|row| *row < inner);
                    let bytes: [i8; BYTES] =
                        std::array::from_fn(|place| byte(place).map_or(0, |row| source.byte(row, column)));
                    sum += bytes.iter().map(|byte| i32::from(*byte)).sum::<i32>();
                    *packed = f32::from_bits(u32::from_le_bytes(bytes.map(|byte| byte as u8)));
                }
                starts[panel * whole + place] = f32::from_bits((-offset * sum) as u32);
                scales.floats_mut()[panel * whole + place] = f32::from_le_bytes(source.scales[column]) / STEPS;
            }
        }
        Self { matrix, scales }
    }

    /// Adds to a tile of floats (height, C, lanes) the scaled products of rows of words, (rows, words), from `row` on.
    #[inline(always)]
    pub(super) fn add_products<S: Simd, const C: usize>(
        &self,
        simd: S,
        panel: usize,
        left: &[f32],
        [row, height]: [usize; 2],
        tile: &mut [f32; MOST_TILE],
    ) {
        let mut integers = [0.0; MOST_TILE];
        let starts = self.panel(self.matrix.bias(), panel, C * S::LANES);
        tile_of_sums::<S, Bytes, C>(simd, [row, height], |_| starts, &[self.factor(left, panel)], &mut integers);
        let scales = self.panel(self.scales.floats(), panel, C * S::LANES);
        let rows = tile.chunks_exact_mut(C * S::LANES).zip(integers.chunks_exact(C * S::LANES));
        for (sums, integers) in rows.take(height) {
            add_scaled(simd, sums, integers, scales);
        }
    }

    /// [`add_products`](Self::add_products) of one row and two panels, the first to the first row of the tile and the second
    /// to the second.
    #[inline(always)]
    pub(super) fn add_products_of_two_panels<S: Simd>(
        &self,
        simd: S,
        panel: usize,
        left: &[f32],
        tile: &mut [f32; MOST_TILE],
    ) {
        let width = VECTORS * S::LANES;
        let mut integers = [0.0; MOST_TILE];
        let panels = [panel, panel + 1];
        let starts = panels.map(|panel| self.panel(self.matrix.bias(), panel, width));
        let factors = panels.map(|panel| self.factor(left, panel));
        sums_of_two_panels::<S, Bytes>(simd, starts, &[factors], &mut integers);
        let rows = tile.chunks_exact_mut(width).zip(integers.chunks_exact(width));
        for ((sums, integers), panel) in rows.zip(panels) {
            add_scaled(simd, sums, integers, self.panel(self.scales.floats(), panel, width));
        }
    }

    #[inline(always)]
    fn factor<'a>(&'a self, left: &'a [f32], panel: usize) -> Factor<'a> {
        let inner = self.matrix.inner;
        Factor { left, stride: inner, count: inner, right: self.matrix.panel(panel, 0..inner) }
    }

    #[inline(always)]
    fn panel<'a>(&self, row: &'a [f32], panel: usize, width: usize) -> &'a [f32] {
        &row[panel * VECTORS * self.matrix.instructions.lanes()..][..width]
    }
}

/// `sums + integers * scales`
#[inline(always)]
fn add_scaled<S: Simd>(simd: S, sums: &mut [f32], integers: &[f32], scales: &[f32]) {
    let vectors = sums.chunks_exact_mut(S::LANES).zip(integers.chunks_exact(S::LANES));
    for ((sum, integers), scales) in vectors.zip(scales.chunks_exact(S::LANES)) {
        let products = simd.mul(simd.integers_to_floats(load(simd, integers)), load(simd, scales));
        crate::simd::store(simd, sum, simd.add(load(simd, sum), products));
    }
}
