//! Writes shards under temporary names. They get their own names together, when all are complete.

use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use tempfile::{Builder, NamedTempFile, TempPath};
use xxhash_rust::xxh3::Xxh3;

use super::format::{HEADER_LENGTH, Header, Width};
use crate::index::ShardEntry;
use crate::{Error, Result, Split};

/// Names of unfinished shards start with this.
const UNFINISHED: &str = ".unfinished-";

/// Bytes that are collected before they are written.
const BUFFER_BYTES: usize = 64 * 1024;

/// The file name of a shard.
pub fn shard_name(split: Split, number: usize, run: u64) -> String {
    format!("{split}-{number:05}-{run:016x}.shard")
}

/// Whether [`shard_name`] gives this name for some shard.
pub fn is_shard_name(name: &str) -> bool {
    let mut parts = name.strip_suffix(".shard").unwrap_or_default().splitn(3, '-');
    let (Some(split), Some(number), Some(run)) = (parts.next(), parts.next(), parts.next()) else { return false };
    let parsed = (split.parse(), number.parse(), u64::from_str_radix(run, 16));
    matches!(parsed, (Ok(split), Ok(number), Ok(run)) if shard_name(split, number, run) == name)
}

/// Whether this is the name of a file that prepare was writing when it was killed: of a shard or an index.
pub fn is_unfinished_name(name: &str) -> bool {
    // `tempfile` appends six letters and digits.
    let random = name.strip_prefix(UNFINISHED).or_else(|| name.strip_prefix(durable::UNFINISHED)).unwrap_or_default();
    random.len() == 6 && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The part of the header that all shards of a corpus have in common.
#[derive(Debug, Clone, Copy)]
pub struct CommonHeader {
    /// Bytes of one id.
    pub width: Width,
    /// Fingerprint of the vocabulary.
    pub vocabulary: u64,
    /// Identity of the corpus.
    pub run: u64,
}

/// A shard that is being written. Dropping it removes its file.
pub struct ShardWriter {
    common: CommonHeader,
    file: BufWriter<NamedTempFile>,
    folder: PathBuf,
    hash: Xxh3,
    bytes: u64,
}

impl ShardWriter {
    /// Starts a shard in a folder.
    pub fn create(folder: &Path, common: CommonHeader) -> Result<Self> {
        // Large pushes bypass the buffer. Small ones, such as single words, are collected in it.
        let mut file = BufWriter::with_capacity(BUFFER_BYTES, temporary(folder)?);
        // The header is only known at the end, so this reserves its place.
        file.write_all(&[0; HEADER_LENGTH]).map_err(|source| Error::Write { path: folder.into(), source })?;
        Ok(Self { common, file, folder: folder.into(), hash: Xxh3::new(), bytes: 0 })
    }

    /// Appends whole ids, already encoded.
    pub fn push(&mut self, ids: &[u8]) -> Result<()> {
        self.hash.update(ids);
        self.bytes += ids.len() as u64;
        self.file.write_all(ids).map_err(|source| Error::Write { path: self.folder.clone(), source })
    }

    /// Bytes of ids that were appended so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes the header and starts to sync the file. `offset` is the number of ids in the corpus before this shard.
    pub fn finish(mut self, name: String, offset: u64) -> Result<FinishedShard> {
        let CommonHeader { width, vocabulary, run } = self.common;
        let (count, checksum) = (self.bytes / width.bytes() as u64, self.hash.digest());
        let header = Header { width, count, offset, vocabulary, run, checksum };
        // Rewinding flushes the buffer first.
        self.file
            .rewind()
            .and_then(|()| self.file.write_all(&header.to_bytes()))
            .and_then(|()| self.file.flush())
            .map_err(|source| Error::Write { path: self.folder.join(&name), source })?;
        // On a thread, because the disk needs longer for a shard than the cores need to encode the next one.
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

/// A complete shard that still has its temporary name. Dropping it removes its file.
pub struct FinishedShard {
    path: TempPath,
    folder: PathBuf,
    entry: ShardEntry,
    /// The thread owns the open file and closes it, because a corpus can have more shards than a process can open
    /// files.
    syncing: Option<JoinHandle<io::Result<()>>>,
}

impl FinishedShard {
    /// The shard's entry in the index.
    pub fn entry(&self) -> &ShardEntry {
        &self.entry
    }

    /// Waits until the file is on the disk.
    pub fn wait_for_sync(&mut self) -> Result<()> {
        let synced = match self.syncing.take().map(JoinHandle::join) {
            Some(Ok(synced)) => synced,
            Some(Err(_)) => Err(io::Error::other("the thread that synced the file panicked")),
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

fn temporary(folder: &Path) -> Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(UNFINISHED);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Temporary files are private by default. A shard gets the permissions of any other file.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder).map_err(|source| Error::Write { path: folder.into(), source })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::map::MappedShard;
    use super::*;

    fn written(folder: &Path) -> FinishedShard {
        let common = CommonHeader { width: Width::Two, vocabulary: 8, run: 9 };
        let mut writer = ShardWriter::create(folder, common).unwrap();
        for (ids, bytes) in [(&[1, 0, 2, 0][..], 4), (&[][..], 4), (&[3, 0][..], 6)] {
            writer.push(ids).unwrap();
            assert_eq!(writer.bytes(), bytes);
        }
        writer.finish("train.shard".into(), 7).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_shard_gets_its_name_when_it_is_published() {
        let folder = tempfile::tempdir().unwrap();
        let mut shard = written(folder.path());
        assert!(names(folder.path()).iter().all(|name| is_unfinished_name(name)));
        let entry = shard.entry().clone();
        assert_eq!((entry.file.as_str(), entry.offset, entry.count), ("train.shard", 7, 3));
        shard.wait_for_sync().unwrap();
        shard.publish().unwrap();
        assert_eq!(names(folder.path()), ["train.shard"]);

        let shard = MappedShard::open(folder.path().join("train.shard")).unwrap();
        let header = shard.header();
        assert_eq!((header.count, header.offset, header.vocabulary, header.run), (3, 7, 8, 9));
        assert_eq!((header.width, header.checksum), (Width::Two, entry.checksum));
        let mut ids = [0; 3];
        shard.read(0, &mut ids);
        assert_eq!(ids, [1, 2, 3]);
        shard.verify(4).unwrap();
    }

    #[test]
    fn a_shard_that_is_dropped_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(written(folder.path()));
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn a_shard_that_did_not_reach_the_disk_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let failures: [fn() -> io::Result<()>; 2] =
            [|| Err(io::Error::other("the disk is gone")), || panic!("a panic of the test's own")];
        for (failure, part) in failures.into_iter().zip(["the disk is gone", "the thread that synced the file"]) {
            let mut shard = written(folder.path());
            shard.syncing = Some(thread::spawn(failure));
            let message = shard.wait_for_sync().unwrap_err().to_string();
            assert!(message.contains("train.shard") && message.contains(part), "{message}");
        }
    }

    #[test]
    fn only_the_names_of_this_program_are_recognised() {
        let shards = [shard_name(Split::Train, 0, 7), shard_name(Split::Validation, 123_456, u64::MAX)];
        for name in &shards {
            assert!(is_shard_name(name) && !is_unfinished_name(name), "{name}");
        }
        let others = [
            "mine.shard",
            "train.shard",
            "train-0-0000000000000007.shard",
            "train-00000-7.shard",
            "train-00000-000000000000000A.shard",
            "dev-00000-0000000000000007.shard",
            "train-00000-0000000000000007.shard.bak",
            "-train-00000-0000000000000007.shard",
            ".unfinished-notes",
            ".unfinished-a.b.c.",
            "index.json",
            "",
        ];
        for name in others {
            assert!(!is_shard_name(name) && !is_unfinished_name(name), "{name}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = temporary(folder.path()).unwrap();
        assert!(is_unfinished_name(file.path().file_name().unwrap().to_str().unwrap()), "{file:?}");
        assert!(is_unfinished_name(&format!("{}aB3dE6", durable::UNFINISHED)));
    }
}
