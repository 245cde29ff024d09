//! Vectors in plain Rust, for processors without one of the known instruction sets, WebAssembly among them.

use super::vector::{ONE_BITS, Simd};
use crate::bf16::unpair;

/// Arrays of eight floats, which the compiler turns into whatever vectors the target has for sure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

/// Lane by lane.
#[inline(always)]
fn map2(a: [f32; 8], b: [f32; 8], operation: impl Fn(f32, f32) -> f32) -> [f32; 8] {
    std::array::from_fn(|lane| operation(a[lane], b[lane]))
}

/// `a * b + c`, rounded once: the bits of [`f32::mul_add`], which is a call into the C library for every lane where the
/// target has no such instruction.
///
/// The product of two `f32` is exact in `f64`. The sum is rounded to odd there (Boldo and Melquiond 2008): with 53 bits and
/// more than 24 + 2 of them to spare, rounding that to `f32` gives what rounding the exact sum would give.
#[inline(always)]
fn fused_multiply_add(a: f32, b: f32, c: f32) -> f32 {
    let (product, c) = (f64::from(a) * f64::from(b), f64::from(c));
    let sum = product + c;
    // The exact error of the sum (Knuth's two-sum); NaN where the sum is infinite or NaN.
    let added = sum - product;
    let error = (product - (sum - added)) + (c - added);
    let bits = sum.to_bits();
    // Of the two neighbours of an inexact sum the odd one: a number further from zero has the larger bits.
    let away = u64::from((error > 0.0) == (sum > 0.0));
    let odd = if bits & 1 == 0 { bits.wrapping_add(away << 1).wrapping_sub(1) } else { bits };
    f64::from_bits(if error.abs() > 0.0 { odd } else { bits }) as f32
}

/// [`fused_multiply_add`] of all lanes. A function of its own: inlined at every multiplication, it would take minutes to
/// compile and a good part of a program's size.
#[inline(never)]
fn fused_multiply_add_lanes(a: &[f32; 8], b: &[f32; 8], c: &[f32; 8]) -> [f32; 8] {
    std::array::from_fn(|lane| fused_multiply_add(a[lane], b[lane], c[lane]))
}

impl Simd for Portable {
    type Vector = [f32; 8];
    const LANES: usize = 8;
    const TILE_ROWS: usize = 2;
    const BYTE_OFFSET: u8 = 0;

    #[inline(always)]
    unsafe fn load(self, source: *const f32) -> [f32; 8] {
        // SAFETY: the caller vouches for eight floats; the read needs no alignment beyond a float's.
        unsafe { source.cast::<[f32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, target: *mut f32, vector: [f32; 8]) {
        // SAFETY: the caller vouches for room for eight floats; the write needs no alignment beyond a float's.
        unsafe { target.cast::<[f32; 8]>().write_unaligned(vector) }
    }
    #[inline(always)]
    fn splat(self, number: f32) -> [f32; 8] {
        [number; 8]
    }
    #[inline(always)]
    fn add(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map2(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map2(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map2(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map2(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn sqrt(self, a: [f32; 8]) -> [f32; 8] {
        a.map(f32::sqrt)
    }
    #[inline(always)]
    fn mul_add(self, a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
            return std::array::from_fn(|lane| a[lane].mul_add(b[lane], c[lane]));
        }
        fused_multiply_add_lanes(&a, &b, &c)
    }
    #[inline(always)]
    fn select_less(self, a: [f32; 8], b: [f32; 8], yes: [f32; 8], no: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|lane| if a[lane] < b[lane] { yes[lane] } else { no[lane] })
    }
    #[inline(always)]
    fn power_of_two(self, a: [f32; 8]) -> [f32; 8] {
        a.map(|number| f32::from_bits((number.to_bits() << 23).wrapping_add(ONE_BITS)))
    }
    #[inline(always)]
    fn split_pairs(self, a: [f32; 8]) -> [[f32; 8]; 2] {
        [a.map(|word| unpair(word)[0]), a.map(|word| unpair(word)[1])]
    }
    #[inline(always)]
    fn multiply_bytes(self, a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|lane| {
            let (a, b) = (a[lane].to_bits().to_le_bytes(), b[lane].to_bits().to_le_bytes());
            let product = |byte: usize| i32::from(a[byte] as i8) * i32::from(b[byte] as i8);
            let sum = (product(0) + product(1)) + (product(2) + product(3));
            f32::from_bits((c[lane].to_bits() as i32).wrapping_add(sum) as u32)
        })
    }
    #[inline(always)]
    fn integers_to_floats(self, a: [f32; 8]) -> [f32; 8] {
        a.map(|integer| integer.to_bits() as i32 as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::fused_multiply_add;
    use crate::testing::Numbers;

    #[test]
    fn multiply_add_rounds_once() {
        let special = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            f32::MIN_POSITIVE,
            f32::from_bits(1),
            -f32::from_bits(3),
            f32::MAX,
            -f32::MAX,
            f32::EPSILON,
            1.0 + f32::EPSILON,
            1.0 - f32::EPSILON / 2.0,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
        ];
        let check = |a: f32, b: f32, c: f32| {
            let (found, expected) = (fused_multiply_add(a, b, c), a.mul_add(b, c));
            let is_same = found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan();
            assert!(is_same, "{a:e} * {b:e} + {c:e} is {expected:e} and not {found:e}");
        };
        for a in special {
            for b in special {
                for c in special {
                    check(a, b, c);
                }
            }
        }
        // Every kind of exponent, and sums of neighbouring magnitudes, where rounding twice shows.
        let mut numbers = Numbers(1);
        let mut next = || (numbers.bits() >> 32) as u32;
        let mut differs = false;
        for _ in 0..300_000 {
            let [a, b, c] = [next(), next(), next()].map(f32::from_bits);
            check(a, b, c);
            let near = |bits: u32, range: u32| {
                f32::from_bits(bits & 0x807f_ffff | (127 - range / 2 + (bits >> 24) % range) << 23)
            };
            let [a, b, c] = [near(next(), 4), near(next(), 4), near(next(), 60)];
            check(a, b, c);
            differs |= a.mul_add(b, c).to_bits() != ((f64::from(a) * f64::from(b) + f64::from(c)) as f32).to_bits();
            differs |= a.mul_add(b, c).to_bits() != (a * b + c).to_bits();
        }
        assert!(differs, "the numbers show the difference");
        // Halfway between two floats but for a last bit that f64 has no room for: rounding twice goes the wrong way.
        let (a, c) = (f32::from_bits(0x3f80_0800), 2f32.powi(-60)); // (1 + 2⁻¹²)² = 1 + 2⁻¹¹ + 2⁻²⁴
        let twice = (f64::from(a) * f64::from(a) + f64::from(c)) as f32;
        assert_ne!(a.mul_add(a, c).to_bits(), twice.to_bits());
        check(a, a, c);
        check(a, a, -c);
    }
}
