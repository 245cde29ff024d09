//! The folder of one run: everything that training leaves behind, each file whole at every moment.
//!
//! ```text
//! RUN/config.json            the recipe, the seed and the text, as used
//! RUN/metrics.jsonl          one object an evaluation: the same for the same seed on the same machine
//! RUN/times.jsonl            what hangs on the clock, line for line beside it
//! RUN/best.json              the best evaluation: its step names a checkpoint
//! RUN/samples/00000310.txt   what the model wrote after that many steps
//! RUN/checkpoints/00000310/  see `checkpoint`
//! RUN/lock                   held by the trainer that works here
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::Builder;

use crate::checkpoint::{Best, Position};
use crate::recipe::Recipe;
use crate::{Error, Result};

/// What `config.json` holds: all that a run is determined by, but for the machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunConfig {
    /// What is trained and how.
    pub recipe: Recipe,
    /// The seed.
    pub seed: u64,
    /// The device, as described by [`crate::device::describe`].
    pub device: String,
    /// The corpus' name.
    pub dataset: String,
    /// The folder of its shards.
    pub shards: PathBuf,
    /// Which preparation of the text the shards are from.
    pub corpus: u64,
    /// The checkpoint whose weights were the first ones, if it was one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_from: Option<PathBuf>,
}

/// One line of `metrics.jsonl`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Steps of the optimiser so far.
    pub step: usize,
    /// Mean loss since the evaluation before, each target with the weights of its moment, in nats a character: what Keras
    /// prints.
    pub train_loss: f64,
    /// Loss on the validation split, in nats a character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_loss: Option<f64>,
    /// The last step's learning rate.
    pub learning_rate: f64,
    /// Characters predicted in training so far.
    pub characters: u64,
}

/// One line of `times.jsonl`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// Steps of the optimiser so far.
    pub step: usize,
    /// Seconds of training in all, evaluations and print-outs counted.
    pub elapsed: f64,
    /// Characters a second since the evaluation before.
    pub speed: f64,
}

/// The folder of one run, locked.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    _lock: File,
}

impl RunFolder {
    /// Makes the folder and writes `config` into it; a folder that holds a run already is left alone.
    pub fn create(path: &Path, config: &RunConfig) -> Result<Self> {
        let made = !path.exists();
        let created = Self::lock(path).and_then(|run| {
            if run.config_file().exists() {
                return Err(Error::RunExists { path: path.into() });
            }
            let json = serde_json::to_string_pretty(config).map_err(|error| unwritable(path, error.into()))?;
            write_beside(&run.config_file(), json.as_bytes())?;
            Ok(run)
        });
        if created.is_err() && made {
            // Nothing of a run that did not come about; what cannot be removed was not ours.
            let _ = fs::remove_dir_all(path);
        }
        created
    }

    /// Opens a run to go on with it.
    pub fn open(path: &Path) -> Result<(Self, RunConfig)> {
        let file = path.join("config.json");
        let text = fs::read_to_string(&file).map_err(|_| Error::NoRun { path: path.into() })?;
        let config = serde_json::from_str(&text)
            .map_err(|error| Error::DamagedCheckpoint { path: file, message: error.to_string() })?;
        Ok((Self::lock(path)?, config))
    }

    fn lock(path: &Path) -> Result<Self> {
        for folder in [path.join("samples"), path.join("checkpoints")] {
            fs::create_dir_all(&folder).map_err(|source| unwritable(&folder, source))?;
        }
        let file = path.join("lock");
        let lock = File::create(&file).map_err(|source| unwritable(&file, source))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.into(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::Busy { path: path.into() }),
            Err(TryLockError::Error(source)) => Err(unwritable(&file, source)),
        }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// Appends one line to `metrics.jsonl` and `times.jsonl` each.
    pub fn append(&self, metrics: &Metrics, times: &Times) -> Result<()> {
        append(&self.path.join("times.jsonl"), times)?;
        append(&self.path.join("metrics.jsonl"), metrics)
    }

    /// Writes which evaluation was the best.
    pub fn write_best(&self, best: Best) -> Result<()> {
        let path = self.path.join("best.json");
        let json = serde_json::json!({ "step": best.step, "loss": best.loss });
        write_beside(&path, json.to_string().as_bytes())
    }

    /// Brings the metrics to where a checkpoint was: lines after it go, the checkpoint's own line is there.
    pub fn rewind(&self, position: &Position) -> Result<()> {
        let step = position.progress.step;
        let mut metrics: Vec<Metrics> = lines(&self.path.join("metrics.jsonl"))?;
        metrics.retain(|line| line.step <= step);
        if let Some(own) = position.metrics
            && metrics.last().is_none_or(|line| line.step < own.step)
        {
            metrics.push(own);
        }
        rewrite(&self.path.join("metrics.jsonl"), &metrics)?;
        let mut times: Vec<Times> = lines(&self.path.join("times.jsonl"))?;
        times.retain(|line| line.step <= step);
        rewrite(&self.path.join("times.jsonl"), &times)?;
        position.best.map_or(Ok(()), |best| self.write_best(best))
    }

    /// Writes what the model wrote after so many steps.
    pub fn write_samples(&self, step: usize, text: &str) -> Result<()> {
        write_beside(&self.path.join("samples").join(format!("{step:08}.txt")), text.as_bytes())
    }

    fn config_file(&self) -> PathBuf {
        self.path.join("config.json")
    }
}

fn append(path: &Path, line: &impl Serialize) -> Result<()> {
    let append = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        // One write: a line is there whole or not at all.
        file.write_all(format!("{}\n", serde_json::to_string(line)?).as_bytes())?;
        file.sync_data()
    };
    append().map_err(|source| unwritable(path, source))
}

/// The whole lines of a file; one that was cut off by a full disk or a kill is left out.
fn lines<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Vec<T>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().map_while(|line| serde_json::from_str(line).ok()).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(vec![]),
        Err(source) => Err(Error::Read { path: path.into(), source }),
    }
}

fn rewrite<T: Serialize>(path: &Path, lines: &[T]) -> Result<()> {
    let text = lines
        .iter()
        .map(|line| serde_json::to_string(line).map(|line| line + "\n"))
        .collect::<serde_json::Result<String>>();
    write_beside(path, text.map_err(|error| unwritable(path, error.into()))?.as_bytes())
}

/// Writes to a temporary sibling, syncs it and renames it.
pub(crate) fn write_beside(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        // `File::create_new`: readable as any new file is, where a temporary one would be its owner's alone.
        let mut file = Builder::new().make_in(folder, |path| File::create_new(path))?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|source| unwritable(path, source))
}

fn unwritable(path: &Path, source: std::io::Error) -> Error {
    Error::Write { path: path.into(), source }
}
