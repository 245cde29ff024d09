//! What a person sees of work in progress: a bar where stderr is a terminal, otherwise plain lines, with one at least
//! every half a minute. `--quiet` shows nothing. Everything goes to stderr.

use std::io::{IsTerminal, stderr};
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use model_card::printable_lines;
use terminal_size::{Width, terminal_size_of};
use trainer::runs::{metrics, steps};

use crate::plot;

mod logs;
mod numbers;
mod plans;
mod training;

pub use logs::{LogFormat, Logs};
pub use numbers::{seconds, thousands};
pub use plans::fitted_in_words;
pub use training::TrainingProgress;

/// Between two lines about the same task where there is no bar.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// How much is shown, and where.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Quiet,
    Lines,
    Bar,
}

/// Shows how far the work is.
pub struct Progress {
    style: Style,
    heartbeat: Duration,
    /// Where lines go: stderr, but for tests.
    print: Box<dyn FnMut(&str) + Send>,
    /// The task that is shown, its bar, and when its last line was written.
    current: Option<(String, ProgressBar, Instant)>,
}

impl Progress {
    /// Nothing with `quiet`, otherwise what suits stderr.
    pub fn new(quiet: bool) -> Self {
        let style = match (quiet, stderr().is_terminal()) {
            (true, _) => Style::Quiet,
            (false, true) => Style::Bar,
            (false, false) => Style::Lines,
        };
        Self { style, heartbeat: HEARTBEAT, print: Box::new(crate::failure::notice), current: None }
    }

    /// Writes a line, above the bar if there is one.
    pub fn say(&mut self, line: &str) {
        // The line may hold text of a card, a run or a file's name.
        let line = printable_lines(line);
        let print = &mut self.print;
        match &self.current {
            _ if self.style == Style::Quiet => {}
            Some((_, bar, _)) => bar.suspend(|| print(&line)),
            None => print(&line),
        }
    }

    /// Shows a task that is counted in bytes.
    pub fn bytes(&mut self, task: &str, done: u64, total: Option<u64>) {
        let template = match total {
            Some(_) => "{msg} {wide_bar} {bytes}/{total_bytes} {decimal_bytes_per_sec} {eta} left",
            None => "{msg} {bytes} {decimal_bytes_per_sec}",
        };
        self.show(task, done, total, template, |bytes| HumanBytes(bytes).to_string());
    }

    /// Shows a task that is counted in anything else.
    pub fn count(&mut self, task: &str, done: u64, total: Option<u64>) {
        let template = if total.is_some() { "{msg} {wide_bar} {percent}% {eta} left" } else { "{msg} {human_pos}" };
        self.show(task, done, total, template, |count| thousands(count as f64));
    }

    /// Shows the losses of a run as a plot, where stderr is a terminal.
    pub fn plot(&mut self, run: &Path) {
        if self.style != Style::Bar {
            return;
        }
        let Some((Width(columns), _)) = terminal_size_of(stderr()) else { return };
        let (steps, metrics) = (steps(run).unwrap_or_default(), metrics(run).unwrap_or_default());
        if let Some(plot) = plot::losses(&steps, &metrics, columns.into()) {
            self.say(&format!("\n{plot}"));
        }
    }

    /// Takes the bar away.
    pub fn clear(&mut self) {
        if let Some((_, bar, _)) = self.current.take() {
            bar.finish_and_clear();
        }
    }

    fn show(&mut self, task: &str, done: u64, total: Option<u64>, template: &str, written: fn(u64) -> String) {
        if self.style == Style::Quiet {
            return;
        }
        if self.current.as_ref().is_none_or(|(current, ..)| current != task) {
            self.clear();
        }
        let style = self.style;
        let (_, bar, line_at) =
            self.current.get_or_insert_with(|| (task.into(), new_bar(style, total, template), Instant::now()));
        bar.set_message(printable_lines(task).into_owned());
        bar.set_position(done);
        if style == Style::Lines && line_at.elapsed() >= self.heartbeat {
            *line_at = Instant::now();
            let of = total.map_or(String::new(), |total| format!(" of {}", written(total)));
            (self.print)(&printable_lines(&format!("{task}: {}{of}", written(done))));
        }
    }
}

fn new_bar(style: Style, total: Option<u64>, template: &str) -> ProgressBar {
    let target = if style == Style::Bar { ProgressDrawTarget::stderr_with_hz(5) } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(total, target).with_style(style)
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    impl Progress {
        /// Every line is written, whatever the time, and kept.
        pub fn recorded(is_quiet: bool) -> (Self, Arc<Mutex<Vec<String>>>) {
            let lines = Arc::new(Mutex::new(Vec::new()));
            let kept = Arc::clone(&lines);
            let style = if is_quiet { Style::Quiet } else { Style::Lines };
            let print = Box::new(move |line: &str| kept.lock().unwrap().push(line.to_string()));
            (Self { style, heartbeat: Duration::ZERO, print, current: None }, lines)
        }
    }

    #[test]
    fn without_a_terminal_a_task_is_told_in_lines() {
        let (mut progress, lines) = Progress::recorded(false);
        progress.bytes("writing shards", 1 << 20, Some(3 << 20));
        progress.count("evaluating", 12_345, None);
        progress.say("done");
        progress.say("\u{1b}[2Jclear");
        let expected = ["writing shards: 1.00 MiB of 3.00 MiB", "evaluating: 12,345", "done", "\\u001b[2Jclear"];
        assert_eq!(*lines.lock().unwrap(), expected);
    }

    #[test]
    fn between_two_heartbeats_a_task_is_silent() {
        let (mut progress, lines) = Progress::recorded(false);
        progress.heartbeat = Duration::MAX;
        progress.count("evaluating", 1, Some(2));
        progress.count("evaluating", 2, Some(2));
        assert!(lines.lock().unwrap().is_empty());
    }

    #[test]
    fn quiet_is_quiet() {
        let (mut progress, lines) = Progress::recorded(true);
        progress.count("evaluating", 1, Some(2));
        progress.say("done");
        assert!(lines.lock().unwrap().is_empty());
    }
}
