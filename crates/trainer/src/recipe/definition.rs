//! A recipe: its fields, how it is read, and the range of every number.

use model_card::{Context, ModelSize};
use serde::{Deserialize, Serialize};

use super::overrides::{self, Fit};
use super::settings::{
    AverageSettings, CheckpointSettings, ClippingSettings, DropoutSettings, EvaluationSettings, NetworkSettings,
    OptimizerSettings, RecordSettings, SampleSettings, ScheduleSettings, StreamSettings, WindowSettings,
};
use crate::records::Best;
use crate::{Error, Result};

/// The recipe if none is named.
pub const DEFAULT_RECIPE: &str = "modern";

/// Bound for counts and sizes in a recipe.
const MOST: usize = 1_000_000_000;

/// Bound for other numbers in a recipe.
const LARGEST: f64 = 1e9;

/// The recipes that come with the program, by name.
pub(super) const EMBEDDED: &[(&str, &str)] = &[
    ("modern", include_str!("../../recipes/modern.toml")),
    ("lecture", include_str!("../../recipes/lecture.toml")),
    ("char-rnn", include_str!("../../recipes/char-rnn.toml")),
    ("torch-rnn", include_str!("../../recipes/torch-rnn.toml")),
    ("karpathy-2015", include_str!("../../recipes/karpathy-2015.toml")),
];

/// What to train and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The name under which it is asked for.
    pub name: String,
    /// One line about it.
    pub summary: String,
    /// Passes over the text. If there is a time budget, that decides.
    pub epochs: usize,
    /// Windows or streams in a batch: N.
    pub batch: usize,
    /// Batches whose gradients are added up for one optimizer step.
    #[serde(default = "one")]
    pub accumulate: usize,
    /// Time budget in minutes, which the schedule is fitted into; 0 for none. A recipe's file may have other values for other
    /// budgets: the fields of each `[[fit]]` whose range `minutes = [FROM, BELOW]` contains the budget replace the others.
    #[serde(default)]
    pub minutes: f64,
    /// Sizes of the network, without the vocabulary.
    pub model: NetworkSettings,
    /// The text as windows: this, or `streams`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<WindowSettings>,
    /// The text as streams: this, or `windows`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<StreamSettings>,
    /// The optimizer.
    pub optimizer: OptimizerSettings,
    /// Gradient clipping.
    #[serde(default)]
    pub clipping: ClippingSettings,
    /// The learning rate schedule.
    #[serde(default)]
    pub schedule: ScheduleSettings,
    /// Dropout.
    #[serde(default)]
    pub dropout: DropoutSettings,
    /// The exponential moving average of the weights, if one is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<AverageSettings>,
    /// When the network is evaluated.
    #[serde(default)]
    pub evaluation: EvaluationSettings,
    /// When checkpoints are written.
    #[serde(default)]
    pub checkpoints: CheckpointSettings,
    /// Samples during training.
    pub samples: SampleSettings,
    /// What is recorded besides the evaluations.
    #[serde(default)]
    pub records: RecordSettings,
}

fn one() -> usize {
    1
}

/// How the text is cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cut {
    /// Into windows, one target each.
    Windows(WindowSettings),
    /// Into streams, every character a target.
    Streams(StreamSettings),
}

impl Recipe {
    /// The recipe of that name.
    pub fn named(name: &str) -> Result<Self> {
        Self::with_overrides(name, &[])
    }

    /// The recipe of that name with some fields replaced, each given as `FIELD=VALUE`, the value as TOML has it
    /// (`optimizer.learning_rate=0.001`); a word that is not TOML counts as a string.
    pub fn with_overrides(name: &str, assignments: &[String]) -> Result<Self> {
        let Some((_, text)) = EMBEDDED.iter().find(|(known, _)| *known == name) else {
            let names = || EMBEDDED.iter().map(|(known, _)| *known);
            let nearest = overrides::nearest(name, names()).map(|nearest| format!("; did you mean {nearest:?}?"));
            let known = names().collect::<Vec<_>>().join(", ") + &nearest.unwrap_or_default();
            return Err(Error::UnknownRecipe { name: name.into(), known });
        };
        Self::from_toml(name, text, assignments)
    }

