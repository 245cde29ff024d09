//! Settings of a text, checked.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
};

use decoding::{Decoding, Options};
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
    /// How a text is written, if every setting is in range. The stop texts are as Python gives them.
    pub fn plan(self, py: Python<'_>) -> PyResult<Plan> {
        let options = Options {
            temperature: self.temperature,
            top_k: self.top_k.map(|value| whole("top_k", value)).transpose()?,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            ..Options::default()
        };
        Decoding::new(options.clone()).map_err(|error| exception(py, &error.into()))?;
        Ok(Plan {
            options,
            length: whole("length", self.length)?,
            words: self.words,
            stops: match self.stop {
                Stops::One(stop) => vec![stop],
                Stops::Many(stops) => stops,
            },
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
