//! What the program does, one module a command.

pub mod evaluate;
pub mod import;
pub mod novelty;
pub mod recipes;
pub mod train;
