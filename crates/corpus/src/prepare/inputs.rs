//! Which files are read, and in which order.

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

/// One input.
#[derive(Debug)]
pub struct Input {
    /// Its path, as it is shown and opened.
    pub path: PathBuf,
    /// Whether it was named, rather than found in a folder: what is named must hold something.
    pub named: bool,
    /// Bytes on the disk.
    pub bytes: u64,
    /// What cannot be read twice is kept here for the second reading.
    spool: Option<File>,
    stream: bool,
}

/// All inputs in order.
#[derive(Debug, Default)]
pub struct Inputs {
    /// The files.
    pub files: Vec<Input>,
    /// Files of folders that hold nothing.
    pub empty: u64,
    /// Whether more than one document was asked for: several inputs, or a folder.
    pub several: bool,
    /// xxh3-64 of paths, sizes and times; 0 where an input has none.
    pub stamp: u64,
}

impl Inputs {
    /// Finds the files of the inputs in the order in which they were named.
    ///
    /// A folder is walked depth first, each folder's entries in the byte order of their names. Ignore files inside it
    /// hold (those above it and the user's own do not, so that the same folder gives the same text everywhere); hidden
    /// files and links are passed over. `include` patterns hold for folders: one without a slash for the file's name,
    /// one with a slash for the path from the folder.
    pub fn find(paths: &[PathBuf], include: &[String], cancelled: &AtomicBool) -> Result<Self> {
        let include = patterns(include)?;
        let mut inputs = Self { several: paths.len() > 1, ..Self::default() };
        let mut stamp = Stamp::default();
        for path in paths {
            if path == Path::new(STANDARD_INPUT) {
                inputs.files.push(Input::stream(path));
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
                stamp.add(path, &metadata);
                inputs.files.push(Input::file(path.clone(), true, metadata.len()));
            } else {
                inputs.files.push(Input::stream(path));
                stamp.none = true;
            }
        }
        inputs.stamp = stamp.finish();
        Ok(inputs)
    }

    /// Bytes of all files on the disk.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|input| input.bytes).sum()
    }

    /// Copies what cannot be read twice to a file without a name, which is gone when the process ends.
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
                if cancelled.load(Ordering::Relaxed) {
                    return Err(Error::Interrupted);
                }
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
            if cancelled.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
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
            stamp.add(entry.path(), &metadata);
            if metadata.len() == 0 {
                self.empty += 1;
            } else {
                self.files.push(Input::file(entry.into_path(), false, metadata.len()));
            }
        }
        if self.files.len() == files {
            return Err(Error::NothingFound { path: folder.into(), binary: 0, empty: self.empty - empty });
        }
        Ok(())
    }
}

impl Input {
    fn file(path: PathBuf, named: bool, bytes: u64) -> Self {
        Self { path, named, bytes, spool: None, stream: false }
    }

    fn stream(path: &Path) -> Self {
        Self { path: path.into(), named: true, bytes: 0, spool: None, stream: true }
    }

    /// Opens it from its start.
    pub fn open(&self) -> Result<File> {
        let unreadable = |source| Error::Read { path: self.path.clone(), source };
        match &self.spool {
            Some(spool) => {
                // A copy shares its place with the original; inputs are read one after another.
                let mut spool = spool.try_clone().map_err(unreadable)?;
                spool.rewind().map_err(unreadable)?;
                Ok(spool)
            }
            None => File::open(&self.path).map_err(unreadable),
        }
    }
}

/// Hashes what tells whether a file is still the same without reading it.
#[derive(Default)]
struct Stamp {
    hash: Xxh3,
    none: bool,
}

impl Stamp {
    fn add(&mut self, path: &Path, metadata: &Metadata) {
        let path = path.as_os_str().as_encoded_bytes();
        self.hash.update(&(path.len() as u64).to_le_bytes());
        self.hash.update(path);
        self.hash.update(&metadata.len().to_le_bytes());
        let age = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        self.hash.update(&age.map_or(0, |age| age.as_nanos()).to_le_bytes());
    }

    fn finish(&self) -> u64 {
        if self.none { 0 } else { self.hash.digest().max(1) }
    }
}

fn patterns(include: &[String]) -> Result<Option<GlobSet>> {
    if include.is_empty() {
        return Ok(None);
    }
    let wrong = |error: globset::Error| Error::Options(format!("--include: {error}"));
    let mut set = GlobSetBuilder::new();
    for pattern in include {
        let anywhere =
            if pattern.contains('/') { pattern.trim_start_matches('/').into() } else { format!("**/{pattern}") };
        set.add(GlobBuilder::new(&anywhere).literal_separator(true).build().map_err(wrong)?);
    }
    set.build().map(Some).map_err(wrong)
}
