//! Trains a character LSTM on prepared shards, and measures it.
//!
//! A [`recipe::Recipe`] says what to train and how; [`training::Training`] does it, step by step; a [`run::RunFolder`] keeps
//! what comes out, with [`checkpoint`]s from which a killed training goes on as if nothing had happened; [`evaluate`] says
//! how well a network predicts a text. The crate knows nothing of ONNX or of how a text became shards.

mod average;
mod batches;
mod error;
mod evaluation;
mod optimizer;
mod randomness;
mod samples;
mod schedule;
mod transfer;

pub mod arguments;
pub mod checkpoint;
pub mod command;
pub mod device;
pub mod dynamic;
pub mod import;
pub mod novelty;
pub mod progress;
pub mod recipe;
pub mod run;
pub mod session;
pub mod training;

pub use error::{Error, Result};
pub use evaluation::{Protocol, Score, evaluate};
pub use samples::Printout;
