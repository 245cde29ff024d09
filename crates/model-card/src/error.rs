//! What can be wrong with a card, or with text that is checked against it.

/// What can be wrong with a card, or with text that is checked against it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A character (or byte) of the text is not in the vocabulary, and the vocabulary has no unknown token.
    #[error(
        "character {symbol} at position {position} is not in the model's vocabulary of {vocabulary}; \
         leave it out, or train on a text that has it"
    )]
    UnknownSymbol {
        /// The character as it should be shown: quoted, with its code point.
        symbol: String,
        /// Characters (or bytes) before it in the text.
        position: usize,
        /// Tokens in the vocabulary.
        vocabulary: usize,
    },
    /// The JSON is not a model card.
    #[error("this is not a model card: {0}; check that the file was written by this program and is whole")]
    NotACard(#[from] serde_json::Error),
    /// The card was written by a later version of the program.
    #[error("the model card has format version {found}, and this program reads up to {supported}; use a newer one")]
    NewerFormat {
        /// The card's version.
        found: u32,
        /// The newest version that this program reads.
        supported: u32,
    },
    /// Two parts of the card contradict each other.
    #[error("the model card contradicts itself: {0}; export the model again")]
    Contradiction(String),
    /// A vocabulary was built from a number that is not a symbol.
    #[error("{0:#x} is not a {1}, so the vocabulary is damaged; prepare the text again")]
    InvalidSymbol(u32, &'static str),
    /// A word that is not one of an option's values.
    #[error("`{value}` is not {what}; use {}", .choices.join(" or "))]
    UnknownName {
        /// What was given.
        value: String,
        /// What it should name, with its article.
        what: &'static str,
        /// The values that there are.
        choices: Vec<&'static str>,
    },
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;
