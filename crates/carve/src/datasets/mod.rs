//! The texts that the program knows: the declarations in `datasets/NAME/dataset.toml`, which are part of the program.

use std::fmt;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::text::TextArguments;

mod download;
mod locate;
mod packages;

pub use locate::{locate, on_this_machine, size};

/// The text that is trained on when none is named.
pub const DEFAULT: &str = "sea-story";

/// Texts that are part of the program.
const EMBEDDED: &[(&str, &str)] = &[(DEFAULT, include_str!("../../../../datasets/sea-story/sea-story.txt"))];

macro_rules! declarations {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../../../datasets/", $name, "/dataset.toml")))),*]
    };
}

/// The declarations, in the order of their names.
const DECLARATIONS: &[(&str, &str)] = declarations! {
    "enwik8" "names" "nietzsche" "rust-source" "sea-story" "text8" "tiny-shakespeare" "treasure-island" "war-and-peace"
};

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
    /// A file beside `dataset.toml`, which is part of the program.
    #[serde(default)]
    pub file: Option<String>,
    /// Where it can be downloaded: a text, or a zip archive of one.
    #[serde(default)]
    pub url: Option<String>,
    /// The SHA-256 of that file, in hexadecimal.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Crates in Cargo.lock whose sources are the text.
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
    /// In the training split.
    pub windows: Option<u64>,
}

impl Figures {
    /// The figures of a prepared text.
    pub fn of(index: &corpus::Index) -> Self {
        let (characters, vocabulary) = (index.characters(), index.vocabulary.len() as u64);
        Self { characters, vocabulary, windows: Some(index.window.count) }
    }

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

/// The names of all declared datasets, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    DECLARATIONS.iter().map(|(name, _)| *name)
}

/// The dataset of that name; an error names those that there are.
pub fn declared(name: &str) -> Result<Dataset> {
    let Some((_, declaration)) = DECLARATIONS.iter().find(|(known, _)| *known == name) else {
        let (known, carve) = (names().collect::<Vec<_>>().join(", "), crate::name::name());
        return Err(Failure::Usage(format!(
            "there is no dataset {name:?}; the datasets are {known}; for a text of your own, give its path: {carve} \
             prepare PATH --name {name}"
        ))
        .into());
    };
    toml::from_str(declaration).with_context(|| format!("the declaration of {name} is damaged"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_declaration_in_the_repository_is_part_of_the_program() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets");
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let declared = entries.filter(|path| path.join("dataset.toml").exists());
        let mut found: Vec<_> = declared.map(|path| path.file_name().unwrap().to_str().unwrap().to_string()).collect();
        found.sort();
        assert_eq!(names().collect::<Vec<_>>(), found);
    }

    #[test]
    fn declarations_are_complete() {
        for name in names() {
            let dataset = declared(name).unwrap();
            let sources =
                [dataset.file.is_some(), dataset.url.is_some(), !dataset.packages.is_empty()].map(usize::from);
            assert_eq!(sources.iter().sum::<usize>(), 1, "{name} has one source");
            assert!(dataset.url.is_none_or(|url| url.starts_with("https://")), "{name} is fetched by https only");
            assert_eq!(dataset.file.is_some(), EMBEDDED.iter().any(|(embedded, _)| *embedded == name), "{name}");
        }
    }

    #[test]
    fn unknown_names_are_answered_with_the_known_ones() {
        let message = declared("moby-duck").unwrap_err().to_string();
        assert!(message.contains("moby-duck") && message.contains("sea-story"), "{message}");
    }
}
