//! The piece of matrix product that everything rests on: a tile of a few rows and a few vectors, summed in registers.
//!
//! Every sum is taken in the order of the left operand's numbers and rounded once per product, so results are the same bits
//! for any shape of tile.

use std::ops::Range;

use crate::{
    precision::Precision,
    simd::{Simd, load},
};

/// The left operand of a product: word k of row r is at `r * row + k * step`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LeftOperand<'a> {
    /// The words, from the tile's first row on.
    pub(crate) words: &'a [f32],
    /// Distance between rows.
    pub(crate) row: usize,
    /// Distance between a word and the next one that it is summed with.
    pub(crate) step: usize,
}

/// Adds to a tile of R rows of C vectors the product of `left` (R, `count`) with `right` (`count`, C vectors), words of a
/// precision.
#[inline(always)]
pub(crate) fn accumulate_words<S: Simd, const R: usize, const C: usize>(
    simd: S,
    precision: Precision,
    tile: &mut [[S::Vector; C]; R],
    count: usize,
    left: LeftOperand<'_>,
    right: &[f32],
) {
    match precision {
        Precision::Float32 => accumulate::<S, Numbers, R, C>(simd, tile, count, left, right),
        Precision::BFloat16 => accumulate::<S, Pairs, R, C>(simd, tile, count, left, right),
    }
}

/// How words are multiplied: a type and not a closure, which would be compiled without the instructions.
pub(crate) trait MultiplyWords {
    /// `a * b + c`
    fn multiply_add<S: Simd>(simd: S, a: S::Vector, b: S::Vector, c: S::Vector) -> S::Vector;
}

/// Words are numbers.
pub(crate) struct Numbers;

impl MultiplyWords for Numbers {
    #[inline(always)]
    fn multiply_add<S: Simd>(simd: S, a: S::Vector, b: S::Vector, c: S::Vector) -> S::Vector {
        simd.mul_add(a, b, c)
    }
}

/// Words are pairs of bfloat16 numbers.
struct Pairs;

impl MultiplyWords for Pairs {
    #[inline(always)]
    fn multiply_add<S: Simd>(simd: S, a: S::Vector, b: S::Vector, c: S::Vector) -> S::Vector {
        simd.multiply_pairs(a, b, c)
    }
}

/// Words are four bytes, and sums are integers.
pub(crate) struct Bytes;

impl MultiplyWords for Bytes {
    #[inline(always)]
    fn multiply_add<S: Simd>(simd: S, a: S::Vector, b: S::Vector, c: S::Vector) -> S::Vector {
        simd.multiply_bytes(a, b, c)
    }
}

/// Adds to a tile of R rows of C vectors the product of `left` (R, `count`) with `right` (`count`, C vectors).
#[inline(always)]
pub(crate) fn accumulate<S: Simd, M: MultiplyWords, const R: usize, const C: usize>(
    simd: S,
    tile: &mut [[S::Vector; C]; R],
    count: usize,
    left: LeftOperand<'_>,
    right: &[f32],
) {
    if count == 0 {
        return;
    }
    assert!((R - 1) * left.row + (count - 1) * left.step < left.words.len(), "the left operand is too short");
    assert!(count * C * S::LANES <= right.len(), "the right operand is too short");
    let (mut words, mut vectors) = (left.words.as_ptr(), right.as_ptr());
    // A copy of its own, or the compiler stores the sums to `tile` in every turn of the loop.
    let mut sums = *tile;
    for _ in 0..count {
        // SAFETY: the largest offsets read below were checked against both lengths above.
        unsafe {
            let mut row = [simd.splat(0.0); C];
            for (column, vector) in row.iter_mut().enumerate() {
                *vector = simd.load(vectors.add(column * S::LANES));
            }
            for (index, sums) in sums.iter_mut().enumerate() {
                let word = simd.splat(*words.add(index * left.row));
                for (sum, vector) in sums.iter_mut().zip(row) {
                    *sum = M::multiply_add(simd, word, vector, *sum);
                }
            }
        }
        words = words.wrapping_add(left.step);
        vectors = vectors.wrapping_add(C * S::LANES);
    }
    *tile = sums;
}

