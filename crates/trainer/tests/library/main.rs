//! The library from outside: training, resuming, measuring, and the folders that they leave behind.

mod dynamic;
mod evaluation;
mod formats;
mod modern;
mod naming;
mod python;
mod resuming;
mod support;
mod training;
