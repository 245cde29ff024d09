//! What an analysis finds, as plain data: nothing here computes, and everything serialises to JSON.
//!
//! T tokens of a passage, L layers, H cells in a layer, V tokens in the vocabulary.

use serde::Serialize;
use trainer::novelty::Novelty;

use crate::feature::{Feature, Measure};

/// What a trained network does with a text.
#[derive(Debug, Clone, Serialize)]
pub struct Analysis {
    /// The text that is shown, token by token.
    pub passage: Passage,
    /// How the cells were chosen and scored.
    pub scoring: Scoring,
    /// One result for each [`Feature`], in the order of [`Feature::ALL`].
    pub features: Vec<FeatureResult>,
    /// How often the gates are nearly shut or open: one for each layer, the lowest first.
    pub gates: Vec<GateStatistics>,
    /// Where the network errs.
    pub errors: ErrorAnalysis,
    /// How much of a sample is copied from the training text; `None` if that was not asked for.
    pub copied: Option<Copied>,
}

/// A text, token by token, with what the network made of it.
#[derive(Debug, Clone, Serialize)]
pub struct Passage {
    /// Where the text comes from, such as `validation split, tokens 0 to 2,000` or a file's name.
    pub source: String,
    /// The tokens, (T).
    pub tokens: Vec<u32>,
    /// The text of each token of the vocabulary, (V), as [`model_card::Vocabulary::shown`] has it: a character, `\xNN` for
    /// a byte above 0x7f of a byte vocabulary, U+25A0 between documents, U+25A1 for what is outside the vocabulary.
    /// Characters are as they are in the text: control characters and markup are for the reader to escape.
    pub symbols: Vec<String>,
    /// Bits of each token given those before it, (T). 0 for the first token, which nothing predicts.
    pub surprise: Vec<f32>,
    /// The likeliest tokens after each token, likeliest first, (T): five, or fewer if the vocabulary is smaller.
    pub guesses: Vec<Vec<Guess>>,
    /// The cell states: one for each layer, the lowest first, (L).
    pub layers: Vec<LayerStates>,
    /// The features that the passage has, token by token.
    pub features: Vec<FeatureValues>,
}

/// A feature at each token of a passage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FeatureValues {
    /// The feature.
    pub feature: Feature,
    /// 0 or 1 for a yes/no feature, otherwise the depth or position: (T).
    pub values: Vec<u8>,
}

/// A token that the network expects.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Guess {
    /// The token.
    pub token: u32,
    /// Its softmax probability.
    pub probability: f32,
}

/// The cell states of one layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerStates {
    /// Cells (H).
    pub size: usize,
    /// tanh(c) times 127, rounded, after each token: (T, H), the cells of one token side by side.
    pub states: Vec<i8>,
}

/// How cells are chosen and scored.
#[derive(Debug, Clone, Serialize)]
pub struct Scoring {
    /// The text, such as `validation split`.
    pub source: String,
    /// Tokens on which the best cells are chosen: the first half.
    pub chosen_on: usize,
    /// Tokens on which they are scored: the second half.
    pub scored_on: usize,
    /// The lowest score of a found cell, for yes/no features.
    pub least_auc: f32,
    /// The lowest score of a found cell, for depths and positions.
    pub least_correlation: f32,
    /// How far above the untrained networks a found cell is at least, as a share of the way from the best of their
    /// scores to a perfect score.
    pub margin: f32,
}

/// How well the cells follow one feature of the text.
#[derive(Debug, Clone, Serialize)]
pub struct FeatureResult {
    /// The feature.
    pub feature: Feature,
    /// Its name, such as `inside quotes`.
    pub name: &'static str,
    /// Its definition in one sentence.
    pub definition: &'static str,
    /// How a cell is scored.
    pub measure: Measure,
    /// For a yes/no feature, the share of tokens at which it holds; for a depth or a position, the share of tokens at
    /// which it is not 0.
    pub positives: f32,
    /// The five cells that follow the feature best, best first by the score on the half that they were *chosen* on; their
    /// scores are those on the other half. Empty if `absent` says why.
    pub best: Vec<CellScore>,
    /// What a cell chosen at random reaches: the mean score of all cells.
    pub random: f32,
    /// What the best cell of three untrained networks of the same size reaches, chosen and scored in the same way.
    pub untrained: f32,
    /// Whether the first of `best` clears the bar: see [`Scoring`].
    pub found: bool,
    /// Why the feature cannot be scored, such as `at 12 tokens only`; `None` if it can.
    pub absent: Option<String>,
}

/// How well one cell follows a feature.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CellScore {
    /// The layer; 0 is the lowest.
    pub layer: usize,
    /// The cell in its layer.
    pub cell: usize,
    /// The AUC, from 0.5 to 1, or |r|, from 0 to 1.
    pub score: f32,
    /// Whether the cell is high where the feature is (or grows with it); otherwise it is low there.
    pub rises: bool,
}

