//! `trainer evaluate`: a checkpoint's loss on the splits of a text.

use corpus::{Corpus, Split, Tokens};
use model_card::ModelCard;
use serde::Serialize;

use crate::arguments::EvaluateArguments;
use crate::evaluation::{Score, evaluate as measure};
use crate::transfer::tokens_in;
use crate::{Error, Result, checkpoint, device};

/// What was measured on one split.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// The split.
    pub split: &'static str,
    /// The measure.
    #[serde(flatten)]
    pub score: Score,
}

/// Measures the splits that were asked for, and hands each over as soon as it is known.
pub fn evaluate(arguments: &EvaluateArguments, report: &mut dyn FnMut(&Measured) -> Result<()>) -> Result<()> {
    let device = device::open(arguments.device)?;
    let corpus = Corpus::open(&arguments.shards)?;
    corpus.verify()?;
    let (network, card) = checkpoint::model(&arguments.checkpoint, &device)?;
    let splits = match arguments.split {
        Some(split) => vec![split.into()],
        None => Split::ALL.into_iter().filter(|split| corpus.split(*split).is_some()).collect(),
    };
    for split in splits {
        let no_split = || Error::NoSplit { corpus: corpus.index().name.clone(), split: split.name() };
        let tokens = corpus.split(split).ok_or_else(no_split)?;
        let ids = translated(&corpus, &card, tokens)?;
        let tokens = ids.as_deref().map_or(tokens, Tokens::of);
        let score = measure(&network, tokens, arguments.protocol())?;
        let tokens = tokens.len();
        let score = score.ok_or(Error::TooShort { tokens, length: arguments.length.unwrap_or(1) as usize })?;
        report(&Measured { split: split.name(), score })?;
    }
    Ok(())
}

/// The ids as the model numbers them, where it was trained on a text of another vocabulary.
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
