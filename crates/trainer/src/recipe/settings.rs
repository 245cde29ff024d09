//! The parts of a recipe. Every field has one unit and one range, which the recipe checks.

use model_card::InputEncoding;
use serde::{Deserialize, Serialize};

/// Sizes of the network, without the vocabulary, which follows from the corpus.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSettings {
    /// Hidden size: H.
    pub hidden: usize,
    /// LSTM layers: L.
    pub layers: usize,
    /// How a token enters the first layer.
    pub input: InputEncoding,
    /// The precision of matrix products in training and in the evaluations during training. Weights are always stored as
    /// 32-bit numbers.
    #[serde(default)]
    pub precision: Precision,
}

/// The precision of matrix products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit operands.
    #[default]
    Float32,
    /// Operands rounded to bfloat16, sums in 32 bits: up to twice as fast if the processor has instructions for it, and
    /// slower otherwise.
    Bfloat16,
    /// The faster of the two on this machine. A run stores which one that was.
    Fastest,
}

impl Precision {
    /// `Fastest` as what it is on this machine; `fused` says whether the fused CPU kernels compute, which alone can round.
    #[must_use]
    pub fn resolved(self, fused: bool) -> Self {
        match self {
            Self::Fastest if fused && lstm::Precision::fastest() == lstm::Precision::BFloat16 => Self::Bfloat16,
            Self::Fastest => Self::Float32,
            named => named,
        }
    }
}

impl From<Precision> for lstm::Precision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Float32 => Self::Float32,
            Precision::Bfloat16 => Self::BFloat16,
            Precision::Fastest => Self::fastest(),
        }
    }
}

/// The text cut into overlapping windows, each read from a zero state to predict the one character after it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowSettings {
    /// Characters in a window: T.
    pub length: usize,
    /// Characters from one window's start to the next one's.
    pub step: usize,
}

/// The text as `batch` long parallel streams, read piece by piece with the state carried on (truncated BPTT); every
/// character is a target.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamSettings {
    /// Characters in a piece, through which gradients flow: T.
    pub time: usize,
    /// Share of the streams whose state is set to zero before a piece, from 0 up to 1, so that the network learns to start
    /// anywhere in a text.
    #[serde(default)]
    pub reset: f64,
}

/// The optimizer and its settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum OptimizerSettings {
    /// `v ← ρ·v + (1 − ρ)·g²`, `w ← w − η·g / (√v + ε)`, from `v = 0` (Hinton, Neural Networks for Machine Learning,
    /// lecture 6e; the place of ε and the zero start are those of TensorFlow 2's Keras).
    RmsProp {
        /// η, above zero.
        learning_rate: f64,
        /// ρ, from 0 up to but not including 1.
        decay: f64,
        /// ε, above zero.
        epsilon: f64,
    },
    /// Adam (Kingma and Ba 2015, algorithm 1), with bias correction.
    Adam {
        /// η, above zero.
        learning_rate: f64,
        /// β₁ and β₂, each from 0 up to but not including 1.
        #[serde(default = "betas")]
        betas: [f64; 2],
        /// ε, above zero, outside the root.
        #[serde(default = "adam_epsilon")]
        epsilon: f64,
    },
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019): `w ← w − η·λ·w` beside Adam's step.
    AdamW {
        /// η, above zero.
        learning_rate: f64,
        /// β₁ and β₂, each from 0 up to but not including 1.
        #[serde(default = "betas")]
        betas: [f64; 2],
        /// ε, above zero, outside the root.
        #[serde(default = "adam_epsilon")]
        epsilon: f64,
        /// λ, at least zero.
        weight_decay: f64,
    },
    /// Stochastic gradient descent with momentum: `m ← μ·m + g`, `w ← w − η·m`.
    Sgd {
        /// η, above zero.
        learning_rate: f64,
        /// μ, from 0 up to but not including 1.
        #[serde(default)]
        momentum: f64,
    },
}

impl OptimizerSettings {
    /// η, which the schedule multiplies.
    pub fn learning_rate(&self) -> f64 {
        match *self {
            Self::RmsProp { learning_rate, .. }
            | Self::Adam { learning_rate, .. }
            | Self::AdamW { learning_rate, .. }
            | Self::Sgd { learning_rate, .. } => learning_rate,
        }
    }
}

fn betas() -> [f64; 2] {
    [0.9, 0.999]
}

fn adam_epsilon() -> f64 {
    1e-8
}

