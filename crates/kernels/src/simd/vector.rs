//! The operations that every instruction set has.

use crate::bf16::{pair, unpair};

/// The most lanes that a vector has: AVX-512's.
pub(crate) const MOST_LANES: usize = 16;

/// The bits of 1.0: the exponent's bias in its place.
pub(crate) const ONE_BITS: u32 = 0x3f80_0000;

/// An instruction set's vectors of `f32`. All methods are inlined into a function that is compiled for the set.
///
/// Every method but [`multiply_pairs`](Simd::multiply_pairs), [`store_bf16`](Simd::store_bf16) and
/// [`load_bf16`](Simd::load_bf16) gives the same bits on every set, NaNs' payloads aside. Vectors of integers and of bytes
/// have the type of floats with the same bits.
pub(crate) trait Simd: Copy + Send + Sync {
    /// One vector of `f32` lanes.
    type Vector: Copy;
    /// Lanes per vector.
    const LANES: usize;
    /// Rows of a tile, four vectors wide, that fit in the registers beside one row of the right operand.
    const TILE_ROWS: usize;
    /// What [`multiply_bytes`](Simd::multiply_bytes) wants added to every byte of its left operand: 128 where the instruction
    /// takes unsigned bytes there, else 0.
    const BYTE_OFFSET: u8;

    /// # Safety
    /// `LANES` floats can be read at `source`; alignment beyond a float's is not needed.
    unsafe fn load(self, source: *const f32) -> Self::Vector;
    /// # Safety
    /// `LANES` floats can be written at `target`; alignment beyond a float's is not needed.
    unsafe fn store(self, target: *mut f32, vector: Self::Vector);
    /// The same number in all lanes.
    fn splat(self, number: f32) -> Self::Vector;
    /// `a + b`
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a - b`
    fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a * b`
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a / b`
    fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The square root.
    fn sqrt(self, a: Self::Vector) -> Self::Vector;
    /// `a * b + c`, rounded once.
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// `if a < b { yes } else { no }`; comparisons with NaN are false.
    fn select_less(self, a: Self::Vector, b: Self::Vector, yes: Self::Vector, no: Self::Vector) -> Self::Vector;
    /// 2ⁿ where the lowest bits of `a`, read as an integer, hold n in two's complement; -127 < n < 128.
    fn power_of_two(self, a: Self::Vector) -> Self::Vector;
    /// The first and the second bfloat16 number of each lane.
    fn split_pairs(self, a: Self::Vector) -> [Self::Vector; 2];
    /// `a.0 * b.0 + a.1 * b.1 + a.2 * b.2 + a.3 * b.3 + c`, where each lane of `a` and of `b` holds four bytes and each lane
    /// of `c` and of the result a 32-bit integer. Bytes of `b` are signed. Those of `a` lie in -127..=127 and have
    /// [`BYTE_OFFSET`](Simd::BYTE_OFFSET) added.
    fn multiply_bytes(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// The 32-bit integer in each lane as a float, rounded to nearest, ties to even.
    fn integers_to_floats(self, a: Self::Vector) -> Self::Vector;

    /// `if limit < a { limit } else { a }`; a NaN in `a` stays.
    #[inline(always)]
    fn at_most(self, a: Self::Vector, limit: Self::Vector) -> Self::Vector {
        self.select_less(limit, a, limit, a)
    }

    /// `if a < limit { limit } else { a }`; a NaN in `a` stays.
    #[inline(always)]
    fn at_least(self, a: Self::Vector, limit: Self::Vector) -> Self::Vector {
        self.select_less(a, limit, limit, a)
    }

    /// `a.0 * b.0 + (a.1 * b.1 + c)`, where each lane of `a` and of `b` is a pair of bfloat16 numbers.
    #[inline(always)]
    fn multiply_pairs(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
        let ([low, high], [other_low, other_high]) = (self.split_pairs(a), self.split_pairs(b));
        // In the order of the instruction. The products are exact, so each `mul_add` is one rounded addition.
        self.mul_add(low, other_low, self.mul_add(high, other_high, c))
    }

    /// Stores a vector rounded to bfloat16, two neighbours to a word.
    ///
    /// # Safety
    /// `LANES / 2` words can be written at `target`.
    #[inline(always)]
    unsafe fn store_bf16(self, target: *mut f32, vector: Self::Vector) {
        let mut numbers = [0.0; MOST_LANES];
        // SAFETY: no vector has more lanes than `numbers` has places, and the caller vouches for half as many words.
        unsafe {
            self.store(numbers.as_mut_ptr(), vector);
            for word in 0..Self::LANES / 2 {
                target.add(word).write(pair(numbers[2 * word], numbers[2 * word + 1]));
            }
        }
    }

    /// Loads a vector of bfloat16 numbers, two to a word.
    ///
    /// # Safety
    /// `LANES / 2` words can be read at `source`.
    #[inline(always)]
    unsafe fn load_bf16(self, source: *const f32) -> Self::Vector {
        let mut numbers = [0.0; MOST_LANES];
        // SAFETY: the caller vouches for half as many words as a vector has lanes, and no vector has more lanes than
        // `numbers` has places.
        unsafe {
            for word in 0..Self::LANES / 2 {
                [numbers[2 * word], numbers[2 * word + 1]] = unpair(source.add(word).read());
            }
            self.load(numbers.as_ptr())
        }
    }
}
