//! A checkpoint's loss on the splits of a text.

use std::path::PathBuf;

use corpus::{Split, Tokens};

use super::pairing::Pairing;
use crate::corpora;
use crate::device::DeviceName;
use crate::evaluation::{Measured, Protocol, measure};
use crate::observer::{Event, Observer};
use crate::{Error, Result};

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
    let EvaluateConfig { checkpoint, shards, device, allow_other_text, .. } = config;
    let pairing = Pairing::open(checkpoint, shards, *device, *allow_other_text, observer)?;
    let Pairing { network, corpus, .. } = &pairing;
    let splits = match config.split {
        Some(split) => vec![split],
        None => Split::ALL.into_iter().filter(|split| corpus.split(*split).is_some()).collect(),
    };
    let mut all = vec![];
    for split in splits {
        let tokens = corpora::split(corpus, split)?;
        let ids = pairing.translated(tokens)?;
        let tokens = ids.as_deref().map_or(tokens, Tokens::of);
        let mut report = |done, total| {
            observer.observe(&Event::Progress { task: "measuring the loss", done, total: Some(total) });
        };
        let score = measure(network, tokens, config.protocol, &mut report)?;
        let (tokens, length) = (tokens.len(), config.protocol.length());
        let score = score.ok_or(Error::TooShort { tokens, length })?;
        let measured = Measured { split, score };
        observer.observe(&Event::Measured(&measured));
        all.push(measured);
    }
    Ok(all)
}
