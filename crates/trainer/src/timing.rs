//! How long a step and an evaluation take on this machine. Networks that are thrown away are timed, so that no bit of a run
//! depends on it.

use candle_core::Device;
use corpus::Tokens;

use crate::Result;
use crate::clock::{Clock, Stopwatch};
use crate::estimate::estimate;
use crate::evaluation::measure;
use crate::observer::{Event, Observer};
use crate::plan::Pace;
use crate::recipe::Recipe;
use crate::session::protocol;
use crate::training::Training;

/// Steps before those that count: the first ones also allocate memory.
const WARM_UP: usize = 2;

/// Steps that count. The median of their times is taken.
const STEPS: usize = 10;

/// Share of the time budget that timing may take. One step is always timed.
const SHARE: f64 = 0.05;

/// Characters that are evaluated; the time of more of them is in proportion.
const EVALUATED: usize = 1 << 16;

/// Bytes of a checkpoint for each parameter: the model, the last weights, and up to two moments and an average.
const BYTES_PER_PARAMETER: f64 = 20.0;

/// Seconds of a checkpoint that do not depend on its size, and bytes per second: those of a slow disk.
const CHECKPOINT_SECONDS: f64 = 0.01;
const DISK_BYTES_PER_SECOND: f64 = 2e8;

/// What is timed, and by which clock.
pub(crate) struct Bench<'t> {
    /// The text to train on.
    pub text: Tokens<'t>,
    /// The text to evaluate on, if any is held out.
    pub validation: Option<Tokens<'t>>,
    /// Tokens in the vocabulary.
    pub vocabulary: usize,
    /// Where training computes.
    pub device: &'t Device,
    /// The clock.
    pub clock: &'t dyn Clock,
}

impl Bench<'_> {
    /// Seconds of an optimizer step.
    pub(crate) fn step(&self, recipe: &Recipe, observer: &mut dyn Observer) -> Result<f64> {
        self.time_steps(&mut self.throw_away(recipe)?, recipe, observer)
    }

    /// Seconds of an optimizer step, and of an evaluation with its checkpoint.
    pub(crate) fn pace(&self, recipe: &Recipe, observer: &mut dyn Observer) -> Result<Pace> {
        let mut training = self.throw_away(recipe)?;
        let step = self.time_steps(&mut training, recipe, observer)?;
        let network = training.result()?;
        let evaluation = match self.validation {
            Some(tokens) => {
                let part = tokens.slice(0..tokens.len().min(EVALUATED));
                let clock = Stopwatch::new(self.clock);
                measure(&network, part, protocol(recipe), &mut |_, _| ())?;
                clock.lap() * tokens.len() as f64 / part.len().max(1) as f64
            }
            None => 0.0,
        };
        let bytes = BYTES_PER_PARAMETER * estimate(recipe, self.vocabulary).parameters as f64;
        Ok(Pace { step, evaluation: evaluation + CHECKPOINT_SECONDS + bytes / DISK_BYTES_PER_SECOND })
    }

    fn throw_away(&self, recipe: &Recipe) -> Result<Training<'_>> {
        const SEED: u64 = 0;
        Training::new(recipe, self.text, self.vocabulary, SEED, self.device, None)
    }

    fn time_steps(&self, training: &mut Training<'_>, recipe: &Recipe, observer: &mut dyn Observer) -> Result<f64> {
        let limit = 60.0 * recipe.minutes * SHARE;
        let (clock, mut times, mut all) = (Stopwatch::new(self.clock), vec![], 0.0);
        let total = WARM_UP + STEPS;
        for step in 0..total {
            training.step()?;
            let seconds = clock.lap();
            all += seconds;
            // The first step may be the only one.
            if step >= WARM_UP || all > limit {
                times.push(seconds);
            }
            observer.observe(&Event::Progress { task: "timing", done: step as u64 + 1, total: Some(total as u64) });
            if all > limit {
                break;
            }
        }
        times.sort_by(f64::total_cmp);
        Ok(times[times.len() / 2])
    }
}
