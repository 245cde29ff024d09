//! How many digits the operands of a matrix product keep, and the way from `f32` to fewer.
//!
//! A kernel reads its operands in words of 32 bits. A word holds one `f32`, or two neighbours along the dimension that the
//! product sums over as bfloat16: the upper half of an `f32`, rounded to the nearest, ties to even. Everything but the
//! operands stays `f32`: sums, gates, states, the weights that are trained and their gradients. Gradients of gates are
//! operands, and where they are rounded biases and one-hot inputs get sums of rounded numbers too.

use std::ops::Range;

use super::{
    lanes::Lanes,
    layout::Sizes,
    memory::{Buffer, Shared},
    processor::{Job, Processor},
    tile::{load, load_some, store_rounded},
};

/// The numbers that matrix products multiply; they are summed in `f32` either way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precision {
    /// As they are.
    #[default]
    Float32,
    /// Rounded to bfloat16, eight bits of mantissa: twice as fast on processors that multiply such pairs (AVX512-BF16) and
    /// slower on others, which compute the same. Numbers below 2⁻¹²⁶ may count as zero.
    BFloat16,
}

impl Precision {
    /// The one in which this processor multiplies fastest.
    pub fn fastest() -> Self {
        if Processor::detect().instructions.multiply_pairs() { Self::BFloat16 } else { Self::Float32 }
    }

    /// How many numbers a word holds.
    #[inline(always)]
    pub(super) const fn numbers(self) -> usize {
        match self {
            Self::Float32 => 1,
            Self::BFloat16 => 2,
        }
    }

    /// How many words hold so many numbers; where one is left over, zero is its neighbour.
    #[inline(always)]
    pub(super) const fn words(self, numbers: usize) -> usize {
        numbers.div_ceil(self.numbers())
    }

    /// Writes numbers as words to some places.
    #[inline(always)]
    pub(super) fn copy<'a>(self, numbers: &[f32], places: impl Iterator<Item = &'a mut f32>) {
        match self {
            Self::Float32 => numbers.iter().zip(places).for_each(|(from, to)| *to = *from),
            Self::BFloat16 => {
                let (pairs, rest) = numbers.as_chunks::<2>();
                let words =
                    pairs.iter().map(|[low, high]| pair(*low, *high)).chain(rest.iter().map(|low| pair(*low, 0.0)));
                words.zip(places).for_each(|(word, place)| *place = word);
            }
        }
    }
}

/// The bits of a number as bfloat16.
#[inline(always)]
fn round(number: f32) -> u32 {
    let bits = number.to_bits();
    // NaN is made quiet, or rounding might carry it over into another number.
    let rounded = if number.is_nan() { bits | 0x40_0000 } else { bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) };
    rounded >> 16
}

/// A word of two numbers.
#[inline(always)]
pub fn pair(low: f32, high: f32) -> f32 {
    f32::from_bits(round(low) | round(high) << 16)
}

/// The two numbers of a word.
#[inline(always)]
pub fn unpair(word: f32) -> [f32; 2] {
    [word.to_bits() << 16, word.to_bits() & 0xffff_0000].map(f32::from_bits)
}

/// Two rows of words, each of neighbours in its row, to twice as many words, each of neighbours in a column. Where the
/// second row ends before the first, it goes on with zeros.
#[inline(always)]
pub fn pair_rows(first: &[f32], second: &[f32], target: &mut [f32]) {
    let join = |first: f32, second: f32| {
        let (first, second) = (first.to_bits(), second.to_bits());
        [first & 0xffff | second << 16, first >> 16 | second & 0xffff_0000].map(f32::from_bits)
    };
    if second.is_empty() {
        for (target, first) in target.chunks_exact_mut(2).zip(first) {
            target.copy_from_slice(&join(*first, 0.0));
        }
    }
    for ((target, first), second) in target.chunks_exact_mut(2).zip(first).zip(second) {
        target.copy_from_slice(&join(*first, *second));
    }
}

/// The left operand of a product: rows of `length` numbers as words, in `buffer` unless they are so already; [`again`]
/// finds them there.
pub fn operand<'a>(processor: &Processor, rows: &'a [f32], length: usize, buffer: &'a mut Buffer) -> &'a [f32] {
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

/// What [`operand`] gave for these numbers and this buffer.
pub fn again<'a>(precision: Precision, rows: &'a [f32], buffer: &'a Buffer) -> &'a [f32] {
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

impl Job for Round<'_> {
    #[inline(always)]
    fn run<S: Lanes>(self, simd: S) {
        for row in self.range {
            let numbers = &self.rows[row * self.length..][..self.length];
            // SAFETY: this thread alone has this row.
            let target = unsafe { self.target.write(row * self.words..(row + 1) * self.words) };
            for (numbers, target) in numbers.chunks(S::WIDTH).zip(target.chunks_mut(S::WIDTH / 2)) {
                store_rounded(simd, target, load_some(simd, numbers), numbers.len());
            }
        }
    }
}

/// Rounds gates (T, blocks, N, 4, W) to words in their place, of which they then take the first half.
pub fn round_gates(processor: &Processor, sizes: &Sizes, gates: &mut [f32]) {
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

impl Job for RoundGates<'_> {
    #[inline(always)]
    fn run<S: Lanes>(self, simd: S) {
        for index in self.range {
            // SAFETY: this thread alone has this block of this row.
            let gates = unsafe { self.gates.write(index * 4 * S::WIDTH..(index + 1) * 4 * S::WIDTH) };
            for gate in 0..4 {
                let vector = load(simd, &gates[gate * S::WIDTH..]);
                store_rounded(simd, &mut gates[gate * S::WIDTH / 2..], vector, S::WIDTH);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Instructions;

    #[test]
    fn rounding_goes_to_the_nearest_and_ties_to_even() {
        let above = |bits: u32, more: u32| f32::from_bits(bits << 16 | more);
        let cases = [
            (1.0, 0x3f80),
            (-2.5, 0xc020),
            (above(0x3f80, 0x7fff), 0x3f80),
            (above(0x3f80, 0x8000), 0x3f80), // a tie, down to even
            (above(0x3f81, 0x8000), 0x3f82), // a tie, up to even
            (above(0x3f80, 0x8001), 0x3f81),
            (f32::MAX, 0x7f80), // beyond the largest: infinity
            (f32::INFINITY, 0x7f80),
            (f32::NEG_INFINITY, 0xff80),
            (0.0, 0),
            (-0.0, 0x8000),
            (f32::from_bits(0x7f80_0001), 0x7fc0), // NaN stays NaN
        ];
        for (number, expected) in cases {
            assert_eq!(round(number), expected, "{number:e}");
        }
        let rows: Vec<f32> = cases.iter().map(|(number, _)| *number).collect();
        for instructions in Instructions::available() {
            let processor = Processor { instructions, threads: 2, precision: Precision::BFloat16 };
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

    #[test]
    fn pairs_of_a_row_become_pairs_of_a_column() {
        let (first, second) = ([pair(1.0, 2.0), pair(3.0, 0.0)], [pair(-4.0, 5.0), pair(6.0, 0.0)]);
        let mut target = [f32::NAN; 4];
        pair_rows(&first, &second, &mut target);
        assert_eq!(target.map(unpair), [[1.0, -4.0], [2.0, 5.0], [3.0, 6.0], [0.0, 0.0]]);
        pair_rows(&first, &[], &mut target);
        assert_eq!(target.map(unpair), [[1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [0.0, 0.0]]);
    }
}
