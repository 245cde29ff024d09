//! A model: the card and the graph that belongs to it.

use std::{fs, path::Path};

use model_card::{CARD_KEY, Context, ModelCard, ModelSize};

use crate::{Engine, Error, Network, Result, checksum, memory::check_memory};

/// A card and its network.
#[derive(Debug)]
pub struct Model {
    /// What the model is.
    pub card: ModelCard,
    /// What computes it.
    pub network: Network,
}

impl Model {
    /// Opens an ONNX file.
    pub fn open(path: impl AsRef<Path>, engine: &Engine) -> Result<Self> {
        Self::from_bytes(&read_file(path.as_ref())?, engine)
    }

    /// Opens an ONNX file that was read into memory.
    pub fn from_bytes(bytes: &[u8], engine: &Engine) -> Result<Self> {
        let card = read_card(bytes)?;
        let network = Network::open(bytes, card.size, engine)?;
        Ok(Self { card, network })
    }

    /// The tokens of a text, normalised as the card says.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        encode(&self.card, &self.card.normalisation.apply(text))
    }

    /// Makes a model that was trained on windows carry its state instead.
    pub fn carry_state(&mut self) {
        self.card.context = Context::Stateful;
    }
}

/// The tokens of a normalised text.
pub(crate) fn encode(card: &ModelCard, text: &str) -> Result<Vec<u32>> {
    // Of each byte a token of four in a list that doubles.
    check_memory(text.len().saturating_mul(12))?;
    card.vocabulary.encode(text).map_err(Error::Text)
}

/// The bytes of a model file.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    if path.is_dir() {
        return Err(Error::Folder(path.to_path_buf()));
    }
    fs::read(path).map_err(|source| Error::reading(path, source))
}

/// Refuses sizes whose recurrent weights, four bits each or more, are more than `length` bytes hold: the graph may leave its
/// dimensions open, and the state is made as large as the card says.
fn check_room(size: ModelSize, length: usize) -> Result<()> {
    let weights = size.hidden.checked_pow(2).and_then(|square| square.checked_mul(size.layers));
    // Half a byte for each of four gates.
    if weights.is_some_and(|weights| weights <= length / 2) {
        return Ok(());
    }
    Err(Error::Room)
}

/// The card of an ONNX file, without opening the graph. The file, the checksum of its weights and the sizes that the card
/// states are checked.
pub fn read_card(bytes: &[u8]) -> Result<ModelCard> {
    let model = onnx_view::Model::read(bytes)?;
    checksum::check(&model)?;
    let card = ModelCard::from_json(model.property(CARD_KEY).ok_or(Error::NoCard)?).map_err(Error::Card)?;
    check_room(card.size, bytes.len())?;
    Ok(card)
}

#[cfg(test)]
mod tests {
    use model_card::InputEncoding;

    use super::*;

    #[test]
    fn a_card_cannot_claim_more_cells_than_the_file_has_weights_for() {
        let size = |layers, hidden| ModelSize { vocabulary: 2, hidden, layers, input: InputEncoding::OneHot };
        let cases = [
            (size(1, 8), true),
            (size(2, 22), true),
            (size(2, 23), false),
            (size(1 << 40, 1), false),
            (size(2, 1 << 40), false),
            (size(usize::MAX, usize::MAX), false),
        ];
        for (size, fits) in cases {
            // Of 2 * 22 * 22 cells' four gates, half a byte each: 1936.
            assert_eq!(check_room(size, 2000).is_ok(), fits, "{size:?}");
        }
    }
}
