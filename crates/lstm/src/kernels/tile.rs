//! The one piece of matrix product that everything rests on: a tile of a few rows and a few vectors, in registers.

use super::{
    lanes::Lanes,
    precision::{Precision, pair},
};

/// Where the left operand's words lie, see [`super::precision`]: word k of row r at `r * row + k * step`.
#[derive(Debug, Clone, Copy)]
pub struct Left<'a> {
    /// The words, from the tile's first row on.
    pub words: &'a [f32],
    /// Distance of a row from the next.
    pub row: usize,
    /// Distance of a word from the next one that it is summed with.
    pub step: usize,
}

/// Adds to a tile of R rows of C vectors the product of `left` (R, `count`) with `right`, `count` rows of C vectors, all of
/// words of a precision.
#[inline(always)]
pub fn accumulate<S: Lanes, const R: usize, const C: usize>(
    simd: S,
    precision: Precision,
    tile: &mut [[S::Vector; C]; R],
    count: usize,
    left: Left<'_>,
    right: &[f32],
) {
    match precision {
        Precision::Float32 => add_product::<S, Numbers, R, C>(simd, tile, count, left, right),
        Precision::BFloat16 => add_product::<S, Pairs, R, C>(simd, tile, count, left, right),
    }
}

/// How words are multiplied: a type and not a closure, which would be compiled without the instructions.
trait Multiply {
    /// `a * b + c`
    fn multiply_add<S: Lanes>(simd: S, a: S::Vector, b: S::Vector, c: S::Vector) -> S::Vector;
}

struct Numbers;

impl Multiply for Numbers {
    #[inline(always)]
    fn multiply_add<S: Lanes>(simd: S, a: S::Vector, b: S::Vector, c: S::Vector) -> S::Vector {
        simd.mul_add(a, b, c)
    }
}

struct Pairs;

impl Multiply for Pairs {
    #[inline(always)]
    fn multiply_add<S: Lanes>(simd: S, a: S::Vector, b: S::Vector, c: S::Vector) -> S::Vector {
        simd.multiply_pairs(a, b, c)
    }
}

#[inline(always)]
fn add_product<S: Lanes, M: Multiply, const R: usize, const C: usize>(
    simd: S,
    tile: &mut [[S::Vector; C]; R],
    count: usize,
    left: Left<'_>,
    right: &[f32],
) {
    if count == 0 {
        return;
    }
    assert!((R - 1) * left.row + (count - 1) * left.step < left.words.len(), "the left operand is too short");
    assert!(count * C * S::WIDTH <= right.len(), "the right operand is too short");
    let (mut words, mut vectors) = (left.words.as_ptr(), right.as_ptr());
    // A copy of its own, or the compiler stores the sums to `tile` in every turn of the loop.
    let mut sums = *tile;
    for _ in 0..count {
        // SAFETY: the largest offsets read below were checked against both lengths above.
        unsafe {
            let mut row = [simd.splat(0.0); C];
            for (column, vector) in row.iter_mut().enumerate() {
                *vector = simd.load(vectors.add(column * S::WIDTH));
            }
            for (index, sums) in sums.iter_mut().enumerate() {
                let word = simd.splat(*words.add(index * left.row));
                for (sum, vector) in sums.iter_mut().zip(row) {
                    *sum = M::multiply_add(simd, word, vector, *sum);
                }
            }
        }
        words = words.wrapping_add(left.step);
        vectors = vectors.wrapping_add(C * S::WIDTH);
    }
    *tile = sums;
}

/// A vector from memory.
#[inline(always)]
pub fn load<S: Lanes>(simd: S, source: &[f32]) -> S::Vector {
    assert!(S::WIDTH <= source.len(), "no whole vector left");
    // SAFETY: the length was checked.
    unsafe { simd.load(source.as_ptr()) }
}

/// A vector to memory.
#[inline(always)]
pub fn store<S: Lanes>(simd: S, target: &mut [f32], vector: S::Vector) {
    assert!(S::WIDTH <= target.len(), "no room for a whole vector");
    // SAFETY: the length was checked.
    unsafe { simd.store(target.as_mut_ptr(), vector) }
}

/// A vector from the first `WIDTH` numbers of `source`, or as many as there are, then zeros.
#[inline(always)]
pub fn load_some<S: Lanes>(simd: S, source: &[f32]) -> S::Vector {
    if source.len() >= S::WIDTH {
        return load(simd, source);
    }
    let mut padded = [0.0; 16];
    padded[..source.len()].copy_from_slice(source);
    load(simd, &padded)
}

/// A vector to the first `WIDTH` places of `target`, or as many as there are.
#[inline(always)]
pub fn store_some<S: Lanes>(simd: S, target: &mut [f32], vector: S::Vector) {
    if target.len() >= S::WIDTH {
        return store(simd, target, vector);
    }
    let mut padded = [0.0; 16];
    store(simd, &mut padded, vector);
    target.copy_from_slice(&padded[..target.len()]);
}

/// The first `count` numbers of a vector to `target`, rounded to bfloat16, two to a word; then zeros.
#[inline(always)]
pub fn store_rounded<S: Lanes>(simd: S, target: &mut [f32], vector: S::Vector, count: usize) {
    if count >= S::WIDTH {
        assert!(S::WIDTH / 2 <= target.len(), "no room for a whole vector");
        // SAFETY: the length was checked.
        return unsafe { simd.store_rounded(target.as_mut_ptr(), vector) };
    }
    let mut numbers = [0.0; 16];
    store(simd, &mut numbers, vector);
    numbers[count..].fill(0.0);
    for (word, numbers) in target.iter_mut().zip(numbers.chunks_exact(2)) {
        *word = pair(numbers[0], numbers[1]);
    }
}

/// A vector from as many numbers, at a place that counts vectors of numbers stored in a precision.
#[inline(always)]
pub fn load_operand<S: Lanes>(simd: S, precision: Precision, source: &[f32], vector: usize) -> S::Vector {
    let words = precision.words(S::WIDTH);
    let source = &source[vector * words..][..words];
    match precision {
        Precision::Float32 => load(simd, source),
        // SAFETY: the length was checked.
        Precision::BFloat16 => unsafe { simd.load_rounded(source.as_ptr()) },
    }
}

/// Runs `$body` with the constant `$rows` set to each tile's height, and `$row` to its first row, over a range of rows cut
/// into tiles of at most [`Lanes::ROWS`] rows, as even as they can be.
macro_rules! for_tiles {
    ($lanes:ty, $range:expr, |$row:ident, $rows:ident| $body:expr) => {{
        let range = $range;
        let (mut $row, mut tiles) = (range.start, range.len().div_ceil(<$lanes>::ROWS));
        while tiles > 0 {
            let height = (range.end - $row).div_ceil(tiles);
            macro_rules! arm {
                ($height:literal) => {{
                    const $rows: usize = $height;
                    $body
                }};
            }
            match height {
                1 => arm!(1),
                2 => arm!(2),
                3 => arm!(3),
                4 if <$lanes>::ROWS > 3 => arm!(4),
                5 if <$lanes>::ROWS > 3 => arm!(5),
                _ if <$lanes>::ROWS > 3 => arm!(6),
                _ => unreachable!("tiles have at most ROWS rows"),
            }
            $row += height;
            tiles -= 1;
        }
    }};
}
pub(super) use for_tiles;
