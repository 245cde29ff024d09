//! A program with a model appended: `program ‖ model ‖ trailer`.
//!
//! The trailer is the last [`TRAILER_LENGTH`] bytes of the file, little-endian:
//!
//! | bytes | meaning |
//! | --- | --- |
//! | 0..8 | length of the model |
//! | 8..16 | xxh3-64 of the model |
//! | 16..20 | version of this format: 1 |
//! | 20..24 | zero |
//! | 24..32 | `SCRIMSHW` |
//!
//! An operating system that starts the program reads its head and never looks at what follows.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use xxhash_rust::xxh3::xxh3_64;

use crate::{Error, Result};

/// Bytes in a trailer.
pub const TRAILER_LENGTH: usize = 32;

const MAGIC: [u8; 8] = *b"SCRIMSHW";
const VERSION: u32 = 1;

/// The last bytes of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    /// Bytes of the model before the trailer.
    pub length: u64,
    /// xxh3-64 of those bytes.
    pub checksum: u64,
}

impl Trailer {
    /// The trailer of a model.
    pub fn of(model: &[u8]) -> Self {
        Self { length: model.len() as u64, checksum: xxh3_64(model) }
    }

    /// The trailer as it stands in the file.
    pub fn to_bytes(self) -> [u8; TRAILER_LENGTH] {
        let mut bytes = [0; TRAILER_LENGTH];
        bytes[..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.checksum.to_le_bytes());
        bytes[16..20].copy_from_slice(&VERSION.to_le_bytes());
        bytes[24..].copy_from_slice(&MAGIC);
        bytes
    }

    /// Reads the end of a file of `file_length` bytes; `None` if nothing is bundled there.
    pub fn from_bytes(bytes: &[u8; TRAILER_LENGTH], file_length: u64) -> Result<Option<Self>> {
        if bytes[24..] != MAGIC {
            return Ok(None);
        }
        let number =
            |at: usize| bytes[at..at + 8].iter().rev().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
        let trailer = Self { length: number(0), checksum: number(8) };
        if number(16) != u64::from(VERSION) {
            return Err(Error::Bundle("its trailer is of a version that this program does not know"));
        }
        if trailer.length.checked_add(TRAILER_LENGTH as u64).is_none_or(|needed| needed > file_length) {
            return Err(Error::Bundle("the file is shorter than the model that it announces"));
        }
        Ok(Some(trailer))
    }
}

/// The model that is bundled with a program; `None` if there is none.
pub fn read(program: &Path) -> Result<Option<Vec<u8>>> {
    let failed = |source| Error::Read { path: program.to_path_buf(), source };
    let mut file = File::open(program).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let Some(trailer) = read_trailer(&mut file, length).map_err(failed)?.transpose()? else { return Ok(None) };
    file.seek(SeekFrom::Start(length - TRAILER_LENGTH as u64 - trailer.length)).map_err(failed)?;
    let mut model = vec![0; trailer.length as usize];
    file.read_exact(&mut model).map_err(failed)?;
    if Trailer::of(&model) != trailer {
        return Err(Error::Bundle("its checksum is not the one in the trailer"));
    }
    Ok(Some(model))
}

/// Writes `program`, without a model that it may carry already, and `model` to `output`, which may then be started.
///
/// The file appears under its name when it is complete; after a failure nothing is left.
pub fn write(program: &Path, model: &[u8], output: &Path) -> Result<()> {
    let temporary = temporary_path(output);
    let failed = |source| Error::Write { path: output.to_path_buf(), source };
    // A device would be replaced by the file.
    if fs::metadata(output).is_ok_and(|existing| !existing.is_file()) {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is no ordinary file")));
    }
    let head = read_program(program)?;
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(&head)?;
        file.write_all(model)?;
        file.write_all(&Trailer::of(model).to_bytes())?;
        file.sync_all()?;
        fs::set_permissions(&temporary, fs::metadata(program)?.permissions())?;
        fs::rename(&temporary, output)
    };
    write().map_err(|source| {
        // It may not exist; the error worth telling is the first.
        let _ = fs::remove_file(&temporary);
        failed(source)
    })
}

