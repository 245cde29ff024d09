//! A shard file in memory: the only `unsafe` of this crate.
//!
//! The mapped bytes never leave this module as a slice. A reader gets copies of the ids, so no safe code outside can
//! hold a reference to memory that another process may change.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::format::{HEADER_LENGTH, Header, Shard, header_too_short};
use crate::{Error, Result};

/// A mapped shard whose header and length have been checked.
#[derive(Debug)]
pub struct MappedShard {
    path: PathBuf,
    header: Header,
    bytes: Mmap,
}

impl MappedShard {
    /// Maps a shard and checks its header and its length, but not the ids.
    pub fn open(path: PathBuf) -> Result<Self> {
        let bytes = map(&path)?;
        let header = Shard::parse(&bytes, &path)?.header();
        Ok(Self { path, header, bytes })
    }

    /// The header, as it was when the shard was opened.
    pub fn header(&self) -> Header {
        self.header
    }

    /// The shard's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Copies ids from `start` on to `output`.
    ///
    /// # Panics
    /// If the shard ends before that.
    pub fn read(&self, start: usize, output: &mut [u32]) {
        self.view().read(start, output);
    }

    /// Reads every id and checks the checksum and that each id is below the size of the vocabulary.
    pub fn verify(&self, vocabulary: usize) -> Result<()> {
        self.view().verify(vocabulary, &self.path)
    }

    /// The shard without another look at its header, which was checked when it was opened.
    fn view(&self) -> Shard<'_> {
        Shard::trusted(self.header, &self.bytes[HEADER_LENGTH..])
    }
}

/// Maps a whole file, read-only.
fn map(path: &Path) -> Result<Mmap> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => Error::ShardMissing(path.into()),
        _ => Error::Read { path: path.into(), source },
    };
    let file = File::open(path).map_err(failed)?;
    // Not every system can map an empty file, so a file without a whole header is refused here.
    let length = file.metadata().map_err(failed)?.len();
    if length < HEADER_LENGTH as u64 {
        return Err(header_too_short(path, length));
    }
    // SAFETY: a map is sound as long as nobody changes the file. This project never does: a shard is written under
    // another name, renamed when it is complete, and later only replaced by a rename or removed, which leaves existing
    // maps alone. Another program can still write to the file or truncate it. The worst case is then:
    // - Written to: the reader gets other ids. They are integers, for which every bit pattern is valid. They are copied
    //   out within bounds that were computed when the shard was opened and are not read from the map again, so nothing
    //   outside the map is read. An id may be past the vocabulary, though, even if the shard was verified before: code
    //   that uses ids as indices has to check them, as safe code does.
    // - Truncated: the system ends the process, with SIGBUS on Unix.
    #[expect(unsafe_code, reason = "the one place that maps files")]
    let mapped = unsafe { Mmap::map(&file) };
    mapped.map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use xxhash_rust::xxh3::xxh3_64;

    use super::super::format::Width;
    use super::*;

    #[test]
    fn a_file_that_is_no_whole_shard_is_refused_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.shard");
        let refusal = || MappedShard::open(path.clone()).unwrap_err().to_string();
        let missing = refusal();
        assert!(missing.contains("train.shard is missing"), "{missing}");
        for (length, message) in [(0, "it has 0 bytes"), (63, "it has 63 bytes"), (64, "the magic bytes")] {
            fs::write(&path, vec![0; length]).unwrap();
            let refused = refusal();
            assert!(refused.contains("train.shard is damaged") && refused.contains(message), "{refused}");
        }
    }

    #[test]
    fn a_shard_without_ids_is_a_shard() {
        let header = Header { width: Width::Two, count: 0, offset: 7, vocabulary: 8, run: 9, checksum: xxh3_64(&[]) };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty.shard");
        fs::write(&path, header.to_bytes()).unwrap();
        let shard = MappedShard::open(path.clone()).unwrap();
        assert_eq!((shard.header(), shard.path()), (header, path.as_path()));
        shard.verify(1).unwrap();
    }
}
