//! A program with a model appended: `program ‖ header ‖ model ‖ trailer`.
//!
//! Header and trailer are the same [`TRAILER_LENGTH`] bytes, little-endian:
//!
//! | bytes | meaning |
//! | --- | --- |
//! | 0..8 | length of the model |
//! | 8..16 | xxh3-64 of the model |
//! | 16..20 | version of this format: 1 |
//! | 20..24 | zero |
//! | 24..32 | `SCRIMSHW` |
//!
//! The operating system reads only the program. The trailer says where the model is. The header tells a bundle that was
//! cut short from a program without a model; early bundles have none, and are read as well.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use xxhash_rust::xxh3::xxh3_64;

use crate::{Error, Result};

/// Length of the trailer in bytes.
pub const TRAILER_LENGTH: usize = 32;

const MAGIC: [u8; 8] = *b"SCRIMSHW";
const VERSION: u32 = 1;

/// The last bytes of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    /// Length of the model in bytes.
    pub length: u64,
    /// xxh3-64 of the model.
    pub checksum: u64,
}

impl Trailer {
    /// The trailer of a model.
    pub fn of(model: &[u8]) -> Self {
        Self { length: model.len() as u64, checksum: xxh3_64(model) }
    }

    /// The bytes in the file.
    pub fn to_bytes(self) -> [u8; TRAILER_LENGTH] {
        let mut bytes = [0; TRAILER_LENGTH];
        bytes[..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.checksum.to_le_bytes());
        bytes[16..20].copy_from_slice(&VERSION.to_le_bytes());
        bytes[24..].copy_from_slice(&MAGIC);
        bytes
    }

    /// Reads the last bytes of a file of `file_length` bytes. `None` if they are not a trailer.
    pub fn from_bytes(bytes: &[u8; TRAILER_LENGTH], file_length: u64) -> Result<Option<Self>> {
        if bytes[24..] != MAGIC {
            return Ok(None);
        }
        let number =
            |at: usize| bytes[at..at + 8].iter().rev().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
        let trailer = Self { length: number(0), checksum: number(8) };
        if number(16) != u64::from(VERSION) {
            return Err(Error::Bundle("this program does not know the version of its trailer"));
        }
        if trailer.length.checked_add(TRAILER_LENGTH as u64).is_none_or(|needed| needed > file_length) {
            return Err(Error::Bundle("the file is shorter than the model in it"));
        }
        Ok(Some(trailer))
    }
}

/// Reads the model in a program. `None` if it has none.
pub fn read(program: &Path) -> Result<Option<Vec<u8>>> {
    let failed = |source| Error::reading(program, source);
    let mut file = File::open(program).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let Some(trailer) = read_trailer(&mut file, length).map_err(failed)?.transpose()? else {
        if has_header(&fs::read(program).map_err(failed)?) {
            return Err(Error::Bundle("the file was cut short, or something was appended to it"));
        }
        return Ok(None);
    };
    file.seek(SeekFrom::Start(length - TRAILER_LENGTH as u64 - trailer.length)).map_err(failed)?;
    let mut model = Vec::new();
    model.try_reserve_exact(trailer.length as usize).map_err(|_| failed(io::ErrorKind::OutOfMemory.into()))?;
    file.take(trailer.length).read_to_end(&mut model).map_err(failed)?;
    if Trailer::of(&model) != trailer {
        return Err(Error::Bundle("its checksum is wrong"));
    }
    Ok(Some(model))
}

/// Writes `program` and `model` to `output`, which can be executed. If `program` has a model already, that one is left
/// out.
///
/// An earlier bundle is replaced, once the new one is complete. Any other file is not: [`Error::NotABundle`].
pub fn write(program: &Path, model: &[u8], output: &Path) -> Result<()> {
    let failed = |source| Error::Write { path: output.to_path_buf(), source };
    if let Ok(existing) = fs::metadata(output) {
        // Replacing a device would remove it.
        if !existing.is_file() {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")));
        }
        if !is_bundle(&fs::read(output).map_err(failed)?) {
            return Err(Error::NotABundle(output.to_path_buf()));
        }
    }
    let head = read_program(program)?;
    let trailer = Trailer::of(model).to_bytes();
    durable::write_with(output, |file| {
        for part in [&head, &trailer[..], model, &trailer] {
            file.write_all(part)?;
        }
        file.set_permissions(fs::metadata(program)?.permissions())
    })
    .map_err(failed)
}

