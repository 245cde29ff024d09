//! What a trained network does with a text: the states of its cells, its gates, the cells that follow a feature of the text,
//! its guesses, and where it errs.
//!
//! It knows networks, runs, checkpoints and prepared texts. It does not know command lines, terminals, pages or ONNX.

pub mod data;
pub mod feature;

pub use data::{
    Analysis, Breakdown, Cause, CausePart, CauseShare, CellScore, Confusion, Copied, ErrorAnalysis, FeatureResult,
    GateShare, GateStatistics, Guess, KindLoss, LayerStates, Passage, Scoring, SurprisingWord,
};
pub use feature::{Feature, Measure};
