//! What a recipe leaves open until the text and the machine are known: the size of the network, its dropout, and a batch that
//! fits into a short text.
//!
//! Two numbers decide. *Characters per parameter*: characters that are read in the given time, divided by the parameters of the
//! network; the largest size that is trained on enough of them is taken. *The risk of overfitting*: passes over the text
//! times parameters per character of the text; a network memorises a text the sooner, the larger it is for the text and the
//! more often it reads it. Dropout follows from the risk.

use serde::Deserialize;

use super::definition::{Cut, Recipe};
use super::overrides::{self, Assignment};
use super::settings::DropoutSettings;

/// What a recipe leaves open.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The fields of each size, the smallest first.
    pub(super) sizes: Vec<toml::Table>,
    /// Which of them is likely for the time, before anything is measured.
    pub(super) guess: Option<usize>,
    pub(super) rules: Rules,
    /// What the user has set, which stays.
    pub(super) assignments: Vec<String>,
}

/// `[fitting]` in a recipe's file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Characters that a network has to be trained on for each of its parameters.
    pub characters_per_parameter: f64,
    /// Dropout by the risk of overfitting, in rising order; between two points it is interpolated in the logarithm.
    pub dropout: Vec<Point>,
}

/// Dropout at a risk.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    risk: f64,
    output: f32,
    between: f32,
    recurrent: f32,
}

impl Fit {
    /// Whether the user has set a field, one inside it, or the table that it is in.
    fn is_set(&self, field: &str) -> bool {
        let inside = |inner: &str, outer: &str| inner == outer || inner.starts_with(&format!("{outer}."));
        let paths = self.assignments.iter().filter_map(|assignment| Some(Assignment::parse(assignment).ok()?.path));
        paths.into_iter().any(|path| inside(path, field) || inside(field, path))
    }

    /// The number of sizes to choose from; 0 if the user has set one, or the recipe trains without a time budget.
    pub fn sizes(&self) -> usize {
        let is_set = ["model.hidden", "model.layers"].iter().any(|field| self.is_set(field));
        if is_set || self.guess.is_none() { 0 } else { self.sizes.len() }
    }

    /// The size that is likely for the time, before anything is measured.
    pub fn guess(&self) -> usize {
        self.guess.unwrap_or(0)
    }

    /// Characters that a network has to be trained on for each of its parameters.
    pub fn characters_per_parameter(&self) -> f64 {
        self.rules.characters_per_parameter
    }

    /// A recipe with one of the sizes, and with what goes with it.
    ///
    /// # Errors
    /// A message, if the fields are not those of a recipe.
    pub fn with_size(&self, recipe: &Recipe, size: usize) -> Result<Recipe, String> {
        let mut table = toml::Table::try_from(recipe).map_err(|error| error.to_string())?;
        overrides::overlay(&mut table, self.sizes[size].clone());
        overrides::replace_all(&mut table, &self.assignments)?;
        let mut sized = Recipe::from_table(table)?;
        // "Fastest" has been resolved by now.
        sized.model.precision = recipe.model.precision;
        Ok(sized)
    }

    /// A recipe with the dropout that a risk of overfitting asks for.
    #[must_use]
    pub fn with_dropout(&self, recipe: &Recipe, risk: f64) -> Recipe {
        let at = |field: &str, old: f32, value: fn(&Point) -> f32| {
            if self.is_set(field) { old } else { interpolate(&self.rules.dropout, risk, value) }
        };
        let old = recipe.dropout;
        let between = at("dropout.between", old.between, |point| point.between);
        let dropout = DropoutSettings {
            // A single layer passes nothing on.
            between: if recipe.model.layers == 1 { old.between } else { between },
            output: at("dropout.output", old.output, |point| point.output),
            recurrent: at("dropout.recurrent", old.recurrent, |point| point.recurrent),
            ..old
        };
        Recipe { dropout, ..recipe.clone() }
    }

    /// A recipe with fewer, and if need be shorter, streams, if a text of this many characters is too short for one batch. What
    /// the user has set is left for an error to name.
    #[must_use]
    pub fn shortened(&self, recipe: &Recipe, characters: usize) -> Recipe {
        let mut short = recipe.clone();
        let Cut::Streams(mut streams) = recipe.cut() else { return short };
        let is_set = self.is_set("batch") || self.is_set("streams.time");
        if is_set || characters >= recipe.batch.saturating_add(1).saturating_mul(streams.time) {
            return short;
        }
        short.batch = (characters / streams.time).saturating_sub(1).max(1);
        streams.time = streams.time.min(characters / (short.batch + 1)).max(1);
        short.streams = Some(streams);
        short
    }
}

