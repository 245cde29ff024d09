//! How well the states of cells follow a feature.
//!
//! States are tanh(c) in steps of 1/127, as they are shown. There are 255 of them, so that a histogram has all that a rank
//! statistic needs, with ties counted as halves, in O(T) per cell.

use crate::data::LayerStates;
use crate::feature::Measure;

/// Cells whose states are gathered at once: those of one token lie in one cache line.
const CELLS_AT_ONCE: usize = 64;

/// A feature at the tokens that are scored.
#[derive(Debug)]
pub struct Signal {
    measure: Measure,
    /// (T)
    values: Vec<u8>,
    /// Where a yes/no feature holds.
    positive: Vec<u32>,
    /// Σ y and Σ y².
    sums: [i64; 2],
}

impl Signal {
    /// A feature's values.
    pub fn new(measure: Measure, values: &[u8]) -> Self {
        let positive = match measure {
            Measure::Auc => (0..values.len() as u32).filter(|&place| values[place as usize] > 0).collect(),
            Measure::Correlation => vec![],
        };
        let sum = |of: fn(i64) -> i64| values.iter().map(|&value| of(i64::from(value))).sum();
        Self { measure, values: values.to_vec(), positive, sums: [sum(|y| y), sum(|y| y * y)] }
    }
}

/// The score of every cell of a layer for every signal, on the tokens from `start` on: (signals, H).
///
/// A score is the AUC minus 1/2, from -1/2 to 1/2, or Pearson's correlation, from -1 to 1. It is 0 for a cell that does not
/// move.
pub fn scores(layer: &LayerStates, start: usize, signals: &[Signal]) -> Vec<Vec<f64>> {
    let time = signals.first().map_or(0, |signal| signal.values.len());
    let mut all = vec![Vec::with_capacity(layer.size); signals.len()];
    let mut gathered = vec![0; CELLS_AT_ONCE * time];
    for first in (0..layer.size).step_by(CELLS_AT_ONCE) {
        let count = CELLS_AT_ONCE.min(layer.size - first);
        for (place, states) in layer.states.chunks_exact(layer.size).skip(start).take(time).enumerate() {
            for (cell, &state) in states[first..first + count].iter().enumerate() {
                gathered[cell * time + place] = state;
            }
        }
        for states in gathered.chunks_exact(time.max(1)).take(count) {
            let cell = Cell::new(states);
            for (scores, signal) in all.iter_mut().zip(signals) {
                scores.push(match signal.measure {
                    Measure::Auc => cell.auc(signal) - 0.5,
                    Measure::Correlation => cell.correlation(signal),
                });
            }
        }
    }
    all
}

/// The states of one cell.
struct Cell<'s> {
    states: &'s [i8],
    /// How often it is in each state, -128 first.
    counts: [u32; 256],
    /// Σ x and Σ x².
    sums: [i64; 2],
}

impl<'s> Cell<'s> {
    fn new(states: &'s [i8]) -> Self {
        let mut counts = [0_u32; 256];
        for &state in states {
            counts[index(state)] += 1;
        }
        let weighted = |of: fn(i64) -> i64| {
            counts.iter().zip(-128_i64..).map(|(&count, state)| i64::from(count) * of(state)).sum()
        };
        let sums = [weighted(|x| x), weighted(|x| x * x)];
        Self { states, counts, sums }
    }

    /// The area under the ROC curve: Mann and Whitney's U over the number of pairs.
    fn auc(&self, signal: &Signal) -> f64 {
        let mut positive = [0_u32; 256];
        for &place in &signal.positive {
            positive[index(self.states[place as usize])] += 1;
        }
        // Twice the pairs in which the positive one is higher; a tie counts once. Exact: below 2^63 for 2^31 tokens.
        let (mut below, mut twice) = (0_u64, 0_u64);
        for (&all, &positive) in self.counts.iter().zip(&positive) {
            let negative = u64::from(all - positive);
            twice += u64::from(positive) * (2 * below + negative);
            below += negative;
        }
        let pairs = signal.positive.len() as u64 * below;
        if pairs == 0 { 0.5 } else { twice as f64 / (2 * pairs) as f64 }
    }

