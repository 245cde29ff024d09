//! What the program does, one module a command.

pub mod evaluate;
pub mod recipes;
pub mod train;
