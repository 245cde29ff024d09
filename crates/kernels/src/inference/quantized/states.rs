//! Hidden states as bytes.

use crate::{instructions::Kernel, simd::Simd};

/// Steps between 0 and 1 that a hidden state is rounded to.
pub(super) const STEPS: f32 = 127.0;
/// Bytes that a word holds.
pub(super) const BYTES: usize = 4;
/// Adding this rounds a small number to an integer, ties to even, which then stands in the lowest bits of the sum.
const ROUNDING: f32 = 12_582_912.0; // 1.5 * 2^23

/// A hidden state rounded to the nearest multiple of 1/127, ties to even; beyond ±1 it is ±1.
pub fn round_state(state: f32) -> f32 {
    let shifted = shifted(state);
    (shifted - ROUNDING) * (1.0 / STEPS)
}

/// A state with its multiple of 1/127 in the lowest byte.
#[inline(always)]
fn shifted(state: f32) -> f32 {
    state.clamp(-1.0, 1.0) * STEPS + ROUNDING
}

/// Words of a row of states.
pub(super) fn words(states: usize) -> usize {
    states.div_ceil(BYTES)
}

/// Writes rows (rows, count) of states as bytes, four to a word, (rows, [`words`]); the last word is filled up with zeros.
pub(super) struct ToBytes<'a> {
    pub(super) states: &'a [f32],
    pub(super) count: usize,
    pub(super) words: &'a mut [f32],
}

impl Kernel for ToBytes<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _simd: S) {
        let Self { states, count, words: out } = self;
        for (states, out) in states.chunks_exact(count).zip(out.chunks_exact_mut(words(count))) {
            row_to_bytes::<S>(states, out);
        }
    }
}

/// [`ToBytes`] of one row.
#[inline(always)]
pub(super) fn row_to_bytes<S: Simd>(states: &[f32], words: &mut [f32]) {
    let (whole, rest) = states.as_chunks::<BYTES>();
    for (states, word) in whole.iter().zip(words.iter_mut()) {
        *word = word_of::<S>(*states);
    }
    if !rest.is_empty() {
        let mut states = [0.0; BYTES];
        states[..rest.len()].copy_from_slice(rest);
        words[whole.len()] = word_of::<S>(states);
    }
}

#[inline(always)]
fn word_of<S: Simd>(states: [f32; BYTES]) -> f32 {
    let bytes = states.map(|state| (shifted(state).to_bits() as u8).wrapping_add(S::BYTE_OFFSET));
    f32::from_bits(u32::from_le_bytes(bytes))
}

/// Rounds a row of states in place, and writes its bytes.
#[inline(always)]
pub(super) fn round_row<S: Simd>(states: &mut [f32], words: &mut [f32]) {
    row_to_bytes::<S>(states, words);
    for state in states {
        *state = round_state(*state);
    }
}
