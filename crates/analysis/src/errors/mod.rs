//! Where a network errs: by kind of character, by what it took a character for, by word, and by what would mend it.

mod breakdown;
mod ngram;
mod tables;
mod words;

pub use breakdown::breakdown;
pub use tables::{Kinds, confusion, kinds};
pub use words::{count_in, surprising};
