//! What is seen of a training: for people on stderr, for programs (`--json`) one object per event on stdout. Sampled text
//! goes to stdout as it is, or as an event.

use std::f64::consts::LN_2;
use std::time::{Duration, Instant};

use trainer::{Announcement, Event, Metrics, Observer, StepRecord, Times};

use super::{Progress, Style, new_bar, seconds, thousands};
use crate::output;

/// Thousandths of the training: what the bar counts in.
const WHOLE: f64 = 1000.0;

/// Between two steps that a program is told of, and between two reports of how far a task is. `steps.jsonl` in the run's
/// folder has more.
const OFTEN: Duration = Duration::from_millis(500);

impl Observer for Progress {
    /// Shows how far a task is; training itself is shown by [`TrainingProgress`].
    fn observe(&mut self, event: &Event<'_>) {
        if let Event::Progress { task, done, total } = event {
            self.count(task, *done, *total);
        }
    }
}

/// Shows a training.
pub struct TrainingProgress<'p> {
    progress: &'p mut Progress,
    json: bool,
    /// Epochs to train, unless the clock decides.
    epochs: Option<usize>,
    /// When the first step was seen, and the characters that had been trained on by then.
    started: Option<(Instant, u64)>,
    /// When a program was last told of a step, and of progress.
    told_at: [Option<Instant>; 2],
}

impl<'p> TrainingProgress<'p> {
    /// With `json`, events go to stdout.
    pub fn new(progress: &'p mut Progress, json: bool) -> Self {
        Self { progress, json, epochs: None, started: None, told_at: [None; 2] }
    }

    /// Writes a line for people.
    pub fn say(&mut self, line: &str) {
        self.progress.say(line);
    }

    fn print(&mut self, event: &Event<'_>) {
        let frequent = match event {
            Event::Step(_) => Some(0),
            Event::Progress { .. } => Some(1),
            _ => None,
        };
        if let Some(told_at) = frequent.map(|kind| &mut self.told_at[kind]) {
            if told_at.is_some_and(|at| at.elapsed() < OFTEN) {
                return;
            }
            *told_at = Some(Instant::now());
        }
        // Whoever does not listen any more does not stop the training.
        let _ = output::line(&serde_json::json!(event).to_string());
    }

    fn step(&mut self, record: &StepRecord) {
        let (started, before) = *self.started.get_or_insert_with(|| (Instant::now(), record.characters));
        let speed = (record.characters - before) as f64 / started.elapsed().as_secs_f64().max(1e-9);
        let left = if record.done > 0.0 { record.elapsed / record.done - record.elapsed } else { 0.0 };
        let StepRecord { epoch, step, loss, done, .. } = *record;
        let message = format!("loss {loss:.4}  {} characters/s  {} left", thousands(speed), seconds(left));
        let progress = &mut *self.progress;
        if progress.current.as_ref().is_none_or(|(task, ..)| task != "training") {
            progress.clear();
            let bar = new_bar(progress.style, Some(WHOLE as u64), "{prefix} {wide_bar} {percent}%  {msg}");
            progress.current = Some(("training".into(), bar, Instant::now()));
        }
        let Some((_, bar, line_at)) = &mut progress.current else { return };
        let epoch = of(epoch, self.epochs);
        match progress.style {
            Style::Bar => {
                bar.set_prefix(format!("epoch {epoch}"));
                bar.set_position((done * WHOLE) as u64);
                bar.set_message(message);
            }
            Style::Lines if line_at.elapsed() >= progress.heartbeat => {
                *line_at = Instant::now();
                (progress.print)(&format!("epoch {epoch}  step {step}  {message}"));
            }
            _ => {}
        }
    }
}

impl Observer for TrainingProgress<'_> {
    fn observe(&mut self, event: &Event<'_>) {
        if self.json {
            self.print(event);
        }
        match event {
            Event::Progress { .. } => self.progress.observe(event),
            Event::Step(record) => self.step(record),
            Event::Sample { text } => {
                self.progress.clear();
                if !self.json {
                    let _ = output::write(text);
                }
            }
            Event::Started(announcement) => {
                self.epochs = announcement.epochs;
                self.progress.clear();
                self.progress.say(&announce(announcement));
            }
            Event::Transferred { checkpoint, matched, vocabulary } => self.progress.say(&format!(
                "starting from {}: it knows {matched} of the {vocabulary} characters of this text",
                checkpoint.display()
            )),
            Event::AlreadyFinished { run, step } => self
                .progress
                .say(&format!("{} is finished after step {step}: there is nothing left to train", run.display())),
            Event::Evaluated { metrics, times, .. } => {
                let line = evaluated(metrics, times, self.epochs);
                self.progress.clear();
                self.progress.say(&line);
            }
            Event::StoppedEarly { patience, decides } => {
                self.progress.clear();
                self.progress.say(&format!(
                    "stopped: the {} loss has not improved for {patience} evaluations (--set evaluation.patience=0 \
                     trains on)",
                    decides.name()
                ));
            }
            Event::Novelty(novelty) => {
                self.progress.clear();
                self.progress.say(&novelty.in_short());
            }
            _ => {}
        }
    }
}