/// The value at a risk, in hundredths; outside the points, that of the nearest.
fn interpolate(points: &[Point], risk: f64, value: fn(&Point) -> f32) -> f32 {
    let above = points.partition_point(|point| point.risk < risk);
    let exact = match (above.checked_sub(1).map(|below| &points[below]), points.get(above)) {
        (None, None) => 0.0,
        (Some(only), None) | (None, Some(only)) => f64::from(value(only)),
        (Some(below), Some(above)) => {
            let way = (risk / below.risk).ln() / (above.risk / below.risk).ln();
            f64::from(value(below)) * (1.0 - way) + f64::from(value(above)) * way
        }
    };
    ((exact * 100.0).round() / 100.0) as f32
}

impl Rules {
    /// Checks every number against its range.
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.characters_per_parameter.is_nan() || self.characters_per_parameter <= 0.0 {
            return Err("fitting.characters_per_parameter has to be above 0".into());
        }
        let rates = |point: &Point| [point.output, point.between, point.recurrent];
        let sound = |point: &Point| point.risk > 0.0 && rates(point).iter().all(|rate| (0.0..1.0).contains(rate));
        if !self.dropout.iter().all(sound) || !self.dropout.is_sorted_by(|one, other| one.risk < other.risk) {
            return Err("fitting.dropout: risks have to rise from above 0, and rates to be from 0 up to 1".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Request;

    fn fit(minutes: f64, assignments: &[&str]) -> (Recipe, Fit) {
        let overrides = assignments.iter().map(ToString::to_string).collect();
        let request = Request { minutes: Some(minutes), overrides, ..Request::default() };
        (request.resolve().unwrap(), request.fit().unwrap().unwrap())
    }

    #[test]
    fn dropout_rises_with_the_risk_of_overfitting() {
        let (recipe, fit) = fit(3.0, &[]);
        let at = |risk| {
            let DropoutSettings { output, between, recurrent, .. } = fit.with_dropout(&recipe, risk).dropout;
            vec![output, between, recurrent]
        };
        let cases = [
            (0.01, [0.0, 0.0, 0.0]),
            // War and Peace in five minutes: 7.5 million characters by 1.09 million parameters over 2.6 million squared.
            (1.2, [0.1, 0.05, 0.0]),
            // tiny-shakespeare in three minutes, on a machine that is somewhat slower, as fast, or faster.
            (4.0, [0.4, 0.2, 0.0]),
            (5.0, [0.4, 0.2, 0.0]),
            (9.0, [0.4, 0.2, 0.0]),
            // The sea story in three minutes.
            (260.0, [0.6, 0.4, 0.3]),
            (1e9, [0.6, 0.4, 0.3]),
            (f64::INFINITY, [0.6, 0.4, 0.3]),
        ];
        for (risk, expected) in cases {
            assert_eq!(at(risk), expected, "{risk}");
        }
        let rising: Vec<f32> = (0..400).map(|step| at(0.1 * 1.03_f64.powi(step))[0]).collect();
        assert!(rising.is_sorted());
    }

    #[test]
    fn what_is_set_stays() {
        let (recipe, fit) = fit(30.0, &["dropout.output=0.11", "batch=7"]);
        assert_eq!(fit.sizes(), 5);
        let fitted = fit.with_dropout(&fit.with_size(&recipe, 0).unwrap(), 1e9);
        assert_eq!((fitted.dropout.output, fitted.dropout.recurrent, fitted.batch), (0.11, 0.3, 7));
        assert_eq!((fitted.model.hidden, fitted.model.layers), (128, 1));
        assert_eq!(fit.shortened(&fitted, 100), fitted, "an error names the batch");
        for assignment in ["model.hidden=300", "model.layers=3"] {
            assert_eq!(self::fit(30.0, &[assignment]).1.sizes(), 0, "{assignment}");
        }
        let without_time = Request { epochs: Some(3), ..Request::default() };
        assert_eq!(without_time.fit().unwrap().unwrap().sizes(), 0);
        let published = Request { recipe: Some("lecture".into()), ..Request::default() };
        assert_eq!(published.fit().unwrap(), None);
    }

    #[test]
    fn the_likely_size_is_that_of_the_minutes() {
        for minutes in [0.05, 0.7, 3.0, 30.0, 90.0] {
            let (recipe, fit) = fit(minutes, &[]);
            assert_eq!(fit.with_size(&recipe, fit.guess()).unwrap(), recipe, "{minutes}");
        }
    }

    #[test]
    fn a_text_that_is_shorter_than_a_batch_gets_a_smaller_one() {
        let (recipe, fit) = fit(3.0, &[]);
        for characters in [2, 3, 10, 64, 127, 128, 129, 500, 1_087, 1_088, 5_000] {
            let short = fit.shortened(&recipe, characters);
            assert!((short.batch + 1) * short.time() <= characters, "{characters}: {} × {}", short.batch, short.time());
            assert_eq!(short == recipe, characters >= 17 * 64, "{characters}");
        }
    }
}
