//! What to train and how, as a small TOML file.

use model_card::{InputEncoding, ModelSize};
use serde::{Deserialize, Serialize};

use crate::{Error, Result, RmsPropSettings};

/// The recipes that come with the program, by name.
const EMBEDDED: &[(&str, &str)] = &[("lecture", include_str!("../recipes/lecture.toml"))];

/// What to train and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The name under which it is asked for.
    pub name: String,
    /// One line about it.
    pub summary: String,
    /// Passes over the windows.
    pub epochs: usize,
    /// Windows in a batch: N.
    pub batch: usize,
    /// Sizes of the network, but for the vocabulary.
    pub model: NetworkSettings,
    /// How the text is cut.
    pub windows: WindowSettings,
    /// How the weights follow the gradients.
    pub optimizer: OptimizerSettings,
    /// What is printed after each epoch.
    pub samples: SampleSettings,
}

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
}

/// How the text is cut into windows; each predicts the character after it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowSettings {
    /// Characters in a window: T.
    pub length: usize,
    /// Characters from one window's start to the next one's.
    pub step: usize,
}

/// The optimiser and its settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum OptimizerSettings {
    /// See [`crate::RmsProp`].
    RmsProp(RmsPropSettings),
}

/// What is printed after each epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleSettings {
    /// Characters for each temperature.
    pub length: usize,
    /// The temperatures, each sampled from the same seed excerpt.
    pub temperatures: Vec<f32>,
}

impl Recipe {
    /// The recipe of that name.
    pub fn named(name: &str) -> Result<Self> {
        let Some((_, text)) = EMBEDDED.iter().find(|(known, _)| *known == name) else {
            let known = EMBEDDED.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ");
            return Err(Error::UnknownRecipe { name: name.into(), known });
        };
        Self::from_toml(name, text)
    }

    /// Reads a recipe; `name` is for the messages.
    pub fn from_toml(name: &str, text: &str) -> Result<Self> {
        let complain = |message: String| Error::Recipe { name: name.into(), message };
        let recipe: Self = toml::from_str(text).map_err(|error| complain(error.to_string()))?;
        recipe.validate().map_err(complain)?;
        Ok(recipe)
    }

    /// Every recipe that comes with the program.
    pub fn all() -> Result<Vec<Self>> {
        EMBEDDED.iter().map(|(name, text)| Self::from_toml(name, text)).collect()
    }

    /// The network's sizes for a vocabulary of so many tokens.
    pub fn model_size(&self, vocabulary: usize) -> ModelSize {
        let NetworkSettings { hidden, layers, input } = self.model;
        ModelSize { vocabulary, hidden, layers, input }
    }

    fn validate(&self) -> std::result::Result<(), String> {
        let at_least_one = [
            ("batch", self.batch),
            ("model.hidden", self.model.hidden),
            ("model.layers", self.model.layers),
            ("windows.length", self.windows.length),
            ("windows.step", self.windows.step),
        ];
        for (field, value) in at_least_one {
            if value == 0 {
                return Err(format!("{field} is 0, and has to be at least 1"));
            }
        }
        let OptimizerSettings::RmsProp(settings) = self.optimizer;
        settings.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lecture_is_the_lecture() {
        let recipe = Recipe::named("lecture").unwrap();
        // Keras' summary of the lecture's model on its 60 characters.
        assert_eq!(recipe.model_size(60).parameters(), 104_508);
        assert_eq!((recipe.epochs, recipe.batch), (60, 128));
        assert_eq!((recipe.windows.length, recipe.windows.step), (40, 3));
    }

    #[test]
    fn every_embedded_recipe_reads_and_answers_to_its_name() {
        for recipe in Recipe::all().unwrap() {
            assert_eq!(Recipe::named(&recipe.name).unwrap(), recipe);
        }
    }

    #[test]
    fn wrong_recipes_are_refused_by_field() {
        let lecture = EMBEDDED[0].1;
        let cases = [
            (lecture.replace("batch = 128", "batch = 0"), "batch is 0"),
            (lecture.replace("batch = 128", "batch = \"many\""), "batch"),
            (lecture.replace("batch = 128", "batch = 128\nbatches = 1"), "batches"),
            (lecture.replace("learning_rate = 0.01", "learning_rate = -1.0"), "optimizer.learning_rate"),
            (lecture.replace("decay = 0.9", "decay = 1.5"), "optimizer.decay"),
            (lecture.replace("kind = \"rmsprop\"", "kind = \"guess\""), "guess"),
        ];
        for (text, part) in cases {
            let message = Recipe::from_toml("test", &text).unwrap_err().to_string();
            assert!(message.contains(part), "{message:?} should name {part:?}");
        }
        assert!(Recipe::named("lectur").unwrap_err().to_string().contains("lecture"));
    }
}
