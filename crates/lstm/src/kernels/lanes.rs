//! Vectors of floats, as wide as the machine's instructions have them.
//!
//! The kernels are written once over [`Lanes`] and compiled once per set of instructions. A value of a type that
//! implements it is the proof that the processor has those instructions: [`super::Instructions`] alone makes them.

use super::precision::{pair, unpair};

/// A set of vector instructions. All methods are inlined into a function that is compiled for the set.
pub trait Lanes: Copy + Send + Sync {
    /// So many floats side by side.
    type Vector: Copy;
    /// How many floats a vector holds.
    const WIDTH: usize;
    /// Rows of a tile of four vectors each that the registers hold along with one row of the right operand.
    const ROWS: usize;

    /// # Safety
    /// `WIDTH` floats can be read at `source`.
    unsafe fn load(self, source: *const f32) -> Self::Vector;
    /// # Safety
    /// `WIDTH` floats can be written at `target`.
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
    /// `a * b + c`, rounded once where the instructions can.
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// `a < b ? yes : no`; comparisons with NaN are false.
    fn less(self, a: Self::Vector, b: Self::Vector, yes: Self::Vector, no: Self::Vector) -> Self::Vector;
    /// 2ⁿ where the lowest bits of `a`, read as an integer, hold n in two's complement; -127 < n < 128.
    fn power_of_two(self, a: Self::Vector) -> Self::Vector;
    /// The first and the second bfloat16 of each lane.
    fn halves(self, a: Self::Vector) -> [Self::Vector; 2];

    /// `a * b + c`, where each lane of `a` and of `b` is two numbers of bfloat16 and their products are summed.
    #[inline(always)]
    fn multiply_pairs(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
        let ([low, high], [other_low, other_high]) = (self.halves(a), self.halves(b));
        // In the order of the instruction: such products are exact, so that the sums are the same bits where `mul_add`
        // rounds once.
        self.mul_add(low, other_low, self.mul_add(high, other_high, c))
    }

    /// Rounds a vector to bfloat16, two neighbours to a word.
    ///
    /// # Safety
    /// `WIDTH / 2` words can be written at `target`.
    #[inline(always)]
    unsafe fn store_rounded(self, target: *mut f32, vector: Self::Vector) {
        let mut numbers = [0.0; 16];
        // SAFETY: no vector is wider than sixteen floats, and the caller vouches for half as many words.
        unsafe {
            self.store(numbers.as_mut_ptr(), vector);
            for word in 0..Self::WIDTH / 2 {
                target.add(word).write(pair(numbers[2 * word], numbers[2 * word + 1]));
            }
        }
    }

    /// A vector from numbers of bfloat16, two to a word.
    ///
    /// # Safety
    /// `WIDTH / 2` words can be read at `source`.
    #[inline(always)]
    unsafe fn load_rounded(self, source: *const f32) -> Self::Vector {
        let mut numbers = [0.0; 16];
        // SAFETY: as for `store_rounded`.
        unsafe {
            for word in 0..Self::WIDTH / 2 {
                [numbers[2 * word], numbers[2 * word + 1]] = unpair(source.add(word).read());
            }
            self.load(numbers.as_ptr())
        }
    }
}

/// The bits of 1.0: the exponent's bias in its place.
const ONE: u32 = 0x3f80_0000;

/// Arrays of eight floats in plain Rust, for processors of which nothing more is known.
#[derive(Debug, Clone, Copy)]
pub struct Portable;

/// Lane by lane.
#[inline(always)]
fn map2(a: [f32; 8], b: [f32; 8], operation: impl Fn(f32, f32) -> f32) -> [f32; 8] {
    std::array::from_fn(|lane| operation(a[lane], b[lane]))
}

impl Lanes for Portable {
    type Vector = [f32; 8];
    const WIDTH: usize = 8;
    const ROWS: usize = 2;

