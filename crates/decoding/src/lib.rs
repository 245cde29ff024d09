//! From a model's logits to the next token: temperature, top-k, top-p, min-p, a repetition penalty, and a random stream
//! whose every draw is documented.
//!
//! This crate knows nothing of characters, models or files: a token is its place among the logits.
//!
//! A low temperature sharpens the distribution (conservative, repetitive), a high one flattens it (daring, more
//! mistakes); 0 takes the likeliest token. The steps are applied in this order:
//!
//! 1. excluded tokens, and logits that are not a number, are struck out;
//! 2. the repetition penalty of CTRL (Keskar et al. 2019, section 4.1) is laid on tokens that were chosen lately;
//! 3. softmax(logits / temperature);
//! 4. top-k keeps the k likeliest tokens;
//! 5. top-p (nucleus sampling, Holtzman et al. 2020) keeps the fewest tokens whose probabilities reach p;
//! 6. min-p (Nguyen et al. 2024) keeps the tokens at least p times as likely as the likeliest;
//! 7. what is left is scaled to one, and one multinomial draw is made.
//!
//! ```
//! use decoding::{Decoding, Options, Rng};
//!
//! let mut decoding = Decoding::new(Options { temperature: 0.5, top_k: Some(2), ..Options::default() })?;
//! let mut rng = Rng::seed(7);
//! assert!(decoding.choose(&[0.0, 3.0, 2.5], &mut rng) > 0);
//! # Ok::<(), decoding::Error>(())
//! ```

mod rng;
mod softmax;
mod strategy;

pub use rng::Rng;
pub use softmax::{log_probability, softmax, top};
pub use strategy::{Decoding, Options};

/// What can be wrong with decoding options.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Error {
    /// The temperature is negative, infinite or not a number.
    #[error("a temperature of {0} is no use: give 0 (always the likeliest character) or more, such as 0.5")]
    Temperature(f32),
    /// Top-k keeps no token.
    #[error("top-k of 0 would keep no character: give 1 or more, or leave it out")]
    TopK,
    /// Top-p is outside (0, 1].
    #[error("a top-p of {0} is no share of the probability: give more than 0 and at most 1, such as 0.9")]
    TopP(f32),
    /// Min-p is outside [0, 1].
    #[error("a min-p of {0} is no share of the likeliest character's probability: give 0 to 1, such as 0.05")]
    MinP(f32),
    /// The repetition penalty is not a positive number.
    #[error("a repetition penalty of {0} is no use: give 1 (none) or more, such as 1.2")]
    RepetitionPenalty(f32),
}
