//! Settings of a text, checked.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
};

use decoding::{Decoding, Options};
use model_card::{ModelCard, Unit};
use pyo3::prelude::*;
use sampler::Plan;

use crate::error::{Error, exception};

/// Stop texts: one, or any number of them.
#[derive(FromPyObject)]
pub enum Stops {
    #[pyo3(transparent, annotation = "str")]
    One(String),
    #[pyo3(transparent, annotation = "Sequence[str]")]
    Many(Vec<String>),
}

impl Default for Stops {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

/// Settings as Python gives them. Whole numbers may be out of range.
pub struct Settings {
    pub length: i128,
    pub temperature: f32,
    pub top_k: Option<i128>,
    pub top_p: Option<f32>,
    pub min_p: Option<f32>,
    pub repetition_penalty: Option<f32>,
    pub seed: Option<i128>,
    pub stop: Stops,
    pub words: bool,
}

impl Settings {
    /// How a text of a model is written, if every setting is in range.
    pub fn plan(self, py: Python<'_>, card: &ModelCard) -> PyResult<Plan> {
        let options = Options {
            temperature: self.temperature,
            top_k: self.top_k.map(|value| whole("top_k", value)).transpose()?,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            ..Options::default()
        };
        Decoding::new(options.clone()).map_err(|error| exception(py, &error.into()))?;
        let stops = match self.stop {
            Stops::One(stop) => vec![stop],
            Stops::Many(stops) => stops,
        };
        Ok(Plan {
            options,
            length: whole("length", self.length)?,
            words: self.words,
            stops: stops.iter().map(|stop| resolve_stop(card, stop)).collect::<PyResult<_>>()?,
            seed: self.seed.map_or_else(|| Ok(any_seed()), |value| whole("seed", value))?,
            ..Plan::default()
        })
    }
}

/// A number that was not chosen: 32 bits, which are easy to note.
fn any_seed() -> u64 {
    RandomState::new().build_hasher().finish() >> 32
}

/// A whole number of at least zero.
pub fn whole<N: TryFrom<i128>>(name: &str, value: i128) -> PyResult<N> {
    value.try_into().map_err(|_| {
        let bound = if value < 0 { "use 0 or more" } else { "that is too large" };
        Error::new_err(format!("{name}={value} is out of range; {bound}"))
    })
}

/// The normalised stop text. One that the model cannot write is refused.
fn resolve_stop(card: &ModelCard, stop: &str) -> PyResult<String> {
    let text = card.normalisation.apply(stop).into_owned();
    let unit = card.vocabulary.unit();
    let symbols: Vec<u32> = match unit {
        Unit::Char => text.chars().map(u32::from).collect(),
        Unit::Byte => text.bytes().map(u32::from).collect(),
    };
    if symbols.is_empty() {
        return Err(Error::new_err(format!("stop={stop:?} leaves no text to stop at; leave it out")));
    }
    let known = card.vocabulary.symbols();
    let Some(symbol) = symbols.into_iter().find(|symbol| known.binary_search(symbol).is_err()) else {
        return Ok(text);
    };
    let symbol = match (unit, char::from_u32(symbol)) {
        (Unit::Char, Some(character)) => format!("character {character:?} (U+{symbol:04X})"),
        _ => format!("byte {symbol:#04x}"),
    };
    Err(Error::new_err(format!("stop={stop:?} would never stop the text: this model does not write {symbol}")))
}
