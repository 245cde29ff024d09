//! Chooses the next token from a model's logits: temperature, top-k, top-p, min-p, penalties for repetition and frequency, and documented
//! random numbers.
//!
//! This crate knows nothing of characters, models or files. A token is an index into the logits.
//!
//! A temperature below 1 sharpens the distribution, so the text is more predictable and repeats itself more. One above
//! 1 flattens it, so the text is more random. 0 always takes the likeliest token. The steps, in order:
//!
//! 1. excluded tokens and NaN logits get probability 0;
//! 2. recently chosen tokens get the repetition penalty of CTRL (Keskar et al. 2019, section 4.1), then each token the
//!    frequency penalty of `OpenAI`'s API: its logit minus the penalty times how often the sample has it so far;
//! 3. softmax(logits / temperature);
//! 4. top-k keeps the k likeliest tokens;
//! 5. top-p (nucleus sampling, Holtzman et al. 2020) keeps the fewest tokens whose probabilities reach p;
//! 6. min-p (Nguyen et al. 2024) keeps the tokens that are at least p times as likely as the likeliest;
//! 7. the remaining probabilities are scaled to sum to one, and one token is drawn.
//!
//! ```
//! use decoding::{Decoding, Options, Rng};
//!
//! let mut decoding = Decoding::new(Options { temperature: 0.5, top_k: Some(2), ..Options::default() })?;
//! let mut rng = Rng::seed(7);
//! assert!(decoding.choose(&[0.0, 3.0, 2.5], &mut rng) > 0);
//! # Ok::<(), decoding::Error>(())
//! ```

mod error;
mod rng;
mod softmax;
mod strategy;

pub use error::Error;
pub use rng::Rng;
pub use softmax::{log_probability, softmax, top};
pub use strategy::{Decoding, Options};
