//! Text of any size to memory-mapped shards of token ids, and views over them.
//!
//! [`prepare`](prepare::prepare) reads files, folders or standard input twice, in constant memory and on all cores: once
//! to count what occurs, once to write the ids of it. [`Corpus::open`] maps the result; [`Tokens`], [`Windows`],
//! [`Streams`] and [`Permutation`] read from it by position, so that a text of any size and any number of windows cost
//! no memory. The binary `corpus` is this crate for the shell.
//!
//! This crate knows of files and of the vocabulary; it knows nothing of tensors, networks or training.
//!
//! ```
//! use std::sync::atomic::AtomicBool;
//! use corpus::prepare::{Options, prepare};
//! use corpus::{Corpus, Permutation, Split, Windows};
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
//! let training = corpus.split(Split::Train).expect("there is always one");
//! let windows = Windows::new(training, 40, 3);
//! let mut window = [0; 40];
//! for index in Permutation::new(windows.len(), 7).iter() {
//!     windows.window(index, &mut window); // (T)
//!     let _next = windows.target(index);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What lies in a folder
//!
//! - `index.json`: vocabulary, normalisation, splits, provenance and the list of shards ([`Index`]);
//! - `SPLIT-NUMBER-RUN.shard`: ids, as [`shard::format`] lays them out;
//! - `.lock`: held while a prepare is at work.
//!
//! Shards are written under temporary names, named once all of them are whole, and listed by an index that is replaced
//! last: a folder holds the old corpus or the new one, whatever happens in between.
//!
//! The exit codes of the binary, which the other programs of Scrimshaw share, are in [`exit`].

mod corpus;
mod error;
mod index;
mod permutation;
mod split;
mod streams;
mod tokens;
mod windows;

pub mod exit;
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
