//! Exports a checkpoint as an ONNX file, and checks the file before it is put in place.
//!
//! [`graph::model`] builds the graph from named tensors and a model card. [`check::compare`] runs it in candle-onnx and
//! in `ort`, and compares the logits with those of the trained network. [`build`] does both, and gives the file's bytes only
//! if all three agree; [`export`] writes them too. This crate knows nothing of corpora or training.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use lstm::CharLstm;
use model_card::{CARD_FILE, ModelCard, WEIGHTS_FILE, WEIGHTS_KEY};

mod encode;
mod quantize;

pub mod check;
pub mod graph;

pub use check::{Agreement, TOLERANCE};
pub use graph::Storage;

/// What can go wrong between a checkpoint and an ONNX file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the checkpoint cannot be read.
    #[error(
        "cannot read {path}: {source}; give the folder of a checkpoint, which holds {WEIGHTS_FILE} and {CARD_FILE}"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The ONNX file cannot be written.
    #[error("cannot write {path}: {source}; check the folder's permissions and the free space")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The card is damaged or contradicts itself.
    #[error("{path}: {source}")]
    Card {
        /// The file of the card.
        path: PathBuf,
        /// What is wrong with it.
        source: model_card::Error,
    },
    /// A tensor is missing, or its shape does not match the sizes in the card.
    #[error("the checkpoint does not match its card: {0}; restore both files or train again")]
    Checkpoint(String),
    /// The card has no seed text to check the export with.
    #[error("the model card has no seed text to check the export with; train again with this version")]
    NoSeedText,
    /// An engine computed other logits than the trained network.
    #[error(
        "the logits of {engine} differ from those of the trained network by {difference:e}, more than {TOLERANCE:e}; \
         nothing was written; please report this, with the checkpoint"
    )]
    Disagreement {
        /// The engine.
        engine: &'static str,
        /// The largest absolute difference.
        difference: f32,
    },
    /// An engine cannot run the graph.
    #[error("{engine} cannot run the exported graph: {message}; nothing was written")]
    Engine {
        /// The engine.
        engine: &'static str,
        /// What the engine says.
        message: String,
    },
    /// A tensor operation failed.
    #[error("a tensor operation failed: {0}; the checkpoint may be damaged")]
    Tensor(#[from] candle_core::Error),
    /// The network cannot be built from the checkpoint.
    #[error("cannot build the network from the checkpoint: {0}")]
    Network(#[from] lstm::Error),
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The exit code of a program that ends with this error: 4 for damaged data, 5 for what cannot be written, 1 for the
    /// rest, as in all programs of the project.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Read { .. } | Self::Card { .. } | Self::Checkpoint(_) | Self::NoSeedText => 4,
            Self::Write { .. } => 5,
            _ => 1,
        }
    }
}

/// A checkpoint: named tensors with PyTorch's shapes, and the model card.
#[derive(Debug)]
pub struct Checkpoint {
    /// Tensors under the names of [`model_card::tensors`]: f32, on the CPU.
    pub tensors: HashMap<String, Tensor>,
    /// The model card.
    pub card: ModelCard,
}

impl Checkpoint {
    /// Reads the card and the weights from a checkpoint folder.
    pub fn open(folder: &Path) -> Result<Self> {
        let card_path = folder.join(CARD_FILE);
        let json =
            std::fs::read_to_string(&card_path).map_err(|source| Error::Read { path: card_path.clone(), source })?;
        let card = ModelCard::from_json(&json).map_err(|source| Error::Card { path: card_path, source })?;

        let weights_path = folder.join(WEIGHTS_FILE);
        let bytes = std::fs::read(&weights_path).map_err(|source| Error::Read { path: weights_path, source })?;
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
            .map_err(|error| Error::Checkpoint(error.to_string()))?;
        Ok(Self { tensors, card })
    }

    /// The trained network.
    pub fn network(&self) -> Result<CharLstm> {
        Ok(CharLstm::load(self.tensors.clone(), &self.card.size, &Device::Cpu)?)
    }
}

/// The result of an export.
#[derive(Debug)]
pub struct Exported {
    /// Size of the file in bytes.
    pub bytes: usize,
    /// How closely the engines agree.
    pub agreement: Agreement,
}

/// Writes `checkpoint` as an ONNX file of floats to `output`, but only if every engine agrees with the trained network.
pub fn export(checkpoint: &Checkpoint, output: &Path) -> Result<Exported> {
    let (bytes, agreement) = build(checkpoint, Storage::Float32)?;
    write(&bytes, output)?;
    Ok(Exported { bytes: bytes.len(), agreement })
}

/// The bytes of an ONNX file of `checkpoint`, with a checksum of its weights under [`WEIGHTS_KEY`], and how closely the
/// engines agree on it.
///
/// An int8 file is checked against the network whose weights are those that its bytes stand for, in floats. How much the
/// rounding costs is for the caller to measure, on a text.
pub fn build(checkpoint: &Checkpoint, storage: Storage) -> Result<(Vec<u8>, Agreement)> {
    let mut bytes = encode::encode(&graph::model(checkpoint, storage)?);
    let engine = |error: sampler::Error| Error::Engine { engine: "the sampler", message: error.to_string() };
    let checksum = sampler::weights_checksum(&bytes).map_err(engine)?;
    encode::add_metadata(&mut bytes, WEIGHTS_KEY, &checksum);
    let agreement = match storage {
        Storage::Float32 => check::compare(checkpoint, &bytes)?,
        Storage::Int8 => check::compare_int8(&checkpoint.rounded()?, &bytes)?,
    };
    Ok((bytes, agreement))
}