/// How often the gates of one layer are nearly shut or nearly open; a share for each cell, (H).
#[derive(Debug, Clone, Serialize)]
pub struct GateStatistics {
    /// Input gates.
    pub input: Vec<GateShare>,
    /// Forget gates; open means that the cell remembers.
    pub forget: Vec<GateShare>,
    /// Output gates.
    pub output: Vec<GateShare>,
}

/// How often one gate is nearly shut or open.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GateShare {
    /// The share of tokens at which it is below 0.1 (left-saturated).
    pub shut: f32,
    /// The share of tokens at which it is above 0.9 (right-saturated).
    pub open: f32,
}

/// Where the network errs, on all tokens that were measured.
#[derive(Debug, Clone, Serialize)]
pub struct ErrorAnalysis {
    /// The text, such as `validation split`.
    pub source: String,
    /// Mean loss in nats per token: what `carve evaluate` measures with one carried state.
    pub nats: f64,
    /// Tokens that were predicted.
    pub tokens: usize,
    /// The loss by kind of character. Shares add up to 1.
    pub kinds: Vec<KindLoss>,
    /// What was taken for what.
    pub confusion: Confusion,
    /// The most surprising words, the most surprising first.
    pub words: Vec<SurprisingWord>,
    /// What kinds of errors there are.
    pub breakdown: Breakdown,
}

/// The loss on one kind of character.
#[derive(Debug, Clone, Serialize)]
pub struct KindLoss {
    /// Its name: `letters`, `capitals`, `digits`, `spaces`, `line ends`, `punctuation`, `others`.
    pub kind: &'static str,
    /// Tokens of that kind.
    pub tokens: usize,
    /// Mean loss in nats per token of that kind; 0 if there is none.
    pub nats: f64,
    /// Its share of the whole loss, from 0 to 1.
    pub share: f64,
}

/// How often each of the commonest tokens was taken for which.
#[derive(Debug, Clone, Serialize)]
pub struct Confusion {
    /// The commonest tokens of the measured text, the commonest first: twenty, or fewer if the text has fewer.
    pub tokens: Vec<u32>,
    /// For each of `tokens` (a row), how often each of them (a column) was the likeliest guess.
    pub counts: Vec<Vec<u64>>,
    /// For each row, how often a token outside `tokens` was the likeliest guess.
    pub other: Vec<u64>,
}

/// A word that the network did not expect.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SurprisingWord {
    /// The word.
    pub word: String,
    /// Mean bits of the whole word, over the times it was seen.
    pub bits: f64,
    /// How often it is in the measured text.
    pub times: usize,
    /// How often it is in the training text, or in as much of it as was read.
    pub times_in_training: usize,
    /// Text around the occurrence that surprised the most; the word is at `excerpt[start..end]` in bytes.
    pub excerpt: String,
    /// Where the word starts in the excerpt, in bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// The errors by what would mend them, after Karpathy, Johnson and Fei-Fei, "Visualizing and Understanding Recurrent
/// Networks" (2015), section 4.4.
///
/// An error is a token that got a probability below 0.5. Each error belongs to the first cause that applies.
#[derive(Debug, Clone, Serialize)]
pub struct Breakdown {
    /// Errors.
    pub errors: usize,
    /// Tokens that got a probability of at least 0.5.
    pub right: usize,
    /// The nats of those, in all. With the nats of `causes` they add up to the whole loss.
    pub right_nats: f64,
    /// The causes in the order that they are tried in. Their errors add up to `errors`, their shares to 1.
    pub causes: Vec<CauseShare>,
    /// Tokens of the training text that the n-gram models and the word counts were made from.
    pub training_tokens: usize,
}

/// The errors of one cause.
#[derive(Debug, Clone, Serialize)]
pub struct CauseShare {
    /// The cause.
    pub cause: Cause,
    /// Its name, such as `n-gram`.
    pub name: &'static str,
    /// Its definition in one sentence.
    pub definition: &'static str,
    /// Errors.
    pub errors: usize,
    /// Their share of all errors, from 0 to 1.
    pub share: f64,
    /// Their loss in nats, in all.
    pub nats: f64,
    /// The same errors in finer parts, such as one for each n.
    pub parts: Vec<CausePart>,
}

/// A finer part of the errors of one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CausePart {
    /// Its name, such as `n = 3` or `after a line end`.
    pub name: String,
    /// Errors.
    pub errors: usize,
}

/// What would mend an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A better model of the last few characters.
    NGram,
    /// A memory of the words that were there a moment ago.
    DynamicMemory,
    /// More training text: the word is rare.
    RareWord,
    /// Knowing which word comes next.
    WordModel,
    /// Knowing the punctuation.
    Punctuation,
    /// Nothing in particular: a higher probability of the true character.
    Boost,
}

/// How much of a sample is copied.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Copied {
    /// Sampling temperature of the sample.
    pub temperature: f32,
    /// Random seed of the sample.
    pub seed: u64,
    /// The measure, with the longest copied passage.
    pub novelty: Novelty,
}