    /// Pearson's correlation, from exact sums.
    fn correlation(&self, signal: &Signal) -> f64 {
        let products = self.states.iter().zip(&signal.values).map(|(&x, &y)| i64::from(i32::from(x) * i32::from(y)));
        let (count, products) = (self.states.len() as i128, i128::from(products.sum::<i64>()));
        let [x, xx] = self.sums.map(i128::from);
        let [y, yy] = signal.sums.map(i128::from);
        let (covariance, spread) = (count * products - x * y, (count * xx - x * x, count * yy - y * y));
        let deviation = (spread.0 as f64).sqrt() * (spread.1 as f64).sqrt();
        if deviation > 0.0 { covariance as f64 / deviation } else { 0.0 }
    }
}

/// The place of a state in a histogram.
fn index(state: i8) -> usize {
    usize::from(state.cast_unsigned() ^ 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that are the same in every run.
    fn noise(count: usize, salt: u64) -> impl Iterator<Item = u64> {
        (0..count as u64).map(move |place| {
            let mixed = (place + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ salt.wrapping_mul(0xD1B5_4A32_D192_ED03);
            mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32
        })
    }

    /// The definition: of all pairs of a positive and a negative one, the share in which the positive one is higher.
    fn naive_auc(states: &[i8], values: &[u8]) -> f64 {
        let (mut pairs, mut higher) = (0.0, 0.0);
        for (positive, _) in states.iter().zip(values).filter(|(_, value)| **value > 0) {
            for (negative, _) in states.iter().zip(values).filter(|(_, value)| **value == 0) {
                pairs += 1.0;
                higher += match positive.cmp(negative) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
            }
        }
        higher / pairs
    }

    /// The definition, from means in double precision.
    fn naive_correlation(states: &[i8], values: &[u8]) -> f64 {
        let count = states.len() as f64;
        let mean_state = states.iter().map(|&state| f64::from(state)).sum::<f64>() / count;
        let mean_value = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
        let (mut both, mut of_state, mut of_value) = (0.0, 0.0, 0.0);
        for (&state, &value) in states.iter().zip(values) {
            let (state, value) = (f64::from(state) - mean_state, f64::from(value) - mean_value);
            both += state * value;
            of_state += state * state;
            of_value += value * value;
        }
        both / (of_state * of_value).sqrt()
    }

    #[test]
    fn scores_are_those_of_the_definitions() {
        let (size, time, start) = (70, 211, 13);
        // Cells of few and of many different states, so that there are many ties and few.
        let states: Vec<i8> = noise(size * (time + start), 1)
            .enumerate()
            .map(|(place, number)| match place % size {
                0 => -5,
                1 => (number % 3) as i8 - 1,
                2 => {
                    if number % 2 == 0 {
                        i8::MIN
                    } else {
                        i8::MAX
                    }
                }
                _ => number as i8,
            })
            .collect();
        let layer = LayerStates { size, states };
        let values: Vec<u8> = noise(time, 2).map(|number| u8::from(number % 5 == 0)).collect();
        let depths: Vec<u8> = noise(time, 3).map(|number| (number % 256) as u8).collect();
        let signals = [Signal::new(Measure::Auc, &values), Signal::new(Measure::Correlation, &depths)];
        let found = scores(&layer, start, &signals);
        for (cell, (auc, correlation)) in found[0].iter().zip(&found[1]).enumerate() {
            let states: Vec<i8> = (start..start + time).map(|place| layer.states[place * size + cell]).collect();
            assert!((auc + 0.5 - naive_auc(&states, &values)).abs() < 1e-12, "AUC of cell {cell}");
            let expected = if cell == 0 { 0.0 } else { naive_correlation(&states, &depths) };
            assert!((correlation - expected).abs() < 1e-12, "r of cell {cell}");
        }
    }

    #[test]
    fn a_feature_that_never_holds_or_always_holds_scores_nothing() {
        let layer = LayerStates { size: 1, states: vec![1, 2, 3, 4] };
        for value in [0, 1] {
            for measure in [Measure::Auc, Measure::Correlation] {
                assert_eq!(scores(&layer, 0, &[Signal::new(measure, &[value; 4])]), [[0.0]]);
            }
        }
    }
}