/// Puts the bytes of an ONNX file in place.
pub fn write(bytes: &[u8], output: &Path) -> Result<()> {
    let folder = output.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    durable::create_dir_all(folder)
        .and_then(|()| durable::write(output, bytes))
        .map_err(|source| Error::Write { path: output.into(), source })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lstm_engine::{Arithmetic, Input, Instructions, Numbers, Plan, Session, onnx_view::Model as View};
    use model_card::{Context, FORMAT_VERSION, InputEncoding, ModelSize, Provenance, Unit, Vocabulary};

    use super::*;

    /// A small network that was never trained.
    fn checkpoint() -> Checkpoint {
        network(5, 2, InputEncoding::OneHot)
    }

    fn network(hidden: usize, layers: usize, input: InputEncoding) -> Checkpoint {
        let vocabulary = Vocabulary::from_text(Unit::Char, "the sea");
        let size = ModelSize { vocabulary: vocabulary.len(), hidden, layers, input };
        let card = ModelCard {
            format_version: FORMAT_VERSION,
            vocabulary,
            normalisation: model_card::Normalisation::default(),
            size,
            context: Context::Stateful,
            seed_text: "the sea".into(),
            provenance: Provenance::default(),
        };
        let tensors = CharLstm::init(&size, 1, &Device::Cpu).unwrap().tensors().unwrap().into_iter().collect();
        Checkpoint { tensors, card }
    }

    #[test]
    fn an_exported_file_carries_the_checksum_of_its_weights() {
        let output = std::env::temp_dir().join(format!("onnx-export-checksum-{}.onnx", std::process::id()));
        export(&checkpoint(), &output).unwrap();
        let mut bytes = std::fs::read(&output).unwrap();
        std::fs::remove_file(&output).unwrap();
        let entry = sampler::weights_checksum(&bytes).unwrap();
        assert!(bytes.windows(entry.len()).any(|window| window == entry.as_bytes()), "{entry} is in the file");
        sampler::read_card(&bytes).unwrap();
        let bias = b"output_bias\x4a"; // its name, then field 9 with the numbers
        let place = bytes.windows(bias.len()).position(|window| window == bias).unwrap() + bias.len() + 1;
        bytes[place] ^= 1;
        let message = sampler::read_card(&bytes).unwrap_err().to_string();
        assert!(message.contains("do not match their checksum"), "{message}");
    }

    /// The logits and states of a text, by a plan that is compiled in some arithmetic.
    fn run(bytes: &[u8], instructions: Instructions, arithmetic: Arithmetic) -> Vec<Vec<f32>> {
        let plan = Plan::compile_in(&View::read(bytes).unwrap(), instructions, arithmetic).unwrap();
        let size = sampler::read_card(bytes).unwrap().size;
        let state: Vec<f32> = (0..size.layers * size.hidden).map(|place| (place % 7) as f32 / 4.0 - 0.75).collect();
        let shape = [size.layers, 1, size.hidden];
        let state = Input { shape: &shape, numbers: Numbers::Floats(&state) };
        let ids = Input { shape: &[4, 1], numbers: Numbers::Longs(&[3, 1, 4, 1]) };
        let mut session = Session::new(Arc::new(plan), 1);
        session.run(&[ids, state, state]).unwrap();
        (0..3).map(|output| session.output(output).1.to_vec()).collect()
    }

    #[test]
    fn int8_files_are_small_and_compute_the_same_bits_with_every_instruction_set() {
        let cases = [
            network(40, 1, InputEncoding::OneHot),
            network(37, 2, InputEncoding::OneHot),
            network(1, 2, InputEncoding::OneHot), // looks up columns of its input weights
            network(24, 2, InputEncoding::Embedding { size: 9 }),
            network(4, 1, InputEncoding::Embedding { size: 3 }), // a table that is not folded
        ];
        for checkpoint in cases {
            let size = checkpoint.card.size;
            let (floats, _) = build(&checkpoint, Storage::Float32).unwrap();
            // This compares it in floats with the network that has the rounded weights.
            let (bytes, _) = build(&checkpoint, Storage::Int8).unwrap();
            if size.hidden > 20 {
                assert!(bytes.len() * 2 < floats.len(), "{size:?}: {} bytes instead of {}", bytes.len(), floats.len());
            }
            let expected = run(&floats, Instructions::detect(), Arithmetic::Stored);
            let mut first: Option<Vec<Vec<f32>>> = None;
            for instructions in Instructions::available() {
                let found = run(&bytes, instructions, Arithmetic::Stored);
                for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                    assert!((found - expected).abs() < 0.05, "{size:?}: {found} instead of {expected}");
                }
                let hidden = &found[1];
                let is_step = |state: &f32| (state * 127.0 - (state * 127.0).round()).abs() < 1e-4;
                assert!(
                    hidden.iter().all(is_step),
                    "{size:?} {instructions:?}: states are multiples of 1/127: {hidden:?}"
                );
                let bits = |outputs: &[Vec<f32>]| outputs.iter().flatten().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert!(bits(first.get_or_insert_with(|| found.clone())) == bits(&found), "{size:?} {instructions:?}");
            }
        }
    }
}
