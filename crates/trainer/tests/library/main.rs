//! The library from outside: training, resuming, measuring, and the folders that they leave behind.

mod budget;
mod evaluation;
mod formats;
mod naming;
mod resuming;
mod support;
mod training;