    #[inline(always)]
    unsafe fn load(self, source: *const f32) -> [f32; 8] {
        // SAFETY: the caller vouches for eight floats; the read asks for no alignment beyond a float's.
        unsafe { source.cast::<[f32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, target: *mut f32, vector: [f32; 8]) {
        // SAFETY: as for `load`.
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
        // Rounded twice: `f32::mul_add` is a call into the C library where the instruction is missing.
        std::array::from_fn(|lane| a[lane] * b[lane] + c[lane])
    }
    #[inline(always)]
    fn less(self, a: [f32; 8], b: [f32; 8], yes: [f32; 8], no: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|lane| if a[lane] < b[lane] { yes[lane] } else { no[lane] })
    }
    #[inline(always)]
    fn power_of_two(self, a: [f32; 8]) -> [f32; 8] {
        a.map(|number| f32::from_bits((number.to_bits() << 23).wrapping_add(ONE)))
    }
    #[inline(always)]
    fn halves(self, a: [f32; 8]) -> [[f32; 8]; 2] {
        [a.map(|word| unpair(word)[0]), a.map(|word| unpair(word)[1])]
    }
}

/// Implements [`Lanes`] by intrinsics: type, vector, width, rows, and one expression an operation.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! lanes {
    ($(#[$doc:meta])* $name:ident, $vector:ty, $width:literal, $rows:literal,
     load $load:path, store $store:path, splat $splat:path, add $add:path, sub $sub:path, mul $mul:path, div $div:path,
     sqrt $sqrt:path, mul_add |$ma:ident, $mb:ident, $mc:ident| $mul_add:expr,
     less |$la:ident, $lb:ident, $yes:ident, $no:ident| $less:expr, power_of_two |$p:ident, $one:ident| $power:expr,
     halves |$h:ident, $upper:ident| $halves:expr $(, $pairs:item)*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name(());

        impl $name {
            /// # Safety
            /// The processor has these instructions; without them the program dies of an illegal one.
            #[inline(always)]
            pub unsafe fn new() -> Self {
                Self(())
            }
        }

        impl Lanes for $name {
            type Vector = $vector;
            const WIDTH: usize = $width;
            const ROWS: usize = $rows;

            #[inline(always)]
            unsafe fn load(self, source: *const f32) -> $vector {
                // SAFETY: the instructions are there (`new`), the caller vouches for the memory; no alignment needed.
                unsafe { $load(source) }
            }
            #[inline(always)]
            unsafe fn store(self, target: *mut f32, vector: $vector) {
                // SAFETY: as for `load`.
                unsafe { $store(target, vector) }
            }
            #[inline(always)]
            fn splat(self, number: f32) -> $vector {
                // SAFETY: registers only, and the instructions are there (`new`).
                unsafe { $splat(number) }
            }
            #[inline(always)]
            fn add(self, a: $vector, b: $vector) -> $vector {
                // SAFETY: as for `splat`.
                unsafe { $add(a, b) }
            }
            #[inline(always)]
            fn sub(self, a: $vector, b: $vector) -> $vector {
                // SAFETY: as for `splat`.
                unsafe { $sub(a, b) }
            }
            #[inline(always)]
            fn mul(self, a: $vector, b: $vector) -> $vector {
                // SAFETY: as for `splat`.
                unsafe { $mul(a, b) }
            }
            #[inline(always)]
            fn div(self, a: $vector, b: $vector) -> $vector {
                // SAFETY: as for `splat`.
                unsafe { $div(a, b) }
            }
            #[inline(always)]
            fn sqrt(self, a: $vector) -> $vector {
                // SAFETY: as for `splat`.
                unsafe { $sqrt(a) }
            }
            #[inline(always)]
            fn mul_add(self, $ma: $vector, $mb: $vector, $mc: $vector) -> $vector {
                // SAFETY: as for `splat`.
                unsafe { $mul_add }
            }
            #[inline(always)]
            fn less(self, $la: $vector, $lb: $vector, $yes: $vector, $no: $vector) -> $vector {
                // SAFETY: as for `splat`.
                unsafe { $less }
            }
            #[inline(always)]
            fn power_of_two(self, $p: $vector) -> $vector {
                let $one = ONE as i32;
                // SAFETY: as for `splat`.
                unsafe { $power }
            }
            #[inline(always)]
            fn halves(self, $h: $vector) -> [$vector; 2] {
                let $upper = 0xffff_0000_u32 as i32;
                // SAFETY: as for `splat`.
                unsafe { $halves }
            }
            $($pairs)*
        }
    };
}

#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512, Avx512Pairs};

#[cfg(target_arch = "x86_64")]
mod x86 {
    #[allow(clippy::wildcard_imports, reason = "intrinsics carry their set in their names; unfulfilled in tests")]
    use std::arch::x86_64::*;
    use std::mem::transmute;

    use super::{Lanes, ONE};

