//! What training, evaluation and the other tasks tell while they run.
//!
//! A progress bar, plain lines, JSON lines or a test that records are implementations of [`Observer`]; the loop itself
//! prints nothing.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::evaluation::Measured;
use crate::novelty::Novelty;
use crate::records::{LossKind, Metrics, Outcome, ProgressSample, StepRecord, Times};

/// Watches a task. It cannot fail and cannot stop the task; what it cannot print is its own concern.
pub trait Observer {
    /// Takes note of something that happened. Called often, so it should return at once.
    fn observe(&mut self, event: &Event<'_>);
}

/// The observer that ignores everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn observe(&mut self, _event: &Event<'_>) {}
}

/// Something that happened, in the order in which it happens in a run.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event<'e> {
    /// A task that may take more than two seconds goes on. Training itself reports [`Event::Step`] instead.
    Progress {
        /// What is done, as in "verifying the text".
        task: &'static str,
        /// How much of it is done.
        done: u64,
        /// How much there is to do; `None` if that is unknown.
        total: Option<u64>,
    },
    /// The first weights come from a checkpoint.
    Transferred {
        /// The checkpoint.
        checkpoint: &'e Path,
        /// Tokens of the new vocabulary that the checkpoint knows.
        matched: usize,
        /// Tokens of the new vocabulary.
        vocabulary: usize,
    },
    /// A run starts or resumes.
    Started(&'e Announcement),
    /// The run that is resumed has nothing left to train. To train its network further, start another run with
    /// `init_from`.
    AlreadyFinished {
        /// The run's folder.
        run: &'e Path,
        /// Optimizer steps that it took.
        step: usize,
    },
    /// An optimizer step was taken.
    Step(StepRecord),
    /// An evaluation was made.
    Evaluated {
        /// Losses and position.
        metrics: Metrics,
        /// Time and speed.
        times: Times,
        /// Which loss decides what is the best checkpoint.
        decides: LossKind,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Optimizer steps so far.
        step: usize,
        /// The checkpoint's folder.
        path: &'e Path,
    },
    /// What the network wrote on its way was recorded. This is for files and reports: [`Event::Sample`] is what a user asked
    /// to see.
    ProgressSample(&'e ProgressSample),
    /// A piece of sampled text, or of the headings between samples.
    Sample {
        /// The piece, to be shown as it is, without a line break.
        text: &'e str,
    },
    /// Training stopped because the loss stopped improving.
    StoppedEarly {
        /// Evaluations without improvement.
        patience: usize,
        /// The loss that did not improve.
        decides: LossKind,
    },
    /// How much of a sample is copied from the training text.
    Novelty(&'e Novelty),
    /// One split was measured.
    Measured(&'e Measured),
    /// The run is finished.
    Finished(&'e Outcome),
}

/// What is trained, on what, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Announcement {
    /// The run's folder.
    pub run: PathBuf,
    /// The corpus' name.
    pub dataset: String,
    /// Tokens to train on.
    pub training_characters: usize,
    /// Tokens held out for validation; 0 if there are none.
    pub validation_characters: usize,
    /// Tokens in the vocabulary.
    pub vocabulary: usize,
    /// Windows in an epoch, if the recipe cuts the text into windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows: Option<usize>,
    /// The recipe's name.
    pub recipe: String,
    /// Trained numbers in the network.
    pub parameters: usize,
    /// Bytes of memory that training is estimated to need at least.
    pub memory: u64,
    /// Epochs to train, unless the clock decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
    /// Minutes to train, if the clock decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<f64>,
    /// Optimizer steps in an epoch.
    pub steps_per_epoch: usize,
    /// The seed.
    pub seed: u64,
    /// The device: `cpu` or `cuda`.
    pub device: String,
    /// Optimizer steps between two lines of `steps.jsonl`; 0 if there are none.
    pub record_steps: usize,
    /// Optimizer steps that were taken before, if a run is resumed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed_after: Option<usize>,
}
