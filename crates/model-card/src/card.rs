//! The card itself: everything that is needed to use a model, in one JSON object.

use serde::{Deserialize, Serialize};

use crate::{Error, ModelSize, Normalisation, Result, Vocabulary};

/// Under this key an ONNX file's `metadata_props` and a safetensors file's metadata hold the card.
pub const CARD_KEY: &str = "scrimshaw.card";

/// The card's file in a checkpoint folder.
pub const CARD_FILE: &str = "card.json";

/// The weights' file beside it: safetensors under the names of [`crate::tensors`].
pub const WEIGHTS_FILE: &str = "model.safetensors";

/// The version of the card's JSON form that this crate writes.
pub const FORMAT_VERSION: u32 = 1;

/// What a model has seen before the character that it predicts, in training, and so expects in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Context {
    /// A window of so many characters read from a zero state: the sampler slides the window, as the lecture does.
    Window {
        /// Characters in the window.
        length: usize,
    },
    /// The state carried on from everything before.
    Stateful,
}

/// Losses in nats a token, as measured at the end of training.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Losses {
    /// Running mean over the last epoch's batches, as Keras prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<f64>,
    /// Mean over the validation split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
}

/// Where a model came from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Provenance {
    /// The corpus: a dataset's name, or the name it was prepared under.
    pub dataset: String,
    /// Licence of the text, as its dataset states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Tokens in the corpus.
    pub tokens: u64,
    /// The recipe's name.
    pub recipe: String,
    /// Seed of the run.
    pub seed: u64,
    /// Epochs trained.
    pub epochs: usize,
    /// Losses at the end of training.
    #[serde(default)]
    pub losses: Losses,
    /// Program and version that wrote the card.
    pub program: String,
}

/// Everything that is needed to use a model and to know what it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Version of this JSON form: [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Tokens and their texts.
    pub vocabulary: Vocabulary,
    /// What is done to a prompt before it is looked up.
    #[serde(default)]
    pub normalisation: Normalisation,
    /// Sizes of the network.
    pub size: ModelSize,
    /// What the model expects to have seen.
    pub context: Context,
    /// An excerpt of the corpus to start from when no prompt is given.
    #[serde(default)]
    pub seed_text: String,
    /// Where the model came from.
    pub provenance: Provenance,
}

impl ModelCard {
    /// The card as JSON.
    ///
    /// # Panics
    /// Never: every field has a JSON form.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a card has a JSON form")
    }

    /// Reads a card and checks that it agrees with itself.
    pub fn from_json(json: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        let Version { format_version: found } = serde_json::from_str(json)?;
        if found > FORMAT_VERSION {
            return Err(Error::NewerFormat { found, supported: FORMAT_VERSION });
        }
        let card: Self = serde_json::from_str(json)?;
        card.validate()?;
        Ok(card)
    }

    fn validate(&self) -> Result<()> {
        let complain = |message: String| Err(Error::Contradiction(message));
        if self.vocabulary.len() != self.size.vocabulary {
            return complain(format!(
                "the vocabulary has {} tokens and the network {}",
                self.vocabulary.len(),
                self.size.vocabulary
            ));
        }
        if self.size.vocabulary == 0 || self.size.hidden == 0 || self.size.layers == 0 {
            return complain(format!("no size may be zero: {:?}", self.size));
        }
        if self.context == (Context::Window { length: 0 }) {
            return complain("a window holds at least one character".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InputEncoding, Unit};

    fn card() -> ModelCard {
        ModelCard {
            format_version: FORMAT_VERSION,
            vocabulary: Vocabulary::from_text(Unit::Char, "abc\u{1f40b}"),
            normalisation: Normalisation { lowercase: true, ..Normalisation::default() },
            size: ModelSize { vocabulary: 4, hidden: 8, layers: 1, input: InputEncoding::OneHot },
            context: Context::Window { length: 40 },
            seed_text: "abcabc".into(),
            provenance: Provenance {
                dataset: "sea-story".into(),
                tokens: 6,
                losses: Losses { train: Some(1.25), validation: None },
                ..Provenance::default()
            },
        }
    }

    #[test]
    fn a_card_survives_its_json() {
        assert_eq!(ModelCard::from_json(&card().to_json()).unwrap(), card());
    }

    #[test]
    fn lies_and_other_formats_are_refused_by_name() {
        let lie = |change: fn(&mut ModelCard)| {
            let mut card = card();
            change(&mut card);
            ModelCard::from_json(&card.to_json()).unwrap_err().to_string()
        };
        let cases = [
            (lie(|card| card.size.vocabulary = 5), "4 tokens and the network 5"),
            (lie(|card| card.size.hidden = 0), "no size may be zero"),
            (lie(|card| card.context = Context::Window { length: 0 }), "at least one character"),
            (lie(|card| card.format_version = 99), "format version 99"),
            (ModelCard::from_json("{}").unwrap_err().to_string(), "format_version"),
            (ModelCard::from_json("not json").unwrap_err().to_string(), "not a model card"),
        ];
        for (message, part) in cases {
            assert!(message.contains(part), "{message:?} should say {part:?}");
        }
    }
}
