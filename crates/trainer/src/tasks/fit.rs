//! What a recipe becomes for a text on this machine, without a run.

use std::path::PathBuf;

use corpus::{Corpus, Split, Tokens};

use crate::clock::SystemClock;
use crate::device::{self, DeviceName};
use crate::fitting::{Fitted, choose};
use crate::observer::Observer;
use crate::recipe::{Recipe, Request};
use crate::timing::Bench;
use crate::{Result, corpora};

/// A text to fit a recipe to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FitText {
    /// Any text with this many characters to train on.
    Characters(usize),
    /// The prepared text in this folder.
    Shards(PathBuf),
}

/// What a request becomes for a text on this machine, and why; `None` if the recipe leaves nothing open or has no time budget.
/// Takes a few seconds, because steps are timed.
pub fn fit(
    request: &Request,
    text: &FitText,
    device: DeviceName,
    observer: &mut dyn Observer,
) -> Result<(Recipe, Option<Fitted>)> {
    /// The vocabulary of an English text with its punctuation, and as much text as timing reads.
    const VOCABULARY: usize = 80;
    const CHARACTERS: usize = 1 << 17;

    let (mut recipe, fit) = (request.resolve()?, request.fit()?);
    let Some(fit) = fit else { return Ok((recipe, None)) };
    let device = device::open(device)?;
    recipe.model.precision = recipe.model.precision.resolved(device.is_cpu());
    let corpus = match text {
        FitText::Characters(_) => None,
        FitText::Shards(shards) => Some(Corpus::open(shards)?),
    };
    let any: Vec<u32> = (0..CHARACTERS as u64).map(|place| (place * place % 1009 % VOCABULARY as u64) as u32).collect();
    let (tokens, validation, vocabulary, characters) = match (&corpus, text) {
        (Some(corpus), _) => {
            let tokens = corpora::training_text(corpus)?;
            (tokens, corpus.split(Split::Validation), corpus.vocabulary().len(), tokens.len())
        }
        (None, FitText::Characters(count)) => {
            (Tokens::of(&any).slice(0..CHARACTERS.min(*count)), None, VOCABULARY, *count)
        }
        (None, FitText::Shards(_)) => unreachable!("shards were opened"),
    };
    if recipe.minutes > 0.0 {
        let clock = SystemClock::default();
        let bench = Bench { text: tokens, validation, vocabulary, device: &device, clock: &clock };
        let (recipe, fitted) = choose(&recipe, &fit, fit.sizes(), characters, &bench, observer)?;
        Ok((recipe, Some(fitted)))
    } else {
        Ok((fit.shortened(&recipe, characters), None))
    }
}
