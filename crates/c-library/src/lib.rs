#![doc = include_str!("../README.md")]
#![expect(unsafe_code, reason = "C passes pointers, and its functions are found by their names")]
#![expect(clippy::missing_safety_doc, reason = "the head of scrimshaw.h says what every pointer must be")]
#![expect(clippy::doc_markdown, reason = "the header shows these comments as they are")]

mod failure;
mod handle;
mod logits;
mod model;
mod options;
mod pointer;
mod score;
mod write;

pub use failure::{Status, scrimshaw_last_error};
pub use handle::Model;
pub use logits::scrimshaw_logits;
pub use model::{scrimshaw_card_json, scrimshaw_close, scrimshaw_open, scrimshaw_open_memory, scrimshaw_version};
pub use options::{Options, scrimshaw_options_default};
pub use score::{ScoreCallback, scrimshaw_score};
pub use write::{TextCallback, scrimshaw_generate};
