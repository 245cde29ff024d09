//! A shard: one file of token ids, memory-mapped by the reader.

pub mod format;
pub mod map;
pub mod writer;
