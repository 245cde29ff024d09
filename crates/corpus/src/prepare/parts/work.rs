//! The folder in which the parts meet, and the markers in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::blocks::FileCounts;
use super::super::inputs::{Input, Inputs};
use super::{Options, Part};
use crate::index::hexadecimal;
use crate::{Error, Result, Settings};

/// Name of the folder, in the output folder.
const FOLDER: &str = ".parts";
/// Version of the files in it.
const VERSION: u32 = 1;

const COUNTED: &str = "counted.json";
pub const INPUTS: &str = "inputs";
pub const BLOCKS: &str = "blocks";
pub const SYMBOLS: &str = "symbols.json";

/// Everything that has to be the same for all parts, by the names that a message gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description(Map<String, Value>);

/// The marker of a part that has counted.
#[derive(Debug, Serialize, Deserialize)]
pub struct Counted {
    /// How it was counted.
    pub description: Description,
    /// [`Inputs::stamp`].
    #[serde(with = "hexadecimal")]
    pub stamp: u64,
    /// Files that start in its share.
    pub files: FileCounts,
    /// Number of blocks that it counted.
    pub blocks: u64,
    /// xxh3-64 of their records.
    #[serde(with = "hexadecimal")]
    pub checksum: u64,
}

/// The folder.
pub struct WorkFolder {
    output: PathBuf,
    path: PathBuf,
}

impl Description {
    /// What decides how a text is prepared.
    pub fn new(options: &Options, settings: &Settings, block_bytes: usize) -> Self {
        let mut all = match serde_json::to_value(settings) {
            Ok(Value::Object(settings)) => settings,
            _ => Map::new(),
        };
        let inputs: Vec<_> = options.inputs.iter().map(|path| path.to_string_lossy()).collect();
        let more = [
            ("version of the program", json!(env!("CARGO_PKG_VERSION"))),
            ("version of the files", json!(VERSION)),
            ("bytes of a block", json!(block_bytes)),
            ("inputs", json!(inputs)),
            ("include", json!(options.include)),
            ("name", json!(options.name)),
            ("source", json!(options.source)),
            ("licence", json!(options.licence)),
            ("window", json!(options.window)),
            ("step", json!(options.step)),
        ];
        all.extend(more.map(|(name, value)| (name.into(), value)));
        Self(all)
    }

    /// In what another one differs, in words.
    fn differences(&self, other: &Self) -> String {
        let differ = |(name, here): (&String, &Value)| {
            let there = other.0.get(name).unwrap_or(&Value::Null);
            (here != there).then(|| format!("{}: {there} there, {here} here", name.replace('_', " ")))
        };
        self.0.iter().filter_map(differ).collect::<Vec<_>>().join("; ")
    }
}

impl WorkFolder {
    /// That of an output folder. It need not be there.
    pub fn of(output: &Path) -> Self {
        Self { output: output.into(), path: output.join(FOLDER) }
    }

    /// The output folder.
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// The folder of a part.
    pub fn part(&self, part: Part) -> PathBuf {
        self.path.join(format!("{}-of-{}", part.number, part.of))
    }

    /// The parts that have counted, in order, whatever number of parts they are of.
    fn counted_parts(&self) -> Result<Vec<Part>> {
        let unreadable = |source| Error::Read { path: self.path.clone(), source };
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(unreadable)?,
        };
        let mut parts = Vec::new();
        for entry in entries {
            let name = entry.map_err(unreadable)?.file_name();
            let part = name.to_str().and_then(|name| name.replace("-of-", "/").parse::<Part>().ok());
            parts.extend(part.filter(|&part| self.has_counted(part)));
        }
        parts.sort_unstable();
        Ok(parts)
    }

    /// How many parts there are to be, if any has counted.
    pub fn parts(&self) -> Result<Option<u32>> {
        Ok(self.counted_parts()?.first().map(|part| part.of))
    }

    /// Whether a part has counted.
    pub fn has_counted(&self, part: Part) -> bool {
        self.part(part).join(COUNTED).exists()
    }

    /// The parts that have not.
    pub fn uncounted(&self, of: u32) -> Vec<Part> {
        Part::all(of).filter(|&part| !self.has_counted(part)).collect()
    }

    /// The marker of a part.
    pub fn counted(&self, part: Part) -> Result<Counted> {
        self.read(part, COUNTED)
    }

    /// Reads a JSON file of a part.
    pub fn read<T: DeserializeOwned>(&self, part: Part, name: &str) -> Result<T> {
        let path = self.part(part).join(name);
        let bytes = fs::read(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        serde_json::from_slice(&bytes).map_err(|error| Error::PartDamaged { path, message: error.to_string() })
    }

    /// Checks that every part that has counted is one of so many and was counted like this.
    pub fn check(&self, of: u32, description: &Description, inputs: &Inputs) -> Result<()> {
        for part in self.counted_parts()? {
            let other = |differences: String| Error::OtherPart {
                part: part.to_string(),
                differences,
                folder: self.path.clone(),
            };
            if part.of != of {
                return Err(other(format!("number of parts: {} there, {of} here", part.of)));
            }
            let counted = self.counted(part)?;
            if counted.description != *description {
                return Err(other(description.differences(&counted.description)));
            }
            if counted.stamp != inputs.stamp {
                return Err(self.changed(part, inputs));
            }
        }
        Ok(())
    }

    /// The error for inputs that are not those that a part found.
    fn changed(&self, part: Part, inputs: &Inputs) -> Error {
        let there = fs::read(self.part(part).join(INPUTS)).unwrap_or_default();
        let (there, _) = there.as_chunks::<8>();
        let differs = |(input, stamp): (&Input, &[u8; 8])| {
            (input.stamp != u64::from_le_bytes(*stamp)).then(|| input.path.display().to_string())
        };
        let what = inputs.files.iter().zip(there).find_map(differs);
        let what = what.unwrap_or_else(|| {
            let files = |number: usize| model_card::counted(number as u64, "file");
            format!("the list of inputs ({} then, {} now)", files(there.len()), files(inputs.files.len()))
        });
        self.input_changed(part, what)
    }

    /// The error for an input that has changed since a part counted it.
    pub fn input_changed(&self, part: Part, what: String) -> Error {
        Error::PartInput { what, part: part.to_string(), folder: self.path.clone() }
    }

    /// Removes the folder and everything in it.
    pub fn put_away(&self) -> Result<()> {
        let failed = |source| Error::Write { path: self.path.clone(), source };
        if self.path.exists() {
            durable::remove_dir(&self.path).map_err(failed)?;
        }
        // What a kill in the middle of that left.
        let removed = self.output.join(format!("{}{FOLDER}", durable::REMOVED));
        if removed.exists() { fs::remove_dir_all(&removed).map_err(failed) } else { Ok(()) }
    }
}

/// Puts the marker of a part in place.
pub fn mark(folder: &Path, counted: &Counted) -> Result<()> {
    let path = folder.join(COUNTED);
    let json = serde_json::to_vec_pretty(counted).unwrap_or_default();
    durable::write(&path, &json).map_err(|source| Error::Write { path, source })
}
