//! Weights in the order in which the kernels read them, and the product with them.
//!
//! Columns stand in panels of four vectors; a panel holds, for one number of the left operand after the other, the four
//! vectors that it is multiplied with, so that the kernels read memory strictly forward. Every sum is taken in the order
//! of the left operand's numbers, whatever the number of rows, panels and threads: results are the same bits.

use std::ops::Range;

use super::lanes::{Instructions, Job, Lanes, load, store, store_some};

/// Vectors of a panel. An LSTM's are the four gates of as many units as a vector holds.
pub(super) const VECTORS: usize = 4;

/// The most floats that a tile of [`Lanes::ROWS`] rows of a panel has.
pub(super) const TILE: usize = 6 * VECTORS * 16;

/// A matrix (K, columns) with a number to begin each column's sums with.
pub(super) struct Matrix {
    pub(super) instructions: Instructions,
    /// Numbers of a row of the left operand: K.
    pub(super) inner: usize,
    pub(super) panels: usize,
    /// Vectors of the last panel: 1, 2 or all.
    tail: usize,
    weights: Aligned, // (panels, K, VECTORS, W)
    bias: Aligned,    // (panels, VECTORS, W)
}

/// Numbers of a file that become rows of a matrix: number (k, column) lies at `k * row + column * column`.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) numbers: &'a [Number],
    /// Rows that there are.
    pub(super) count: usize,
    /// Distance of a row from the next.
    pub(super) row: usize,
    /// Distance of a column from the next.
    pub(super) column: usize,
}

/// A float as files have it.
pub(super) type Number = [u8; 4];

impl Matrix {
    /// Packs the rows of the sources, one source after the other, as so many vectors; `column` says which column stands at
    /// a place of a packed row, and `bias` what its sums begin with.
    pub(super) fn pack(
        instructions: Instructions,
        vectors: usize,
        sources: &[Source<'_>],
        column: impl Fn(usize) -> Option<usize>,
        bias: impl Fn(usize) -> f32,
    ) -> Self {
        /// Rows at a time: what is read and written meanwhile stays in the first-level cache.
        const BLOCK: usize = 16;
        let width = instructions.width();
        let inner = sources.iter().map(|source| source.count).sum();
        let panels = vectors.div_ceil(VECTORS);
        let tail = match vectors % VECTORS {
            few @ (1 | 2) => few,
            _ => VECTORS,
        };
        let whole = VECTORS * width;
        let padded = panels * whole - (VECTORS - tail) * width;
        let (mut weights, mut biases) = (Aligned::zeros(inner * padded), Aligned::zeros(padded));
        for (panel, mut packed) in weights.get_mut().chunks_mut(inner * whole).enumerate() {
            let row = packed.len() / inner;
            let columns: Vec<_> = (0..row).filter_map(|place| Some((place, column(panel * whole + place)?))).collect();
            for source in sources {
                for start in (0..source.count).step_by(BLOCK) {
                    let (block, rest) = packed.split_at_mut(row * BLOCK.min(source.count - start));
                    packed = rest;
                    for (place, column) in &columns {
                        let mut from = start * source.row + column * source.column;
                        for numbers in block.chunks_exact_mut(row) {
                            numbers[*place] = f32::from_le_bytes(source.numbers[from]);
                            from += source.row;
                        }
                    }
                }
            }
        }
        for (place, sum) in biases.get_mut().iter_mut().enumerate() {
            *sum = column(place).map_or(0.0, &bias);
        }
        Self { instructions, inner, panels, tail, weights, bias: biases }
    }

    /// Floats of one row of sums, those of lanes without a column among them.
    pub(super) fn padded(&self) -> usize {
        self.bias.len
    }

    /// What the sums of every row begin with, (padded).
    pub(super) fn bias(&self) -> &[f32] {
        self.bias.get()
    }

    /// The rows of one panel that are multiplied with these numbers of the left operand.
    pub(super) fn panel(&self, panel: usize, rows: Range<usize>) -> &[f32] {
        let width = self.instructions.width();
        let row = width * if panel + 1 == self.panels { self.tail } else { VECTORS };
        &self.weights.get()[panel * self.inner * VECTORS * width + rows.start * row..][..rows.len() * row]
    }

    /// The first `numbers` rows of the matrix times each of the rows (rows, stride) on the left, to `out`, whose rows are
    /// (columns) wide.
    pub(super) fn multiply(&self, rows: usize, numbers: usize, left: &[f32], columns: usize, out: &mut [f32]) {
        self.instructions.run(Multiply { matrix: self, rows, numbers, left, columns, out });
    }
}

/// Floats that begin with a cache line, so that no vector lies in two.
struct Aligned {
    numbers: Vec<f32>,
    start: usize,
    len: usize,
}

impl Aligned {
    fn zeros(len: usize) -> Self {
        const LINE: usize = 64;
        let numbers = vec![0.0; len + LINE / size_of::<f32>()];
        let start = numbers.as_ptr().align_offset(LINE).min(LINE / size_of::<f32>());
        Self { numbers, start, len }
    }

