//! AVX-512 and AVX2.

#[allow(clippy::wildcard_imports, reason = "intrinsics carry their set in their names; unfulfilled in tests")]
use std::arch::x86_64::*;
use std::mem::transmute;

use super::{
    intrinsics::simd,
    vector::{ONE_BITS, Simd},
};

/// AVX-512's instructions: how it multiplies bytes, and methods of its extensions.
macro_rules! avx512 {
    ($(#[$doc:meta])* $name:ident,
     byte_offset $offset:literal, multiply_bytes |$a:ident, $b:ident, $c:ident| $bytes:expr $(, $method:item)*) => {
        simd!(
            $(#[$doc])*
            $name, __m512, lanes 16, rows 6,
            load _mm512_loadu_ps, store _mm512_storeu_ps, splat _mm512_set1_ps, add _mm512_add_ps, sub _mm512_sub_ps,
            mul _mm512_mul_ps, div _mm512_div_ps, sqrt _mm512_sqrt_ps,
            mul_add |a, b, c| _mm512_fmadd_ps(a, b, c),
            select_less |a, b, yes, no| _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), no, yes),
            power_of_two |a, one| _mm512_castsi512_ps(_mm512_add_epi32(
                _mm512_slli_epi32::<23>(_mm512_castps_si512(a)), _mm512_set1_epi32(one))),
            split_pairs |a, upper| [
                _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_castps_si512(a))),
                _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(upper)))],
            byte_offset $offset, multiply_bytes |$a, $b, $c| $bytes,
            integers_to_floats |a| _mm512_cvtepi32_ps(_mm512_castps_si512(a)),
            #[inline(always)]
            fn at_most(self, a: __m512, limit: __m512) -> __m512 {
                // SAFETY: registers only, and `new` vouches for the instructions. Of a NaN and a number the instruction
                // gives the second.
                unsafe { _mm512_min_ps(limit, a) }
            },
            #[inline(always)]
            fn at_least(self, a: __m512, limit: __m512) -> __m512 {
                // SAFETY: registers only, and `new` vouches for the instructions. Of a NaN and a number the instruction
                // gives the second.
                unsafe { _mm512_max_ps(limit, a) }
            }
            $(, $method)*
        );
    };
}

/// `c` and the products of signed bytes, four to a lane, in 256 bits. One operand has the other's signs and the other none,
/// because the instruction takes unsigned bytes on one side: 2 · 127 · 128 fits in its 16 bits.
///
/// # Safety
/// The processor has AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn multiply_bytes_avx2(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(b), _mm256_sign_epi8(a, b));
    _mm256_add_epi32(c, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
}

avx512!(
    /// AVX-512F, which has no operations on bytes: AVX2's, on either half.
    Avx512,
    byte_offset 0,
    multiply_bytes |a, b, c| {
        let [a, b, c] = [a, b, c].map(|vector| transmute::<__m512, [__m256i; 2]>(vector));
        transmute::<[__m256i; 2], __m512>([
            multiply_bytes_avx2(a[0], b[0], c[0]),
            multiply_bytes_avx2(a[1], b[1], c[1]),
        ])
    }
);

avx512!(
    /// AVX-512F with products of bytes, AVX512-VNNI.
    Avx512Vnni,
    byte_offset 128,
    multiply_bytes |a, b, c| _mm512_castsi512_ps(_mm512_dpbusd_epi32(
        _mm512_castps_si512(c), _mm512_castps_si512(a), _mm512_castps_si512(b)))
);

avx512!(
    /// AVX-512F with products of pairs of bfloat16 numbers, AVX512-BF16, and of bytes, AVX512-VNNI.
    Avx512Bf16,
    byte_offset 128,
    multiply_bytes |a, b, c| _mm512_castsi512_ps(_mm512_dpbusd_epi32(
        _mm512_castps_si512(c), _mm512_castps_si512(a), _mm512_castps_si512(b))),
    #[inline(always)]
    fn multiply_pairs(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: registers only, of the same size and without invalid values; `new` vouches for the instructions.
        unsafe { _mm512_dpbf16_ps(c, transmute::<__m512, __m512bh>(a), transmute::<__m512, __m512bh>(b)) }
    },
    #[inline(always)]
    unsafe fn store_bf16(self, target: *mut f32, vector: __m512) {
        // SAFETY: `new` vouches for the instructions, the caller for the memory; no alignment is needed.
        unsafe { target.cast::<__m256bh>().write_unaligned(_mm512_cvtneps_pbh(vector)) }
    },
    #[inline(always)]
    unsafe fn load_bf16(self, source: *const f32) -> __m512 {
        // SAFETY: `new` vouches for the instructions, the caller for the memory; no alignment is needed.
        unsafe { _mm512_cvtpbh_ps(source.cast::<__m256bh>().read_unaligned()) }
    }
);

simd!(
    /// AVX2 with FMA.
    Avx2, __m256, lanes 8, rows 3,
    load _mm256_loadu_ps, store _mm256_storeu_ps, splat _mm256_set1_ps, add _mm256_add_ps, sub _mm256_sub_ps,
    mul _mm256_mul_ps, div _mm256_div_ps, sqrt _mm256_sqrt_ps,
    mul_add |a, b, c| _mm256_fmadd_ps(a, b, c),
    select_less |a, b, yes, no| _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_LT_OQ>(a, b)),
    power_of_two |a, one| _mm256_castsi256_ps(_mm256_add_epi32(
        _mm256_slli_epi32::<23>(_mm256_castps_si256(a)), _mm256_set1_epi32(one))),
    split_pairs |a, upper| [
        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_castps_si256(a))),
        _mm256_castsi256_ps(_mm256_and_si256(_mm256_castps_si256(a), _mm256_set1_epi32(upper)))],
    byte_offset 0,
    multiply_bytes |a, b, c| _mm256_castsi256_ps(multiply_bytes_avx2(
        _mm256_castps_si256(a), _mm256_castps_si256(b), _mm256_castps_si256(c))),
    integers_to_floats |a| _mm256_cvtepi32_ps(_mm256_castps_si256(a)),
    #[inline(always)]
    fn at_most(self, a: __m256, limit: __m256) -> __m256 {
        // SAFETY: registers only, and `new` vouches for the instructions. Of a NaN and a number the instruction gives the
        // second.
        unsafe { _mm256_min_ps(limit, a) }
    },
    #[inline(always)]
    fn at_least(self, a: __m256, limit: __m256) -> __m256 {
        // SAFETY: registers only, and `new` vouches for the instructions. Of a NaN and a number the instruction gives the
        // second.
        unsafe { _mm256_max_ps(limit, a) }
    }
);
