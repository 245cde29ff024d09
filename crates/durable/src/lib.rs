//! Puts files and folders in place: whole or not at all, and still there after a power cut.
//!
//! Everything is written beside its place under a temporary name, synced, renamed, and then the directory itself is
//! synced, because a rename that only the directory's cache knows of is lost with the power. A process that is killed on
//! the way leaves at most a file or folder whose name starts with [`UNFINISHED`], and whatever was there before.
//!
//! This crate knows paths and bytes. It does not know what they mean, and it never deletes what it did not make.
//!
//! ```
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("best.json");
//! durable::write(&path, b"{}")?;
//! durable::create_dir(&folder.path().join("00000310"), |unfinished| std::fs::write(unfinished.join("card.json"), "{}"))?;
//! assert_eq!(std::fs::read(&path)?, b"{}");
//! # Ok::<(), std::io::Error>(())
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

mod lock;

pub use lock::{Holder, Lock, LockError};

/// Names of files and folders that are still being written start with this.
pub const UNFINISHED: &str = ".writing-";

/// Names of folders that are being removed start with this.
pub const REMOVED: &str = ".removing-";

/// Writes a file with these bytes; replaces a file that is there.
///
/// # Errors
/// What the file system says; the file that was there before is then still there.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// Writes a file with what `fill` writes to it; replaces a file that is there.
///
/// # Errors
/// What `fill` or the file system says; the file that was there before is then still there.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let parent = parent(path);
    // `File::create_new` gives the usual permissions; a temporary file of `tempfile` would be its owner's alone.
    let mut file = tempfile::Builder::new().prefix(UNFINISHED).make_in(parent, |path| File::create_new(path))?;
    fill(file.as_file_mut())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_dir(parent)
}

/// Makes a folder with what `fill` puts into it. Missing parents are made too.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if there is a file or folder of that name, otherwise what `fill` or the file system
/// says. Nothing of the new folder is left then.
pub fn create_dir(path: &Path, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    create_dir_all(parent(path))?;
    create_dir_in_parent(path, fill)
}

/// The same, but only in a parent that is there.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] if it is not, and those of [`create_dir`].
pub fn create_dir_in_parent(path: &Path, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let parent = parent(path);
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    // The usual permissions, as above.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    let unfinished = builder.tempdir_in(parent)?;
    fill(unfinished.path())?;
    sync_all(unfinished.path())?;
    // A rename would replace an empty folder. Two processes that make the same folder at the same time both get past this
    // line; the rename then fails for the second one, because the folder of the first is not empty.
    if path.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(unfinished.path(), path).map_err(|error| match error.kind() {
        io::ErrorKind::DirectoryNotEmpty => io::ErrorKind::AlreadyExists.into(),
        _ => error,
    })?;
    // It has its own name now, so there is nothing left to remove.
    let _ = unfinished.keep();
    sync_dir(parent)
}

/// Makes a folder and its missing parents, durably. It is no error if it is there.
///
/// # Errors
/// What the file system says.
pub fn create_dir_all(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let parent = parent(path);
    create_dir_all(parent)?;
    match fs::create_dir(path) {
        // Somebody else has just made it.
        Err(_) if path.is_dir() => Ok(()),
        made => made.and_then(|()| sync_dir(parent)),
    }
}

/// Removes a folder with everything in it. It loses its name first, so that no half of it is ever found under that name; a
/// kill on the way leaves a folder whose name starts with [`REMOVED`].
///
/// # Errors
/// What the file system says.
pub fn remove_dir(path: &Path) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let removed = parent(path).join(format!("{REMOVED}{name}"));
    // What a kill left of a folder of the same name.
    if removed.is_dir() {
        fs::remove_dir_all(&removed)?;
    }
    fs::rename(path, &removed)?;
    fs::remove_dir_all(&removed)
}

