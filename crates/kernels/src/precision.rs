//! How many digits the operands of a matrix product keep.
//!
//! Kernels of training read their operands in words of 32 bits. A word holds one `f32`, or two neighbours along the
//! dimension that the product sums over as bfloat16. Everything but the operands stays `f32`: sums, gates, states, the
//! weights that are trained and their gradients. Gradients of gates are operands, so with bfloat16 the gradients of biases
//! and of one-hot inputs are sums of rounded numbers too.

use crate::{bf16::pair, instructions::Instructions};

/// The numbers that matrix products multiply; they are summed in `f32` either way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precision {
    /// `f32`, as they are.
    #[default]
    Float32,
    /// Rounded to bfloat16, eight bits of mantissa: twice as fast on processors that multiply such pairs (AVX512-BF16) and
    /// slower on others, which compute the same. Numbers below 2⁻¹²⁶ may count as zero.
    BFloat16,
}

impl Precision {
    /// The one in which this processor multiplies fastest.
    pub fn fastest() -> Self {
        if Instructions::detect().multiplies_bf16_pairs() { Self::BFloat16 } else { Self::Float32 }
    }

    /// Numbers per word.
    #[inline(always)]
    pub(crate) const fn numbers_per_word(self) -> usize {
        match self {
            Self::Float32 => 1,
            Self::BFloat16 => 2,
        }
    }

    /// Number of words that hold this many numbers; an odd number is paired with zero.
    #[inline(always)]
    pub(crate) const fn words(self, numbers: usize) -> usize {
        numbers.div_ceil(self.numbers_per_word())
    }

    /// Writes numbers as words.
    #[inline(always)]
    pub(crate) fn write<'a>(self, numbers: &[f32], words: impl Iterator<Item = &'a mut f32>) {
        match self {
            Self::Float32 => numbers.iter().zip(words).for_each(|(from, to)| *to = *from),
            Self::BFloat16 => {
                let (pairs, rest) = numbers.as_chunks::<2>();
                let rounded =
                    pairs.iter().map(|[low, high]| pair(*low, *high)).chain(rest.iter().map(|low| pair(*low, 0.0)));
                rounded.zip(words).for_each(|(word, place)| *place = word);
            }
        }
    }
}
