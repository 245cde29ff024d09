//! Finds the files to read, and their order.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::UNIX_EPOCH;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use ignore::WalkBuilder;
use xxhash_rust::xxh3::Xxh3;

use crate::{Error, Result};

/// The path that stands for standard input.
pub const STANDARD_INPUT: &str = "-";

/// A file to read.
#[derive(Debug)]
pub struct Input {
    /// Its path, to show and to open.
    pub path: PathBuf,
    /// Whether it was named, rather than found in a folder. A named file must be text, and must not be empty.
    pub named: bool,
    /// Which file to read if it is an archive; the only text in it unless given.
    pub include: Option<GlobSet>,
    /// Bytes on the disk.
    pub bytes: u64,
    /// xxh3-64 of its path, size and modification time; 0 if it has no size or time.
    pub stamp: u64,
    /// A copy of what can be read only once, for the second pass.
    spool: Option<File>,
    stream: bool,
}

/// All inputs, in order.
#[derive(Debug, Default)]
pub struct Inputs {
    /// The files to read.
    pub files: Vec<Input>,
    /// Number of files in folders that are empty.
    pub empty: u64,
    /// Whether there is more than one document: several inputs, or a folder.
    pub several: bool,
    /// xxh3-64 of the paths, sizes, modification times and patterns; 0 if an input has no size or time.
    pub stamp: u64,
}

impl Inputs {
    /// Finds the files of the inputs, in the order in which these were named.
    ///
    /// A folder is walked depth first, with its entries in the byte order of their names. Ignore files inside the
    /// folder apply. Those above it and the user's own do not, so that a folder gives the same text on every machine.
    /// Hidden files and links are skipped. `include` patterns apply to folders and archives: a pattern without a slash
    /// is compared with the file's name, one with a slash with its path in the folder.
    pub fn find(paths: &[PathBuf], include: &[String], cancelled: &AtomicBool) -> Result<Self> {
        let mut stamp = Stamp::default();
        for pattern in include {
            stamp.add_pattern(pattern);
        }
        let include = patterns(include)?;
        let mut inputs = Self { several: paths.len() > 1, ..Self::default() };
        for path in paths {
            check(cancelled)?;
            if path == Path::new(STANDARD_INPUT) {
                inputs.files.push(Input::stream(path, include.clone()));
                stamp.none = true;
                continue;
            }
            let metadata = fs::metadata(path).map_err(|source| Error::Read { path: path.clone(), source })?;
            if metadata.is_dir() {
                inputs.several = true;
                inputs.walk(path, include.as_ref(), &mut stamp, cancelled)?;
            } else if metadata.is_file() {
                if metadata.len() == 0 {
                    return Err(Error::Empty(path.clone()));
                }
                let own = stamp.add(path, &metadata);
                let file = Input::file(path.clone(), true, metadata.len(), own);
                inputs.files.push(Input { include: include.clone(), ..file });
            } else {
                inputs.files.push(Input::stream(path, include.clone()));
                stamp.none = true;
            }
        }
        inputs.stamp = stamp.finish();
        Ok(inputs)
    }

    /// The first input that can be read only once, if there is one.
    pub fn stream(&self) -> Option<&Path> {
        self.files.iter().find(|input| input.stream).map(|input| input.path.as_path())
    }

