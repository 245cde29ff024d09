//! Vectors from slices and back, with their bounds checked.

use super::vector::{MOST_LANES, Simd};
use crate::bf16::pair;

/// The vector at the start of a slice.
#[inline(always)]
pub(crate) fn load<S: Simd>(simd: S, source: &[f32]) -> S::Vector {
    assert!(S::LANES <= source.len(), "no whole vector left");
    // SAFETY: the length was checked.
    unsafe { simd.load(source.as_ptr()) }
}

/// A vector to the start of a slice.
#[inline(always)]
pub(crate) fn store<S: Simd>(simd: S, target: &mut [f32], vector: S::Vector) {
    assert!(S::LANES <= target.len(), "no room for a whole vector");
    // SAFETY: the length was checked.
    unsafe { simd.store(target.as_mut_ptr(), vector) }
}

/// The vector at the start of a slice; lanes beyond a shorter slice are zero.
#[inline(always)]
pub(crate) fn load_padded<S: Simd>(simd: S, source: &[f32]) -> S::Vector {
    if source.len() >= S::LANES {
        return load(simd, source);
    }
    let mut padded = [0.0; MOST_LANES];
    padded[..source.len()].copy_from_slice(source);
    load(simd, &padded)
}

/// A vector to the start of a slice, or as many lanes as a shorter slice holds.
#[inline(always)]
pub(crate) fn store_partial<S: Simd>(simd: S, target: &mut [f32], vector: S::Vector) {
    if target.len() >= S::LANES {
        return store(simd, target, vector);
    }
    let mut padded = [0.0; MOST_LANES];
    store(simd, &mut padded, vector);
    target.copy_from_slice(&padded[..target.len()]);
}

/// The first `count` lanes of a vector to `target`, rounded to bfloat16, two to a word; zeros for the others.
#[inline(always)]
pub(crate) fn store_bf16<S: Simd>(simd: S, target: &mut [f32], vector: S::Vector, count: usize) {
    if count >= S::LANES {
        assert!(S::LANES / 2 <= target.len(), "no room for a whole vector");
        // SAFETY: the length was checked.
        return unsafe { simd.store_bf16(target.as_mut_ptr(), vector) };
    }
    let mut numbers = [0.0; MOST_LANES];
    store(simd, &mut numbers, vector);
    numbers[count..].fill(0.0);
    for (word, numbers) in target.iter_mut().zip(numbers.chunks_exact(2)) {
        *word = pair(numbers[0], numbers[1]);
    }
}