    /// Reads a recipe; `name` is for the messages.
    pub fn from_toml(name: &str, text: &str, assignments: &[String]) -> Result<Self> {
        let complain = |message: String| Error::Recipe { name: name.into(), message };
        let mut table: toml::Table = toml::from_str(text).map_err(|error| complain(error.to_string()))?;
        let fits = overrides::take_fits(&mut table).map_err(complain)?;
        // Assignments can change the minutes, which choose the fits; and assignments win over fits.
        let mut assigned = table.clone();
        overrides::replace_all(&mut assigned, assignments).map_err(complain)?;
        let minutes = overrides::minutes(&assigned);
        for Fit { fields, .. } in fits.into_iter().filter(|fit| minutes > 0.0 && fit.covers(minutes)) {
            overrides::overlay(&mut table, fields);
        }
        overrides::replace_all(&mut table, assignments).map_err(complain)?;
        Self::from_table(table).map_err(complain)
    }

    pub(super) fn from_table(table: toml::Table) -> std::result::Result<Self, String> {
        let table = toml::Value::Table(table);
        let recipe: Self = serde_path_to_error::deserialize(table).map_err(|error| overrides::explain(&error))?;
        recipe.validate()?;
        Ok(recipe)
    }

    /// Every recipe that comes with the program.
    pub fn all() -> Result<Vec<Self>> {
        EMBEDDED.iter().map(|(name, text)| Self::from_toml(name, text, &[])).collect()
    }

    /// The network's sizes for a vocabulary of this many tokens.
    pub fn model_size(&self, vocabulary: usize) -> ModelSize {
        let NetworkSettings { hidden, layers, input, .. } = self.model;
        ModelSize { vocabulary, hidden, layers, input }
    }

    /// How the text is cut.
    ///
    /// # Panics
    /// Never for a recipe that was read: reading checks that it has one of the two.
    pub fn cut(&self) -> Cut {
        match (self.windows, self.streams) {
            (Some(windows), _) => Cut::Windows(windows),
            (None, Some(streams)) => Cut::Streams(streams),
            (None, None) => unreachable!("a recipe has windows or streams"),
        }
    }

    /// Time steps of a batch: T.
    pub fn time(&self) -> usize {
        match self.cut() {
            Cut::Windows(windows) => windows.length,
            Cut::Streams(streams) => streams.time,
        }
    }

    /// What a model trained in this way expects to have seen.
    pub fn context(&self) -> Context {
        match self.cut() {
            Cut::Windows(windows) => Context::Window { length: windows.length },
            Cut::Streams(_) => Context::Stateful,
        }
    }

    /// Whether training stops early after this best evaluation.
    pub fn patience_has_ended(&self, best: Option<Best>) -> bool {
        let patience = self.evaluation.patience;
        patience > 0 && best.is_some_and(|best| best.waited >= patience)
    }

