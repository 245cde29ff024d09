//! `trainer novelty`: how much of what a model writes stands word for word in the text that it was trained on.

use std::path::Path;

use candle_core::Device;
use corpus::{Corpus, Split};
use decoding::{Decoding, Options, Rng};
use lstm::CharLstm;
use model_card::ModelCard;

use crate::arguments::NoveltyArguments;
use crate::novelty::Novelty;
use crate::samples::Writer;
use crate::transfer::tokens_in;
use crate::{Error, Result, checkpoint};

/// Samples the checkpoint, or reads a text, and holds it against the training text.
pub fn novelty(arguments: &NoveltyArguments) -> Result<Novelty> {
    let corpus = Corpus::open(&arguments.shards)?;
    corpus.verify()?;
    let sample = match (&arguments.text, &arguments.checkpoint) {
        (Some(text), _) => read(text, &corpus)?,
        (None, Some(path)) => {
            let (network, card) = checkpoint::model(path, &Device::Cpu)?;
            let ids = write(&network, &card, arguments.length, arguments.temperature, arguments.seed)?;
            let theirs = tokens_in(corpus.vocabulary(), &card.vocabulary);
            ids.into_iter().map(|id| theirs[id as usize].unwrap_or(crate::novelty::SEPARATOR)).collect()
        }
        (None, None) => vec![],
    };
    measure(&corpus, &sample)
}

/// Holds a sample against the training text, beside the validation text.
pub fn measure(corpus: &Corpus, sample: &[u32]) -> Result<Novelty> {
    let training = corpus.split(Split::Train).unwrap_or_else(|| corpus.tokens());
    Ok(Novelty::measure(training, sample, corpus.split(Split::Validation), corpus.vocabulary())?)
}

/// What a model writes after its seed text, which is no part of it.
pub fn write(network: &CharLstm, card: &ModelCard, length: usize, temperature: f32, seed: u64) -> Result<Vec<u32>> {
    let mut decoding = Decoding::new(Options { temperature, ..Options::default() })?;
    let mut rng = Rng::seed(seed);
    let start = card.vocabulary.encode(&card.seed_text).unwrap_or_default();
    let start = if start.is_empty() { vec![0] } else { start };
    let mut writer = Writer::new(network, card.context, &start);
    (0..length).map(|_| writer.next(&mut decoding, &mut rng)).collect()
}

/// A text's characters as the corpus numbers them; others separate passages.
fn read(path: &Path, corpus: &Corpus) -> Result<Vec<u32>> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.into(), source })?;
    let vocabulary = corpus.vocabulary();
    let text = corpus.normalisation().apply(&text);
    let id = |symbol: u32| vocabulary.id(symbol).unwrap_or(crate::novelty::SEPARATOR);
    Ok(match vocabulary.unit() {
        model_card::Unit::Char => text.chars().map(|character| id(character.into())).collect(),
        model_card::Unit::Byte => text.bytes().map(|byte| id(byte.into())).collect(),
    })
}