/// Removes what a killed process left in a folder: files and folders whose names start with [`UNFINISHED`] or
/// [`REMOVED`]. Only for a folder that no other process writes to, as a lock shows.
///
/// # Errors
/// What the file system says.
pub fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !(name.starts_with(UNFINISHED) || name.starts_with(REMOVED)) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Lets a write beyond the limit on the size of files (`ulimit -f`) fail like one to a full disk. Without this call, the
/// system ends the process with a signal on Unix, and nothing is cleaned up. For programs, at their start.
///
/// # Errors
/// What the system says.
pub fn refuse_oversized_writes() -> io::Result<()> {
    #[cfg(unix)]
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, std::sync::Arc::default())?;
    Ok(())
}

/// Makes the names in a directory durable: files that were renamed into it or removed from it.
///
/// # Errors
/// What the file system says.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    // Windows has no handle of a directory that could be synced; its journal keeps renames in order.
    if cfg!(windows) {
        return Ok(());
    }
    File::open(path)?.sync_all()
}

/// Syncs every file below a folder, and the folders.
fn sync_all(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all(&entry.path())?;
        } else {
            // Windows syncs only files that are open for writing.
            OpenOptions::new().write(true).open(entry.path())?.sync_all()?;
        }
    }
    sync_dir(folder)
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_or_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        write(&path, b"old").unwrap();
        let failure = write_with(&path, |file| {
            file.write_all(b"half of the ne")?;
            Err(io::Error::other("the disk is full"))
        });
        assert_eq!(failure.unwrap_err().to_string(), "the disk is full");
        assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"old".to_vec(), vec!["text".into()]));
        write(&path, b"new").unwrap();
        assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"new".to_vec(), vec!["text".into()]));
    }

    #[test]
    fn a_folder_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs/first");
        let half = |unfinished: &Path| {
            fs::write(unfinished.join("card"), "half")?;
            Err(io::Error::other("the disk is full"))
        };
        assert_eq!(create_dir(&path, half).unwrap_err().to_string(), "the disk is full");
        assert!(names(&folder.path().join("runs")).is_empty());
        create_dir(&path, |unfinished| {
            fs::create_dir(unfinished.join("samples"))?;
            fs::write(unfinished.join("card"), "whole")
        })
        .unwrap();
        assert_eq!(names(&path), ["card", "samples"]);
    }

    #[test]
    fn a_folder_never_replaces_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("first");
        fs::create_dir(&path).unwrap();
        for is_empty in [true, false] {
            if !is_empty {
                fs::write(path.join("card"), "theirs").unwrap();
            }
            let error = create_dir(&path, |unfinished| fs::write(unfinished.join("card"), "ours")).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "empty: {is_empty}");
        }
        assert_eq!(fs::read_to_string(path.join("card")).unwrap(), "theirs");
        assert_eq!(names(folder.path()), ["first"]);
    }

    #[test]
    fn a_folder_is_removed_whole_and_what_a_kill_left_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("00000003");
        fs::create_dir_all(folder.path().join(".removing-00000003")).unwrap();
        create_dir(&path, |unfinished| fs::write(unfinished.join("card"), "old")).unwrap();
        remove_dir(&path).unwrap();
        assert!(names(folder.path()).is_empty());
        for left in [".removing-00000003/card", ".writing-abcdef/card", ".writing-123456", "mine"] {
            let left = folder.path().join(left);
            create_dir_all(left.parent().unwrap()).unwrap();
            fs::write(left, "").unwrap();
        }
        remove_unfinished(folder.path()).unwrap();
        assert_eq!(names(folder.path()), ["mine"]);
    }

    #[cfg(unix)]
    #[test]
    fn others_may_read_what_the_umask_lets_them() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let (plain_file, plain_folder) = (folder.path().join("plain"), folder.path().join("plain-folder"));
        fs::write(&plain_file, "").unwrap();
        fs::create_dir(&plain_folder).unwrap();
        let (file, made) = (folder.path().join("file"), folder.path().join("folder"));
        write(&file, b"").unwrap();
        create_dir(&made, |_| Ok(())).unwrap();
        assert_eq!((mode(&file), mode(&made)), (mode(&plain_file), mode(&plain_folder)));
    }
}
