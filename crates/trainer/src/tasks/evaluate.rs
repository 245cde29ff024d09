//! A checkpoint's loss on the splits of a text.

use std::path::{Path, PathBuf};

use corpus::{Corpus, Split, Tokens};
use model_card::ModelCard;

use crate::corpora;
use crate::device::{self, DeviceName};
use crate::evaluation::{Measured, Protocol, measure};
use crate::observer::{Event, Observer};
use crate::run::RunConfig;
use crate::transfer::tokens_in;
use crate::{Error, Result, checkpoint, runs};

/// What to measure, and how.
#[derive(Debug, Clone)]
pub struct EvaluateConfig {
    /// Folder of the checkpoint, or of a run, whose best checkpoint is measured.
    pub checkpoint: PathBuf,
    /// Folder of the shards.
    pub shards: PathBuf,
    /// The part of the text to measure on; all parts if `None`.
    pub split: Option<Split>,
    /// How to measure.
    pub protocol: Protocol,
    /// Which processor does the arithmetic.
    pub device: DeviceName,
    /// Whether to measure on a text of the same name that was prepared in another way than the one that was trained on.
    /// A text of another name is always measured.
    pub allow_other_text: bool,
}

/// Measures the splits that are asked for, in 32-bit precision. Each is told to the observer as soon as it is known.
///
/// # Errors
/// [`Error::PreparedAnew`] if the text was prepared in another way since it was trained on: what is held out now may have
/// been trained on.
pub fn evaluate(config: &EvaluateConfig, observer: &mut dyn Observer) -> Result<Vec<Measured>> {
    config.protocol.validate()?;
    let device = device::open(config.device)?;
    let checkpoint = runs::checkpoint_at(&config.checkpoint)?;
    let corpus = Corpus::open(&config.shards)?;
    if !config.allow_other_text {
        check_preparation(&checkpoint, &checkpoint::card(&checkpoint)?, &corpus)?;
    }
    corpora::verify(&corpus, observer)?;
    let (network, card) = checkpoint::model(&checkpoint, &device)?;
    let splits = match config.split {
        Some(split) => vec![split],
        None => Split::ALL.into_iter().filter(|split| corpus.split(*split).is_some()).collect(),
    };
    let mut all = vec![];
    for split in splits {
        let tokens = corpora::split(&corpus, split)?;
        let ids = translated(&corpus, &card, tokens)?;
        let tokens = ids.as_deref().map_or(tokens, Tokens::of);
        let mut report = |done, total| {
            observer.observe(&Event::Progress { task: "measuring the loss", done, total: Some(total) });
        };
        let score = measure(&network, tokens, config.protocol, &mut report)?;
        let (tokens, length) = (tokens.len(), config.protocol.length());
        let score = score.ok_or(Error::TooShort { tokens, length })?;
        let measured = Measured { split, score };
        observer.observe(&Event::Measured(&measured));
        all.push(measured);
    }
    Ok(all)
}

/// Refuses a text that has the name of the one that was trained on, but was prepared in another way.
fn check_preparation(checkpoint: &Path, card: &ModelCard, corpus: &Corpus) -> Result<()> {
    let index = corpus.index();
    // A checkpoint of a run: RUN/checkpoints/STEP.
    let run = checkpoint.canonicalize().ok().and_then(|path| Some(path.parent()?.parent()?.to_owned()));
    let config = run.and_then(|run| RunConfig::read(&run).ok());
    let trained_on = config.as_ref().map_or(&card.provenance.dataset, |config| &config.dataset);
    if *trained_on != index.name {
        return Ok(());
    }
    let reason = if card.normalisation != corpus.normalisation() {
        "its characters were normalised in another way".into()
    } else if card.vocabulary.fingerprint() != corpus.vocabulary().fingerprint() {
        "it had another vocabulary".into()
    } else {
        match config {
            Some(config) if config.corpus != index.run => {
                format!("preparation {:016x}, not {:016x}: another text, split or setting", config.corpus, index.run)
            }
            _ => return Ok(()),
        }
    };
    Err(Error::PreparedAnew { checkpoint: checkpoint.into(), corpus: index.name.clone(), reason })
}

/// The ids as the model numbers them, if it was trained on a text of another vocabulary.
fn translated(corpus: &Corpus, card: &ModelCard, tokens: Tokens<'_>) -> Result<Option<Vec<u32>>> {
    if *corpus.vocabulary() == card.vocabulary {
        return Ok(None);
    }
    let known = tokens_in(&card.vocabulary, corpus.vocabulary());
    let translate = |id: u32| known[id as usize].or(card.vocabulary.unknown()).ok_or(id);
    let ids = tokens.to_vec(0..tokens.len()).into_iter().map(translate).collect::<std::result::Result<_, _>>();
    let unknown = |id: u32| Error::UnknownCharacter {
        corpus: corpus.index().name.clone(),
        character: corpus.vocabulary().decode(&[id]),
    };
    ids.map(Some).map_err(unknown)
}
