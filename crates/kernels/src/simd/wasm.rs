//! WebAssembly's vectors of 128 bits.

#![allow(unused_unsafe, reason = "these intrinsics are safe where the module is compiled; those of other sets are not")]

#[allow(clippy::wildcard_imports, reason = "intrinsics carry their types in their names")]
use std::arch::wasm32::*;

use super::{
    intrinsics::simd,
    vector::{ONE_BITS, Simd},
};

simd!(
    /// WebAssembly's SIMD, which a module either needs or does without: there is nothing to detect.
    Simd128, v128, lanes 4, rows 3,
    load load, store store, splat f32x4_splat, add f32x4_add, sub f32x4_sub, mul f32x4_mul, div f32x4_div,
    sqrt f32x4_sqrt,
    mul_add |a, b, c| fused_multiply_add(a, b, c),
    select_less |a, b, yes, no| v128_bitselect(yes, no, f32x4_lt(a, b)),
    power_of_two |a, one| i32x4_add(i32x4_shl(a, 23), i32x4_splat(one)),
    split_pairs |a, upper| [i32x4_shl(a, 16), v128_and(a, i32x4_splat(upper))],
    byte_offset 0,
    multiply_bytes |a, b, c| {
        // Bytes 0 and 2 of each lane, and bytes 1 and 3, as pairs of 16-bit integers. Their products are added in pairs.
        let even = |bytes| i16x8_shr(i16x8_shl(bytes, 8), 8);
        let odd = |bytes| i16x8_shr(bytes, 8);
        let products = i32x4_add(i32x4_dot_i16x8(even(a), even(b)), i32x4_dot_i16x8(odd(a), odd(b)));
        i32x4_add(c, products)
    },
    integers_to_floats |a| f32x4_convert_i32x4(a)
);

/// # Safety
/// Four floats can be read at `source`.
#[inline(always)]
unsafe fn load(source: *const f32) -> v128 {
    // SAFETY: the caller vouches for the memory; no alignment is needed.
    unsafe { v128_load(source.cast()) }
}

/// # Safety
/// Four floats can be written at `target`.
#[inline(always)]
unsafe fn store(target: *mut f32, vector: v128) {
    // SAFETY: the caller vouches for the memory; no alignment is needed.
    unsafe { v128_store(target.cast(), vector) }
}

/// `a * b + c`, rounded once. WebAssembly has no such instruction: this is `Portable`'s way, two lanes at a time.
#[inline(never)]
fn fused_multiply_add(a: v128, b: v128, c: v128) -> v128 {
    let upper = |vector| i32x4_shuffle::<2, 3, 2, 3>(vector, vector);
    i32x4_shuffle::<0, 1, 4, 5>(two_lanes(a, b, c), two_lanes(upper(a), upper(b), upper(c)))
}

/// [`fused_multiply_add`] of the lower two lanes. See `Portable` for the steps.
#[inline(always)]
fn two_lanes(a: v128, b: v128, c: v128) -> v128 {
    let [a, b, c] = [a, b, c].map(|lanes| f64x2_promote_low_f32x4(lanes));
    let zero = f64x2_splat(0.0);
    let product = f64x2_mul(a, b);
    let sum = f64x2_add(product, c);
    let added = f64x2_sub(sum, product);
    let error = f64x2_add(f64x2_sub(product, f64x2_sub(sum, added)), f64x2_sub(c, added));
    let is_even = i64x2_eq(v128_and(sum, i64x2_splat(1)), i64x2_splat(0));
    let is_inexact = f64x2_gt(f64x2_abs(error), zero);
    let is_away = v128_not(v128_xor(f64x2_gt(error, zero), f64x2_gt(sum, zero)));
    // 1 away from zero, or -1 towards it.
    let step = i64x2_sub(i64x2_splat(-1), i64x2_shl(is_away, 1));
    f32x4_demote_f64x2_zero(i64x2_add(sum, v128_and(step, v128_and(is_even, is_inexact))))
}
