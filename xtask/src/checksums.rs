//! `SHA256SUMS` over the files of a folder, as `sha256sum --check` reads it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::project::replace;

/// The name of the list.
pub const NAME: &str = "SHA256SUMS";

/// Writes the list into `folder`: a line for every other file below it, in the order of their paths.
pub fn write(folder: &Path) -> Result<PathBuf> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    let mut lines = String::new();
    for file in files {
        let inside = file.strip_prefix(folder)?.to_string_lossy().replace('\\', "/");
        if inside == NAME || inside.starts_with('.') {
            continue;
        }
        let mut hash = Sha256::new();
        let mut reader = File::open(&file).with_context(|| format!("cannot read {}", file.display()))?;
        io::copy(&mut reader, &mut hash).with_context(|| format!("cannot read {}", file.display()))?;
        for byte in hash.finalize() {
            write!(lines, "{byte:02x}")?;
        }
        writeln!(lines, "  {inside}")?;
    }
    let list = folder.join(NAME);
    replace(&list, |beside| fs::write(beside, lines))?;
    Ok(list)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { collect(&entry.path(), files)? } else { files.push(entry.path()) }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn the_list_names_every_file_but_itself() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("c")).unwrap();
        fs::write(folder.path().join("program"), "abc").unwrap();
        fs::write(folder.path().join("c/empty"), "").unwrap();
        // The sums are those of FIPS 180's examples.
        let expected = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  c/empty\n\
                        ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  program\n";
        for _ in 0..2 {
            let list = super::write(folder.path()).unwrap();
            assert_eq!(fs::read_to_string(list).unwrap(), expected);
        }
    }
}
