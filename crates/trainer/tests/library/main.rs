//! The library from outside: training, resuming, measuring, and the folders that they leave behind.

mod budget;
mod dynamic;
mod evaluation;
mod formats;
mod modern;
mod naming;
mod python;
mod resuming;
#[path = "../../../../tests/src/skip.rs"]
mod skip;
mod support;
mod training;
