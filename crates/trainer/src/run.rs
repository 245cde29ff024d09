//! The folder of one run: everything that training leaves behind. Each file is whole at every moment.
//!
//! ```text
//! RUN/config.json            the recipe, the seed and the text, as used
//! RUN/steps.jsonl            one object every few optimizer steps: loss, gradient norm, learning rate, time
//! RUN/metrics.jsonl          one object per evaluation: the same for the same seed on the same machine
//! RUN/times.jsonl            what depends on the clock, line by line beside it
//! RUN/progress.jsonl         what the network wrote on its way, from the first step to the last
//! RUN/best.json              the best evaluation: its step names a checkpoint
//! RUN/samples/00000310.txt   what the model wrote after that many steps
//! RUN/checkpoints/00000310/  see `checkpoint`
//! RUN/lock                   locked by the trainer that works here
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use durable::{Lock, LockError};
use serde::{Deserialize, Serialize};

use crate::checkpoint::Position;
use crate::plan::Plans;
use crate::recipe::Recipe;
use crate::records::{Best, Metrics, ProgressSample, StepRecord, Times};
use crate::{Error, Result};

/// What `config.json` holds: everything that determines a run, except the machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunConfig {
    /// What is trained and how.
    pub recipe: Recipe,
    /// The seed.
    pub seed: u64,
    /// The device: `cpu`, `cuda` or `metal`.
    pub device: String,
    /// The corpus' name.
    pub dataset: String,
    /// The folder of its shards.
    pub shards: PathBuf,
    /// Fingerprint of the prepared text: [`corpus::Index::run`].
    pub corpus: u64,
    /// The checkpoint that the first weights came from, if they came from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_from: Option<PathBuf>,
    /// What the time budget became when the run was begun: the plan in steps. A checkpoint lists it with all later ones.
    #[serde(default, skip_serializing_if = "Plans::is_empty")]
    pub plans: Plans,
    /// The run that this one repeats: its plans hold as they are, and the clock is not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<PathBuf>,
}

impl RunConfig {
    /// Reads the configuration of a run.
    ///
    /// # Errors
    /// [`Error::NoRun`] if the folder has none, [`Error::DamagedConfig`] if it cannot be understood.
    pub fn read(run: &Path) -> Result<Self> {
        let path = run.join(CONFIG);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Err(Error::NoRun { path: run.into() });
            }
            Err(source) => return Err(Error::Read { path, source }),
        };
        let damaged = |message: String| Error::DamagedConfig { path: path.clone(), message };
        let mut config: Self = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        // Earlier versions let 0 epochs through and trained one.
        config.recipe.epochs = config.recipe.epochs.max(1);
        config.recipe.validate().and_then(|()| config.plans.validate()).map_err(damaged)?;
        Ok(config)
    }
}

const CONFIG: &str = "config.json";
const STEPS: &str = "steps.jsonl";
const METRICS: &str = "metrics.jsonl";
const TIMES: &str = "times.jsonl";
const PROGRESS: &str = "progress.jsonl";
const BEST: &str = "best.json";
const LOCK: &str = "lock";
const SAMPLES: &str = "samples";
const CHECKPOINTS: &str = "checkpoints";

/// Attempts to lock a run before it counts as taken.
const LOCK_ATTEMPTS: u32 = 10;

/// The folder of the checkpoints of a run.
pub fn checkpoints(run: &Path) -> PathBuf {
    run.join(CHECKPOINTS)
}

/// The folder of the samples of a run.
pub(crate) fn samples(run: &Path) -> PathBuf {
    run.join(SAMPLES)
}

/// The evaluations of a run so far.
pub fn metrics(run: &Path) -> Result<Vec<Metrics>> {
    lines(&run.join(METRICS))
}

/// The times of the evaluations of a run so far.
pub fn times(run: &Path) -> Result<Vec<Times>> {
    lines(&run.join(TIMES))
}

