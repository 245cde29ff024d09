//! Locks that die with the process that holds them, and say which process that is.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use same_file::Handle;

/// The name of a lock that is taken by creating a file ends with this.
const CREATED: &str = ".held";

/// A lock: a file that one process at a time holds. The system releases it when the process ends, however it ends, so the
/// lock of a killed process is in nobody's way. The file stays and holds the process id while it is locked.
///
/// Some file systems have no such locks. There, the lock is a second file, which is made by whoever takes it and removed
/// when it is released. That one outlives a process that is killed; [`Holder`] then says which file to delete.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    file: File,
    /// Whether this call made the file.
    made: bool,
    /// The file that is the lock where the file system has none.
    created: Option<PathBuf>,
}

/// Why a lock was not taken.
#[derive(Debug)]
pub enum LockError {
    /// Another process holds it.
    Held(Holder),
    /// The file cannot be opened or made.
    Io(io::Error),
}

/// Who holds a lock, in the words of a message: [`std::fmt::Display`] gives ` (process 1234)`, or nothing if it is not
/// known, and [`Holder::advice`] what to do about a lock that nobody holds any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holder {
    process: Option<u32>,
    created: Option<PathBuf>,
}

impl Holder {
    /// Its process id, if it is known.
    pub fn process(&self) -> Option<u32> {
        self.process
    }

    /// What to do if that process is gone; nothing where the system releases locks.
    pub fn advice(&self) -> String {
        let advice = |file: &PathBuf| {
            format!("; this file system has no locks: if that process is gone, delete {} yourself", file.display())
        };
        self.created.as_ref().map(advice).unwrap_or_default()
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.process.map_or(Ok(()), |process| write!(formatter, " (process {process})"))
    }
}

impl From<io::Error> for LockError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Lock {
    /// Takes the lock that a file stands for. The file is made if there is none.
    ///
    /// # Errors
    /// [`LockError::Held`] at once if another process holds the lock.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        loop {
            let (mut file, made) = match OpenOptions::new().read(true).write(true).create_new(true).open(path) {
                Ok(file) => (file, true),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    match OpenOptions::new().read(true).write(true).open(path) {
                        Ok(file) => (file, false),
                        // Its owner has just removed it.
                        Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                        Err(error) => return Err(error.into()),
                    }
                }
                Err(error) => return Err(error.into()),
            };
            let mut created = None;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(LockError::Held(Holder { process: process_in(&mut file), created: None }));
                }
                // It is only asked whether the file is locked, so this can only mean that the file system has no locks.
                Err(TryLockError::Error(_)) => match create(path) {
                    Ok(path) => created = Some(path),
                    Err(error) => {
                        if made && matches!(error, LockError::Io(_)) {
                            let _ = fs::remove_file(path);
                        }
                        return Err(error);
                    }
                },
            }
            let lock = Self { path: path.into(), file, made, created };
            if lock.is_in_place()? {
                // For people who wait. A full disk is no reason to refuse the lock.
                let _ = lock.file.set_len(0).and_then(|()| (&lock.file).write_all(process_line().as_bytes()));
                return Ok(lock);
            }
        }
    }

    /// Whether this call made the file.
    pub fn made_file(&self) -> bool {
        self.made
    }

    /// Whether the file is still the one of its path. It is not if somebody removed it, or the folder that it is in, or
    /// put another in its place: then nobody else can find the lock.
    pub fn is_in_place(&self) -> io::Result<bool> {
        let own = Handle::from_file(self.file.try_clone()?)?;
        Ok(Handle::from_path(&self.path).is_ok_and(|there| there == own))
    }

    /// Who holds the lock that a file stands for, if anybody does.
    pub fn holder(path: &Path) -> Option<Holder> {
        let created = beside(path);
        if let Ok(mut file) = File::open(&created) {
            return Some(Holder { process: process_in(&mut file), created: Some(created) });
        }
        let mut file = File::open(path).ok()?;
        let is_held = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        is_held.then(|| Holder { process: process_in(&mut file), created: None })
    }

    /// The same lock after the folder that it is in got another name.
    #[must_use]
    pub fn moved_to(mut self, path: &Path) -> Self {
        self.created = self.created.as_ref().map(|_| beside(path));
        self.path = path.into();
        self
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
        if let Some(created) = &self.created {
            let _ = fs::remove_file(created);
        }
    }
}

/// Takes a lock by making a file.
fn create(path: &Path) -> Result<PathBuf, LockError> {
    let created = beside(path);
    match File::create_new(&created) {
        Ok(mut file) => {
            let _ = file.write_all(process_line().as_bytes());
            Ok(created)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(LockError::Held(Lock::holder(path).unwrap_or_default()))
        }
        Err(error) => Err(error.into()),
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(CREATED);
    name.into()
}

fn process_line() -> String {
    format!("{}\n", std::process::id())
}

/// The process id in a lock's file.
fn process_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().and_then(|()| file.take(20).read_to_string(&mut text)).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_held(path: &Path) -> bool {
        Lock::holder(path).is_some()
    }

    #[test]
    fn the_second_to_take_a_lock_is_told_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        // What a killed process left.
        fs::write(&path, "99999999\n").unwrap();
        let lock = Lock::take(&path).unwrap();
        assert!(!lock.made_file() && is_held(&path));
        let Err(LockError::Held(holder)) = Lock::take(&path) else { panic!("taken twice") };
        assert_eq!((holder.process(), holder.advice().as_str()), (Some(std::process::id()), ""));
        assert_eq!(holder.to_string(), format!(" (process {})", std::process::id()));
        drop(lock);
        assert!(!is_held(&path));
        assert_eq!(fs::read(&path).unwrap(), b"", "nobody holds it");
    }

    #[test]
    fn a_lock_that_was_removed_is_not_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let lock = Lock::take(&path).unwrap();
        assert!(lock.made_file() && lock.is_in_place().unwrap());
        fs::remove_file(&path).unwrap();
        assert!(!lock.is_in_place().unwrap());
        let other = Lock::take(&path).unwrap();
        assert!(other.is_in_place().unwrap() && !lock.is_in_place().unwrap());
    }

    #[test]
    fn a_lock_is_created_where_the_file_system_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let created = create(&path).unwrap();
        assert!(is_held(&path));
        let Err(LockError::Held(holder)) = create(&path) else { panic!("taken twice") };
        assert_eq!(holder.process(), Some(std::process::id()));
        assert!(holder.advice().contains("lock.held"), "{}", holder.advice());
        let file = File::create(&path).unwrap();
        drop(Lock { path: path.clone(), file, made: false, created: Some(created) });
        assert!(!is_held(&path));
    }
}
