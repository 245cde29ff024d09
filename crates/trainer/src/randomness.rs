//! One seed, many independent random streams: the same seed gives the same run, in whatever order numbers are drawn.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What random numbers are for.
#[derive(Debug, Clone, Copy)]
pub enum Purpose {
    /// The first weights.
    Weights = 1,
    /// The order of an epoch's windows.
    Order = 2,
    /// Where an epoch's seed excerpt starts.
    Excerpt = 3,
    /// The draws of an epoch's samples.
    Samples = 4,
    /// The dropout masks of a batch.
    Dropout = 5,
    /// Which streams start from a zero state.
    Reset = 6,
    /// The draws of the samples along the way, which are the same for all of them.
    Progress = 7,
}

/// A seed for one purpose in one epoch: the first draw of `ChaCha8`'s stream of that number.
pub fn derive(seed: u64, purpose: Purpose, epoch: usize) -> u64 {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(((purpose as u64) << 48) | epoch as u64);
    generator.next_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_seed_purpose_and_epoch_and_repeat() {
        let seeds = [
            derive(1, Purpose::Order, 1),
            derive(2, Purpose::Order, 1),
            derive(1, Purpose::Excerpt, 1),
            derive(1, Purpose::Order, 2),
        ];
        for (place, seed) in seeds.iter().enumerate() {
            assert!(!seeds[..place].contains(seed), "{seeds:?}");
        }
        assert_eq!(derive(1, Purpose::Order, 1), seeds[0]);
    }
}
