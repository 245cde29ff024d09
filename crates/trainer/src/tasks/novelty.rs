//! How much of what a model writes is copied from the text that it was trained on.

use std::path::{Path, PathBuf};

use candle_core::Device;
use corpus::{Corpus, Split};
use decoding::{Decoding, Options, Rng};
use lstm::CharLstm;
use model_card::ModelCard;

use crate::novelty::{Novelty, SEPARATOR};
use crate::observer::{Event, Observer};
use crate::samples::Writer;
use crate::transfer::tokens_in;
use crate::{Error, Result, checkpoint, corpora, runs};

/// Characters that are sampled between two reports.
const REPORTED: usize = 256;

/// What to compare with the training text.
#[derive(Debug, Clone)]
pub struct NoveltyConfig {
    /// Folder of the shards that were trained on.
    pub shards: PathBuf,
    /// What to compare.
    pub source: NoveltySource,
}

/// Where the text comes from that is compared.
#[derive(Debug, Clone)]
pub enum NoveltySource {
    /// A sample of a model.
    Checkpoint {
        /// Folder of the checkpoint, or of a run, whose best checkpoint is sampled.
        checkpoint: PathBuf,
        /// Characters to sample.
        length: usize,
        /// Sampling temperature.
        temperature: f32,
        /// Random seed of the sample.
        seed: u64,
    },
    /// A text file.
    Text(PathBuf),
}

/// Samples the checkpoint, or reads a text, and compares it with the training text.
pub fn novelty(config: &NoveltyConfig, observer: &mut dyn Observer) -> Result<Novelty> {
    let corpus = Corpus::open(&config.shards)?;
    corpora::verify(&corpus, observer)?;
    let sample = match &config.source {
        NoveltySource::Text(path) => read(path, &corpus)?,
        NoveltySource::Checkpoint { checkpoint, length, temperature, seed } => {
            let (network, card) = checkpoint::model(&runs::checkpoint_at(checkpoint)?, &Device::Cpu)?;
            let ids = write(&network, &card, *length, *temperature, *seed, observer)?;
            let theirs = tokens_in(corpus.vocabulary(), &card.vocabulary);
            ids.into_iter().map(|id| theirs[id as usize].unwrap_or(SEPARATOR)).collect()
        }
    };
    let novelty = compare(&corpus, &sample, observer)?;
    observer.observe(&Event::Novelty(&novelty));
    Ok(novelty)
}

/// Compares a sample, and as much of the validation text, with the training text.
pub fn compare(corpus: &Corpus, sample: &[u32], observer: &mut dyn Observer) -> Result<Novelty> {
    let training = corpora::training_text(corpus)?;
    observer.observe(&Event::Progress { task: "indexing the training text", done: 0, total: None });
    Ok(Novelty::measure(training, sample, corpus.split(Split::Validation), corpus.vocabulary())?)
}

/// What a model writes after its seed text, without the seed text.
pub fn write(
    network: &CharLstm,
    card: &ModelCard,
    length: usize,
    temperature: f32,
    seed: u64,
    observer: &mut dyn Observer,
) -> Result<Vec<u32>> {
    let mut decoding = Decoding::new(Options { temperature, ..Options::default() })?;
    let mut rng = Rng::seed(seed);
    let start = card.vocabulary.encode(&card.seed_text).unwrap_or_default();
    let start = if start.is_empty() { vec![0] } else { start };
    let mut writer = Writer::new(network, card.context, &start);
    let mut ids = vec![];
    while ids.len() < length {
        ids.push(writer.next(&mut decoding, &mut rng)?);
        if ids.len().is_multiple_of(REPORTED) || ids.len() == length {
            let (done, total) = (ids.len() as u64, Some(length as u64));
            observer.observe(&Event::Progress { task: "sampling", done, total });
        }
    }
    Ok(ids)
}

/// A text's characters as the corpus numbers them; others separate passages.
fn read(path: &Path, corpus: &Corpus) -> Result<Vec<u32>> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.into(), source })?;
    let vocabulary = corpus.vocabulary();
    let text = corpus.normalisation().apply(&text);
    let id = |symbol: u32| vocabulary.id(symbol).unwrap_or(SEPARATOR);
    Ok(match vocabulary.unit() {
        model_card::Unit::Char => text.chars().map(|character| id(character.into())).collect(),
        model_card::Unit::Byte => text.bytes().map(|byte| id(byte.into())).collect(),
    })
}
