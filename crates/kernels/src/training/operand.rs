//! Operands of matrix products rounded to the precision of a processor.

use std::ops::Range;

use super::sizes::Sizes;
use crate::{
    buffer::Buffer,
    instructions::Kernel,
    precision::Precision,
    processor::Processor,
    shared::Shared,
    simd::{Simd, load, load_padded, store_bf16},
};

/// The words of rows of `length` numbers: the numbers themselves, or rounded in `buffer`, where [`rounded_before`] finds
/// them.
pub(super) fn operand<'a>(
    processor: &Processor<'_>,
    rows: &'a [f32],
    length: usize,
    buffer: &'a mut Buffer,
) -> &'a [f32] {
    match processor.precision {
        Precision::Float32 => rows,
        precision @ Precision::BFloat16 => {
            let (count, words) = (rows.len() / length, precision.words(length));
            let target = Shared::new(buffer.sized(count * words));
            processor.run(count, 2 * rows.len(), |range| Round { rows, length, range, words, target });
            buffer.floats()
        }
    }
}

/// What [`operand`] returned for these rows and this buffer.
pub(super) fn rounded_before<'a>(precision: Precision, rows: &'a [f32], buffer: &'a Buffer) -> &'a [f32] {
    match precision {
        Precision::Float32 => rows,
        Precision::BFloat16 => buffer.floats(),
    }
}

/// Rounds some rows.
#[derive(Debug, Clone)]
struct Round<'a> {
    rows: &'a [f32],
    length: usize,
    range: Range<usize>,
    words: usize,
    target: Shared<'a>,
}

impl Kernel for Round<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for row in self.range {
            let numbers = &self.rows[row * self.length..][..self.length];
            // SAFETY: this thread alone has this row.
            let target = unsafe { self.target.write(row * self.words..(row + 1) * self.words) };
            for (numbers, target) in numbers.chunks(S::LANES).zip(target.chunks_mut(S::LANES / 2)) {
                store_bf16(simd, target, load_padded(simd, numbers), numbers.len());
            }
        }
    }
}

/// Rounds gates (T, blocks, N, 4, W) in place to words, which take the first half of each block.
pub(super) fn round_gates(processor: &Processor<'_>, sizes: &Sizes, gates: &mut [f32]) {
    if processor.precision != Precision::Float32 {
        let (count, work) = (gates.len() / sizes.gates(), 2 * gates.len());
        let gates = Shared::new(gates);
        processor.run(count, work, |range| RoundGates { range, gates });
    }
}

/// Rounds the gates of some blocks of rows.
#[derive(Debug, Clone)]
struct RoundGates<'a> {
    range: Range<usize>,
    gates: Shared<'a>,
}

impl Kernel for RoundGates<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for index in self.range {
            // SAFETY: this thread alone has this block of this row.
            let gates = unsafe { self.gates.write(index * 4 * S::LANES..(index + 1) * 4 * S::LANES) };
            for gate in 0..4 {
                let vector = load(simd, &gates[gate * S::LANES..]);
                store_bf16(simd, &mut gates[gate * S::LANES / 2..], vector, S::LANES);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Alone, Instructions, bf16::round};

    #[test]
    fn rows_are_rounded_to_words_of_their_own() {
        let rows = [1.0, -2.5, f32::MAX, f32::INFINITY, 0.0, -0.0, 1.001, f32::NAN, 3e-30, -7.77, 1e9, 0.3];
        for instructions in Instructions::available() {
            let processor = Processor { instructions, precision: Precision::BFloat16, workers: &Alone };
            for length in [1, 2, 3, 4, 6, 12] {
                let mut buffer = Buffer::default();
                buffer.sized(100).fill(f32::NAN);
                let words = operand(&processor, &rows, length, &mut buffer).chunks(length.div_ceil(2));
                for (numbers, words) in rows.chunks(length).zip(words) {
                    let expected =
                        numbers.chunks(2).map(|pair| round(pair[0]) | round(pair.get(1).copied().unwrap_or(0.0)) << 16);
                    let found = words.iter().map(|word| word.to_bits());
                    assert!(found.eq(expected), "{instructions:?}, rows of {length}: {words:?}");
                }
            }
        }
    }
}
