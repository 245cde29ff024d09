//! The folder that is written to: made, locked, swept, and left as it was found when the work fails.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::shard::writer::{FinishedShard, TEMPORARY_PREFIX};
use crate::{Error, Index, Result};

const LOCK_FILE: &str = ".lock";
const SHARD_ENDING: &str = ".shard";

/// A locked folder. Dropped without [`Workplace::keep`], it takes along the folders that it made.
pub struct Workplace {
    folder: PathBuf,
    /// Folders that did not exist before, the innermost last.
    made: Vec<PathBuf>,
    _lock: File,
}

impl Workplace {
    /// Makes the folder where there is none, and locks it against other processes.
    pub fn enter(folder: &Path) -> Result<Self> {
        let unwritable = |path: &Path, source| Error::Write { path: path.into(), source };
        let mut made: Vec<PathBuf> = folder
            .ancestors()
            .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
            .map(Into::into)
            .collect();
        made.reverse();
        let lock = fs::create_dir_all(folder).map_err(|source| unwritable(folder, source)).and_then(|()| {
            let path = folder.join(LOCK_FILE);
            let lock = File::options().create(true).write(true).truncate(false).open(&path);
            let lock = lock.map_err(|source| unwritable(&path, source))?;
            match lock.try_lock() {
                Ok(()) => Ok(lock),
                Err(TryLockError::WouldBlock) => Err(Error::Busy(folder.into())),
                Err(TryLockError::Error(source)) => Err(unwritable(&path, source)),
            }
        });
        match lock {
            Ok(lock) => Ok(Self { folder: folder.into(), made, _lock: lock }),
            Err(error) => {
                // Another process that holds the lock made the folder too: it is not empty, and stays.
                made.iter().rev().for_each(|path| drop(fs::remove_dir(path)));
                Err(error)
            }
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Removes what an earlier process left unfinished when it was killed.
    pub fn sweep(&self) -> Result<()> {
        self.remove(|name| name.starts_with(TEMPORARY_PREFIX))
    }

    /// Gives all shards their names, or none.
    pub fn publish(&self, mut shards: Vec<FinishedShard>) -> Result<()> {
        shards.iter_mut().try_for_each(FinishedShard::settle)?;
        let mut published = Vec::new();
        for shard in shards {
            let path = self.folder.join(&shard.entry().file);
            let new = !path.exists();
            if let Err(error) = shard.publish() {
                for path in published {
                    let _ = fs::remove_file(path);
                }
                return Err(error);
            }
            if new {
                published.push(path);
            }
        }
        Ok(())
    }

    /// Ends the work: the folder stays, without the shards that its index does not list.
    pub fn keep(mut self, index: &Index) -> Result<()> {
        self.made.clear();
        self.remove(|name| name.ends_with(SHARD_ENDING) && !index.shards.iter().any(|shard| shard.file == name))
    }

    fn remove(&self, condemned: impl Fn(&str) -> bool) -> Result<()> {
        let unwritable = |source: io::Error| Error::Write { path: self.folder.clone(), source };
        for entry in fs::read_dir(&self.folder).map_err(unwritable)? {
            let entry = entry.map_err(unwritable)?;
            if entry.file_name().to_str().is_some_and(&condemned) {
                fs::remove_file(entry.path()).map_err(unwritable)?;
            }
        }
        Ok(())
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        if !self.made.is_empty() {
            let _ = fs::remove_file(self.folder.join(LOCK_FILE));
            // Only folders that are empty go; whatever somebody else put there stays.
            self.made.iter().rev().for_each(|path| drop(fs::remove_dir(path)));
        }
    }
}
