//! What a network predicted over a text.

use crate::data::Guess;

/// Guesses that are kept for each token that is shown.
const GUESSES: usize = 5;

/// A network's predictions, by the position of the token that was predicted.
#[derive(Debug)]
pub struct Predictions {
    /// Loss of each token in nats, (T); 0 for the first, which nothing predicts.
    pub nats: Vec<f64>,
    /// The likeliest token in its place, (T); for the first, the token itself.
    pub likeliest: Vec<u32>,
    /// The likeliest tokens *after* each of the first tokens.
    pub guesses: Vec<Vec<Guess>>,
    probabilities: Vec<f32>,
    order: Vec<usize>,
}

impl Predictions {
    /// Room for the predictions over these tokens; the guesses after the first `shown` of them are kept.
    pub fn new(tokens: &[u32], shown: usize) -> Self {
        Self {
            nats: vec![0.0; tokens.len()],
            likeliest: tokens.to_vec(),
            guesses: vec![vec![]; shown.min(tokens.len())],
            probabilities: vec![],
            order: vec![],
        }
    }

    /// Takes down what `logits` after the token at a position say of the next one. The probabilities are those of
    /// `scrimshaw --explain`: softmax without a temperature.
    pub fn add(&mut self, tokens: &[u32], position: usize, logits: &[f32]) {
        let is_shown = position < self.guesses.len();
        if is_shown {
            self.probabilities.resize(logits.len(), 0.0);
            decoding::softmax(logits, &mut self.probabilities);
            decoding::top(&self.probabilities, GUESSES, &mut self.order);
            let guess = |&token: &usize| Guess { token: token as u32, probability: self.probabilities[token] };
            self.guesses[position] = self.order.iter().map(guess).collect();
        }
        if let Some(&next) = tokens.get(position + 1) {
            self.nats[position + 1] = -decoding::log_probability(logits, next as usize);
            decoding::top(logits, 1, &mut self.order);
            self.likeliest[position + 1] = self.order.first().map_or(next, |&token| token as u32);
        }
    }

    /// Mean loss in nats per predicted token.
    pub fn mean(&self) -> f64 {
        self.nats.iter().sum::<f64>() / (self.nats.len() - 1).max(1) as f64
    }

    /// The probability that a token got.
    pub fn probability(&self, position: usize) -> f64 {
        (-self.nats[position]).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_stand_after_a_token_and_losses_at_it() {
        let tokens = [2, 0, 1];
        let mut predictions = Predictions::new(&tokens, 2);
        // e^0 : e^1 : e^2 is 0.0900 : 0.2447 : 0.6652.
        for position in [2, 0, 1] {
            predictions.add(&tokens, position, &[0.0, 1.0, 2.0]);
        }
        let rounded = |nats: f64| (nats * 1e4).round() / 1e4;
        assert_eq!(predictions.nats.iter().copied().map(rounded).collect::<Vec<_>>(), [0.0, 2.4076, 1.4076]);
        assert!((predictions.mean() - 1.9076).abs() < 1e-4);
        assert!((predictions.probability(1) - 0.0900).abs() < 1e-4);
        assert_eq!(predictions.likeliest, [2, 2, 2]);
        assert_eq!(predictions.guesses.len(), 2);
        let tokens: Vec<u32> = predictions.guesses[1].iter().map(|guess| guess.token).collect();
        assert_eq!(tokens, [2, 1, 0]);
        assert!((predictions.guesses[1][0].probability - 0.6652).abs() < 1e-4);
    }
}
