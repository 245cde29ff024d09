//! What a trained network does with a text: the states of its cells, its gates, the cells that follow a feature of the text,
//! its guesses, and where it errs.
//!
//! [`analyse()`] does everything, and [`Analysis`] holds what it finds. docs/cells.md explains the methods.
//!
//! The crate knows networks, runs, checkpoints and prepared texts. It does not know command lines, terminals, pages or ONNX.

mod analyse;
mod cells;
mod detect;
mod error;
mod errors;
mod gates;
mod predictions;
mod run;
mod sample;
mod score;
mod text;

pub mod data;
pub mod feature;

pub use analyse::{AnalysisConfig, Limits, analyse};
pub use data::{
    Analysis, Breakdown, Cause, CausePart, CauseShare, CellScore, Confusion, Copied, ErrorAnalysis, FeatureResult,
    FeatureValues, GateShare, GateStatistics, Guess, KindLoss, LayerStates, Passage, Scoring, SurprisingWord,
};
pub use error::{Error, Result};
pub use feature::{Feature, Measure};
pub use sample::SampleConfig;
