//! The checksum of a model's weights, which an exported file carries: [`WEIGHTS_KEY`] says what it is over.

use model_card::WEIGHTS_KEY;
use onnx_view::Model;
use xxhash_rust::xxh3::Xxh3;

use crate::{Error, Result};

/// The checksum of the weights in an ONNX file, as the value of [`WEIGHTS_KEY`].
pub fn weights_checksum(file: &[u8]) -> Result<String> {
    Ok(of(&Model::read(file)?))
}

/// Refuses weights that do not match their checksum. A file without one passes.
pub(crate) fn check(model: &Model<'_>) -> Result<()> {
    match model.property(WEIGHTS_KEY) {
        Some(stated) if stated != of(model) => Err(Error::Checksum),
        _ => Ok(()),
    }
}

fn of(model: &Model<'_>) -> String {
    let tensors = model.graph.initializers.iter();
    let mut tensors: Vec<_> = tensors.filter_map(|tensor| Some((tensor.name, tensor.bytes()?))).collect();
    tensors.sort_unstable_by_key(|(name, _)| *name);
    let mut hash = Xxh3::new();
    for (name, bytes) in tensors {
        hash.update(name.as_bytes());
        hash.update(&[0]);
        hash.update(bytes);
    }
    format!("xxh3-64:{:016x}", hash.digest())
}
