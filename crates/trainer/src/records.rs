//! What a run records of itself: one line of JSON each in the run's folder.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One line of `steps.jsonl`: an optimizer step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Optimizer steps so far, this one counted.
    pub step: usize,
    /// Mean loss of the step's batches before the step, in nats per character.
    pub loss: f64,
    /// Euclidean norm of all gradients together, before clipping.
    pub gradient_norm: f64,
    /// The learning rate that the step was taken with.
    pub learning_rate: f64,
    /// Seconds that the step took.
    pub seconds: f64,
    /// Characters predicted in training so far.
    pub characters: u64,
    /// Share of the training that is done, from 0 to 1.
    pub done: f64,
    /// Seconds of training so far, over all sessions.
    pub elapsed: f64,
}

/// One line of `metrics.jsonl`: an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Optimizer steps so far.
    pub step: usize,
    /// Mean training loss since the evaluation before, in nats per character. Each target counts with the weights of its
    /// step: the figure that Keras prints.
    pub train_loss: f64,
    /// Loss on the validation split, in nats per character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_loss: Option<f64>,
    /// The last step's learning rate.
    pub learning_rate: f64,
    /// Characters predicted in training so far.
    pub characters: u64,
}

impl Metrics {
    /// The loss that decides what is the best checkpoint, when training stops early and when a plateau schedule cuts the
    /// learning rate.
    pub fn deciding_loss(&self) -> f64 {
        self.validation_loss.unwrap_or(self.train_loss)
    }

    /// Which loss that is.
    pub fn decides(&self) -> LossKind {
        if self.validation_loss.is_some() { LossKind::Validation } else { LossKind::Training }
    }
}

/// Which loss is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LossKind {
    /// The loss on the validation split.
    Validation,
    /// The loss on the text that is trained on, if nothing is held out.
    Training,
}

impl LossKind {
    /// `validation` or `training`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Validation => "validation",
            Self::Training => "training",
        }
    }
}

/// One line of `times.jsonl`: the time of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// Optimizer steps so far.
    pub step: usize,
    /// Seconds of training so far, over all sessions, evaluations and samples included.
    pub elapsed: f64,
    /// Characters per second since the evaluation before.
    pub speed: f64,
}

/// One line of `progress.jsonl`: what the network wrote on its way. All samples of a run continue the same prompt and draw
/// from the same random seed, so they differ only in what the network has learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProgressSample {
    /// The epoch of the step, from 1.
    pub epoch: usize,
    /// Optimizer steps so far, this one counted.
    pub step: usize,
    /// Mean training loss of the step's batches before the step, in nats per character.
    pub loss: f64,
    /// Loss on the validation split, in nats per character, if it was measured after this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_loss: Option<f64>,
    /// Seconds of training so far, over all sessions: the only field that depends on the clock.
    pub elapsed: f64,
    /// The sampling temperature.
    pub temperature: f32,
    /// The prompt: a piece of the training text. A boundary between documents is a line break.
    pub prompt: String,
    /// What the network wrote after it.
    pub text: String,
}

/// The evaluation with the lowest validation loss (the lowest training loss if nothing is held out).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Optimizer steps at that evaluation, which name its checkpoint.
    pub step: usize,
    /// The loss, in nats per character.
    pub loss: f64,
    /// Evaluations since then.
    #[serde(default)]
    pub waited: usize,
}

impl Best {
    /// The best evaluation after one more.
    pub fn after(best: Option<Self>, step: usize, loss: f64) -> Self {
        match best {
            Some(best) if best.loss <= loss => Self { waited: best.waited + 1, ..best },
            _ => Self { step, loss, waited: 0 },
        }
    }
}

/// What a training leaves behind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The run's folder.
    pub run: PathBuf,
    /// The checkpoint to use: the best one.
    pub checkpoint: PathBuf,
    /// Trained numbers in the network.
    pub parameters: usize,
    /// Seconds of training, over all sessions.
    pub elapsed: f64,
    /// The best evaluation's loss, in nats per character.
    pub best_loss: Option<f64>,
    /// Which loss that is.
    pub decides: LossKind,
    /// Whether there was nothing left to train.
    pub already_finished: bool,
    /// The last evaluation.
    #[serde(flatten)]
    pub metrics: Option<Metrics>,
}
