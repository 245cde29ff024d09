//! A model: the card and the graph that belongs to it.

use std::{fs, path::Path};

use model_card::{Context, ModelCard};

use crate::{Engine, Error, Header, Network, Result};

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
        self.card.vocabulary.encode(&self.card.normalisation.apply(text)).map_err(Error::Text)
    }

    /// Makes a model that was trained on windows carry its state instead.
    pub fn carry_state(&mut self) {
        self.card.context = Context::Stateful;
    }
}

/// The bytes of a model file.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    if path.is_dir() {
        return Err(Error::Folder(path.to_path_buf()));
    }
    fs::read(path).map_err(|source| Error::Read { path: path.to_path_buf(), source })
}

/// The card of an ONNX file, without opening the graph.
pub fn read_card(bytes: &[u8]) -> Result<ModelCard> {
    let card = Header::read(bytes)?.card.ok_or(Error::NoCard)?;
    ModelCard::from_json(&card).map_err(Error::Card)
}