/// The recorded optimizer steps of a run so far.
pub fn steps(run: &Path) -> Result<Vec<StepRecord>> {
    lines(&run.join(STEPS))
}

/// What the network of a run wrote on its way, the earliest first. There is nothing of a run of an earlier version, or of
/// one that takes no such samples.
pub fn progress(run: &Path) -> Result<Vec<ProgressSample>> {
    lines(&run.join(PROGRESS))
}

/// What is known of the best evaluation of a run; `None` if there is none or the file is damaged.
pub fn best(run: &Path) -> Option<Best> {
    serde_json::from_str(&fs::read_to_string(run.join(BEST)).ok()?).ok()
}

/// Whether a trainer works in a run's folder at the moment.
pub fn is_locked(run: &Path) -> bool {
    Lock::holder(&run.join(LOCK)).is_some()
}

/// The folder of one run, locked.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    lock: Lock,
}

impl RunFolder {
    /// Makes the folder with `config` in it.
    ///
    /// # Errors
    /// [`Error::RunExists`] if there is anything of that name, [`Error::Busy`] if a trainer works on it. What is there is
    /// left alone.
    pub fn create(path: &Path, config: &RunConfig) -> Result<Self> {
        let json = serde_json::to_string_pretty(config).map_err(|error| unwritable(path, error.into()))?;
        let mut lock = None;
        let fill = |folder: &Path| {
            fs::create_dir(folder.join(SAMPLES))?;
            fs::create_dir(folder.join(CHECKPOINTS))?;
            for records in [STEPS, METRICS, TIMES, PROGRESS] {
                fs::write(folder.join(records), "")?;
            }
            fs::write(folder.join(CONFIG), &json)?;
            // Locked before it has its name, so that nobody finds it without a trainer. Windows renames no folder with an
            // open file in it.
            if cfg!(unix) {
                let taken = Lock::take(&folder.join(LOCK)).map_err(|error| match error {
                    LockError::Io(source) => source,
                    LockError::Held(_) => io::ErrorKind::ResourceBusy.into(),
                });
                lock = Some(taken?);
            }
            Ok(())
        };
        match durable::create_dir(path, fill) {
            Ok(()) => match lock {
                Some(lock) => Ok(Self { path: path.into(), lock: lock.moved_to(&path.join(LOCK)) }),
                None => Self::lock(path),
            },
            // Another error if a parent is a file.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.symlink_metadata().is_ok() => {
                Err(taken(path))
            }
            Err(source) => Err(unwritable(path, source)),
        }
    }

    /// Makes a folder under the first free one of the names `name`, `name-2`, `name-3` and so on. A name is taken by
    /// making its folder, so two trainers never get the same.
    ///
    /// # Errors
    /// [`Error::Write`] if no folder can be made.
    pub fn create_numbered(runs: &Path, name: &str, config: &RunConfig) -> Result<Self> {
        let mut number = 1_u64;
        loop {
            let name = if number == 1 { name.to_owned() } else { format!("{name}-{number}") };
            let path = runs.join(name);
            // Looked at first, because making a folder in vain costs several disk writes.
            if path.symlink_metadata().is_err() {
                match Self::create(&path, config) {
                    Err(Error::RunExists { .. } | Error::Busy { .. }) => {}
                    other => return other,
                }
            }
            number += 1;
        }
    }

    /// Opens a run to resume it, and removes what a killed trainer left half-written in it.
    pub fn open(path: &Path) -> Result<(Self, RunConfig)> {
        let config = RunConfig::read(path)?;
        let run = Self::lock(path)?;
        for folder in [path.join(SAMPLES), path.join(CHECKPOINTS)] {
            durable::create_dir_all(&folder).map_err(|source| unwritable(&folder, source))?;
            durable::remove_unfinished(&folder).map_err(|source| unwritable(&folder, source))?;
        }
        durable::remove_unfinished(path).map_err(|source| unwritable(path, source))?;
        Ok((run, config))
    }

    fn lock(path: &Path) -> Result<Self> {
        let file = path.join(LOCK);
        for attempt in 1.. {
            match Lock::take(&file) {
                Ok(lock) => return Ok(Self { path: path.into(), lock }),
                // Whoever only looks whether somebody works here holds the lock for a moment.
                Err(LockError::Held(_)) if attempt < LOCK_ATTEMPTS => sleep(Duration::from_millis(10)),
                Err(LockError::Held(holder)) => return Err(Error::Busy { path: path.into(), holder }),
                Err(LockError::Io(source)) => return Err(unwritable(&file, source)),
            }
        }
        unreachable!("the last attempt returns")
    }

    /// Fails if the folder is no longer the one that this trainer made or opened, so that nothing is written into the run
    /// of somebody else, and no half of a run is made where one was removed.
    ///
    /// # Errors
    /// [`Error::RunGone`]
    pub fn check_in_place(&self) -> Result<()> {
        match self.lock.is_in_place() {
            Ok(true) => Ok(()),
            _ => Err(Error::RunGone { path: self.path.clone() }),
        }
    }

    /// A result, or that the folder is gone, which explains every failure.
    pub fn or_gone<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| self.check_in_place().err().unwrap_or(error))
    }

    /// Whether nothing has been recorded yet: the trainer ended before the first step that it records.
    pub fn is_blank(&self) -> Result<bool> {
        Ok(metrics(&self.path)?.is_empty() && steps(&self.path)?.is_empty())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        checkpoints(&self.path)
    }

    /// Appends one line to `steps.jsonl`. It is durable after [`RunFolder::sync_steps`].
    pub fn append_step(&self, step: &StepRecord) -> Result<()> {
        self.check_in_place()?;
        self.or_gone(append(&self.path.join(STEPS), step).map(drop))
    }

    /// Appends one line to `progress.jsonl`. It is durable after [`RunFolder::sync_steps`].
    pub fn append_progress(&self, sample: &ProgressSample) -> Result<()> {
        self.check_in_place()?;
        self.or_gone(append(&self.path.join(PROGRESS), sample).map(drop))
    }

    /// Makes the lines of `steps.jsonl` and `progress.jsonl` durable.
    pub fn sync_steps(&self) -> Result<()> {
        for path in [STEPS, PROGRESS].map(|records| self.path.join(records)) {
            match OpenOptions::new().append(true).open(&path) {
                Ok(file) => file.sync_data().map_err(|source| unwritable(&path, source))?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(unwritable(&path, source)),
            }
        }
        Ok(())
    }

    /// Appends one line each to `metrics.jsonl` and `times.jsonl`.
    ///
    /// Call it before the checkpoint of the same step is written: [`RunFolder::rewind`] removes lines that are later
    /// than the checkpoint, but cannot bring back lines that were never written.
    pub fn append(&self, metrics: &Metrics, times: &Times) -> Result<()> {
        self.check_in_place()?;
        let sync = |path: PathBuf, file: File| file.sync_data().map_err(|source| unwritable(&path, source));
        let (metrics_file, times_file) = (self.path.join(METRICS), self.path.join(TIMES));
        let appended = append(&times_file, times).and_then(|file| sync(times_file.clone(), file));
        let appended = appended.and_then(|()| append(&metrics_file, metrics));
        self.or_gone(appended.and_then(|file| sync(metrics_file.clone(), file)))
    }

    /// Writes which evaluation was the best. Call it after its checkpoint is written.
    pub fn write_best(&self, best: Best) -> Result<()> {
        let json = serde_json::json!({ "step": best.step, "loss": best.loss });
        write(&self.path.join(BEST), json.to_string().as_bytes())
    }

    /// Brings all records to where a checkpoint was: later lines are removed.
    pub fn rewind(&self, position: &Position) -> Result<()> {
        let step = position.progress.step;
        let mut metrics = metrics(&self.path)?;
        metrics.retain(|line| line.step <= step);
        // Earlier versions wrote the checkpoint first, and may have been killed before they wrote the line.
        if let Some(own) = position.metrics
            && metrics.last().is_none_or(|line| line.step < own.step)
        {
            metrics.push(own);
        }
        rewrite(&self.path.join(METRICS), &metrics)?;
        let mut times = times(&self.path)?;
        times.retain(|line| line.step <= step);
        rewrite(&self.path.join(TIMES), &times)?;
        let mut steps = steps(&self.path)?;
        steps.retain(|line| line.step <= step);
        rewrite(&self.path.join(STEPS), &steps)?;
        let mut progress = progress(&self.path)?;
        progress.retain(|line| line.step <= step);
        rewrite(&self.path.join(PROGRESS), &progress)?;
        position.best.map_or(Ok(()), |best| self.write_best(best))
    }

    /// Writes what the model wrote after a number of steps.
    pub fn write_samples(&self, step: usize, text: &str) -> Result<()> {
        self.check_in_place()?;
        write(&self.path.join(SAMPLES).join(format!("{step:08}.txt")), text.as_bytes())
    }
}

