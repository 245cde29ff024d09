//! Turns text of any size into memory-mapped shards of token ids, and offers views of them.
//!
//! [`prepare`](prepare::prepare) reads files, folders or standard input twice, in constant memory and on all cores: the
//! first pass counts characters, the second writes their ids. [`Corpus::open`] maps the result. [`Tokens`],
//! [`Windows`], [`Streams`] and [`Permutation`] read from it by position, so texts of any size and any number of
//! windows need no memory.
//!
//! This crate knows files and the vocabulary. It knows nothing of tensors, networks, training or command lines.
//!
//! ```
//! use std::sync::atomic::AtomicBool;
//! use corpus::prepare::{Options, prepare};
//! use corpus::{Corpus, Permutation, Windows};
//!
//! # let folder = tempfile::tempdir()?;
//! let text = folder.path().join("tale.txt");
//! std::fs::write(&text, "The tide turned. ".repeat(20))?;
//! let shards = folder.path().join("shards");
//! let options = Options { inputs: vec![text], output: shards.clone(), name: "tale".into(), ..Options::default() };
//! prepare(&options, &mut |_progress| (), &AtomicBool::new(false))?;
//!
//! let corpus = Corpus::open(&shards)?;
//! corpus.verify()?;
//! let windows = Windows::new(corpus.training(), 40, 3);
//! let mut window = [0; 40];
//! for index in Permutation::new(windows.len(), 7).iter() {
//!     windows.window(index, &mut window); // (T)
//!     let _next = windows.target(index);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The files of a corpus
//!
//! - `index.json`: vocabulary, normalisation, splits, provenance and the list of shards ([`Index`]);
//! - `SPLIT-NUMBER-IDENTITY.shard`: ids, as [`shard::format`] describes;
//! - `.lock`: locked while prepare is writing.
//!
//! Shards are written under temporary names and renamed when all of them are complete. Then the index, which lists
//! them, is replaced. So the folder holds the old corpus or the new one at any moment.
//!
//! [`exit`] lists the exit codes that all programs of Scrimshaw use.

mod corpus;
mod error;
mod index;
mod permutation;
mod split;
mod streams;
mod tokens;
mod windows;

pub mod exit;
#[doc(hidden)]
pub mod fuzzing;
pub mod inspect;
pub mod prepare;
pub mod shard;

pub use corpus::Corpus;
pub use error::{Error, Result};
pub use index::{Documents, INDEX_FILE, INDEX_VERSION, Index, Inputs, Settings, ShardEntry, SplitEntry, WindowShape};
pub use permutation::Permutation;
pub use split::{Shares, Split, SplitBy};
pub use streams::Streams;
pub use tokens::Tokens;
pub use windows::Windows;
