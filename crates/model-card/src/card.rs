//! The model card: everything that is needed to use a model, as one JSON object.

use serde::{Deserialize, Serialize};

use crate::{Error, ModelSize, Normalisation, Result, Vocabulary};

/// The key of the card in an ONNX file's `metadata_props` and in a safetensors file's metadata.
pub const CARD_KEY: &str = "scrimshaw.card";

/// The key of the checksum of the weights in an ONNX file's `metadata_props`. Its value is `xxh3-64:` and sixteen
/// hexadecimal digits.
///
/// The hash is over the initializers of the main graph that store their numbers in `raw_data` (or in packed `float_data`),
/// in the order of their names, compared byte by byte. For each of them it reads the name, a zero byte, and the numbers as
/// they lie in the file: little-endian, row-major.
pub const WEIGHTS_KEY: &str = "scrimshaw.weights";

/// File name of the card in a checkpoint folder.
pub const CARD_FILE: &str = "card.json";

/// File name of the weights in a checkpoint folder: safetensors, with the names of [`crate::tensors`].
pub const WEIGHTS_FILE: &str = "model.safetensors";

/// The version of the card's JSON form that this crate writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// The most bytes of a seed text: a window of characters of four bytes.
const LONGEST_SEED_TEXT: usize = 4 * Context::LONGEST_WINDOW;

/// The most bytes of each text of the provenance.
const LONGEST_TEXT: usize = 1 << 12;

/// How much text a model saw before each character that it learned to predict. It needs the same when it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", try_from = "StoredContext")]
pub enum Context {
    /// A window of fixed length, read from a zero state. The sampler slides the window, as the lecture does.
    Window {
        /// Characters (tokens) in the window.
        length: usize,
    },
    /// Everything before: the state is carried on.
    Stateful,
}

impl Context {
    /// The longest window that a card may state.
    pub const LONGEST_WINDOW: usize = 1 << 16;
}

/// The JSON form. The derived reader of a tagged enum would keep all fields in memory to find the tag, at sixteen times
/// their size.
#[derive(Deserialize)]
struct StoredContext {
    kind: ContextKind,
    length: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ContextKind {
    Window,
    Stateful,
}

impl TryFrom<StoredContext> for Context {
    type Error = &'static str;

    fn try_from(StoredContext { kind, length }: StoredContext) -> std::result::Result<Self, Self::Error> {
        Ok(match kind {
            ContextKind::Stateful => Self::Stateful,
            ContextKind::Window => Self::Window { length: length.ok_or("a window has a `length`")? },
        })
    }
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
        // Bounds that no model comes near, so that nothing which follows from a card can overflow or take for ever.
        let units = [self.size.hidden, self.size.embedding_size().unwrap_or(1)];
        if units.contains(&0) || units.iter().any(|&units| units > ModelSize::MOST_UNITS) {
            return complain(format!("a layer has 1 to {} units: {:?}", ModelSize::MOST_UNITS, self.size));
        }
        if self.size.layers > ModelSize::MOST_LAYERS {
            return complain(format!("it has {} layers, more than {}", self.size.layers, ModelSize::MOST_LAYERS));
        }
        if matches!(self.context, Context::Window { length } if length > Context::LONGEST_WINDOW) {
            return complain(format!("its window is longer than {} characters", Context::LONGEST_WINDOW));
        }
        if self.seed_text.len() > LONGEST_SEED_TEXT {
            return complain(format!("its seed text is longer than {LONGEST_SEED_TEXT} bytes"));
        }
        let Provenance { dataset, licence, recipe, program, .. } = &self.provenance;
        if [dataset, recipe, program].into_iter().chain(licence).any(|text| text.len() > LONGEST_TEXT) {
            return complain(format!("a text of its provenance is longer than {LONGEST_TEXT} bytes"));
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

    #[test]
    fn json_round_trips() {
        assert_eq!(ModelCard::from_json(&card().to_json()).unwrap(), card());
    }

    #[test]
    fn what_a_later_version_adds_is_passed_over() {
        let json = card().to_json().replace("\"kind\": \"window\"", "\"more\": [1, {}], \"kind\": \"window\"");
        assert_eq!(ModelCard::from_json(&json).unwrap(), card());
        for (json, expected) in [
            (r#"{"kind":"stateful"}"#, Context::Stateful),
            (r#"{"length":3,"kind":"window"}"#, Context::Window { length: 3 }),
        ] {
            assert_eq!(serde_json::from_str::<Context>(json).unwrap(), expected);
        }
        for (json, expected) in [
            (r#"{"kind":"one-hot"}"#, InputEncoding::OneHot),
            (r#"{"kind":"embedding","size":3}"#, InputEncoding::Embedding { size: 3 }),
            (r#"{"kind":"tied-embedding"}"#, InputEncoding::TiedEmbedding),
        ] {
            assert_eq!(serde_json::from_str::<InputEncoding>(json).unwrap(), expected);
        }
        assert!(serde_json::from_str::<Context>(r#"{"kind":"window"}"#).is_err());
        assert!(serde_json::from_str::<InputEncoding>(r#"{"kind":"embedding"}"#).is_err());
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
            (refuse(|card| card.context = Context::Window { length: 0 }), "its window has no characters"),
            (refuse(|card| card.format_version = 99), "format version 99"),
            (refuse(|card| card.size.hidden = (1 << 16) + 1), "1 to 65536 units"),
            (refuse(|card| card.size.input = InputEncoding::Embedding { size: 0 }), "1 to 65536 units"),
            (refuse(|card| card.size.layers = 1 << 60), "1152921504606846976 layers, more than 1024"),
            (refuse(|card| card.context = Context::Window { length: 1 << 17 }), "longer than 65536 characters"),
            (refuse(|card| card.seed_text = "a".repeat((1 << 18) + 1)), "seed text is longer than 262144 bytes"),
            (refuse(|card| card.provenance.recipe = "r".repeat(5000)), "longer than 4096 bytes"),
            (ModelCard::from_json("{}").unwrap_err().to_string(), "format_version"),
            (ModelCard::from_json("not json").unwrap_err().to_string(), "not a model card"),
        ];
        for (message, part) in cases {
            assert!(message.contains(part), "{message:?} should say {part:?}");
        }
    }
}
