//! Probabilities from logits, without overflow for any logit.

/// Writes the softmax of `logits` to `probabilities`. A NaN logit has probability 0.
///
/// Plus infinity counts as the largest finite number, and minus infinity has probability 0. If every logit is NaN or
/// minus infinity, all probabilities are 0.
///
/// # Panics
/// If the slices differ in length.
pub fn softmax(logits: &[f32], probabilities: &mut [f32]) {
    assert_eq!(logits.len(), probabilities.len(), "one probability per logit");
    probabilities.copy_from_slice(logits);
    softmax_in_place(probabilities, 1.0);
}

/// The natural logarithm of the softmax probability of `token`, in f64. Its negative is the token's loss in nats.
///
/// # Panics
/// If `token` is not an index into `logits`.
pub fn log_probability(logits: &[f32], token: usize) -> f64 {
    let largest = largest(logits);
    let sum = sum_by(logits, |logit| exp(logit - largest));
    f64::from(logits[token] - largest) - f64::from(sum).ln()
}

/// Replaces the contents of `tokens` with the `count` likeliest tokens, likeliest first. Of equals, the lower comes
/// first.
///
/// Takes O(V · count), and allocates nothing once `tokens` has the capacity.
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

/// Replaces logits by softmax(logits / temperature).
pub(crate) fn softmax_in_place(values: &mut [f32], temperature: f32) {
    let finite = |value: f32| value.clamp(f32::MIN, f32::MAX);
    let largest = largest(values);
    if largest == f32::NEG_INFINITY {
        return values.fill(0.0);
    }
    for value in values.iter_mut() {
        let is_excluded = value.is_nan() || *value == f32::NEG_INFINITY;
        let probability = exp((finite(*value) - finite(largest)) / temperature);
        *value = if is_excluded { 0.0 } else { probability };
    }
    let sum = sum_by(values, |value| value);
    for value in values {
        *value /= sum;
    }
}

/// Partial results that are kept side by side, so that the compiler can use vector instructions.
const LANES: usize = 8;

/// The largest value, NaN ignored; minus infinity if there is none.
fn largest(values: &[f32]) -> f32 {
    let larger = |most: f32, value: f32| if value > most { value } else { most };
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, value);
        }
    }
    lanes.into_iter().chain(rest.iter().copied()).fold(f32::NEG_INFINITY, larger)
}

/// The sum of `function` over the values.
fn sum_by(values: &[f32], function: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += function(value);
        }
    }
    lanes.into_iter().sum::<f32>() + rest.iter().map(|&value| function(value)).sum::<f32>()
}

/// e^x for x ≤ 0, with a relative error below 3e-7; 0 below x = -87. The polynomial is that of `expf` in Moshier's
/// Cephes library. Unlike the standard library's function, this one is plain arithmetic, so the compiler can vectorise
/// it.
#[inline]
fn exp(x: f32) -> f32 {
    /// 1.5 · 2^23: adding it leaves the nearest integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let clamped = x.max(-87.0);
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    // ln 2 in two parts. The first has few bits, so that the remainder is exact.
    let rest = (clamped - whole * 0.693_359_4) + whole * 2.121_944_4e-4;
    let mut polynomial = 1.987_569_2e-4;
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        polynomial = polynomial * rest + coefficient;
    }
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    let result = (polynomial * rest * rest + rest + 1.0) * power;
    if x < -87.0 { 0.0 } else { result }
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
    fn what_cannot_be_drawn_has_probability_zero_exactly() {
        for excluded in [NAN, -INFINITY] {
            let mut probabilities = [1.0; 3];
            softmax(&[excluded, 0.0, -1000.0], &mut probabilities);
            assert_eq!(probabilities.map(f32::to_bits), [0.0_f32, 1.0, 0.0].map(f32::to_bits), "{excluded}");
        }
    }

    #[test]
    fn log_probabilities_agree_with_softmax_and_do_not_underflow() {
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
    fn exp_agrees_with_the_standard_library_within_3e_7() {
        for step in 0..=870_000 {
            let x = -(step as f32) / 1e4;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 3e-7, "exp({x}) is off by {error}");
        }
        assert_eq!((exp(0.0), exp(-87.1), exp(f32::NEG_INFINITY)), (1.0, 0.0, 0.0));
    }

    #[test]
    fn top_tokens_are_ordered_by_probability_then_index() {
        let mut tokens = Vec::new();
        for (count, expected) in [(0, vec![]), (1, vec![1]), (3, vec![1, 3, 0]), (9, vec![1, 3, 0, 2])] {
            top(&[0.1, 0.4, 0.1, 0.4], count, &mut tokens);
            assert_eq!(tokens, expected, "top {count}");
        }
    }
}
