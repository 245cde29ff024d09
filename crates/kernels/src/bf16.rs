//! Pairs of bfloat16 numbers in 32-bit words.
//!
//! A bfloat16 is the upper half of an `f32`, rounded to nearest, ties to even. A word holds two of them, the first in its
//! lower half, and travels as an `f32` whose value means nothing.

/// The 16 bits of a number rounded to bfloat16.
#[inline(always)]
pub(crate) fn round(number: f32) -> u32 {
    let bits = number.to_bits();
    // A NaN is made quiet first: rounding could carry its payload over into an infinity.
    let rounded = if number.is_nan() { bits | 0x40_0000 } else { bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) };
    rounded >> 16
}

/// The word of two numbers.
#[inline(always)]
pub(crate) fn pair(low: f32, high: f32) -> f32 {
    f32::from_bits(round(low) | round(high) << 16)
}

/// The two numbers of a word.
#[inline(always)]
pub(crate) fn unpair(word: f32) -> [f32; 2] {
    [word.to_bits() << 16, word.to_bits() & 0xffff_0000].map(f32::from_bits)
}

/// Transposes pairs: from two rows of words, each holding neighbours of its row, to twice as many words, each holding
/// neighbours of a column. A second row that is shorter continues with zeros.
#[inline(always)]
pub(crate) fn pair_rows(first: &[f32], second: &[f32], target: &mut [f32]) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_goes_to_nearest_and_ties_to_even() {
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
