//! A training for TensorBoard: losses, learning rate, gradient norm and speed as scalars, samples along the way as text.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use event_files::EventFile;

use super::{Entry, Log, Reached};

/// The file in a run's folder. TensorBoard opens files with `tfevents` in their name.
const FOLDER: &str = "tensorboard";
const FILE: &str = "events.out.tfevents.0.carve";

const STEP_LOSS: &str = "loss/step";
const TRAINING_LOSS: &str = "loss/training";
const SAMPLE: &str = "sample";

pub fn open(run: &Path, through: usize) -> Result<Box<dyn Log>> {
    let folder = run.join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("cannot write {}", folder.display()))?;
    Ok(Box::new(EventFile::open(&folder.join(FILE), through as u64)?))
}

impl Log for EventFile {
    fn reached(&self) -> Reached {
        let [step, evaluation, sample] =
            [STEP_LOSS, TRAINING_LOSS, SAMPLE].map(|tag| self.last_step(tag).unwrap_or(0) as usize);
        Reached { step, evaluation, sample }
    }

    fn write(&mut self, entry: &Entry<'_>, wall_time: f64) -> Result<()> {
        let step = entry.step() as u64;
        match entry {
            Entry::Step(record) => {
                let numbers = [
                    (STEP_LOSS, record.loss),
                    ("optimizer/gradient_norm", record.gradient_norm),
                    ("optimizer/learning_rate", record.learning_rate),
                    ("speed/seconds_per_step", record.seconds),
                ];
                self.scalars(step, wall_time, &numbers)?;
            }
            Entry::Evaluation(metrics, times) => {
                let numbers = [(TRAINING_LOSS, metrics.train_loss), ("speed/characters_per_second", times.speed)];
                let validation = metrics.validation_loss.map(|loss| ("loss/validation", loss));
                self.scalars(step, wall_time, &numbers.into_iter().chain(validation).collect::<Vec<_>>())?;
            }
            Entry::Sample(sample) => {
                self.text(step, wall_time, SAMPLE, &as_it_is(&format!("{}{}", sample.prompt, sample.text)))?;
            }
        }
        Ok(())
    }
}

/// Markdown that shows a text as it is: each line is code.
fn as_it_is(text: &str) -> String {
    text.split('\n').map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
