//! NEON.

#[allow(clippy::wildcard_imports, reason = "intrinsics carry their set in their names; unfulfilled in tests")]
use std::arch::aarch64::*;

use super::{
    intrinsics::simd,
    vector::{ONE_BITS, Simd},
};

simd!(
    /// NEON, which every 64-bit ARM has.
    Neon, float32x4_t, lanes 4, rows 6,
    load vld1q_f32, store vst1q_f32, splat vdupq_n_f32, add vaddq_f32, sub vsubq_f32, mul vmulq_f32, div vdivq_f32,
    sqrt vsqrtq_f32,
    mul_add |a, b, c| vfmaq_f32(c, a, b),
    select_less |a, b, yes, no| vbslq_f32(vcltq_f32(a, b), yes, no),
    power_of_two |a, one| vreinterpretq_f32_s32(vaddq_s32(
        vshlq_n_s32::<23>(vreinterpretq_s32_f32(a)), vdupq_n_s32(one))),
    split_pairs |a, upper| [
        vreinterpretq_f32_s32(vshlq_n_s32::<16>(vreinterpretq_s32_f32(a))),
        vreinterpretq_f32_s32(vandq_s32(vreinterpretq_s32_f32(a), vdupq_n_s32(upper)))],
    byte_offset 0,
    multiply_bytes |a, b, c| {
        let (a, b) = (vreinterpretq_s8_f32(a), vreinterpretq_s8_f32(b));
        // Products fit in 16 bits. Neighbours are added in pairs, twice.
        let low = vpaddlq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b)));
        let high = vpaddlq_s16(vmull_high_s8(a, b));
        vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(c), vpaddq_s32(low, high)))
    },
    integers_to_floats |a| vcvtq_f32_s32(vreinterpretq_s32_f32(a))
);