    /// Checks every number against its range.
    pub(crate) fn validate(&self) -> std::result::Result<(), String> {
        let at_least_one = [
            ("epochs", self.epochs),
            ("batch", self.batch),
            ("accumulate", self.accumulate),
            ("model.hidden", self.model.hidden),
            ("model.layers", self.model.layers),
            ("model.input.size", self.model_size(1).embedding_size().unwrap_or(1)),
            ("windows.length", self.windows.map_or(1, |windows| windows.length)),
            ("windows.step", self.windows.map_or(1, |windows| windows.step)),
            ("streams.time", self.streams.map_or(1, |streams| streams.time)),
            ("checkpoints.keep", self.checkpoints.keep),
        ];
        for (field, value) in at_least_one {
            whole(field, value, 1)?;
        }
        let at_least_zero = [
            ("evaluation.steps", self.evaluation.steps),
            ("evaluation.patience", self.evaluation.patience),
            ("checkpoints.steps", self.checkpoints.steps),
            ("samples.length", self.samples.length),
            ("samples.every", self.samples.every),
            ("records.steps", self.records.steps),
            ("records.progress", self.records.progress),
        ];
        for (field, value) in at_least_zero {
            whole(field, value, 0)?;
        }
        match (self.windows, self.streams) {
            (Some(_), Some(_)) => return Err("it has [windows] and [streams]: a text is cut in one way".into()),
            (None, None) => return Err("it has neither [windows] nor [streams]: say how the text is cut".into()),
            _ => {}
        }
        self.validate_optimizer()?;
        let DropoutSettings { input, between, output, recurrent, .. } = self.dropout;
        for (field, rate) in [("input", input), ("between", between), ("output", output), ("recurrent", recurrent)] {
            within(&format!("dropout.{field}"), f64::from(rate), 0.0..1.0)?;
        }
        if let Some(StreamSettings { reset, .. }) = self.streams {
            within("streams.reset", reset, 0.0..1.0)?;
        }
        if let Some(AverageSettings { decay }) = self.average {
            within("average.decay", decay, 0.0..1.0)?;
        }
        for temperature in &self.samples.temperatures {
            within("samples.temperatures", f64::from(*temperature), 0.0..LARGEST)?;
        }
        for (field, value) in [
            ("minutes", self.minutes),
            ("clipping.norm", self.clipping.norm),
            ("clipping.value", self.clipping.value),
            ("checkpoints.minutes", self.checkpoints.minutes),
        ] {
            within(field, value, 0.0..LARGEST)?;
        }
        self.validate_schedule()
    }

    fn validate_schedule(&self) -> std::result::Result<(), String> {
        match self.schedule {
            ScheduleSettings::Constant => Ok(()),
            ScheduleSettings::Step { after, every, factor } => {
                whole("schedule.after", after, 0)?;
                whole("schedule.every", every, 1)?;
                share("schedule.factor", factor)
            }
            ScheduleSettings::Plateau { patience, factor } => {
                whole("schedule.patience", patience, 0)?;
                share("schedule.factor", factor)
            }
            ScheduleSettings::Cosine { warmup, floor } => {
                within("schedule.warmup", warmup, 0.0..1.0)?;
                share("schedule.floor", floor)
            }
        }
    }

    fn validate_optimizer(&self) -> std::result::Result<(), String> {
        positive("optimizer.learning_rate", self.optimizer.learning_rate())?;
        match self.optimizer {
            OptimizerSettings::RmsProp { decay, epsilon, .. } => {
                within("optimizer.decay", decay, 0.0..1.0)?;
                positive("optimizer.epsilon", epsilon)
            }
            OptimizerSettings::Adam { betas, epsilon, .. } | OptimizerSettings::AdamW { betas, epsilon, .. } => {
                betas.into_iter().try_for_each(|beta| within("optimizer.betas", beta, 0.0..1.0))?;
                if let OptimizerSettings::AdamW { weight_decay, .. } = self.optimizer {
                    within("optimizer.weight_decay", weight_decay, 0.0..LARGEST)?;
                }
                positive("optimizer.epsilon", epsilon)
            }
            OptimizerSettings::Sgd { momentum, .. } => within("optimizer.momentum", momentum, 0.0..1.0),
        }
    }
}

fn whole(field: &str, value: usize, least: usize) -> std::result::Result<(), String> {
    if (least..=MOST).contains(&value) {
        Ok(())
    } else {
        Err(format!("{field} is {value}, and has to be from {least} to {MOST}"))
    }
}

fn positive(field: &str, value: f64) -> std::result::Result<(), String> {
    if value > 0.0 && value < LARGEST {
        Ok(())
    } else {
        Err(format!("{field} is {value}, and has to be above 0 and below {LARGEST}"))
    }
}

fn within(field: &str, value: f64, range: std::ops::Range<f64>) -> std::result::Result<(), String> {
    if range.contains(&value) {
        Ok(())
    } else {
        Err(format!("{field} is {value}, and has to be at least {} and below {}", range.start, range.end))
    }
}

fn share(field: &str, value: f64) -> std::result::Result<(), String> {
    if (0.0..=1.0).contains(&value) { Ok(()) } else { Err(format!("{field} is {value}, and has to be from 0 to 1")) }
}
