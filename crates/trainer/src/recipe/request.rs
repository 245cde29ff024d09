//! What a user asks for: a recipe and the changes to it. Nothing that is not named counts.

use super::definition::{DEFAULT_RECIPE, Recipe};
use super::fit::Fit;
use super::overrides;
use super::settings::Precision;
use crate::{Error, Result};

/// A recipe and changes to it, as a user names them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// The recipe's name; [`DEFAULT_RECIPE`] if `None`.
    pub recipe: Option<String>,
    /// Fields and values, as in `optimizer.learning_rate=0.001`, in any order.
    pub overrides: Vec<String>,
    /// Passes over the text, instead of the recipe's and without its time budget.
    pub epochs: Option<usize>,
    /// Time budget in minutes, instead of the recipe's epochs or budget.
    pub minutes: Option<f64>,
    /// Characters to sample at each temperature, instead of the recipe's; 0 for none.
    pub sample_length: Option<usize>,
}

/// A field that a run was begun with other than a user asks for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The field; `recipe` for the recipe as a whole.
    pub field: String,
    /// What the run was begun with.
    pub begun: String,
    /// What is asked for.
    pub asked: String,
    /// The option that asks for it.
    pub option: String,
}

impl Request {
    /// The recipe with all changes.
    ///
    /// # Errors
    /// [`Error::UnknownRecipe`], or [`Error::Recipe`] if a field is unknown or out of range.
    pub fn resolve(&self) -> Result<Recipe> {
        Recipe::with_overrides(self.name(), &self.assignments()?)
    }

    /// What the recipe leaves open until the text and the machine are known; `None` if nothing.
    ///
    /// # Errors
    /// Those of [`Request::resolve`].
    pub fn fit(&self) -> Result<Option<Fit>> {
        Recipe::read_named(self.name(), &self.assignments()?).map(|(_, fit)| fit)
    }

    fn name(&self) -> &str {
        self.recipe.as_deref().unwrap_or(DEFAULT_RECIPE)
    }

    /// All changes as assignments.
    fn assignments(&self) -> Result<Vec<String>> {
        let complain = |message: &str| Error::Recipe { name: self.name().into(), message: message.into() };
        let mut assignments = self.overrides.clone();
        match (self.epochs, self.minutes) {
            (Some(_), Some(_)) => return Err(complain("epochs and a time budget are both named: choose one")),
            (Some(epochs), None) => assignments.extend([format!("epochs={epochs}"), "minutes=0".into()]),
            (None, Some(minutes)) if minutes <= 0.0 => return Err(complain("a time budget has to be above 0")),
            (None, Some(minutes)) => assignments.push(format!("minutes={minutes:?}")),
            (None, None) => {}
        }
        assignments.extend(self.sample_length.map(|length| format!("samples.length={length}")));
        Ok(assignments)
    }

    /// The recipe to resume a run with: the one that it was begun with, but with samples and records as they are asked
    /// for now, because they do not change what is trained.
    ///
    /// # Errors
    /// Returns the first thing that is asked for and differs from what the run was begun with. What is not named cannot
    /// differ.
    pub fn resume(&self, begun: &Recipe) -> Result<std::result::Result<Recipe, Difference>> {
        if let Some(name) = &self.recipe
            && *name != begun.name
        {
            // A name that does not exist is a mistake of its own.
            Recipe::named(name)?;
            let (begun, asked) = (begun.name.clone(), name.clone());
            let option = format!("--recipe {asked}");
            return Ok(Err(Difference { field: "recipe".into(), begun, asked, option }));
        }
        let complain = |message: String| Error::Recipe { name: begun.name.clone(), message };
        let assignments = self.assignments()?;
        let table = |recipe: &Recipe| toml::Table::try_from(recipe).map_err(|error| complain(error.to_string()));
        let before = table(begun)?;
        let mut after = before.clone();
        overrides::replace_all(&mut after, &assignments).map_err(complain)?;
        let asked = Recipe::from_table(after).map_err(complain)?;
        let resumed = Recipe { samples: asked.samples.clone(), records: asked.records, ..begun.clone() };
        let mut comparable = Recipe { samples: resumed.samples.clone(), records: resumed.records, ..asked };
        if comparable.model.precision == Precision::Fastest {
            // The run stores what was the fastest when it was begun.
            comparable.model.precision = begun.model.precision;
        }
        if comparable == resumed {
            return Ok(Ok(resumed));
        }
        let after = table(&comparable)?;
        let value = |table: &toml::Table, path: &str| overrides::find(table, path).map_or("none".into(), shown);
        let differs = |path: &&str| overrides::find(&before, path) != overrides::find(&after, path);
        let mut paths = assignments.iter().filter_map(|assignment| Some(assignment.split_once('=')?.0.trim()));
        let path = paths.find(differs).unwrap_or("recipe");
        let option = match path {
            "epochs" | "minutes" if self.epochs.is_some() => "--epochs".into(),
            "minutes" if self.minutes.is_some() => "--time-budget".into(),
            path => format!("--set {path}=…"),
        };
        let (begun, asked) = (value(&before, path), value(&after, path));
        Ok(Err(Difference { field: path.into(), begun, asked, option }))
    }
}

/// A value as a user would write it: a number of 32 bits without the digits that 64 bits add.
fn shown(value: &toml::Value) -> String {
    match value {
        toml::Value::Float(number) => {
            let (long, short) = (number.to_string(), (*number as f32).to_string());
            if short.len() < long.len() { short } else { long }
        }
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
