//! Vectors whose multiply-add rounds twice.

use super::vector::Simd;

/// The vectors of another set, with a multiply-add that rounds the product and then the sum.
///
/// Where a processor has no fused instruction, WebAssembly among them, a multiply-add that rounds once takes ten times as
/// long. Code that runs over this type is fast everywhere and gives the same bits everywhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unfused<S>(pub(crate) S);

impl<S: Simd> Simd for Unfused<S> {
    type Vector = S::Vector;
    const LANES: usize = S::LANES;
    const TILE_ROWS: usize = S::TILE_ROWS;
    const BYTE_OFFSET: u8 = S::BYTE_OFFSET;

    #[inline(always)]
    unsafe fn load(self, source: *const f32) -> S::Vector {
        // SAFETY: the caller vouches for the memory.
        unsafe { self.0.load(source) }
    }
    #[inline(always)]
    unsafe fn store(self, target: *mut f32, vector: S::Vector) {
        // SAFETY: the caller vouches for the memory.
        unsafe { self.0.store(target, vector) }
    }
    #[inline(always)]
    fn splat(self, number: f32) -> S::Vector {
        self.0.splat(number)
    }
    #[inline(always)]
    fn add(self, a: S::Vector, b: S::Vector) -> S::Vector {
        self.0.add(a, b)
    }
    #[inline(always)]
    fn sub(self, a: S::Vector, b: S::Vector) -> S::Vector {
        self.0.sub(a, b)
    }
    #[inline(always)]
    fn mul(self, a: S::Vector, b: S::Vector) -> S::Vector {
        self.0.mul(a, b)
    }
    #[inline(always)]
    fn div(self, a: S::Vector, b: S::Vector) -> S::Vector {
        self.0.div(a, b)
    }
    #[inline(always)]
    fn sqrt(self, a: S::Vector) -> S::Vector {
        self.0.sqrt(a)
    }
    #[inline(always)]
    fn mul_add(self, a: S::Vector, b: S::Vector, c: S::Vector) -> S::Vector {
        self.0.add(self.0.mul(a, b), c)
    }
    #[inline(always)]
    fn select_less(self, a: S::Vector, b: S::Vector, yes: S::Vector, no: S::Vector) -> S::Vector {
        self.0.select_less(a, b, yes, no)
    }
    #[inline(always)]
    fn power_of_two(self, a: S::Vector) -> S::Vector {
        self.0.power_of_two(a)
    }
    #[inline(always)]
    fn split_pairs(self, a: S::Vector) -> [S::Vector; 2] {
        self.0.split_pairs(a)
    }
    #[inline(always)]
    fn multiply_bytes(self, a: S::Vector, b: S::Vector, c: S::Vector) -> S::Vector {
        self.0.multiply_bytes(a, b, c)
    }
    #[inline(always)]
    fn integers_to_floats(self, a: S::Vector) -> S::Vector {
        self.0.integers_to_floats(a)
    }
}