    /// Total bytes on the disk.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|input| input.bytes).sum()
    }

    /// Copies what can be read only once to a file without a name, which disappears when the process ends.
    pub fn spool(&mut self, folder: &Path, cancelled: &AtomicBool, mut progress: impl FnMut(u64)) -> Result<()> {
        for input in self.files.iter_mut().filter(|input| input.stream) {
            let unwritable = |source| Error::Write { path: folder.into(), source };
            let unreadable = |source| Error::Read { path: input.path.clone(), source };
            let mut spool = tempfile::tempfile_in(folder).map_err(unwritable)?;
            let mut stream: Box<dyn Read> = if input.path == Path::new(STANDARD_INPUT) {
                Box::new(io::stdin().lock())
            } else {
                Box::new(File::open(&input.path).map_err(unreadable)?)
            };
            let mut buffer = vec![0; 64 * 1024];
            loop {
                check(cancelled)?;
                let length = match stream.read(&mut buffer) {
                    Ok(length) => length,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(unreadable(error)),
                };
                if length == 0 {
                    break;
                }
                spool.write_all(&buffer[..length]).map_err(unwritable)?;
                input.bytes += length as u64;
                progress(input.bytes);
            }
            input.spool = Some(spool);
        }
        Ok(())
    }

    fn walk(
        &mut self,
        folder: &Path,
        include: Option<&GlobSet>,
        stamp: &mut Stamp,
        cancelled: &AtomicBool,
    ) -> Result<()> {
        let walk = WalkBuilder::new(folder)
            .parents(false)
            .git_global(false)
            .git_exclude(false)
            .require_git(false)
            .sort_by_file_name(Ord::cmp)
            .build();
        let (files, empty) = (self.files.len(), self.empty);
        for entry in walk {
            check(cancelled)?;
            let unreadable = |error: ignore::Error| {
                let message = error.to_string();
                let source = error.into_io_error().unwrap_or_else(|| io::Error::other(message));
                Error::Read { path: folder.into(), source }
            };
            let entry = entry.map_err(unreadable)?;
            if !entry.file_type().is_some_and(|kind| kind.is_file()) {
                continue;
            }
            let inside = entry.path().strip_prefix(folder).unwrap_or(entry.path());
            if include.is_some_and(|include| !include.is_match(inside)) {
                continue;
            }
            let metadata = entry.metadata().map_err(unreadable)?;
            let own = stamp.add(entry.path(), &metadata);
            if metadata.len() == 0 {
                self.empty += 1;
            } else {
                self.files.push(Input::file(entry.into_path(), false, metadata.len(), own));
            }
        }
        if self.files.len() == files {
            return Err(Error::NothingFound { path: folder.into(), binary: 0, empty: self.empty - empty });
        }
        Ok(())
    }
}

impl Input {
    fn file(path: PathBuf, named: bool, bytes: u64, stamp: u64) -> Self {
        Self { path, named, include: None, bytes, stamp, spool: None, stream: false }
    }

    fn stream(path: &Path, include: Option<GlobSet>) -> Self {
        Self { path: path.into(), named: true, include, bytes: 0, stamp: 0, spool: None, stream: true }
    }

    /// Opens it at its start.
    pub fn open(&self) -> Result<File> {
        let unreadable = |source| Error::Read { path: self.path.clone(), source };
        match &self.spool {
            Some(spool) => {
                // The copy shares its position with the original, which is fine: inputs are read one after another.
                let mut spool = spool.try_clone().map_err(unreadable)?;
                spool.rewind().map_err(unreadable)?;
                Ok(spool)
            }
            None => File::open(&self.path).map_err(unreadable),
        }
    }
}

/// Hashes what shows, without reading them, that files have changed.
#[derive(Default)]
struct Stamp {
    hash: Xxh3,
    none: bool,
}

impl Stamp {
    /// Patterns choose files in archives, and so the text.
    fn add_pattern(&mut self, pattern: &str) {
        self.hash.update(&(pattern.len() as u64).to_le_bytes());
        self.hash.update(pattern.as_bytes());
    }

    /// Adds a file, and returns its own hash.
    fn add(&mut self, path: &Path, metadata: &Metadata) -> u64 {
        let path = path.as_os_str().as_encoded_bytes();
        let age = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let mut own = Xxh3::new();
        for hash in [&mut self.hash, &mut own] {
            hash.update(&(path.len() as u64).to_le_bytes());
            hash.update(path);
            hash.update(&metadata.len().to_le_bytes());
            hash.update(&age.map_or(0, |age| age.as_nanos()).to_le_bytes());
        }
        own.digest()
    }

    fn finish(&self) -> u64 {
        if self.none { 0 } else { self.hash.digest().max(1) }
    }
}

fn check(cancelled: &AtomicBool) -> Result<()> {
    if cancelled.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
}

/// The patterns as one set; `None` if there are none.
pub fn patterns(include: &[String]) -> Result<Option<GlobSet>> {
    if include.is_empty() {
        return Ok(None);
    }
    let wrong = |error: globset::Error| Error::Options(format!("cannot use an --include pattern: {error}"));
    let mut set = GlobSetBuilder::new();
    for pattern in include {
        let anywhere =
            if pattern.contains('/') { pattern.trim_start_matches('/').into() } else { format!("**/{pattern}") };
        set.add(GlobBuilder::new(&anywhere).literal_separator(true).build().map_err(wrong)?);
    }
    set.build().map(Some).map_err(wrong)
}
