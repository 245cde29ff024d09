//! What a person sees while a network is trained: on stderr, so that stdout holds text alone.

use std::f64::consts::LN_2;
use std::io::IsTerminal;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::recipe::Recipe;
use crate::run::{Metrics, Times};
use crate::training::{Step, Training};

/// Thousandths of the training: what the bar counts in.
const WHOLE: f64 = 1000.0;

/// The bar of a training. Without a terminal nothing is drawn.
#[derive(Debug)]
pub struct Bar {
    drawn: ProgressBar,
    epochs: usize,
    by_clock: bool,
    started: Instant,
    characters: u64,
}

impl Bar {
    /// A bar for a training where it is.
    pub fn new(training: &Training<'_>, recipe: &Recipe) -> Self {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr_with_hz(5)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(WHOLE as u64), target);
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {percent}%  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let characters = training.progress().trained;
        Self { drawn: bar, epochs: recipe.epochs, by_clock: recipe.minutes > 0.0, started: Instant::now(), characters }
    }

    /// Shows a step.
    pub fn step(&mut self, training: &Training<'_>, step: Step) {
        let progress = training.progress();
        let epochs = if self.by_clock { String::new() } else { format!("/{}", self.epochs) };
        self.drawn.set_prefix(format!("epoch {}{epochs}", progress.epoch));
        let done = training.done();
        self.drawn.set_position((done * WHOLE) as u64);
        let speed = (progress.trained - self.characters) as f64 / self.started.elapsed().as_secs_f64();
        let left = if done > 0.0 { progress.elapsed / done - progress.elapsed } else { 0.0 };
        self.drawn.set_message(format!(
            "loss {:.4}  {} characters/s  {} left",
            step.loss,
            thousands(speed),
            time(left)
        ));
    }

    /// Takes the bar away.
    pub fn abandon(&self) {
        self.drawn.finish_and_clear();
    }
}

/// One line about an evaluation.
pub fn report(metrics: &Metrics, times: &Times, recipe: &Recipe) {
    let Metrics { epoch, step, train_loss, .. } = metrics;
    let epochs = if recipe.minutes > 0.0 { String::new() } else { format!("/{}", recipe.epochs) };
    let validation = metrics
        .validation_loss
        .map_or(String::new(), |nats| format!("  validation {nats:.4} nats, {:.4} bits", nats / LN_2));
    let (speed, elapsed) = (thousands(times.speed), time(times.elapsed));
    eprintln!("epoch {epoch}{epochs}  step {step}  loss {train_loss:.4}{validation}  {elapsed}  {speed} characters/s");
}

/// `12.3 s`, `4 min 05 s` or `2 h 07 min`.
pub fn time(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
    }
}

/// `1234567.8` as `1,234,568`.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{thousands, time};

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [(0.0, "0"), (999.4, "999"), (1000.0, "1,000"), (1_234_567.8, "1,234,568")] {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn times_are_short() {
        for (seconds, text) in [(3.12, "3.1 s"), (245.0, "4 min 05 s"), (7620.0, "2 h 07 min")] {
            assert_eq!(time(seconds), text);
        }
    }
}
