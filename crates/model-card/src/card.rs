//! The model card: everything that is needed to use a model, as one JSON object.

use serde::{Deserialize, Serialize};

use crate::{Error, ModelSize, Normalisation, Result, Vocabulary};

/// The key of the card in an ONNX file's `metadata_props` and in a safetensors file's metadata.
pub const CARD_KEY: &str = "scrimshaw.card";

/// File name of the card in a checkpoint folder.
pub const CARD_FILE: &str = "card.json";

/// File name of the weights in a checkpoint folder: safetensors, with the names of [`crate::tensors`].
pub const WEIGHTS_FILE: &str = "model.safetensors";

/// The version of the card's JSON form that this crate writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// How much text a model saw before each character that it learned to predict. It needs the same when it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Context {
    /// A window of fixed length, read from a zero state. The sampler slides the window, as the lecture does.
    Window {
        /// Characters (tokens) in the window.
        length: usize,
    },
    /// Everything before: the state is carried on.
    Stateful,
}

/// Losses in nats per token, as measured at the end of training.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Losses {
    /// Running mean over the batches of the last epoch, as Keras prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<f64>,
    /// Mean over the validation split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
}

/// Where a model came from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Provenance {
    /// Name of the corpus: a dataset's, or the one that the text was prepared under.
    pub dataset: String,
    /// Licence of the text, as its dataset states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Tokens in the corpus.
    pub tokens: u64,
    /// Name of the recipe.
    pub recipe: String,
    /// Seed of the run.
    pub seed: u64,
    /// Epochs trained.
    pub epochs: usize,
    /// Losses at the end of training.
    #[serde(default)]
    pub losses: Losses,
    /// The program that wrote the card, with its version.
    pub program: String,
}

/// Everything that is needed to use a model, and to know what it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Version of the JSON form: [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Tokens and their texts.
    pub vocabulary: Vocabulary,
    /// What is done to a prompt before it is encoded.
    #[serde(default)]
    pub normalisation: Normalisation,
    /// Sizes of the network.
    pub size: ModelSize,
    /// How much text the model needs before the character that it predicts.
    pub context: Context,
    /// An excerpt of the corpus. It is the prompt when none is given.
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

    /// Reads a card and checks that its parts agree.
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
            return complain("its window has no characters".into());
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

    fn without_tokens(card: &mut ModelCard) {
        card.vocabulary = Vocabulary::from_text(Unit::Char, "");
        card.size.vocabulary = 0;
    }

    #[test]
    fn json_round_trips() {
        assert_eq!(ModelCard::from_json(&card().to_json()).unwrap(), card());
    }

    #[test]
    fn contradictions_and_other_formats_are_refused() {
        let refuse = |change: fn(&mut ModelCard)| {
            let mut card = card();
            change(&mut card);
            ModelCard::from_json(&card.to_json()).unwrap_err().to_string()
        };
        let cases = [
            (refuse(|card| card.size.vocabulary = 5), "4 tokens and the network 5"),
            (refuse(|card| card.size.hidden = 0), "no size may be zero"),
            (refuse(|card| card.size.layers = 0), "no size may be zero"),
            (refuse(without_tokens), "no size may be zero"),
            (refuse(|card| card.context = Context::Window { length: 0 }), "its window has no characters"),
            (refuse(|card| card.format_version = 99), "format version 99"),
            (ModelCard::from_json("{}").unwrap_err().to_string(), "format_version"),
            (ModelCard::from_json("not json").unwrap_err().to_string(), "not a model card"),
        ];
        for (message, part) in cases {
            assert!(message.contains(part), "{message:?} should say {part:?}");
        }
    }
}
