//! Writes shards under temporary names; they get their own names together, once all are whole.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use tempfile::{Builder, NamedTempFile, TempPath};
use xxhash_rust::xxh3::Xxh3;

use super::format::{HEADER_LENGTH, Header, Width};
use crate::index::ShardEntry;
use crate::{Error, Result};

/// What the names of unfinished files begin with; a later run clears away those that a killed one left.
pub const TEMPORARY_PREFIX: &str = ".unfinished-";

/// Bytes that a shard collects before it writes them.
const BUFFER_BYTES: usize = 64 * 1024;

/// What the headers of all shards of a corpus have in common.
#[derive(Debug, Clone, Copy)]
pub struct Shared {
    /// Bytes of one id.
    pub width: Width,
    /// Fingerprint of the vocabulary.
    pub vocabulary: u64,
    /// Identity of the corpus.
    pub run: u64,
}

/// One shard at work. Dropped, it takes its file along.
pub struct ShardWriter {
    shared: Shared,
    file: BufWriter<NamedTempFile>,
    folder: PathBuf,
    hash: Xxh3,
    bytes: u64,
}

impl ShardWriter {
    /// Begins a shard in a folder.
    pub fn create(folder: &Path, shared: Shared) -> Result<Self> {
        // What comes in blocks passes the buffer by; what comes in words waits in it.
        let mut file = BufWriter::with_capacity(BUFFER_BYTES, temporary(folder)?);
        // The header is known last; its place is kept.
        file.write_all(&[0; HEADER_LENGTH]).map_err(|source| Error::Write { path: folder.into(), source })?;
        Ok(Self { shared, file, folder: folder.into(), hash: Xxh3::new(), bytes: 0 })
    }

    /// Appends whole ids, as the bytes that the file holds.
    pub fn push(&mut self, ids: &[u8]) -> Result<()> {
        self.hash.update(ids);
        self.bytes += ids.len() as u64;
        self.file.write_all(ids).map_err(|source| Error::Write { path: self.folder.clone(), source })
    }

    /// Bytes of ids so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes the header and begins to sync; `offset` counts the ids of the corpus before this shard.
    pub fn finish(mut self, name: String, offset: u64) -> Result<FinishedShard> {
        let Shared { width, vocabulary, run } = self.shared;
        let (count, checksum) = (self.bytes / width.bytes() as u64, self.hash.digest());
        let header = Header { width, count, offset, vocabulary, run, checksum };
        // Seeking writes what the buffer holds, to where it belongs.
        self.file
            .rewind()
            .and_then(|()| self.file.write_all(&header.to_bytes()))
            .and_then(|()| self.file.flush())
            .map_err(|source| Error::Write { path: self.folder.join(&name), source })?;
        // The disk takes longer over a shard than the next one takes to encode.
        let file = self.file.into_inner().map_err(|error| {
            let source = error.into_error();
            Error::Write { path: self.folder.join(&name), source }
        })?;
        let (file, path) = file.into_parts();
        let syncing = Some(thread::spawn(move || file.sync_all()));
        Ok(FinishedShard {
            path,
            folder: self.folder,
            entry: ShardEntry { file: name, offset, count, checksum },
            syncing,
        })
    }
}

/// A whole shard that still has its temporary name. Dropped, it takes its file along.
pub struct FinishedShard {
    path: TempPath,
    folder: PathBuf,
    entry: ShardEntry,
    /// Owns the open file, and closes it: a corpus may have more shards than a process may have open files.
    syncing: Option<JoinHandle<io::Result<()>>>,
}

impl FinishedShard {
    /// The shard as the index lists it.
    pub fn entry(&self) -> &ShardEntry {
        &self.entry
    }

    /// Waits until the disk has it.
    pub fn settle(&mut self) -> Result<()> {
        let synced = match self.syncing.take().map(JoinHandle::join) {
            Some(Ok(synced)) => synced,
            Some(Err(_)) => Err(io::Error::other("the thread that synced it ended early")),
            None => Ok(()),
        };
        synced.map_err(|source| Error::Write { path: self.folder.join(&self.entry.file), source })
    }

    /// Gives the file its name.
    pub fn publish(self) -> Result<()> {
        let path = self.folder.join(&self.entry.file);
        self.path.persist(&path).map_err(|error| Error::Write { path, source: error.error })
    }
}

/// Writes a whole file under a temporary name, syncs it and gives it its name.
pub fn write_atomically(folder: &Path, name: &str, contents: &[u8]) -> Result<()> {
    let path = folder.join(name);
    let mut file = temporary(folder)?;
    file.write_all(contents)
        .and_then(|()| file.as_file().sync_all())
        .map_err(|source| Error::Write { path: path.clone(), source })?;
    file.persist(&path).map_err(|error| Error::Write { path, source: error.error })?;
    Ok(())
}

/// Makes the names in a folder outlive a power cut, where the system can.
pub fn sync_folder(folder: &Path) {
    // Windows opens no folders as files; there the names are safe once the files are.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

fn temporary(folder: &Path) -> Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Temporary files are private by default; what is prepared here is meant to be read as any file (umask holds).
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder).map_err(|source| Error::Write { path: folder.into(), source })
}
