//! A random permutation of 0..len that is computed rather than stored.

/// A permutation of `0..len` in constant memory. A seed gives the same permutation on every machine.
///
/// A Feistel network permutes the smallest even number of bits that holds `len`. Values past the end are permuted again
/// until one is inside ("cycle walking": Black and Rogaway, *Ciphers with Arbitrary Finite Domains*, 2002). The range
/// is less than four times `len`, so this takes fewer than four tries on average.
#[derive(Debug, Clone, Copy)]
pub struct Permutation {
    len: usize,
    half_bits: u32,
    keys: [u64; ROUNDS],
}

/// Four rounds give a pseudorandom permutation if the round function is ideal. This one is simple, so there are six.
const ROUNDS: usize = 6;

impl Permutation {
    /// The permutation of `0..len` for a seed.
    pub fn new(len: usize, seed: u64) -> Self {
        let bits = usize::BITS - len.saturating_sub(1).leading_zeros();
        let mut state = seed;
        let keys = std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mix(state)
        });
        Self { len, half_bits: bits.div_ceil(2).max(1), keys }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The element at a position.
    ///
    /// # Panics
    /// If `position` is not less than `len`.
    pub fn get(&self, position: usize) -> usize {
        assert!(position < self.len, "position {position} of a permutation of {}", self.len);
        let mut value = position as u64;
        loop {
            value = self.encipher(value);
            if value < self.len as u64 {
                return value as usize;
            }
        }
    }

    /// All elements in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = usize> + use<> {
        let permutation = *self;
        (0..self.len).map(move |position| permutation.get(position))
    }

    fn encipher(&self, value: u64) -> u64 {
        let mask = (1_u64 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for key in self.keys {
            (left, right) = (right, left ^ mix(right ^ key) & mask);
        }
        left << self.half_bits | right
    }
}

/// The finaliser of `SplitMix64` (Steele, Lea and Flood, 2014).
fn mix(mut value: u64) -> u64 {
    value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_occurs_once() {
        for len in [0, 1, 2, 3, 7, 64, 65, 1000, 4097] {
            let mut numbers: Vec<usize> = Permutation::new(len, 7).iter().collect();
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..len), "{len}");
        }
    }

    #[test]
    fn a_seed_fixes_the_order() {
        let order = |seed| Permutation::new(1000, seed).iter().collect::<Vec<_>>();
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        // Pinned, because later versions must keep the order of a seed. From Python:
        //     M = 2**64 - 1
        //     def mix(v): v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9 & M; v = (v ^ v >> 27) * 0x94d049bb133111eb & M
        //                 return v ^ v >> 31
        //     keys = [mix(1 + i * 0x9e3779b97f4a7c15 & M) for i in range(1, 7)]
        //     def step(v):
        //         l, r = v >> 5, v & 31
        //         for k in keys: l, r = r, l ^ mix(r ^ k) & 31
        //         v = l << 5 | r
        //         return v if v < 1000 else step(v)
        //     [step(v) for v in range(4)]
        assert_eq!(Permutation::new(1000, 1).iter().take(4).collect::<Vec<_>>(), [863, 171, 287, 82]);
    }

    #[test]
    fn ten_billion_elements_need_no_memory_and_stay_in_range() {
        let permutation = Permutation::new(10_000_000_000, 3);
        assert!((0..1000).map(|place| permutation.get(place)).all(|number| number < 10_000_000_000));
    }

    #[test]
    fn the_order_looks_random() {
        // Of a random order: half the steps rise, and a quarter of the places lie in each quarter of the range.
        let len = 40_000;
        let order: Vec<usize> = Permutation::new(len, 11).iter().collect();
        let rises = order.windows(2).filter(|pair| pair[0] < pair[1]).count();
        assert!(rises.abs_diff(len / 2) < 500, "{rises} rises");
        let low = order[..len / 4].iter().filter(|&&number| number < len / 4).count();
        assert!(low.abs_diff(len / 16) < 300, "{low} of the first quarter stay in it");
    }
}
