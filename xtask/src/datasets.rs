//! The texts that the project knows: `datasets/NAME/dataset.toml`, and where a text is found.

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::project::Project;
use crate::text::TextArguments;
use crate::{download, packages};

/// The text that is trained on when none is named; it is part of the repository.
pub const DEFAULT: &str = "sea-story";

/// Names the folders that are searched for `NAME.txt` (or `NAME.zip`) first.
pub const FOLDERS: &str = "SCRIMSHAW_DATASETS";

#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask datasets\n  cargo xtask datasets --json")]
pub struct Arguments {
    /// Print one JSON array on stdout.
    #[arg(long)]
    json: bool,
}

/// One `dataset.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// What it is, in one line.
    pub title: String,
    /// Who made it and where it came from.
    pub origin: String,
    /// Under which terms it may be used.
    pub licence: String,
    /// The recipe that suits it.
    #[serde(default)]
    pub recipe: Option<String>,
    /// A file beside `dataset.toml`: the text is part of the repository.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// Where it can be downloaded: a text, or a zip archive of one.
    #[serde(default)]
    pub url: Option<String>,
    /// The SHA-256 of that file, in hexadecimal.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Packages of a registry, pinned in Cargo.lock, whose sources are the text.
    #[serde(default)]
    pub packages: Vec<String>,
    /// What `prepare` does to it unless told otherwise.
    #[serde(default)]
    pub prepare: TextArguments,
    /// What `prepare` has to find when it does just that.
    #[serde(default)]
    pub expected: Option<Figures>,
}

/// What a prepared text consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub struct Figures {
    pub characters: u64,
    pub vocabulary: u64,
    /// Of the training split.
    pub windows: Option<u64>,
}

impl Figures {
    /// Whether they are the expected ones, as far as those say anything.
    pub fn agree_with(&self, expected: &Self) -> bool {
        (self.characters, self.vocabulary) == (expected.characters, expected.vocabulary)
            && expected.windows.is_none_or(|windows| self.windows == Some(windows))
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} characters, vocabulary {}", self.characters, self.vocabulary)?;
        self.windows.map_or(Ok(()), |windows| write!(formatter, ", {windows} windows"))
    }
}

/// Says that a text is neither on this machine nor to be had, and how to come by it.
#[derive(Debug)]
pub struct Unavailable(pub String);

impl fmt::Display for Unavailable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Unavailable {}

/// Lists the declared datasets.
pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    let mut rows = Vec::new();
    for name in names(project)? {
        let Some(dataset) = declared(project, &name)? else { continue };
        let here = on_this_machine(project, &name, &dataset).ok();
        let bytes = here.as_deref().map(|paths| size(paths, &dataset));
        if arguments.json {
            rows.push(serde_json::json!({
                "name": name, "title": dataset.title, "licence": dataset.licence, "url": dataset.url,
                "recipe": dataset.recipe, "expected": dataset.expected, "here": here, "bytes": bytes,
            }));
            continue;
        }
        println!("{name}\n  {}\n  licence: {}", dataset.title, dataset.licence);
        if let Some(expected) = dataset.expected {
            println!("  {expected}");
        }
        if let Some(recipe) = &dataset.recipe {
            println!("  recipe {recipe}");
        }
        match (here.as_deref(), bytes) {
            (Some([path]), Some(bytes)) => println!("  here, {:.1} MB: {}", bytes as f64 / 1e6, path.display()),
            (Some(paths), Some(bytes)) => println!("  here, {:.1} MB: {} folders", bytes as f64 / 1e6, paths.len()),
            _ if dataset.url.is_some() => println!("  to be downloaded"),
            _ => println!("  not here: cargo fetch --locked brings it"),
        }
    }
    if arguments.json {
        println!("{}", serde_json::Value::from(rows));
    }
    Ok(())
}

/// The declared dataset of that name.
pub fn declared(project: &Project, name: &str) -> Result<Option<Dataset>> {
    let path = project.root.join("datasets").join(name).join("dataset.toml");
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Some(toml::from_str(&text).with_context(|| format!("{} is no dataset declaration", path.display()))?))
}

/// The names of all declared datasets, in order.
pub fn names(project: &Project) -> Result<Vec<String>> {
    let folder = project.root.join("datasets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        if entry.path().join("dataset.toml").exists() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The text's files and folders: beside its declaration, in a folder of [`FOLDERS`], in the cache, downloaded into the
/// cache, or where cargo keeps the sources of packages.
pub fn locate(project: &Project, name: &str, dataset: &Dataset) -> Result<Vec<PathBuf>> {
    let (here, url) = match (on_this_machine(project, name, dataset), &dataset.url) {
        (Ok(paths), _) => {
            if let [path] = paths.as_slice() {
                verify(path, dataset)?;
            }
            return Ok(paths);
        }
        (Err(missing), None) => return Err(missing),
        (Err(_), Some(url)) => (cache(project).join(file_names(name, dataset).swap_remove(0)), url),
    };
    download::fetch(url, dataset.sha256.as_deref(), &here).map_err(|error| {
        Unavailable(format!(
            "{name} is not on this machine and cannot be downloaded ({error:#}): get {url} and put it at {}, or set \
             {FOLDERS} to a folder that holds {}",
            here.display(),
            file_names(name, dataset).join(" or "),
        ))
    })?;
    Ok(vec![here])
}

fn on_this_machine(project: &Project, name: &str, dataset: &Dataset) -> Result<Vec<PathBuf>> {
    if let Some(file) = &dataset.file {
        return Ok(vec![project.root.join("datasets").join(name).join(file)]);
    }
    if !dataset.packages.is_empty() {
        return packages::folders(project, &dataset.packages);
    }
    let names = file_names(name, dataset);
    let folders = env::var_os(FOLDERS).unwrap_or_default();
    let found = env::split_paths(&folders)
        .filter(|folder| folder != Path::new(""))
        .chain([cache(project)])
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|path| path.exists());
    let missing = || {
        let names = names.join(" or ");
        Unavailable(format!("{name} is not on this machine: set {FOLDERS} to a folder that holds {names}"))
    };
    Ok(vec![found.ok_or_else(missing)?])
}

/// What the text's file may be called; first, what a download is called.
fn file_names(name: &str, dataset: &Dataset) -> Vec<String> {
    let zipped = dataset.url.as_deref().is_some_and(|url| Path::new(url).extension() == Some("zip".as_ref()));
    let endings: &[&str] = if zipped { &["zip", "txt"] } else { &["txt"] };
    endings.iter().map(|ending| format!("{name}.{ending}")).collect()
}

/// Bytes on the disk; of packages, those of their Rust sources.
fn size(paths: &[PathBuf], dataset: &Dataset) -> u64 {
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

fn cache(project: &Project) -> PathBuf {
    project.artifacts.join("cache")
}

fn verify(path: &Path, dataset: &Dataset) -> Result<()> {
    let Some(expected) = &dataset.sha256 else { return Ok(()) };
    let found = download::sha256(path)?;
    if found != *expected {
        bail!(
            "{} is not the declared file: its SHA-256 is {found}, not {expected}; to train on it all the same, run \
             cargo xtask prepare --input {} --name NAME",
            path.display(),
            path.display()
        );
    }
    Ok(())
}