/// The program's own bytes.
fn read_program(program: &Path) -> Result<Vec<u8>> {
    let failed = |source| Error::Read { path: program.to_path_buf(), source };
    let mut bytes = fs::read(program).map_err(failed)?;
    let length = bytes.len() as u64;
    let trailer = bytes.last_chunk().map(|trailer| Trailer::from_bytes(trailer, length)).transpose()?.flatten();
    if let Some(trailer) = trailer {
        bytes.truncate(bytes.len() - TRAILER_LENGTH - trailer.length as usize);
    }
    Ok(bytes)
}

fn read_trailer(file: &mut File, length: u64) -> io::Result<Option<Result<Trailer>>> {
    if length < TRAILER_LENGTH as u64 {
        return Ok(None);
    }
    let mut bytes = [0; TRAILER_LENGTH];
    file.seek(SeekFrom::End(-(TRAILER_LENGTH as i64)))?;
    file.read_exact(&mut bytes)?;
    Ok(Trailer::from_bytes(&bytes, length).transpose())
}

/// A name beside the output, so that the rename stays on one file system.
fn temporary_path(output: &Path) -> PathBuf {
    let mut name = output.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.part", std::process::id()));
    output.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::*;

    fn bundled() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (program, output) = (folder.path().join("program"), folder.path().join("pirate"));
        fs::write(&program, b"#!/bin/program").unwrap();
        write(&program, b"a model", &output).unwrap();
        (folder, output)
    }

    #[test]
    fn a_model_comes_back_from_its_bundle() {
        let (folder, output) = bundled();
        assert_eq!(read(&output).unwrap().as_deref(), Some(&b"a model"[..]));
        assert_eq!(read(&folder.path().join("program")).unwrap(), None);
        assert!(fs::read(&output).unwrap().starts_with(b"#!/bin/program"));
    }

    #[test]
    fn a_bundle_of_a_bundle_carries_one_model() {
        let (folder, first) = bundled();
        let second = folder.path().join("second");
        write(&first, b"another", &second).unwrap();
        assert_eq!(read(&second).unwrap().as_deref(), Some(&b"another"[..]));
        assert_eq!(fs::read(&second).unwrap().len(), b"#!/bin/program".len() + b"another".len() + TRAILER_LENGTH);
    }

    #[test]
    fn a_damaged_bundle_is_refused_by_name() {
        let damage = |change: fn(&mut Vec<u8>)| {
            let (_folder, output) = bundled();
            let mut bytes = fs::read(&output).unwrap();
            change(&mut bytes);
            fs::write(&output, bytes).unwrap();
            read(&output).unwrap_err().to_string()
        };
        let cases = [
            (damage(|bytes| bytes[14] ^= 1), "checksum"),
            (damage(|bytes| bytes.drain(..20).for_each(drop)), "shorter than the model"),
            (
                damage(|bytes| {
                    let end = bytes.len();
                    bytes[end - 16] = 9;
                }),
                "version",
            ),
            (
                damage(|bytes| {
                    let end = bytes.len();
                    bytes[end - 25] = 0xff;
                }),
                "shorter than the model",
            ),
        ];
        for (message, part) in cases {
            assert!(message.contains(part), "{message:?} should say {part:?}");
        }
    }

    #[test]
    fn a_target_that_cannot_be_written_leaves_nothing() {
        let (folder, program) = bundled();
        let missing = folder.path().join("no/such/folder/pirate");
        let message = write(&program, b"", &missing).unwrap_err().to_string();
        assert!(message.contains("no/such/folder/pirate"), "{message}");
        let message = write(&program, b"", folder.path()).unwrap_err().to_string();
        assert!(message.contains("cannot write"), "{message}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_not_replaced() {
        use std::os::unix::fs::FileTypeExt;
        let (_folder, program) = bundled();
        let message = write(&program, b"", Path::new("/dev/null")).unwrap_err().to_string();
        assert!(message.contains("no ordinary file"), "{message}");
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }

    proptest! {
        #[test]
        fn any_trailer_is_read_or_refused(bytes in any::<[u8; TRAILER_LENGTH]>(), length in any::<u64>(), ours in any::<bool>()) {
            let mut bytes = bytes;
            if ours {
                bytes[16..24].copy_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
                bytes[24..].copy_from_slice(&MAGIC);
            }
            if let Ok(Some(trailer)) = Trailer::from_bytes(&bytes, length) {
                prop_assert!(trailer.length < length);
                prop_assert!(trailer.to_bytes() == bytes);
            }
        }
    }
}
