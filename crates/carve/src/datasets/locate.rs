//! Where a declared text is found: in the program, in the user's folders, in the cache, where cargo keeps sources, or by
//! download.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Dataset, EMBEDDED, download, packages};
use crate::artifacts::Artifacts;
use crate::failure::Failure;
use crate::interrupt::Watch;
use crate::progress::Progress;

/// Names the folders that are searched for `NAME.txt` (or `NAME.zip`) first.
pub const FOLDERS: &str = "SCRIMSHAW_DATASETS";

/// The text's files and folders; downloads it where it is not on this machine.
pub fn locate(
    artifacts: &Artifacts,
    name: &str,
    dataset: &Dataset,
    progress: &mut Progress,
    watch: &Watch,
) -> Result<Vec<PathBuf>> {
    if let Some((_, text)) = EMBEDDED.iter().find(|(embedded, _)| *embedded == name) {
        return unpack(artifacts, name, text).map(|path| vec![path]);
    }
    let (place, url) = match (on_this_machine(artifacts, name, dataset), &dataset.url) {
        (Ok(paths), _) => {
            if let ([path], Some(expected)) = (paths.as_slice(), &dataset.sha256) {
                verify(path, expected)?;
            }
            return Ok(paths);
        }
        (Err(missing), None) => return Err(missing),
        (Err(_), Some(url)) => (artifacts.cache().join(file_names(name, dataset).swap_remove(0)), url),
    };
    match download::fetch(url, dataset.sha256.as_deref(), &place, progress, watch.flag()) {
        Ok(()) if dataset.sha256.is_none() => {
            progress.say(&format!("{name}: no SHA-256 is declared of this file, so only its figures are checked"));
        }
        Ok(()) => {}
        Err(error) if error.downcast_ref::<Failure>().is_some() => return Err(error),
        Err(error) => {
            return Err(Failure::Input(format!(
                "{name} is not on this machine and cannot be downloaded ({error:#}): get {url} and put it at {}, or \
                 set {FOLDERS} to a folder that holds {}",
                place.display(),
                file_names(name, dataset).join(" or "),
            ))
            .into());
        }
    }
    Ok(vec![place])
}

/// The text's files and folders, if they are on this machine; none of a text that is part of the program.
pub fn on_this_machine(artifacts: &Artifacts, name: &str, dataset: &Dataset) -> Result<Vec<PathBuf>> {
    if dataset.file.is_some() {
        return Ok(Vec::new());
    }
    if !dataset.packages.is_empty() {
        return packages::folders(&dataset.packages);
    }
    let names = file_names(name, dataset);
    let folders = env::var_os(FOLDERS).unwrap_or_default();
    let mut candidates = env::split_paths(&folders)
        .filter(|folder| folder != Path::new(""))
        .chain([artifacts.cache()])
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)));
    let found = candidates.find(|path| path.exists());
    let found = found.with_context(|| format!("{name} is not on this machine"))?;
    Ok(vec![found])
}

/// What the text's file may be called; first, what a download is called.
fn file_names(name: &str, dataset: &Dataset) -> Vec<String> {
    let zipped = dataset.url.as_deref().is_some_and(|url| Path::new(url).extension() == Some("zip".as_ref()));
    let endings: &[&str] = if zipped { &["zip", "txt"] } else { &["txt"] };
    endings.iter().map(|ending| format!("{name}.{ending}")).collect()
}

/// Writes an embedded text into the cache, unless it is there.
fn unpack(artifacts: &Artifacts, name: &str, text: &str) -> Result<PathBuf> {
    let path = artifacts.cache().join(format!("{name}.txt"));
    if fs::read(&path).is_ok_and(|bytes| bytes == text.as_bytes()) {
        return Ok(path);
    }
    let written = durable::create_dir_all(&artifacts.cache()).and_then(|()| durable::write(&path, text.as_bytes()));
    written.map_err(|error| Failure::unwritable(&path, &error))?;
    Ok(path)
}

/// Bytes on the disk; of the sources of crates, those of their Rust files; of an embedded text, its own.
pub fn size(name: &str, paths: &[PathBuf], dataset: &Dataset) -> u64 {
    if let Some((_, text)) = EMBEDDED.iter().find(|(embedded, _)| *embedded == name) {
        return text.len() as u64;
    }
    let counts = |path: &Path| dataset.packages.is_empty() || path.extension().is_some_and(|ending| ending == "rs");
    let mut bytes = 0;
    let mut paths = paths.to_vec();
    while let Some(path) = paths.pop() {
        match fs::read_dir(&path) {
            Ok(entries) => paths.extend(entries.flatten().map(|entry| entry.path())),
            Err(_) if counts(&path) => bytes += fs::metadata(&path).map_or(0, |file| file.len()),
            Err(_) => {}
        }
    }
    bytes
}

fn verify(path: &Path, expected: &str) -> Result<()> {
    let found = download::sha256(path)?;
    if found == expected {
        return Ok(());
    }
    let (path, carve) = (path.display(), crate::name::name());
    Err(Failure::Input(format!(
        "{path} is not the declared file: its SHA-256 is {found}, not {expected}; to train on it anyway, run {carve} \
         prepare {path} --name NAME"
    ))
    .into())
}