    fn get(&self) -> &[f32] {
        &self.numbers[self.start..][..self.len]
    }

    fn get_mut(&mut self) -> &mut [f32] {
        &mut self.numbers[self.start..][..self.len]
    }
}

struct Multiply<'a> {
    matrix: &'a Matrix,
    rows: usize,
    numbers: usize,
    left: &'a [f32],
    columns: usize,
    out: &'a mut [f32],
}

impl Job for Multiply<'_> {
    #[inline(always)]
    fn run<S: Lanes>(mut self, simd: S) {
        for panel in 0..self.matrix.panels {
            match self.matrix.tail {
                1 if panel + 1 == self.matrix.panels => self.panel::<S, 1>(simd, panel),
                2 if panel + 1 == self.matrix.panels => self.panel::<S, 2>(simd, panel),
                _ => self.panel::<S, VECTORS>(simd, panel),
            }
        }
    }
}

impl Multiply<'_> {
    /// One panel of C vectors.
    #[inline(always)]
    fn panel<S: Lanes, const C: usize>(&mut self, simd: S, panel: usize) {
        let Self { matrix, rows, numbers, left, columns, out } = self;
        let (rows, numbers, columns) = (*rows, *numbers, *columns);
        let first = panel * VECTORS * S::WIDTH;
        let bias = &matrix.bias()[first..][..C * S::WIDTH];
        let product = [Factor { left, stride: numbers, count: numbers, right: matrix.panel(panel, 0..numbers) }];
        let width = (columns - first).min(C * S::WIDTH);
        let mut tile = [0.0; TILE];
        for (row, height) in tiles::<S>(rows) {
            sums::<S, C>(simd, row, height, |_| bias, &product, &mut tile);
            for (row, sums) in (row..row + height).zip(tile.chunks_exact(C * S::WIDTH)) {
                let out = &mut out[row * columns + first..][..width];
                for (out, sums) in out.chunks_mut(S::WIDTH).zip(sums.chunks_exact(S::WIDTH)) {
                    store_some(simd, out, load(simd, sums));
                }
            }
        }
    }
}

/// One summand of a tile: rows of numbers times a part of a panel.
#[derive(Clone, Copy)]
pub(super) struct Factor<'a> {
    pub(super) left: &'a [f32],
    /// Distance of a row on the left from the next.
    pub(super) stride: usize,
    /// Numbers of a row that count.
    pub(super) count: usize,
    pub(super) right: &'a [f32], // (count, C, W)
}

/// Cuts rows into tiles of nearly the same height; gives of each its first row and its height. (Not a function that takes
/// a closure: a closure is compiled without the instructions unless it happens to be inlined.)
#[inline(always)]
pub(super) fn tiles<S: Lanes>(rows: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = rows.div_ceil(S::ROWS).max(1);
    (0..count).map(move |tile| (rows * tile / count, rows * (tile + 1) / count - rows * tile / count))
}

