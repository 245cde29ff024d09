//! What to train and how, as a small TOML file.

mod settings;
#[cfg(test)]
mod tests;

use model_card::{Context, ModelSize};
use serde::{Deserialize, Serialize};

pub use settings::{
    AverageSettings, CheckpointSettings, ClippingSettings, DropoutSettings, EvaluationSettings, NetworkSettings,
    OptimizerSettings, Precision, SampleSettings, ScheduleSettings, StreamSettings, WindowSettings,
};

use crate::{Error, Result};

/// The recipes that come with the program, by name.
const EMBEDDED: &[(&str, &str)] = &[
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
    /// Passes over the text; where there is a time budget, that decides.
    pub epochs: usize,
    /// Windows or streams in a batch: N.
    pub batch: usize,
    /// Batches whose gradients are added up for one step of the optimiser.
    #[serde(default = "one")]
    pub accumulate: usize,
    /// Minutes of training, into which the schedule is fitted; 0 for none. A recipe's file may have other fields for other
    /// times: each `[[fit]]` whose range `minutes = [FROM, BELOW]` has these minutes in it is laid over the rest.
    #[serde(default)]
    pub minutes: f64,
    /// Sizes of the network, but for the vocabulary.
    pub model: NetworkSettings,
    /// The text as windows: this, or `streams`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<WindowSettings>,
    /// The text as streams: this, or `windows`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<StreamSettings>,
    /// How the weights follow the gradients.
    pub optimizer: OptimizerSettings,
    /// How gradients are held down.
    #[serde(default)]
    pub clipping: ClippingSettings,
    /// What becomes of the learning rate.
    #[serde(default)]
    pub schedule: ScheduleSettings,
    /// What is left out at random.
    #[serde(default)]
    pub dropout: DropoutSettings,
    /// The running mean of the weights, if one is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<AverageSettings>,
    /// When the validation split is read.
    #[serde(default)]
    pub evaluation: EvaluationSettings,
    /// When checkpoints are written.
    #[serde(default)]
    pub checkpoints: CheckpointSettings,
    /// What the model writes while it learns.
    pub samples: SampleSettings,
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
    pub fn with_overrides(name: &str, overrides: &[String]) -> Result<Self> {
        let Some((_, text)) = EMBEDDED.iter().find(|(known, _)| *known == name) else {
            let known = EMBEDDED.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ");
            return Err(Error::UnknownRecipe { name: name.into(), known });
        };
        Self::from_toml(name, text, overrides)
    }

    /// Reads a recipe; `name` is for the messages.
    pub fn from_toml(name: &str, text: &str, overrides: &[String]) -> Result<Self> {
        let complain = |message: String| Error::Recipe { name: name.into(), message };
        let mut table: toml::Table = toml::from_str(text).map_err(|error| complain(error.to_string()))?;
        let fits = take_fits(&mut table).map_err(complain)?;
        let replaced = |mut table: toml::Table| -> std::result::Result<toml::Table, String> {
            overrides.iter().try_for_each(|assignment| replace(&mut table, assignment))?;
            Ok(table)
        };
        // The minutes that count are those after the overrides, and the overrides those after the fit.
        let minutes = minutes(&replaced(table.clone()).map_err(complain)?);
        for Fit { fields, .. } in fits.into_iter().filter(|fit| minutes > 0.0 && fit.covers(minutes)) {
            lay_over(&mut table, fields);
        }
        let table = replaced(table).map_err(complain)?;
        let recipe: Self =
            serde_path_to_error::deserialize(toml::Value::Table(table)).map_err(|error| complain(explain(&error)))?;
        recipe.validate().map_err(complain)?;
        Ok(recipe)
    }

    /// Every recipe that comes with the program.
    pub fn all() -> Result<Vec<Self>> {
        EMBEDDED.iter().map(|(name, text)| Self::from_toml(name, text, &[])).collect()
    }

    /// The network's sizes for a vocabulary of so many tokens.
    pub fn model_size(&self, vocabulary: usize) -> ModelSize {
        let NetworkSettings { hidden, layers, input, .. } = self.model;
        ModelSize { vocabulary, hidden, layers, input }
    }

    /// How the text is cut.
    ///
    /// # Panics
    /// Never for a recipe that was read: it was checked to have one of the two.
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

    /// What a model so trained expects to have seen.
    pub fn context(&self) -> Context {
        match self.cut() {
            Cut::Windows(windows) => Context::Window { length: windows.length },
            Cut::Streams(_) => Context::Stateful,
        }
    }

    fn validate(&self) -> std::result::Result<(), String> {
        let at_least_one = [
            ("batch", self.batch),
            ("accumulate", self.accumulate),
            ("model.hidden", self.model.hidden),
            ("model.layers", self.model.layers),
            ("model.input.size", self.model_size(1).input_size(0)),
            ("windows.length", self.windows.map_or(1, |windows| windows.length)),
            ("windows.step", self.windows.map_or(1, |windows| windows.step)),
            ("streams.time", self.streams.map_or(1, |streams| streams.time)),
            ("checkpoints.keep", self.checkpoints.keep),
        ];
        if let Some((field, _)) = at_least_one.iter().find(|(_, value)| *value == 0) {
            return Err(format!("{field} is 0, and has to be at least 1"));
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
        match self.schedule {
            ScheduleSettings::Constant => Ok(()),
            ScheduleSettings::Step { every: 0, .. } => Err("schedule.every is 0, and has to be at least 1".into()),
            ScheduleSettings::Step { factor, .. } | ScheduleSettings::Plateau { factor, .. } => {
                share("schedule.factor", factor)
            }
            ScheduleSettings::Cosine { warmup, floor } => {
                within("schedule.warmup", warmup, 0.0..1.0)?;
                share("schedule.floor", floor)
            }
        }?;
        for (field, value) in [
            ("minutes", self.minutes),
            ("clipping.norm", self.clipping.norm),
            ("clipping.value", self.clipping.value),
            ("checkpoints.minutes", self.checkpoints.minutes),
        ] {
            within(field, value, 0.0..f64::INFINITY)?;
        }
        Ok(())
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
                    within("optimizer.weight_decay", weight_decay, 0.0..f64::INFINITY)?;
                }
                positive("optimizer.epsilon", epsilon)
            }
            OptimizerSettings::Sgd { momentum, .. } => within("optimizer.momentum", momentum, 0.0..1.0),
        }
    }
}

