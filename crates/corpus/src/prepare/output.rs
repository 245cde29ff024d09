//! The folder that is written to.
//!
//! It is locked while prepare is writing. If the work fails, it is left as it was: files, folders and the lock that
//! this call made are removed again. The only other files that are ever removed are those that an earlier prepare left
//! in the same folder: unfinished ones, and shards that the new index does not list. Both are recognised by their whole
//! names, and the lock proves that no other prepare is using them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use durable::{Lock, LockError};

use crate::shard::writer::{FinishedShard, is_shard_name, is_unfinished_name};
use crate::{Error, INDEX_FILE, Index, Result};

const LOCK_FILE: &str = ".lock";

/// A locked folder. Unless [`OutputFolder::commit`] ran, dropping it removes what this call made.
pub struct OutputFolder {
    path: PathBuf,
    /// Folders that this call made, the innermost last.
    made: Vec<PathBuf>,
    made_lock: bool,
    /// Shards of this call that have their names, but are in no index yet.
    published: Vec<PathBuf>,
    lock: Option<Lock>,
}

impl OutputFolder {
    /// Makes the folder if there is none, and locks it against other processes.
    ///
    /// # Errors
    /// [`Error::Busy`] if another process has locked it.
    pub fn lock(path: &Path) -> Result<Self> {
        let mut made = Vec::new();
        let locked = make_folders(path, &mut made)
            .map_err(|source| Error::Write { path: path.into(), source })
            .and_then(|()| lock(path));
        match locked {
            Ok(lock) => {
                let made_lock = lock.made_file();
                Ok(Self { path: path.into(), made, made_lock, published: Vec::new(), lock: Some(lock) })
            }
            Err(error) => {
                // If another process holds the lock, the folder is not empty, and stays.
                made.iter().rev().for_each(|path| drop(fs::remove_dir(path)));
                Err(error)
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the unfinished files of an earlier prepare that was killed.
    pub fn remove_unfinished(&self) {
        self.remove(is_unfinished_name);
    }

    /// Gives the shards their names, when the disk has all of them. No index lists them yet.
    pub fn publish(&mut self, mut shards: Vec<FinishedShard>) -> Result<()> {
        shards.iter_mut().try_for_each(FinishedShard::wait_for_sync)?;
        for shard in shards {
            let path = self.path.join(&shard.entry().file);
            // A shard of the same name has the same contents, and belongs to the index that is still in place.
            let is_new = !path.exists();
            shard.publish()?;
            if is_new {
                self.published.push(path);
            }
        }
        durable::sync_dir(&self.path).map_err(|source| Error::Write { path: self.path.clone(), source })
    }

    /// Puts the index in place, which makes its shards the corpus. Then removes shards that it does not list.
    pub fn commit(&mut self, index: &Index) -> Result<()> {
        let (path, json) = (self.path.join(INDEX_FILE), index.to_json());
        if let Err(source) = durable::write(&path, json.as_bytes()) {
            // The index may be in place all the same, if it was the folder that could not be synced.
            if fs::read(&path).is_ok_and(|found| found == json.as_bytes()) {
                self.keep();
                self.made.clear();
            }
            return Err(Error::Write { path, source });
        }
        self.keep();
        self.remove_unlisted(index);
        for made in std::mem::take(&mut self.made) {
            if let Some(parent) = made.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                durable::sync_dir(parent).map_err(|source| Error::Write { path: made.clone(), source })?;
            }
        }
        Ok(())
    }

    /// Ends the work without a change. Removes shards that the index does not list.
    pub fn leave(mut self, index: &Index) {
        self.keep();
        self.remove_unlisted(index);
    }

    fn remove_unlisted(&self, index: &Index) {
        self.remove(|name| is_shard_name(name) && !index.shards.iter().any(|shard| shard.file == name));
    }

    /// Ends the work with what is there: the folder and its lock stay, even if this call made them.
    pub fn stay(mut self) {
        self.keep();
        self.made.clear();
    }

    fn keep(&mut self) {
        self.made_lock = false;
        self.published.clear();
    }

    /// Removes files by name. A file that cannot be removed now (on Windows: one that is mapped) is for the next time.
    fn remove(&self, condemned: impl Fn(&str) -> bool) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if entry.file_name().to_str().is_some_and(&condemned) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

impl Drop for OutputFolder {
    fn drop(&mut self) {
        self.published.iter().for_each(|path| drop(fs::remove_file(path)));
        if self.made_lock {
            let _ = fs::remove_file(self.path.join(LOCK_FILE));
        }
        drop(self.lock.take());
        // This removes only empty folders, so whatever somebody else put there stays.
        self.made.iter().rev().for_each(|path| drop(fs::remove_dir(path)));
    }
}

/// Makes a folder and its parents, and records the folders that did not exist.
fn make_folders(path: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut folders: Vec<&Path> = path.ancestors().filter(|path| !path.as_os_str().is_empty()).collect();
    while let Some(folder) = folders.pop() {
        match fs::create_dir(folder) {
            Ok(()) => made.push(folder.into()),
            Err(_) if folder.is_dir() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn lock(folder: &Path) -> Result<Lock> {
    let path = folder.join(LOCK_FILE);
    Lock::take(&path).map_err(|error| match error {
        LockError::Held(holder) => Error::Busy { path: folder.into(), holder },
        LockError::Io(source) => Error::Write { path, source },
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn a_failure_removes_what_this_call_made_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        drop(OutputFolder::lock(&path).unwrap());
        assert!(!parent.path().join("a").exists());
        // A folder that is there stays, without the lock; so does what somebody else puts into a new one.
        fs::create_dir(parent.path().join("a")).unwrap();
        let folder = OutputFolder::lock(&path).unwrap();
        fs::write(path.join("notes.txt"), "").unwrap();
        drop(folder);
        assert!(path.join("notes.txt").exists() && !path.join(LOCK_FILE).exists());
        // A lock that is there stays, for its owner may come back.
        fs::write(path.join(LOCK_FILE), "").unwrap();
        drop(OutputFolder::lock(&path).unwrap());
        assert!(path.join(LOCK_FILE).exists());
    }

    #[test]
    fn the_second_to_lock_a_folder_is_refused_and_removes_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("new");
        let first = OutputFolder::lock(&path).unwrap();
        assert!(matches!(OutputFolder::lock(&path), Err(Error::Busy { path: busy, .. }) if busy == path));
        assert!(path.join(LOCK_FILE).exists());
        drop(first);
        OutputFolder::lock(&path).unwrap();
    }

    #[test]
    fn a_folder_that_comes_and_goes_has_one_owner_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let (owners, locked) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..3000 {
                        // Each owner removes its lock, while the others are about to open it.
                        let Ok(folder) = OutputFolder::lock(parent.path()) else { continue };
                        assert_eq!(owners.fetch_add(1, Ordering::SeqCst), 0);
                        thread::yield_now();
                        owners.fetch_sub(1, Ordering::SeqCst);
                        locked.fetch_add(1, Ordering::SeqCst);
                        drop(folder);
                    }
                });
            }
        });
        assert!(locked.into_inner() > 0);
    }
}