/// Why a name cannot be given to a new run: a trainer works on a run of that name, or there is something else.
pub(crate) fn taken(path: &Path) -> Error {
    match Lock::holder(&path.join(LOCK)) {
        Some(holder) => Error::Busy { path: path.into(), holder },
        None => Error::RunExists { path: path.into() },
    }
}

fn append(path: &Path, line: &impl Serialize) -> Result<File> {
    let append = || -> io::Result<File> {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        // One write, so that a line is there whole or not at all.
        file.write_all(format!("{}\n", serde_json::to_string(line)?).as_bytes())?;
        Ok(file)
    };
    append().map_err(|source| unwritable(path, source))
}

/// The whole lines of a file. A line that a full disk or a kill cut off ends the list.
fn lines<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Vec<T>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().map_while(|line| serde_json::from_str(line).ok()).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        Err(source) => Err(Error::Read { path: path.into(), source }),
    }
}

fn rewrite<T: Serialize>(path: &Path, lines: &[T]) -> Result<()> {
    let text = lines
        .iter()
        .map(|line| serde_json::to_string(line).map(|line| line + "\n"))
        .collect::<serde_json::Result<String>>();
    write(path, text.map_err(|error| unwritable(path, error.into()))?.as_bytes())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    durable::write(path, bytes).map_err(|source| unwritable(path, source))
}

