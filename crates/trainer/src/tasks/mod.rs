//! What the library does, one file per task: from a configuration to a result.

pub mod evaluate;
pub mod import;
pub mod novelty;
pub mod pairing;
pub mod train;