/// The sums of one tile: those that rows begin with, and the products with the rows from `row` on.
#[inline(always)]
pub(super) fn sums<'a, S: Lanes, const C: usize>(
    simd: S,
    row: usize,
    height: usize,
    start: impl Fn(usize) -> &'a [f32],
    factors: &[Factor<'_>],
    tile: &mut [f32; TILE],
) {
    macro_rules! arm {
        ($height:literal) => {{
            let mut sums = [[simd.splat(0.0); C]; $height];
            for (index, sums) in sums.iter_mut().enumerate() {
                let start = start(row + index);
                for (vector, sum) in sums.iter_mut().enumerate() {
                    *sum = load(simd, &start[vector * S::WIDTH..]);
                }
            }
            for factor in factors {
                accumulate(simd, &mut sums, row, *factor);
            }
            for (target, sum) in tile.chunks_exact_mut(S::WIDTH).zip(sums.as_flattened()) {
                store(simd, target, *sum);
            }
        }};
    }
    match height {
        0 => {}
        1 => arm!(1),
        2 => arm!(2),
        3 if S::ROWS >= 3 => arm!(3),
        4 if S::ROWS >= 4 => arm!(4),
        5 if S::ROWS >= 5 => arm!(5),
        6 if S::ROWS >= 6 => arm!(6),
        _ => unreachable!("tiles have at most ROWS rows"),
    }
}

/// The sums of one row in two panels at once, to the first two rows of a tile: one panel alone would keep the processor
/// waiting for sums that the next ones are added to.
#[inline(always)]
pub(super) fn pair_of_sums<S: Lanes>(
    simd: S,
    starts: [&[f32]; 2],
    factors: &[[Factor<'_>; 2]],
    tile: &mut [f32; TILE],
) {
    let mut sums = [[simd.splat(0.0); VECTORS]; 2];
    for (sums, start) in sums.iter_mut().zip(starts) {
        for (vector, sum) in sums.iter_mut().enumerate() {
            *sum = load(simd, &start[vector * S::WIDTH..]);
        }
    }
    for [first, second] in factors {
        let numbers = &first.left[..first.count];
        let row = VECTORS * S::WIDTH;
        assert!(first.count * row <= first.right.len() && first.count * row <= second.right.len());
        let mut rights = [first.right.as_ptr(), second.right.as_ptr()];
        for number in numbers {
            let number = simd.splat(*number);
            for (sums, right) in sums.iter_mut().zip(&mut rights) {
                for (vector, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: as many rows as there are numbers were found to be there above.
                    *sum = simd.mul_add(number, unsafe { simd.load(right.add(vector * S::WIDTH)) }, *sum);
                }
                *right = right.wrapping_add(row);
            }
        }
    }
    for (target, sum) in tile.chunks_exact_mut(S::WIDTH).zip(sums.as_flattened()) {
        store(simd, target, *sum);
    }
}

/// Adds to a tile of R rows its product with one factor.
#[inline(always)]
fn accumulate<S: Lanes, const R: usize, const C: usize>(
    simd: S,
    tile: &mut [[S::Vector; C]; R],
    row: usize,
    factor: Factor<'_>,
) {
    let Factor { left, stride, count, right } = factor;
    if count == 0 {
        return;
    }
    assert!((row + R - 1) * stride + count <= left.len(), "the left operand is too short");
    assert!(count * C * S::WIDTH <= right.len(), "the right operand is too short");
    let (numbers, mut vectors) = (left[row * stride..].as_ptr(), right.as_ptr());
    // A copy of its own, or the compiler stores the sums to `tile` in every turn of the loop.
    let mut sums = *tile;
    for k in 0..count {
        // SAFETY: the largest offsets read below were checked against both lengths above.
        unsafe {
            let mut row = [simd.splat(0.0); C];
            for (index, vector) in row.iter_mut().enumerate() {
                *vector = simd.load(vectors.add(index * S::WIDTH));
            }
            for (index, sums) in sums.iter_mut().enumerate() {
                let number = simd.splat(*numbers.add(index * stride + k));
                for (sum, vector) in sums.iter_mut().zip(row) {
                    *sum = simd.mul_add(number, vector, *sum);
                }
            }
        }
        vectors = vectors.wrapping_add(C * S::WIDTH);
    }
    *tile = sums;
}
