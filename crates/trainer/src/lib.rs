//! Trains a character LSTM on prepared shards.
//!
//! A [`Recipe`] says what to train and how; [`Training`] does it, epoch by epoch; a [`RunFolder`] keeps what comes out:
//! the configuration, one line of metrics an epoch, the samples, and checkpoints in PyTorch's names and shapes. The
//! crate knows nothing of ONNX or of how a text became shards.

mod error;
mod randomness;
mod recipe;
mod rmsprop;
mod run;
mod samples;
mod training;

pub mod arguments;
pub mod command;
pub mod device;
pub mod import;
pub mod novelty;
pub mod progress;

pub use error::{Error, Result};
pub use recipe::{OptimizerSettings, Recipe, SampleSettings, WindowSettings};
pub use rmsprop::{RmsProp, RmsPropSettings};
pub use run::{EpochMetrics, RunFolder};
pub use samples::Printout;
pub use training::{EpochEnd, Step, Training};