/// Gradient clipping.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClippingSettings {
    /// Limit for the Euclidean norm of all gradients together (Pascanu, Mikolov and Bengio 2013); 0 for none.
    #[serde(default)]
    pub norm: f64,
    /// Limit for the magnitude of each number, applied afterwards; 0 for none.
    #[serde(default)]
    pub value: f64,
}

/// The learning rate schedule. Progress is counted in steps, or in time if the recipe has a time budget.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum ScheduleSettings {
    /// The learning rate stays the same.
    #[default]
    Constant,
    /// Multiplied by `factor` after every `every` epochs once `after` epochs are done.
    Step {
        /// Epochs at the full rate.
        after: usize,
        /// Epochs between two multiplications.
        every: usize,
        /// The factor, from 0 to 1.
        factor: f64,
    },
    /// Linear warm-up to the full rate over the share `warmup` of the training, then down to the share `floor` of it along
    /// half a cosine (Loshchilov and Hutter 2017).
    Cosine {
        /// Share of the training for the warm-up, from 0 up to 1.
        #[serde(default)]
        warmup: f64,
        /// Share of the rate that is left at the end, from 0 to 1.
        #[serde(default)]
        floor: f64,
    },
    /// Multiplied by `factor` when the validation loss (the training loss if nothing is held out) has not fallen for more
    /// than `patience` evaluations.
    Plateau {
        /// Evaluations without improvement that are accepted before the rate is cut.
        patience: usize,
        /// The factor, from 0 to 1.
        factor: f64,
    },
}

/// Dropout probabilities, from 0 up to 1. See [`lstm::Dropout`].
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropoutSettings {
    /// Of the embedded input.
    #[serde(default)]
    pub input: f32,
    /// Of what one layer passes to the next.
    #[serde(default)]
    pub between: f32,
    /// Of what the last layer passes to the dense layer.
    #[serde(default)]
    pub output: f32,
    /// Of the recurrent weights.
    #[serde(default)]
    pub recurrent: f32,
    /// One mask for all time steps of a piece instead of one for each.
    #[serde(default)]
    pub variational: bool,
}

/// The exponential moving average of the weights, which is evaluated, exported and sampled in place of the last weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AverageSettings {
    /// Weight of the old average at a step, from 0 up to 1. At step t it is at most (1 + t) / (10 + t), so that the first
    /// weights are soon forgotten.
    pub decay: f64,
}

/// When the network is evaluated, and when training stops early.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationSettings {
    /// Steps between two evaluations; 0 for one at the end of every epoch.
    #[serde(default)]
    pub steps: usize,
    /// Evaluations without improvement before training stops; 0 for never.
    #[serde(default)]
    pub patience: usize,
}

/// When checkpoints are written, besides the one at every evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointSettings {
    /// Steps between two of them; 0 for none.
    #[serde(default)]
    pub steps: usize,
    /// Minutes between two of them; 0 for none.
    #[serde(default = "minutes")]
    pub minutes: f64,
    /// How many of the last ones are kept, at least 1. The best one is kept too.
    #[serde(default = "keep")]
    pub keep: usize,
}

impl Default for CheckpointSettings {
    fn default() -> Self {
        Self { steps: 0, minutes: minutes(), keep: keep() }
    }
}

fn minutes() -> f64 {
    5.0
}

fn keep() -> usize {
    2
}

/// Samples of what the model writes during training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleSettings {
    /// Characters for each temperature; 0 for no samples.
    pub length: usize,
    /// The sampling temperatures; 0 always takes the most likely character.
    pub temperatures: Vec<f32>,
    /// Evaluations between two samples. There is always one at the end; with 0 there is no other.
    #[serde(default = "one")]
    pub every: usize,
}

fn one() -> usize {
    1
}

/// What is recorded in a run's folder besides its evaluations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordSettings {
    /// Optimizer steps between two lines of `steps.jsonl`; 0 for none.
    #[serde(default = "record_steps")]
    pub steps: usize,
    /// Characters of each sample in `progress.jsonl`, which is taken after steps 1, 2, 4, 8 and so on, and after the last
    /// one; 0 for none.
    #[serde(default = "record_progress")]
    pub progress: usize,
}

impl Default for RecordSettings {
    fn default() -> Self {
        Self { steps: record_steps(), progress: record_progress() }
    }
}

fn record_steps() -> usize {
    10
}

fn record_progress() -> usize {
    100
}