fn unwritable(path: &Path, source: io::Error) -> Error {
    Error::Write { path: path.into(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::Progress;

    fn config() -> RunConfig {
        RunConfig {
            recipe: Recipe::named("lecture").unwrap(),
            seed: 1,
            device: "cpu".into(),
            dataset: "tale".into(),
            shards: "shards".into(),
            corpus: 3,
            init_from: None,
            plans: Plans::default(),
            repeats: None,
        }
    }

    #[test]
    fn a_folder_that_is_there_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("run");
        let run = RunFolder::create(&path, &config()).unwrap();
        fs::write(path.join("mine"), "mine").unwrap();
        assert!(matches!(RunFolder::create(&path, &config()), Err(Error::Busy { .. })), "the first one works there");
        assert!(matches!(RunFolder::open(&path), Err(Error::Busy { .. })));
        assert!(is_locked(&path));
        drop(run);
        assert!(!is_locked(&path));
        assert!(matches!(RunFolder::create(&path, &config()), Err(Error::RunExists { .. })));
        assert_eq!(RunFolder::open(&path).unwrap().1, config());
        assert_eq!(fs::read_to_string(path.join("mine")).unwrap(), "mine");
    }

    #[test]
    fn one_of_many_creates_a_run_and_the_others_leave_it_whole() {
        let place = tempfile::tempdir().unwrap();
        for round in 0..20 {
            let path = place.path().join(round.to_string());
            let barrier = std::sync::Barrier::new(4);
            let create = || {
                barrier.wait();
                // The lock is held until all have tried.
                let created = RunFolder::create(&path, &config());
                barrier.wait();
                created.is_ok()
            };
            let made: usize = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(create)).collect();
                threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
            });
            assert_eq!(made, 1);
            assert_eq!(RunConfig::read(&path).unwrap(), config());
            assert!(path.join(CHECKPOINTS).is_dir() && path.join(SAMPLES).is_dir());
        }
        let left = fs::read_dir(place.path()).unwrap().count();
        assert_eq!(left, 20, "nothing half-written is left");
    }

    #[test]
    fn nothing_is_written_where_the_run_was_removed_or_replaced() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("run");
        let run = RunFolder::create(&path, &config()).unwrap();
        run.check_in_place().unwrap();
        fs::remove_dir_all(&path).unwrap();
        assert!(matches!(run.write_samples(3, "text"), Err(Error::RunGone { .. })));
        assert!(!path.exists());
        let other = RunFolder::create(&path, &config()).unwrap();
        assert!(matches!(run.write_samples(3, "text"), Err(Error::RunGone { .. })));
        assert_eq!(fs::read_dir(path.join(SAMPLES)).unwrap().count(), 0);
        other.check_in_place().unwrap();
    }

    #[test]
    fn what_a_kill_left_half_written_is_removed_when_a_run_is_opened() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("run");
        drop(RunFolder::create(&path, &config()).unwrap());
        fs::create_dir(path.join("checkpoints/.writing-abcdef")).unwrap();
        for left in ["checkpoints/.writing-abcdef/card.json", ".writing-123456", "samples/.writing-123456"] {
            fs::write(path.join(left), "half").unwrap();
        }
        drop(RunFolder::open(&path).unwrap());
        for folder in [".", "samples", "checkpoints"].map(|folder| path.join(folder)) {
            for entry in fs::read_dir(folder).unwrap() {
                assert!(!entry.unwrap().file_name().to_string_lossy().starts_with(".writing"));
            }
        }
    }

    #[test]
    fn records_are_cut_back_to_a_checkpoint() {
        let place = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&place.path().join("run"), &config()).unwrap();
        let metrics_at = |step| Metrics {
            epoch: 1,
            step,
            train_loss: 2.0,
            validation_loss: None,
            learning_rate: 0.1,
            characters: step as u64,
        };
        for step in 1..=4 {
            let record = StepRecord {
                epoch: 1,
                step,
                loss: 2.0,
                gradient_norm: 1.0,
                learning_rate: 0.1,
                seconds: 0.5,
                characters: step as u64,
                done: 0.5,
                elapsed: 1.0,
            };
            run.append_step(&record).unwrap();
            let sample = ProgressSample {
                epoch: 1,
                step,
                loss: 2.0,
                validation_loss: None,
                elapsed: 1.0,
                temperature: 0.5,
                prompt: "a".into(),
                text: "b\n\u{2028}".into(),
            };
            run.append_progress(&sample).unwrap();
        }
        for step in [2, 4] {
            run.append(&metrics_at(step), &Times { step, elapsed: 1.0, speed: 1.0 }).unwrap();
        }
        let progress = Progress {
            epoch: 1,
            batch: 3,
            step: 3,
            elapsed: 1.0,
            loss: 0.0,
            targets: 0,
            trained: 3,
            plateau: crate::schedule::Plateau::default(),
        };
        run.rewind(&Position::new(progress, None, Some(metrics_at(2)))).unwrap();
        let steps: Vec<usize> = steps(run.path()).unwrap().iter().map(|line| line.step).collect();
        let metrics: Vec<usize> = metrics(run.path()).unwrap().iter().map(|line| line.step).collect();
        let times: Vec<usize> = times(run.path()).unwrap().iter().map(|line| line.step).collect();
        let progress: Vec<usize> = self::progress(run.path()).unwrap().iter().map(|line| line.step).collect();
        assert_eq!((steps, metrics, times, progress), (vec![1, 2, 3], vec![2], vec![2], vec![1, 2, 3]));
    }
}
