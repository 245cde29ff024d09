//! A shard: one file of token ids. The reader maps it into memory.

pub mod format;

pub(crate) mod map;
pub(crate) mod set;
pub(crate) mod writer;
