//! The most likely next characters.

use model_card::Vocabulary;
use sampler::{Sampler, Writer};

use super::failure::Failure;

/// What may come next. Its buffers are reused.
#[derive(Default)]
pub struct Candidates {
    probabilities: Vec<f32>,
    tokens: Vec<usize>,
    /// Texts and probabilities, most likely first.
    pub likeliest: Vec<(String, f32)>,
}

impl Candidates {
    /// Gets the `count` tokens that the model finds most likely.
    pub fn update(&mut self, sampler: &mut Sampler, count: usize) -> Result<(), Failure> {
        self.probabilities.clear();
        self.probabilities.extend_from_slice(sampler.probabilities()?);
        self.select(&sampler.card().vocabulary, count);
        Ok(())
    }

    /// Gets the `count` most likely tokens of those that `writer` may write, after its penalties.
    pub fn offer(&mut self, sampler: &mut Sampler, writer: &mut Writer, count: usize) -> Result<(), Failure> {
        let logits = writer.adjusted(sampler.logits()?);
        self.probabilities.resize(logits.len(), 0.0);
        decoding::softmax(logits, &mut self.probabilities);
        self.select(&sampler.card().vocabulary, count);
        // The most likely come first.
        let possible = self.tokens.iter().take_while(|&&token| self.probabilities[token] > 0.0).count();
        self.tokens.truncate(possible);
        self.likeliest.truncate(possible);
        Ok(())
    }

    fn select(&mut self, vocabulary: &Vocabulary, count: usize) {
        decoding::top(&self.probabilities, count, &mut self.tokens);
        self.likeliest.clear();
        let likeliest = self.tokens.iter();
        self.likeliest.extend(likeliest.map(|&token| (vocabulary.shown(token as u32), self.probabilities[token])));
    }

    /// The probability of a token.
    pub fn probability(&self, token: u32) -> f32 {
        self.probabilities[token as usize]
    }

    /// The n-th most likely token, counted from 0.
    pub fn token(&self, rank: usize) -> Option<u32> {
        self.tokens.get(rank).map(|&token| token as u32)
    }
}