fn positive(field: &str, value: f64) -> std::result::Result<(), String> {
    if value > 0.0 && value.is_finite() {
        Ok(())
    } else {
        Err(format!("{field} is {value}, and has to be a number above 0"))
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

/// Fields that are other ones where the time budget lies in a range: `[[fit]]` in a recipe's file.
#[derive(Deserialize)]
struct Fit {
    /// From so many minutes on, and below so many.
    minutes: [f64; 2],
    #[serde(flatten)]
    fields: toml::Table,
}

impl Fit {
    fn covers(&self, minutes: f64) -> bool {
        (self.minutes[0]..self.minutes[1]).contains(&minutes)
    }
}

fn take_fits(table: &mut toml::Table) -> std::result::Result<Vec<Fit>, String> {
    let Some(fits) = table.remove("fit") else { return Ok(vec![]) };
    fits.try_into().map_err(|error: toml::de::Error| format!("fit: {}", error.message()))
}

/// The minutes of a recipe's table; 0 where there are none, or what stands there is refused later.
fn minutes(table: &toml::Table) -> f64 {
    match table.get("minutes") {
        Some(toml::Value::Float(minutes)) => *minutes,
        Some(toml::Value::Integer(minutes)) => *minutes as f64,
        _ => 0.0,
    }
}

/// Replaces the fields of a table by those that another one has, down to single values.
fn lay_over(table: &mut toml::Table, other: toml::Table) {
    for (name, value) in other {
        match (table.get_mut(&name), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => lay_over(below, above),
            (_, value) => drop(table.insert(name, value)),
        }
    }
}

/// Puts `FIELD=VALUE` into a table; tables on the way are made where they are missing.
fn replace(table: &mut toml::Table, assignment: &str) -> std::result::Result<(), String> {
    let Some((path, value)) = assignment.split_once('=') else {
        return Err(format!("{assignment:?} sets nothing: write FIELD=VALUE, as in optimizer.learning_rate=0.001"));
    };
    let (path, value) = (path.trim(), value.trim());
    let value = match toml::from_str::<toml::Table>(&format!("value = {value}")) {
        Ok(mut parsed) => parsed.remove("value").ok_or_else(|| format!("{assignment:?} has no value"))?,
        Err(_) => toml::Value::String(value.into()),
    };
    let (tables, field) = path.rsplit_once('.').map_or((None, path), |(tables, field)| (Some(tables), field));
    let mut place = &mut *table;
    for name in tables.into_iter().flat_map(|tables| tables.split('.')) {
        let entry = place.entry(name).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        place = entry.as_table_mut().ok_or_else(|| format!("{path}: {name} is a value, and holds no fields"))?;
    }
    if field == "kind" {
        // Another kind has other fields: those of the old one would only be refused.
        place.clear();
    }
    place.insert(field.into(), value);
    // A text is cut in one way: naming one takes the other's place.
    match path.split('.').next() {
        Some("windows") => table.remove("streams"),
        Some("streams") => table.remove("windows"),
        _ => None,
    };
    Ok(())
}

/// What is wrong, with the field's place and, for an unknown one, the nearest that exists.
fn explain(error: &serde_path_to_error::Error<toml::de::Error>) -> String {
    let message = error.inner().message();
    let path = error.path().to_string();
    let place = if path == "." { String::new() } else { format!("{path}: ") };
    let mut quoted = message.split('`').skip(1).step_by(2);
    let nearest = message.starts_with("unknown ").then(|| quoted.next()).flatten().and_then(|unknown| {
        quoted.max_by(|one, other| strsim::jaro_winkler(unknown, one).total_cmp(&strsim::jaro_winkler(unknown, other)))
    });
    match nearest {
        Some(nearest) => format!("{place}{message}; did you mean `{nearest}`?"),
        None => format!("{place}{message}"),
    }
}
