//! What can be wrong with decoding options.

/// What can be wrong with decoding options.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Error {
    /// The temperature is negative, infinite or not a number.
    #[error("a temperature of {0} is out of range; use 0 (always the likeliest character) or more, such as 0.5")]
    Temperature(f32),
    /// Top-k keeps no token.
    #[error("a top-k of 0 would keep no character; use 1 or more, or leave it out")]
    TopK,
    /// Top-p is outside (0, 1].
    #[error("a top-p of {0} is out of range; use more than 0 and at most 1, such as 0.9")]
    TopP(f32),
    /// Min-p is outside [0, 1].
    #[error("a min-p of {0} is out of range; use 0 to 1, such as 0.05")]
    MinP(f32),
    /// The repetition penalty is not a positive number.
    #[error("a repetition penalty of {0} is out of range; use 1 (no penalty) or more, such as 1.2")]
    RepetitionPenalty(f32),
    /// The frequency penalty is outside [-2, 2].
    #[error("a frequency penalty of {0} is out of range; use -2 to 2, such as 0.5; 0 is no penalty")]
    FrequencyPenalty(f32),
}