    /// AVX-512's instructions, and those of its extensions that come after the name.
    macro_rules! avx512 {
        ($(#[$doc:meta])* $name:ident $(, $pairs:item)*) => {
            lanes!(
                $(#[$doc])*
                $name, __m512, 16, 6,
                load _mm512_loadu_ps, store _mm512_storeu_ps, splat _mm512_set1_ps, add _mm512_add_ps,
                sub _mm512_sub_ps, mul _mm512_mul_ps, div _mm512_div_ps, sqrt _mm512_sqrt_ps,
                mul_add |a, b, c| _mm512_fmadd_ps(a, b, c),
                less |a, b, yes, no| _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), no, yes),
                power_of_two |a, one| _mm512_castsi512_ps(_mm512_add_epi32(
                    _mm512_slli_epi32::<23>(_mm512_castps_si512(a)), _mm512_set1_epi32(one))),
                halves |a, upper| [
                    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_castps_si512(a))),
                    _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(upper)))]
                $(, $pairs)*
            );
        };
    }

    avx512!(
        /// AVX-512F.
        Avx512
    );

    avx512!(
        /// AVX-512F with products of pairs of bfloat16, AVX512-BF16.
        Avx512Pairs,
        #[inline(always)]
        fn multiply_pairs(self, a: __m512, b: __m512, c: __m512) -> __m512 {
            // SAFETY: registers only, of the same size and without invalid values; the instructions are there (`new`).
            unsafe { _mm512_dpbf16_ps(c, transmute::<__m512, __m512bh>(a), transmute::<__m512, __m512bh>(b)) }
        },
        #[inline(always)]
        unsafe fn store_rounded(self, target: *mut f32, vector: __m512) {
            // SAFETY: as above, and the caller vouches for the memory; no alignment needed.
            unsafe { target.cast::<__m256bh>().write_unaligned(_mm512_cvtneps_pbh(vector)) }
        },
        #[inline(always)]
        unsafe fn load_rounded(self, source: *const f32) -> __m512 {
            // SAFETY: as for `store_rounded`.
            unsafe { _mm512_cvtpbh_ps(source.cast::<__m256bh>().read_unaligned()) }
        }
    );

    lanes!(
        /// AVX2 with FMA.
        Avx2, __m256, 8, 3,
        load _mm256_loadu_ps, store _mm256_storeu_ps, splat _mm256_set1_ps, add _mm256_add_ps, sub _mm256_sub_ps,
        mul _mm256_mul_ps, div _mm256_div_ps, sqrt _mm256_sqrt_ps,
        mul_add |a, b, c| _mm256_fmadd_ps(a, b, c),
        less |a, b, yes, no| _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_LT_OQ>(a, b)),
        power_of_two |a, one| _mm256_castsi256_ps(_mm256_add_epi32(
            _mm256_slli_epi32::<23>(_mm256_castps_si256(a)), _mm256_set1_epi32(one))),
        halves |a, upper| [
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_castps_si256(a))),
            _mm256_castsi256_ps(_mm256_and_si256(_mm256_castps_si256(a), _mm256_set1_epi32(upper)))]
    );
}

#[cfg(target_arch = "aarch64")]
pub use arm::Neon;

#[cfg(target_arch = "aarch64")]
mod arm {
    #[allow(clippy::wildcard_imports, reason = "intrinsics carry their set in their names; unfulfilled in tests")]
    use std::arch::aarch64::*;

    use super::{Lanes, ONE};

    lanes!(
        /// NEON, which every 64-bit ARM has.
        Neon, float32x4_t, 4, 6,
        load vld1q_f32, store vst1q_f32, splat vdupq_n_f32, add vaddq_f32, sub vsubq_f32, mul vmulq_f32, div vdivq_f32,
        sqrt vsqrtq_f32,
        mul_add |a, b, c| vfmaq_f32(c, a, b),
        less |a, b, yes, no| vbslq_f32(vcltq_f32(a, b), yes, no),
        power_of_two |a, one| vreinterpretq_f32_s32(vaddq_s32(
            vshlq_n_s32::<23>(vreinterpretq_s32_f32(a)), vdupq_n_s32(one))),
        halves |a, upper| [
            vreinterpretq_f32_s32(vshlq_n_s32::<16>(vreinterpretq_s32_f32(a))),
            vreinterpretq_f32_s32(vandq_s32(vreinterpretq_s32_f32(a), vdupq_n_s32(upper)))]
    );
}
