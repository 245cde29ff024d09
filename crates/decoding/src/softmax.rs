//! Probabilities from logits, computed so that no logit can overflow them.

/// Writes the softmax of `logits` over `probabilities`. A logit that is not a number has probability 0.
///
/// Infinite logits count as the largest finite ones. If every logit is NaN or minus infinity, so is nothing: all
/// probabilities are 0.
///
/// # Panics
/// If the slices differ in length.
pub fn softmax(logits: &[f32], probabilities: &mut [f32]) {
    assert_eq!(logits.len(), probabilities.len(), "a probability per logit");
    probabilities.copy_from_slice(logits);
    soften(probabilities, 1.0);
}

/// The natural logarithm of the probability that softmax gives `token`, in f64: minus the nats of surprise.
///
/// # Panics
/// If `token` is not below the number of logits.
pub fn log_probability(logits: &[f32], token: usize) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|logit| (logit - largest).exp()).sum();
    f64::from(logits[token] - largest) - f64::from(sum).ln()
}

/// Writes the `count` likeliest tokens over `tokens`, likeliest first; of equals the lower one first.
///
/// Runs in O(V · count) without allocating once `tokens` has room.
pub fn top(probabilities: &[f32], count: usize, tokens: &mut Vec<usize>) {
    tokens.clear();
    for (token, &probability) in probabilities.iter().enumerate() {
        let place = tokens.partition_point(|&better| probabilities[better] >= probability);
        if place < count {
            tokens.truncate(count - 1);
            tokens.insert(place, token);
        }
    }
}

/// Turns logits into softmax(logits / temperature) in place.
pub(crate) fn soften(values: &mut [f32], temperature: f32) {
    let finite = |value: f32| value.clamp(f32::MIN, f32::MAX);
    let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if largest == f32::NEG_INFINITY {
        return values.fill(0.0);
    }
    let mut sum = 0.0;
    for value in values.iter_mut() {
        let struck_out = value.is_nan() || *value == f32::NEG_INFINITY;
        *value = if struck_out { 0.0 } else { ((finite(*value) - finite(largest)) / temperature).exp() };
        sum += *value;
    }
    for value in values {
        *value /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAN: f32 = f32::NAN;
    const INFINITY: f32 = f32::INFINITY;

    #[test]
    fn probabilities_are_those_of_the_definition() {
        // e^1 / (1 + e^1 + e^2) and so on: 0.0900, 0.2447, 0.6652 is softmax(0, 1, 2).
        let cases: [(&[f32], &[f32]); 6] = [
            (&[0.0, 1.0, 2.0], &[0.0900, 0.2447, 0.6652]),
            (&[1000.0, 1001.0, 1002.0], &[0.0900, 0.2447, 0.6652]),
            (&[-1000.0, 1000.0], &[0.0, 1.0]),
            (&[0.0, NAN, 0.0, -INFINITY], &[0.5, 0.0, 0.5, 0.0]),
            (&[0.0, INFINITY, INFINITY], &[0.0, 0.5, 0.5]),
            (&[NAN, -INFINITY], &[0.0, 0.0]),
        ];
        for (logits, expected) in cases {
            let mut probabilities = vec![0.0; logits.len()];
            softmax(logits, &mut probabilities);
            for (probability, expected) in probabilities.iter().zip(expected) {
                assert!((probability - expected).abs() < 1e-4, "{logits:?} gave {probabilities:?}");
            }
        }
    }

    #[test]
    fn log_probabilities_agree_with_softmax_and_outlive_it() {
        let logits = [0.0, 1.0, 2.0, -300.0];
        let mut probabilities = [0.0; 4];
        softmax(&logits, &mut probabilities);
        for (token, &probability) in probabilities[..3].iter().enumerate() {
            let difference = log_probability(&logits, token) - f64::from(probability).ln();
            assert!(difference.abs() < 1e-6, "token {token} is off by {difference}");
        }
        assert!((log_probability(&logits, 3) + 302.4076).abs() < 1e-3, "softmax itself is 0 there");
    }

    #[test]
    fn the_top_is_in_order_and_stable() {
        let mut tokens = Vec::new();
        for (count, expected) in [(0, vec![]), (1, vec![1]), (3, vec![1, 3, 0]), (9, vec![1, 3, 0, 2])] {
            top(&[0.1, 0.4, 0.1, 0.4], count, &mut tokens);
            assert_eq!(tokens, expected, "top {count}");
        }
    }
}