/// Adds the products of one row of words with two panels of C vectors, the first to the first row of the tile and the second
/// to the second. One panel alone would keep the processor waiting for the sums that the next products are added to.
#[inline(always)]
pub(crate) fn accumulate_two_panels<S: Simd, M: MultiplyWords, const C: usize>(
    simd: S,
    tile: &mut [[S::Vector; C]; 2],
    words: &[f32],
    panels: [&[f32]; 2],
) {
    let row = C * S::LANES;
    let length = words.len() * row;
    assert!(length <= panels[0].len() && length <= panels[1].len(), "a panel is too short");
    let mut vectors = panels.map(<[f32]>::as_ptr);
    let mut sums = *tile;
    for word in words {
        let word = simd.splat(*word);
        for (sums, vectors) in sums.iter_mut().zip(&mut vectors) {
            for (column, sum) in sums.iter_mut().enumerate() {
                // SAFETY: both panels were found to have as many rows as there are words.
                *sum = M::multiply_add(simd, word, unsafe { simd.load(vectors.add(column * S::LANES)) }, *sum);
            }
            *vectors = vectors.wrapping_add(row);
        }
    }
    *tile = sums;
}

/// The vector of the given index among vectors of operands, in a precision.
#[inline(always)]
pub(crate) fn load_operand<S: Simd>(simd: S, precision: Precision, source: &[f32], index: usize) -> S::Vector {
    let words = precision.words(S::LANES);
    let source = &source[index * words..][..words];
    match precision {
        Precision::Float32 => load(simd, source),
        // SAFETY: the length was checked.
        Precision::BFloat16 => unsafe { simd.load_bf16(source.as_ptr()) },
    }
}

/// A range of rows cut into tiles of at most a number of rows, as even as they can be: first row and height of each. An
/// iterator of its own and not closures, which would be compiled without the instructions.
#[derive(Debug, Clone)]
pub(crate) struct Tiles {
    rows: Range<usize>,
    left: usize,
}

impl Tiles {
    /// Tiles of [`Simd::TILE_ROWS`] rows at most.
    #[inline(always)]
    pub(crate) fn of<S: Simd>(rows: Range<usize>) -> Self {
        let left = rows.len().div_ceil(S::TILE_ROWS);
        Self { rows, left }
    }
}

impl Iterator for Tiles {
    type Item = (usize, usize);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, usize)> {
        if self.left == 0 {
            return None;
        }
        let (row, height) = (self.rows.start, self.rows.len().div_ceil(self.left));
        self.rows.start += height;
        self.left -= 1;
        Some((row, height))
    }
}

/// Runs `$body` with the constant `$ROWS` set to a tile's height.
macro_rules! with_rows {
    ($simd:ty, $height:expr, |$ROWS:ident| $body:expr) => {{
        macro_rules! arm {
            ($rows:literal) => {{
                const $ROWS: usize = $rows;
                $body
            }};
        }
        match $height {
            1 => arm!(1),
            2 => arm!(2),
            3 if <$simd>::TILE_ROWS > 2 => arm!(3),
            4 if <$simd>::TILE_ROWS > 3 => arm!(4),
            5 if <$simd>::TILE_ROWS > 3 => arm!(5),
            6 if <$simd>::TILE_ROWS > 3 => arm!(6),
            _ => unreachable!("tiles have at most TILE_ROWS rows"),
        }
    }};
}
pub(crate) use with_rows;

/// Runs `$body` with `$row` and the constant `$ROWS` set to the first row and the height of each tile of a range of rows.
macro_rules! for_tiles {
    ($simd:ty, $range:expr, |$row:ident, $ROWS:ident| $body:expr) => {
        for ($row, height) in $crate::tile::Tiles::of::<$simd>($range) {
            $crate::tile::with_rows!($simd, height, |$ROWS| $body)
        }
    };
}
pub(crate) use for_tiles;

/// Four vectors from the start of a slice.
#[inline(always)]
pub(crate) fn load_four<S: Simd>(simd: S, source: &[f32]) -> [S::Vector; 4] {
    let source = &source[..4 * S::LANES];
    let mut vectors = [simd.splat(0.0); 4];
    for (vector, source) in vectors.iter_mut().zip(source.chunks_exact(S::LANES)) {
        *vector = load(simd, source);
    }
    vectors
}