/// What is trained, on what, and for how long.
fn announce(announcement: &Announcement) -> String {
    let Announcement { dataset, training_characters, validation_characters, vocabulary, .. } = announcement;
    let Announcement { recipe, parameters, steps_per_epoch, seed, device, .. } = announcement;
    let windows = announcement.windows.map_or(String::new(), |windows| format!(", {windows} windows"));
    let length = match (announcement.minutes, announcement.epochs) {
        (Some(minutes), _) => format!("{} of training", seconds(60.0 * minutes)),
        (None, epochs) => format!("{} epochs of {steps_per_epoch} steps", epochs.unwrap_or_default()),
    };
    let resumed = announcement.resumed_after.map_or(String::new(), |step| format!("\nresuming after step {step}"));
    format!(
        "{dataset}: {training_characters} characters to train on{windows}, {validation_characters} to validate, \
         vocabulary {vocabulary}; recipe {recipe}, {parameters} parameters, {length}, seed {seed}, on {device}{resumed}"
    )
}

/// One line about an evaluation.
fn evaluated(metrics: &Metrics, times: &Times, epochs: Option<usize>) -> String {
    let Metrics { epoch, step, train_loss, .. } = metrics;
    let validation = metrics
        .validation_loss
        .map_or(String::new(), |nats| format!("  validation {nats:.4} nats, {:.4} bits", nats / LN_2));
    let (speed, elapsed) = (thousands(times.speed), seconds(times.elapsed));
    let epoch = of(*epoch, epochs);
    format!("epoch {epoch}  step {step}  loss {train_loss:.4}{validation}  {elapsed}  {speed} characters/s")
}

/// `3/10`, or `3` if the clock decides.
fn of(epoch: usize, epochs: Option<usize>) -> String {
    epochs.map_or(epoch.to_string(), |epochs| format!("{epoch}/{epochs}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_training_is_told_in_lines() {
        let (mut progress, lines) = Progress::recorded(false);
        let mut training = TrainingProgress::new(&mut progress, false);
        let announcement = Announcement {
            run: "runs/modern".into(),
            dataset: "tale".into(),
            training_characters: 900,
            validation_characters: 100,
            vocabulary: 60,
            windows: None,
            recipe: "modern".into(),
            parameters: 1234,
            memory: 1 << 20,
            epochs: Some(2),
            minutes: None,
            steps_per_epoch: 5,
            seed: 7,
            device: "cpu".into(),
            record_steps: 10,
            resumed_after: Some(5),
        };
        training.observe(&Event::Started(&announcement));
        let step = StepRecord {
            epoch: 2,
            step: 6,
            loss: 1.5,
            gradient_norm: 1.0,
            learning_rate: 0.1,
            seconds: 0.1,
            characters: 0,
            done: 0.75,
            elapsed: 30.0,
        };
        training.observe(&Event::Step(step));
        let metrics = Metrics {
            epoch: 2,
            step: 10,
            train_loss: 1.25,
            validation_loss: Some(LN_2),
            learning_rate: 0.1,
            characters: 1000,
        };
        let times = Times { step: 10, elapsed: 40.0, speed: 12_345.0 };
        training.observe(&Event::Evaluated { metrics, times, decides: metrics.decides() });
        training.observe(&Event::StoppedEarly { patience: 3, decides: metrics.decides() });
        let expected = [
            "tale: 900 characters to train on, 100 to validate, vocabulary 60; recipe modern, 1234 parameters, 2 epochs of \
             5 steps, seed 7, on cpu\nresuming after step 5",
            "epoch 2/2  step 6  loss 1.5000  0 characters/s  10.0 s left",
            "epoch 2/2  step 10  loss 1.2500  validation 0.6931 nats, 1.0000 bits  40.0 s  12,345 characters/s",
            "stopped: the validation loss has not improved for 3 evaluations (--set evaluation.patience=0 trains on)",
        ];
        assert_eq!(*lines.lock().unwrap(), expected);
    }
}