/// Reads a program without the model that may be in it.
fn read_program(program: &Path) -> Result<Vec<u8>> {
    let failed = |source| Error::reading(program, source);
    let mut bytes = fs::read(program).map_err(failed)?;
    let length = bytes.len() as u64;
    let trailer = bytes.last_chunk().map(|trailer| Trailer::from_bytes(trailer, length)).transpose()?.flatten();
    if let Some(trailer) = trailer {
        bytes.truncate(bytes.len() - TRAILER_LENGTH - trailer.length as usize);
        if bytes.ends_with(&trailer.to_bytes()) {
            bytes.truncate(bytes.len() - TRAILER_LENGTH);
        }
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

/// Whether a file is a bundle, damaged or not.
fn is_bundle(bytes: &[u8]) -> bool {
    bytes.ends_with(&MAGIC) || has_header(bytes)
}

/// Whether there is a header anywhere in a file. The program contains [`MAGIC`] too, but not after a length and a version.
fn has_header(bytes: &[u8]) -> bool {
    let is_header = |bytes: &[u8; TRAILER_LENGTH]| {
        Trailer::from_bytes(bytes, u64::MAX).is_ok_and(|trailer| trailer.is_some_and(|trailer| trailer.length > 0))
    };
    bytes
        .windows(MAGIC.len())
        .enumerate()
        .filter(|(_, window)| *window == MAGIC)
        .any(|(place, _)| bytes[..place + MAGIC.len()].last_chunk().is_some_and(is_header))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

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
        let length = b"#!/bin/program".len() + b"another".len() + 2 * TRAILER_LENGTH;
        assert_eq!(fs::read(&second).unwrap().len(), length);
    }

    #[test]
    fn a_bundle_without_a_header_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let (early, second) = (folder.path().join("early"), folder.path().join("second"));
        // What commit 5d3690c wrote.
        fs::write(&early, [&b"#!/bin/program"[..], b"a model", &Trailer::of(b"a model").to_bytes()].concat()).unwrap();
        assert_eq!(read(&early).unwrap().as_deref(), Some(&b"a model"[..]));
        write(&early, b"another", &second).unwrap();
        assert_eq!(fs::read(second).unwrap(), {
            let trailer = Trailer::of(b"another").to_bytes();
            [&b"#!/bin/program"[..], &trailer, b"another", &trailer].concat()
        });
    }

    #[test]
    fn only_a_bundle_is_replaced() {
        let (folder, bundle) = bundled();
        let program = folder.path().join("program");
        let cut = folder.path().join("cut");
        let bytes = fs::read(&bundle).unwrap();
        fs::write(&cut, &bytes[..bytes.len() - 3]).unwrap();
        for replaced in [&bundle, &cut] {
            write(&program, b"another", replaced).unwrap();
            assert_eq!(read(replaced).unwrap().as_deref(), Some(&b"another"[..]));
        }
        let model = folder.path().join("model.onnx");
        fs::write(&model, b"a model").unwrap();
        for kept in [&program, &model] {
            let before = fs::read(kept).unwrap();
            let error = write(&program, b"another", kept).unwrap_err();
            assert!(matches!(&error, Error::NotABundle(path) if path == kept), "{error}");
            assert_eq!(fs::read(kept).unwrap(), before);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "nothing else is left");
    }

    #[test]
    fn a_bundle_cut_anywhere_in_its_model_is_damaged() {
        let (_folder, output) = bundled();
        let bytes = fs::read(&output).unwrap();
        let head = b"#!/bin/program".len() + TRAILER_LENGTH;
        for length in head..bytes.len() {
            fs::write(&output, &bytes[..length]).unwrap();
            // Right after the header, the file ends as a bundle does.
            let part = if length == head { "checksum" } else { "cut short" };
            let message = read(&output).unwrap_err().to_string();
            assert!(message.contains(part), "{length}: {message:?} should say {part:?}");
        }
        fs::write(&output, [&bytes[..], b"\n"].concat()).unwrap();
        assert!(read(&output).unwrap_err().to_string().contains("appended"));
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
            (damage(|bytes| bytes[14 + TRAILER_LENGTH] ^= 1), "checksum"),
            (damage(|bytes| bytes.drain(..50).for_each(drop)), "shorter than the model"),
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
        assert!(message.contains("not a regular file"), "{message}");
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
