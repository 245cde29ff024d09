//! Fits a recipe to a text and a machine: times a few sizes, and chooses as [`crate::recipe::Fit`] says.

use serde::Serialize;

use crate::observer::Observer;
use crate::recipe::{DropoutSettings, Fit, Recipe};
use crate::timing::Bench;
use crate::{Error, Result, estimate};

/// What was chosen for a text, a time budget and this machine, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fitted {
    /// The network.
    #[serde(flatten)]
    pub size: TriedSize,
    /// Streams in a batch.
    pub batch: usize,
    /// Characters of a piece.
    pub time: usize,
    /// The learning rate.
    pub learning_rate: f64,
    /// Dropout.
    pub dropout: DropoutSettings,
    /// Characters that training reads in the time budget, by the steps that were timed.
    pub characters: f64,
    /// Passes over the text that this makes.
    pub passes: f64,
    /// Passes times parameters per character of the text: how easily the network could memorise the text.
    pub risk: f64,
    /// Characters for each parameter that a network has to be trained on, at least.
    pub needed: f64,
    /// The next larger size, if it was tried and is too large for the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub larger: Option<TriedSize>,
}

/// A size that was timed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TriedSize {
    /// LSTM layers.
    pub layers: usize,
    /// Hidden size.
    pub hidden: usize,
    /// Trained numbers in the network.
    pub parameters: usize,
    /// Characters that training reads in the time budget, for each parameter; 0 if memory does not hold the network.
    pub characters_per_parameter: f64,
}

/// A recipe of one of the sizes, and what was found out about it.
struct Candidate {
    recipe: Recipe,
    size: TriedSize,
    characters: f64,
}

/// The recipe for a text of `characters` characters. With `sizes`, the largest size is taken that is trained on enough characters
/// in the time; the likely one is timed first, then its neighbours as far as needed.
pub(crate) fn choose(
    recipe: &Recipe,
    fit: &Fit,
    sizes: usize,
    characters: usize,
    bench: &Bench<'_>,
    observer: &mut dyn Observer,
) -> Result<(Recipe, Fitted)> {
    let needed = fit.characters_per_parameter();
    let complain = |message: String| Error::Recipe { name: recipe.name.clone(), message };
    let mut candidate = |index: usize| -> Result<Candidate> {
        let sized = if sizes == 0 { recipe.clone() } else { fit.with_size(recipe, index).map_err(complain)? };
        try_out(fit.shortened(&sized, characters), bench, observer)
    };
    let is_enough = |candidate: &Candidate| candidate.size.characters_per_parameter >= needed;
    let mut index = fit.guess();
    let (mut chosen, mut larger) = (candidate(index)?, None);
    if is_enough(&chosen) {
        while index + 1 < sizes {
            let next = candidate(index + 1)?;
            if !is_enough(&next) {
                larger = Some(next.size);
                break;
            }
            (chosen, index) = (next, index + 1);
        }
    } else {
        while !is_enough(&chosen) && index > 0 && sizes > 0 {
            larger = Some(chosen.size);
            (chosen, index) = (candidate(index - 1)?, index - 1);
        }
    }
    let passes = chosen.characters / characters.max(1) as f64;
    let risk = passes * chosen.size.parameters as f64 / characters.max(1) as f64;
    let fitted = fit.with_dropout(&chosen.recipe, risk);
    let about = Fitted {
        size: chosen.size,
        batch: fitted.batch,
        time: fitted.time(),
        learning_rate: fitted.optimizer.learning_rate(),
        dropout: fitted.dropout,
        characters: chosen.characters,
        passes,
        risk,
        needed,
        larger,
    };
    Ok((fitted, about))
}

fn try_out(recipe: Recipe, bench: &Bench<'_>, observer: &mut dyn Observer) -> Result<Candidate> {
    let parameters = recipe.model_size(bench.vocabulary).parameters();
    let characters = if estimate::check(&recipe, bench.vocabulary, bench.device).is_ok() {
        60.0 * recipe.minutes / bench.step(&recipe, observer)?.max(1e-9) * recipe.characters_per_step() as f64
    } else {
        0.0
    };
    let characters_per_parameter = characters / parameters as f64;
    let size =
        TriedSize { layers: recipe.model.layers, hidden: recipe.model.hidden, parameters, characters_per_parameter };
    Ok(Candidate { recipe, size, characters })
}
