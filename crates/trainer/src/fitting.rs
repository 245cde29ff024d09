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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use candle_core::Device;
    use corpus::Tokens;

    use super::*;
    use crate::clock::Clock;
    use crate::observer::Silent;
    use crate::recipe::Request;

    /// A clock by which everything takes a tenth of a second.
    struct Tenths(Cell<u32>);

    impl Clock for Tenths {
        fn now(&self) -> Duration {
            self.0.set(self.0.get() + 1);
            Duration::from_millis(100 * u64::from(self.0.get()))
        }
    }

    #[test]
    fn the_largest_size_that_is_trained_on_enough_is_chosen() {
        let ids: Vec<u32> = (0..5_000).map(|place| place * place % 10).collect();
        let (clock, device) = (Tenths(Cell::new(0)), Device::Cpu);
        let bench = Bench { text: Tokens::of(&ids), validation: None, vocabulary: 10, device: &device, clock: &clock };
        // A step reads 1024 characters in a tenth of a second. Parameters with 10 tokens: 72,458, 275,978, 1,012,042.
        // In 30 s 307,200 characters: 4.2 and 1.1 for each. In 72 s 737,280: 2.7 and 0.7.
        let cases = [(0.5, 128, 256), (1.2, 256, 288)];
        for (minutes, hidden, larger) in cases {
            let request = Request { minutes: Some(minutes), ..Request::default() };
            let (recipe, fit) = (request.resolve().unwrap(), request.fit().unwrap().unwrap());
            let (chosen, about) = choose(&recipe, &fit, fit.sizes(), ids.len(), &bench, &mut Silent).unwrap();
            assert_eq!((chosen.model.hidden, about.larger.unwrap().hidden), (hidden, larger), "{about:?}");
            assert!(about.size.characters_per_parameter >= about.needed);
            let characters = minutes * 60.0 / 0.1 * 1024.0;
            assert!((about.characters / characters - 1.0).abs() < 1e-9, "{about:?}");
            assert!((about.passes / (characters / 5_000.0) - 1.0).abs() < 1e-9, "{about:?}");
            assert_eq!((chosen.dropout.output, chosen.minutes), (0.6, minutes), "a text that is read very often");
            assert_eq!(about.dropout, chosen.dropout);
        }
    }
}
