//! Seeded random numbers: the same on every machine, and documented to the bit.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng},
};

/// A stream of random numbers from a seed: the cipher `ChaCha8` (Bernstein 2008) with a 64-bit counter.
///
/// The key is the seed as eight little-endian bytes, followed by 24 zero bytes. The nonce is the stream's number, also
/// little-endian. A seed gives the same numbers on every machine and in every version of this crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// Stream 0 of a seed.
    pub fn seed(seed: u64) -> Self {
        Self::stream(seed, 0)
    }

    /// One of the 2^64 independent streams of a seed. The n-th of several samples draws from stream n, so it does not
    /// depend on how many samples there are.
    pub fn stream(seed: u64, stream: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut chacha = ChaCha8Rng::from_seed(key);
        chacha.set_stream(stream);
        Self(chacha)
    }

    /// Where the stream is: the seed, the number of the stream, and how many numbers were taken from it.
    pub fn position(&self) -> [u64; 3] {
        let mut seed = [0; 8];
        seed.copy_from_slice(&self.0.get_seed()[..8]);
        // A number is two words of 32 bits.
        [u64::from_le_bytes(seed), self.0.get_stream(), (self.0.get_word_pos() / 2) as u64]
    }

    /// The random numbers from a [`position`](Self::position) on.
    pub fn at([seed, stream, taken]: [u64; 3]) -> Self {
        let mut rng = Self::stream(seed, stream);
        rng.0.set_word_pos(2 * u128::from(taken));
        rng
    }

    /// The next eight bytes of the stream, as a little-endian number.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in [0, 1): the upper 53 of the next 64 bits, divided by 2^53.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number below `limit`: the upper 64 bits of `limit` times the next 64 bits, whose bias is at most limit / 2^64.
    ///
    /// # Panics
    /// If `limit` is zero.
    pub fn below(&mut self, limit: usize) -> usize {
        assert!(limit > 0, "the limit must be above zero");
        ((u128::from(self.bits()) * limit as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_those_of_chacha8() {
        // Printed by tests/chacha8.py, an implementation from the paper.
        let cases = [
            (0, 0, [0xd640_5f89_2fef_003e, 0xa1a5_091f_e8b8_5b7f, 0xada5_f201_6cdb_0abf]),
            (7, 0, [0xc39c_a672_2c44_ba73, 0x7747_b002_ea9d_9d65, 0xf3dc_8de4_8ad8_cd8a]),
            (0x0123_4567_89ab_cdef, 3, [0x7ba4_0849_c0cd_ae63, 0x3a57_01e7_e9bd_7eb4, 0xc4ea_c3c9_1133_c9d2]),
        ];
        for (seed, stream, expected) in cases {
            let mut rng = Rng::stream(seed, stream);
            let mut drawn = [0; 10];
            drawn.fill_with(|| rng.bits());
            // The first two draws and one from the second block.
            assert_eq!([drawn[0], drawn[1], drawn[9]], expected, "seed {seed}, stream {stream}");
        }
    }

    #[test]
    fn numbers_go_on_from_a_position() {
        let mut rng = Rng::stream(0x0123_4567_89ab_cdef, 3);
        // Blocks have 8 numbers, and four blocks are made at once.
        for taken in 0..100 {
            let position = rng.position();
            assert_eq!(position, [0x0123_4567_89ab_cdef, 3, taken]);
            let mut later = Rng::at(position);
            assert_eq!(later.bits(), rng.bits(), "after {taken}");
            assert_eq!(later.position(), rng.position());
        }
        // Any position is one, also from a damaged file.
        Rng::at([u64::MAX; 3]).bits();
    }

    #[test]
    fn uniform_numbers_fill_the_unit_interval() {
        let mut rng = Rng::seed(1);
        let draws: Vec<f64> = (0..10_000).map(|_| rng.uniform()).collect();
        assert!(draws.iter().all(|draw| (0.0..1.0).contains(draw)));
        let mean = draws.iter().sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.01, "{mean}"); // 3.5 standard errors
    }

    #[test]
    fn numbers_below_a_limit_take_every_value() {
        let mut rng = Rng::seed(2);
        let mut seen = [0; 5];
        for _ in 0..1000 {
            seen[rng.below(5)] += 1;
        }
        assert!(seen.iter().all(|&count| count > 150), "{seen:?}");
        assert_eq!(rng.below(1), 0);
    }
}
