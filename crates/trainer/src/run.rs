//! The folder of one run: everything that training leaves behind, each file whole at every moment.
//!
//! ```text
//! RUN/config.json            the recipe and the seed, as used
//! RUN/metrics.jsonl          one object an epoch
//! RUN/samples/000001.txt     what the model wrote after that epoch
//! RUN/checkpoints/000001/    model.safetensors and card.json
//! ```

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use model_card::{CARD_FILE, ModelCard, WEIGHTS_FILE};
use serde::{Deserialize, Serialize};
use tempfile::Builder;

use crate::{Error, Result};

/// How many checkpoints are kept: the last, and the one before it.
const KEPT_CHECKPOINTS: usize = 2;

/// One line of `metrics.jsonl`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Mean loss over the epoch's windows as they were trained, in nats a character: what Keras prints.
    pub train_loss: f64,
    /// Steps of the optimiser in the epoch.
    pub steps: usize,
    /// Characters read, every window counted whole.
    pub characters: u64,
    /// Seconds spent training, without the samples.
    pub seconds: f64,
}

/// The folder of one run.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes the folder and writes `config` into it; a folder that holds a run already is left alone.
    pub fn create(path: &Path, config: &impl Serialize) -> Result<Self> {
        let run = Self { path: path.into() };
        if run.config().exists() {
            return Err(Error::RunExists { path: path.into() });
        }
        for folder in [run.samples(), run.checkpoints()] {
            fs::create_dir_all(&folder).map_err(|source| Error::Write { path: folder, source })?;
        }
        let json = serde_json::to_string_pretty(config).map_err(|error| unwritable(&run.config(), error.into()))?;
        write_beside(&run.config(), json.as_bytes())?;
        Ok(run)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one line to `metrics.jsonl`.
    pub fn append_metrics(&self, metrics: &EpochMetrics) -> Result<()> {
        let path = self.path.join("metrics.jsonl");
        let append = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
            // One write: a line is there whole or not at all.
            file.write_all(format!("{}\n", serde_json::to_string(metrics)?).as_bytes())?;
            file.sync_data()
        };
        append().map_err(|source| Error::Write { path: path.clone(), source })
    }

    /// Writes what the model wrote after an epoch.
    pub fn write_samples(&self, epoch: usize, text: &str) -> Result<()> {
        write_beside(&self.samples().join(format!("{epoch:06}.txt")), text.as_bytes())
    }

    /// Writes a checkpoint, then removes the oldest ones; returns its folder.
    pub fn write_checkpoint(
        &self,
        epoch: usize,
        tensors: &HashMap<String, Tensor>,
        card: &ModelCard,
    ) -> Result<PathBuf> {
        let path = self.checkpoints().join(format!("{epoch:06}"));
        let write = || -> std::io::Result<()> {
            // The whole folder is written beside its place and renamed: a checkpoint exists with both files or not.
            let folder = hidden_folder().tempdir_in(self.checkpoints())?;
            candle_core::safetensors::save(tensors, folder.path().join(WEIGHTS_FILE)).map_err(std::io::Error::other)?;
            fs::write(folder.path().join(CARD_FILE), card.to_json())?;
            for name in [WEIGHTS_FILE, CARD_FILE] {
                File::open(folder.path().join(name))?.sync_all()?;
            }
            if path.exists() {
                fs::remove_dir_all(&path)?;
            }
            fs::rename(folder.keep(), &path)
        };
        write().map_err(|source| unwritable(&path, source))?;
        self.remove_old_checkpoints()?;
        Ok(path)
    }

    fn remove_old_checkpoints(&self) -> Result<()> {
        let folder = self.checkpoints();
        let remove = || -> std::io::Result<()> {
            let mut names = Vec::new();
            for entry in fs::read_dir(&folder)? {
                let name = entry?.file_name();
                if name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()) {
                    names.push(name);
                }
            }
            names.sort();
            for name in names.iter().rev().skip(KEPT_CHECKPOINTS) {
                fs::remove_dir_all(folder.join(name))?;
            }
            Ok(())
        };
        remove().map_err(|source| unwritable(&folder, source))
    }

    fn config(&self) -> PathBuf {
        self.path.join("config.json")
    }

    fn samples(&self) -> PathBuf {
        self.path.join("samples")
    }

    fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }
}

/// Writes to a temporary sibling, syncs it and renames it.
fn write_beside(path: &Path, bytes: &[u8]) -> Result<()> {
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

/// Makes temporary folders with the permissions of ordinary ones.
fn hidden_folder() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(".writing-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    builder
}

fn unwritable(path: &Path, source: std::io::Error) -> Error {
    Error::Write { path: path.into(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use model_card::{Context, FORMAT_VERSION, InputEncoding, ModelSize, Normalisation, Provenance, Unit, Vocabulary};

    fn card(seed_text: &str) -> ModelCard {
        ModelCard {
            format_version: FORMAT_VERSION,
            vocabulary: Vocabulary::from_text(Unit::Char, "ab"),
            normalisation: Normalisation::default(),
            size: ModelSize { vocabulary: 2, hidden: 1, layers: 1, input: InputEncoding::OneHot },
            context: Context::Stateful,
            seed_text: seed_text.into(),
            provenance: Provenance::default(),
        }
    }

    #[test]
    fn the_last_two_checkpoints_stay_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&folder.path().join("run"), &"config").unwrap();
        for epoch in 1..=3 {
            let tensor = Tensor::new(&[epoch as f32], &Device::Cpu).unwrap();
            run.write_checkpoint(epoch, &HashMap::from([("x".into(), tensor)]), &card(&epoch.to_string())).unwrap();
        }
        let mut names: Vec<_> =
            fs::read_dir(run.checkpoints()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["000002", "000003"]);
        let last = run.checkpoints().join("000003");
        let tensors = candle_core::safetensors::load(last.join(WEIGHTS_FILE), &Device::Cpu).unwrap();
        assert_eq!(tensors["x"].to_vec1::<f32>().unwrap(), [3.0]);
        assert_eq!(ModelCard::from_json(&fs::read_to_string(last.join(CARD_FILE)).unwrap()).unwrap(), card("3"));
    }

    #[test]
    fn a_run_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        RunFolder::create(folder.path(), &"first").unwrap();
        assert!(matches!(RunFolder::create(folder.path(), &"second"), Err(Error::RunExists { .. })));
        assert_eq!(fs::read_to_string(folder.path().join("config.json")).unwrap(), "\"first\"");
    }

    #[test]
    fn metrics_are_one_line_an_epoch() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(folder.path(), &"config").unwrap();
        let metrics = |epoch| EpochMetrics { epoch, train_loss: 1.5, steps: 2, characters: 3, seconds: 4.0 };
        run.append_metrics(&metrics(1)).unwrap();
        run.append_metrics(&metrics(2)).unwrap();
        let text = fs::read_to_string(folder.path().join("metrics.jsonl")).unwrap();
        let read: Vec<EpochMetrics> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, [metrics(1), metrics(2)]);
    }
}
