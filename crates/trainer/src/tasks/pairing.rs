//! A checkpoint beside a prepared text.

use std::path::{Path, PathBuf};

use corpus::{Corpus, Tokens};
use lstm::CharLstm;
use model_card::ModelCard;

use crate::device::{self, DeviceName};
use crate::observer::Observer;
use crate::run::RunConfig;
use crate::transfer::tokens_in;
use crate::{Error, Result, checkpoint, corpora, runs};

/// A checkpoint, and a prepared text that it can be measured on.
#[derive(Debug)]
pub struct Pairing {
    /// The checkpoint's folder.
    pub checkpoint: PathBuf,
    /// Its network.
    pub network: CharLstm,
    /// Its card.
    pub card: ModelCard,
    /// The text.
    pub corpus: Corpus,
}

impl Pairing {
    /// Opens a checkpoint (its folder, or a run's, which stands for its best checkpoint) and a folder of shards, and verifies
    /// the text.
    ///
    /// # Errors
    /// [`Error::PreparedAnew`], unless `allow_other_text`, if the text was prepared in another way since it was trained on:
    /// what is held out now may have been trained on.
    pub fn open(
        checkpoint: &Path,
        shards: &Path,
        device: DeviceName,
        allow_other_text: bool,
        observer: &mut dyn Observer,
    ) -> Result<Self> {
        let device = device::open(device)?;
        let checkpoint = runs::checkpoint_at(checkpoint)?;
        let corpus = Corpus::open(shards)?;
        if !allow_other_text {
            check_preparation(&checkpoint, &checkpoint::card(&checkpoint)?, &corpus)?;
        }
        corpora::verify(&corpus, observer)?;
        let (network, card) = checkpoint::model(&checkpoint, &device)?;
        Ok(Self { checkpoint, network, card, corpus })
    }

    /// Ids of the text as the model numbers them.
    ///
    /// # Errors
    /// [`Error::UnknownCharacter`] if the model does not know one.
    pub fn ids(&self, tokens: Tokens<'_>) -> Result<Vec<u32>> {
        Ok(self.translated(tokens)?.unwrap_or_else(|| tokens.to_vec(0..tokens.len())))
    }

    /// The same if they are others than in the text: if the model was trained on a text of another vocabulary.
    pub(crate) fn translated(&self, tokens: Tokens<'_>) -> Result<Option<Vec<u32>>> {
        let Self { corpus, card, .. } = self;
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
