//! The texts that the project knows: `datasets/NAME/dataset.toml`, and where a text is found.

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::download;
use crate::project::Project;

/// The text that is trained on when none is named; it is part of the repository.
pub const DEFAULT: &str = "sea-story";

/// Names the folders that are searched for `NAME.txt` first.
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
    /// A file beside `dataset.toml`: the text is part of the repository.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// Where it can be downloaded.
    #[serde(default)]
    pub url: Option<String>,
    /// The file's SHA-256, in hexadecimal.
    #[serde(default)]
    pub sha256: Option<String>,
    /// What `prepare` does to it unless told otherwise.
    #[serde(default)]
    pub normalisation: Normalisation,
    /// What `prepare` has to find, with that normalisation.
    #[serde(default)]
    pub expected: Option<Figures>,
}

/// The normalisation that a dataset asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Normalisation {
    pub lowercase: bool,
    pub ascii: bool,
}

/// What a prepared text consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub struct Figures {
    pub characters: u64,
    pub vocabulary: u64,
    pub windows: u64,
}

/// A text that is neither on this machine nor to be had.
#[derive(Debug)]
pub struct Unavailable {
    name: String,
    url: String,
    reason: String,
    folder: PathBuf,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, url, reason, folder } = self;
        write!(
            formatter,
            "{name}.txt is not on this machine and cannot be downloaded ({reason}): get {url} and put it at {}, or set \
             {FOLDERS} to a folder that holds {name}.txt",
            folder.join(name).with_extension("txt").display()
        )
    }
}

impl std::error::Error for Unavailable {}

/// Lists the declared datasets.
pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    let mut rows = Vec::new();
    for name in names(project)? {
        let Some(dataset) = declared(project, &name)? else { continue };
        let here = on_this_machine(project, &name, &dataset);
        if arguments.json {
            rows.push(serde_json::json!({
                "name": name, "title": dataset.title, "licence": dataset.licence, "url": dataset.url,
                "expected": dataset.expected, "file": here,
            }));
        } else {
            let place = here.map_or("to be downloaded".into(), |path| path.display().to_string());
            println!("{name}\n  {}\n  licence: {}\n  {place}", dataset.title, dataset.licence);
            if let Some(Figures { characters, vocabulary, windows }) = dataset.expected {
                println!("  {characters} characters, vocabulary {vocabulary}, {windows} windows");
            }
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

/// The text's file: beside its declaration, in a folder of [`FOLDERS`], in the cache, or downloaded into the cache.
pub fn locate(project: &Project, name: &str, dataset: &Dataset) -> Result<PathBuf> {
    if let Some(path) = on_this_machine(project, name, dataset) {
        verify(&path, dataset)?;
        return Ok(path);
    }
    let cache = cache(project);
    let path = cache.join(name).with_extension("txt");
    let Some(url) = &dataset.url else {
        bail!("{name}.txt is not on this machine: set {FOLDERS} to a folder that holds it");
    };
    download::fetch(url, dataset.sha256.as_deref(), &path).map_err(|error| Unavailable {
        name: name.into(),
        url: url.clone(),
        reason: format!("{error:#}"),
        folder: cache,
    })?;
    Ok(path)
}

fn on_this_machine(project: &Project, name: &str, dataset: &Dataset) -> Option<PathBuf> {
    if let Some(file) = &dataset.file {
        return Some(project.root.join("datasets").join(name).join(file));
    }
    let folders = env::var_os(FOLDERS).unwrap_or_default();
    env::split_paths(&folders)
        .filter(|folder| folder != Path::new(""))
        .chain([cache(project)])
        .map(|folder| folder.join(name).with_extension("txt"))
        .find(|path| path.exists())
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
