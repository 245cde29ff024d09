//! The most likely next characters.

use sampler::Sampler;

use super::failure::Failure;

/// What the model predicts for the next token. Its buffers are reused.
#[derive(Default)]
pub struct Candidates {
    probabilities: Vec<f32>,
    tokens: Vec<usize>,
    /// Texts and probabilities, most likely first.
    pub likeliest: Vec<(String, f32)>,
}

impl Candidates {
    /// Gets the `count` most likely tokens.
    pub fn update(&mut self, sampler: &mut Sampler, count: usize) -> Result<(), Failure> {
        self.probabilities.clear();
        self.probabilities.extend_from_slice(sampler.probabilities()?);
        decoding::top(&self.probabilities, count, &mut self.tokens);
        let vocabulary = &sampler.card().vocabulary;
        self.likeliest.clear();
        let likeliest = self.tokens.iter();
        self.likeliest.extend(likeliest.map(|&token| (vocabulary.shown(token as u32), self.probabilities[token])));
        Ok(())
    }

    /// The model's probability of a token.
    pub fn probability(&self, token: u32) -> f32 {
        self.probabilities[token as usize]
    }

    /// The n-th most likely token, counted from 0.
    pub fn token(&self, rank: usize) -> Option<u32> {
        self.tokens.get(rank).map(|&token| token as u32)
    }
}
