//! The most likely next characters.

use model_card::Unit;
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
        self.likeliest.extend(self.tokens.iter().map(|&token| {
            let text = match token as u32 {
                token if Some(token) == vocabulary.boundary() => "\u{25a0}".into(),
                token if Some(token) == vocabulary.unknown() => "\u{25a1}".into(),
                token => match (vocabulary.unit(), vocabulary.symbol(token)) {
                    (Unit::Byte, Some(byte)) if byte >= 0x80 => format!("\\x{byte:02x}"),
                    _ => vocabulary.decode(&[token]),
                },
            };
            (text, self.probabilities[token])
        }));
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
