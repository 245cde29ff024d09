//! The parts of a recipe. Every field has one unit and one range, checked by [`super::Recipe`].

use model_card::InputEncoding;
use serde::{Deserialize, Serialize};

/// Sizes of the network, but for the vocabulary, which the corpus gives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSettings {
    /// Hidden size: H.
    pub hidden: usize,
    /// LSTM layers: L.
    pub layers: usize,
    /// How a token enters the first layer.
    pub input: InputEncoding,
    /// How training multiplies; the weights themselves are 32-bit always.
    #[serde(default)]
    pub precision: Precision,
}

/// How training multiplies matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit operands.
    #[default]
    Float32,
    /// Operands rounded to bfloat16, sums in 32 bits: up to twice as fast where the processor has instructions for it, and
    /// slower elsewhere.
    Bfloat16,
    /// bfloat16 where the processor has instructions for it, 32 bits elsewhere.
    Fastest,
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

/// The text as `batch` long streams side by side, read piece by piece with the state carried on (truncated BPTT); every
/// character is a target.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamSettings {
    /// Characters of a piece: T, through which gradients flow.
    pub time: usize,
    /// Share of the streams whose state is forgotten before a piece, from 0 up to 1, so that the network learns to start
    /// anywhere.
    #[serde(default)]
    pub reset: f64,
}

/// The optimiser and its settings.
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
    /// η as the recipe has it; the schedule multiplies it.
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

/// How gradients are held down before the optimiser sees them.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClippingSettings {
    /// The largest Euclidean norm of all gradients together (Pascanu, Mikolov and Bengio 2013); 0 for none.
    #[serde(default)]
    pub norm: f64,
    /// The largest magnitude of each number, after that; 0 for none.
    #[serde(default)]
    pub value: f64,
}

/// What becomes of the learning rate. Progress is counted in steps, or in time where the run has a time budget.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum ScheduleSettings {
    /// It stays.
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
    /// Up to the full rate over the share `warmup` of the training, then down to the share `floor` of it along half a
    /// cosine (Loshchilov and Hutter 2017).
    Cosine {
        /// Share of the training that warms up, from 0 up to 1.
        #[serde(default)]
        warmup: f64,
        /// Share of the rate that is left at the end, from 0 to 1.
        #[serde(default)]
        floor: f64,
    },
    /// Multiplied by `factor` when the validation loss has not fallen for `patience` evaluations.
    Plateau {
        /// Evaluations without progress that are borne.
        patience: usize,
        /// The factor, from 0 to 1.
        factor: f64,
    },
}

/// What each step leaves out at random: rates from 0 up to 1. See [`lstm::Dropout`].
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropoutSettings {
    /// Of the embedded input.
    #[serde(default)]
    pub input: f32,
    /// Of what one layer hands to the next.
    #[serde(default)]
    pub between: f32,
    /// Of what the last layer hands to the dense layer.
    #[serde(default)]
    pub output: f32,
    /// Of the recurrent weights.
    #[serde(default)]
    pub recurrent: f32,
    /// One mask for all time steps of a piece, rather than one for each.
    #[serde(default)]
    pub variational: bool,
}

/// The running mean of the weights that is evaluated, exported and sampled from in place of the last ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AverageSettings {
    /// How much of the mean stays at a step, from 0 up to 1; at step t it is at most (1 + t) / (10 + t), so that the first
    /// weights are soon forgotten.
    pub decay: f64,
}

/// When the validation split is read, and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationSettings {
    /// Steps between two evaluations; 0 for one at the end of every epoch.
    #[serde(default)]
    pub steps: usize,
    /// Evaluations without a better validation loss after which training stops; 0 for never.
    #[serde(default)]
    pub patience: usize,
}

/// When checkpoints are written beside the one at every evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointSettings {
    /// Steps between two of them; 0 for none.
    #[serde(default)]
    pub steps: usize,
    /// Minutes between two of them; 0 for none.
    #[serde(default = "minutes")]
    pub minutes: f64,
    /// How many of the last ones stay, at least 1; the best one stays too.
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

/// What the model writes while it learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleSettings {
    /// Characters for each temperature; 0 writes nothing.
    pub length: usize,
    /// The temperatures, each sampled from the same seed excerpt.
    pub temperatures: Vec<f32>,
    /// Evaluations between two print-outs; there is one at the end in any case, and with 0 no other.
    #[serde(default = "one")]
    pub every: usize,
}

fn one() -> usize {
    1
}
