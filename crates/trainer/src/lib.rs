//! Trains a character LSTM on prepared shards, and measures it.
//!
//! [`train`] starts a run or resumes one, [`evaluate`] measures how well a checkpoint predicts a text, [`novelty()`] says
//! how much of what it writes is copied from its training text, and [`import()`] makes a checkpoint of a PyTorch module.
//! A [`recipe::Recipe`] says what to train and how. [`runs`] finds what was trained.
//!
//! The crate prints nothing. Everything that happens is told to an [`Observer`] as an [`Event`]. It does not know
//! command lines, terminals, ONNX or how a text became shards.
//!
//! ```no_run
//! use std::sync::atomic::AtomicBool;
//! use trainer::recipe::Request;
//! use trainer::{DeviceName, NewRun, RunName, Silent, TrainConfig, train};
//!
//! let request = Request { recipe: Some("lecture".into()), epochs: Some(5), ..Request::default() };
//! let new = NewRun {
//!     shards: "artifacts/tale/shards".into(),
//!     runs: "artifacts/tale/runs".into(),
//!     name: RunName::Numbered("lecture".into()),
//!     recipe: request.resolve()?,
//!     fit: request.fit()?,
//!     device: DeviceName::Auto,
//!     seed: 1,
//!     init_from: None,
//! };
//! let outcome = train(&TrainConfig::New(Box::new(new)), &mut Silent, &AtomicBool::new(false))?;
//! println!("{}", outcome.checkpoint.display());
//! # Ok::<(), trainer::Error>(())
//! ```

mod average;
mod batches;
mod clock;
mod corpora;
mod device;
mod error;
mod estimate;
mod fitting;
mod optimizer;
mod plan;
mod randomness;
mod records;
mod run;
mod samples;
mod schedule;
mod session;
mod tasks;
mod timing;
mod training;
mod transfer;

pub mod checkpoint;
pub mod dynamic;
pub mod evaluation;
#[doc(hidden)]
pub mod fuzzing;
pub mod history;
pub mod import;
pub mod novelty;
pub mod observer;
pub mod recipe;
pub mod runs;

pub use clock::{Clock, SystemClock};
pub use device::DeviceName;
pub use error::{Error, Result};
pub use estimate::{Estimate, estimate};
pub use evaluation::{Measured, Protocol, Score};
pub use fitting::{Fitted, TriedSize};
pub use history::History;
pub use observer::{Announcement, Event, Observer, Silent};
pub use plan::{Pace, Plan, Plans};
pub use records::{Best, LossKind, Metrics, Outcome, ProgressSample, StepRecord, Times};
pub use run::RunConfig;
pub use tasks::evaluate::{EvaluateConfig, evaluate};
pub use tasks::fit::{FitText, fit};
pub use tasks::import::{ImportConfig, ImportTarget, import};
pub use tasks::novelty::{NoveltyConfig, NoveltySource, novelty};
pub use tasks::pairing::Pairing;
pub use tasks::train::{NewRun, Repeat, Resume, RunName, TrainConfig, check, train, train_by};
