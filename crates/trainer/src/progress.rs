//! What a person sees while an epoch is trained: on stderr, so that stdout holds text alone.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{EpochMetrics, Step};

/// The bar of one epoch. Without a terminal nothing is drawn, and [`EpochBar::finish`] prints one line.
pub struct EpochBar {
    bar: ProgressBar,
    epoch: usize,
    epochs: usize,
    characters_a_step: usize,
    started: std::time::Instant,
}

impl EpochBar {
    /// A bar for epoch `epoch` of `epochs`, each of whose steps reads so many characters.
    pub fn new(epoch: usize, epochs: usize, characters_a_step: usize) -> Self {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr_with_hz(5)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len}  {msg}  {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        bar.set_prefix(format!("epoch {epoch}/{epochs}"));
        Self { bar, epoch, epochs, characters_a_step, started: std::time::Instant::now() }
    }

    /// Shows a step.
    pub fn step(&self, step: Step) {
        self.bar.set_length(step.of as u64);
        self.bar.set_position(step.done as u64);
        let characters = (step.done * self.characters_a_step) as f64 / self.started.elapsed().as_secs_f64();
        self.bar.set_message(format!("loss {:.4}  {} characters/s", step.mean_loss, thousands(characters)));
    }

    /// Takes the bar away and leaves one line in its place.
    pub fn finish(&self, metrics: &EpochMetrics) {
        self.bar.finish_and_clear();
        let EpochMetrics { train_loss, seconds, characters, .. } = metrics;
        let speed = thousands(*characters as f64 / seconds.max(1e-9));
        eprintln!("epoch {}/{}  loss {train_loss:.4}  {seconds:.1} s  {speed} characters/s", self.epoch, self.epochs);
    }

    /// Takes the bar away.
    pub fn abandon(&self) {
        self.bar.finish_and_clear();
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
    use super::thousands;

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [(0.0, "0"), (999.4, "999"), (1000.0, "1,000"), (1_234_567.8, "1,234,568")] {
            assert_eq!(thousands(number), text);
        }
    }
}
