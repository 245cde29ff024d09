//! What is done to a text: one struct for the flags of `carve prepare` and for `[prepare]` in a `dataset.toml`.

use std::path::PathBuf;

use clap::Args;
use corpus::prepare::Options;
use corpus::{Documents, Shares, SplitBy};
use model_card::{Newlines, Normalisation, Unit};
use serde::Deserialize;

use crate::values::one_of;

/// What is done to a text; what is not given is left to [`Options::default`].
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "one per flag")]
pub struct TextArguments {
    /// What one token stands for: a Unicode character or a byte [default: char].
    #[arg(long, value_name = "UNIT", value_parser = one_of::<Unit>(&["char", "byte"]), help_heading = "Text")]
    pub unit: Option<Unit>,
    /// Convert the text to lower case.
    #[arg(long, help_heading = "Text")]
    pub lowercase: bool,
    /// Drop every character outside ASCII.
    #[arg(long, help_heading = "Text")]
    pub ascii: bool,
    /// Keep CR LF and lone CR, or convert both to LF [default: keep].
    #[arg(long, value_name = "HOW", value_parser = one_of::<Newlines>(&["keep", "lf"]), help_heading = "Text")]
    pub newlines: Option<Newlines>,
    /// Compose characters (Unicode NFC).
    #[arg(long, help_heading = "Text")]
    pub nfc: bool,
    /// Remove the header and licence of a Project Gutenberg e-text.
    #[arg(long, help_heading = "Text")]
    pub strip_gutenberg: bool,
    /// Replace invalid UTF-8 with U+FFFD instead of refusing it.
    #[arg(long, help_heading = "Text")]
    pub lossy: bool,
    /// Replace characters that occur fewer than N times with an unknown token, which is never sampled.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Text")]
    pub min_count: Option<u64>,
    /// Keep at most N tokens; replace the rarest characters with the unknown token.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(3..), help_heading = "Text")]
    pub max_vocabulary: Option<u32>,

    /// Read only the files of a folder that match, such as '*.c'. A pattern with a slash matches the path, one without
    /// a slash the name. Repeatable.
    #[arg(long, value_name = "GLOB", help_heading = "Documents")]
    pub include: Vec<String>,
    /// Make each line a document: trained on a list of names, a model then writes whole names.
    #[arg(long, conflicts_with = "joined", help_heading = "Documents")]
    pub lines: bool,
    /// Join all inputs into one text, without boundaries between documents.
    #[arg(long, help_heading = "Documents")]
    pub joined: bool,
    /// Percentages for training, validation and test, such as 90/5/5 [default: 100, for `train PATH` 90/10].
    #[arg(long, value_name = "SHARES", allow_hyphen_values = true, help_heading = "Documents")]
    pub split: Option<Shares>,
    /// Assign whole documents to the splits instead of cutting the text in three.
    #[arg(long, help_heading = "Documents")]
    pub split_by_document: bool,
    /// Record where the text comes from.
    #[arg(long, value_name = "TEXT", help_heading = "Documents")]
    pub source: Option<String>,
    /// Record the licence of the text.
    #[arg(long, value_name = "TEXT", help_heading = "Documents")]
    pub licence: Option<String>,

    /// Characters per window, for the number of windows that is shown [default: 40].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Shards")]
    pub window: Option<u32>,
    /// Characters from one window to the next, for the same number [default: 3].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Shards")]
    pub step: Option<u32>,
    /// Largest size of a shard in MiB [default: 256].
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..1 << 40), help_heading = "Shards")]
    pub shard_size: Option<u64>,

    /// Number of threads that prepare the text, at most 1024; more than 32 are not used [default: one per core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "Shards")]
    pub threads: Option<u16>,
    /// Prepare the text again even if it has not changed.
    #[arg(long, help_heading = "Shards")]
    pub force: bool,
}

impl TextArguments {
    /// These, completed by what a dataset declares.
    pub fn over(&self, declared: &Self) -> Self {
        let (given, declared) = (self.clone(), declared.clone());
        Self {
            unit: given.unit.or(declared.unit),
            lowercase: given.lowercase || declared.lowercase,
            ascii: given.ascii || declared.ascii,
            newlines: given.newlines.or(declared.newlines),
            nfc: given.nfc || declared.nfc,
            strip_gutenberg: given.strip_gutenberg || declared.strip_gutenberg,
            lossy: given.lossy || declared.lossy,
            min_count: given.min_count.or(declared.min_count),
            max_vocabulary: given.max_vocabulary.or(declared.max_vocabulary),
            include: if given.include.is_empty() { declared.include } else { given.include },
            // --lines and --joined replace each other, and a joined text has no documents to assign to the splits.
            lines: given.lines || declared.lines && !given.joined,
            joined: given.joined || declared.joined && !given.lines,
            split: given.split.or(declared.split),
            split_by_document: given.split_by_document || declared.split_by_document && !given.joined,
            source: given.source.or(declared.source),
            licence: given.licence.or(declared.licence),
            window: given.window.or(declared.window),
            step: given.step.or(declared.step),
            shard_size: given.shard_size.or(declared.shard_size),
            threads: given.threads.or(declared.threads),
            force: given.force || declared.force,
        }
    }

    /// Whether both make the same characters and windows of a text.
    pub fn same_text(&self, other: &Self) -> bool {
        let what_matters = |arguments: &Self| Self {
            source: None,
            licence: None,
            shard_size: None,
            threads: None,
            force: false,
            ..arguments.clone()
        };
        what_matters(self) == what_matters(other)
    }

    /// What the library is told.
    pub fn options(self, inputs: Vec<PathBuf>, output: PathBuf, name: String) -> Options {
        let defaults = Options::default();
        Options {
            inputs,
            output,
            name,
            source: self.source,
            licence: self.licence,
            unit: self.unit.unwrap_or(defaults.unit),
            normalisation: Normalisation {
                newlines: self.newlines.unwrap_or_default(),
                nfc: self.nfc,
                lowercase: self.lowercase,
                ascii: self.ascii,
            },
            lossy: self.lossy,
            documents: match (self.lines, self.joined) {
                (true, _) => Some(Documents::Lines),
                (_, true) => Some(Documents::Joined),
                _ => None,
            },
            include: self.include,
            strip_gutenberg: self.strip_gutenberg,
            min_count: self.min_count,
            max_vocabulary: self.max_vocabulary.map(|most| most as usize),
            split: self.split.unwrap_or(defaults.split),
            split_by: if self.split_by_document { SplitBy::Document } else { SplitBy::Position },
            window: self.window.map_or(defaults.window, |window| window as usize),
            step: self.step.map_or(defaults.step, |step| step as usize),
            shard_bytes: self.shard_size.map_or(defaults.shard_bytes, |mebibytes| mebibytes << 20),
            threads: self.threads.map(usize::from),
            force: self.force,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(toml: &str) -> TextArguments {
        toml::from_str(toml).unwrap()
    }

    #[test]
    fn what_is_given_goes_before_what_is_declared() {
        let declared = arguments("unit = 'byte'\nlines = true\nsplit = '90/10'\ninclude = ['*.c']");
        let cases = [
            ("", "unit = 'byte'\nlines = true\nsplit = '90/10'\ninclude = ['*.c']", true),
            ("unit = 'byte'\nlines = true", "unit = 'byte'\nlines = true\nsplit = '90/10'\ninclude = ['*.c']", true),
            ("force = true", "force = true\nunit = 'byte'\nlines = true\nsplit = '90/10'\ninclude = ['*.c']", true),
            ("unit = 'char'", "unit = 'char'\nlines = true\nsplit = '90/10'\ninclude = ['*.c']", false),
            ("joined = true", "joined = true\nunit = 'byte'\nsplit = '90/10'\ninclude = ['*.c']", false),
            ("include = ['*.h']", "include = ['*.h']\nunit = 'byte'\nlines = true\nsplit = '90/10'", false),
        ];
        for (given, expected, same_text) in cases {
            let merged = arguments(given).over(&declared);
            assert_eq!(merged, arguments(expected), "{given}");
            assert_eq!(merged.same_text(&declared), same_text, "{given}");
        }
    }

    #[test]
    fn a_joined_text_has_no_documents_to_assign() {
        let declared = arguments("lines = true\nsplit_by_document = true");
        assert_eq!(arguments("joined = true").over(&declared), arguments("joined = true"));
    }

    #[test]
    fn nothing_given_is_the_default_of_the_library() {
        let options = TextArguments::default().options(Vec::new(), PathBuf::new(), String::new());
        assert_eq!(format!("{options:?}"), format!("{:?}", Options::default()));
        // As the help says.
        assert_eq!((options.unit, options.normalisation.newlines), (Unit::Char, Newlines::Keep));
        assert_eq!((options.window, options.step, options.shard_bytes), (40, 3, 256 << 20));
    }

    #[test]
    fn fields_that_are_no_flags_are_refused() {
        assert!(toml::from_str::<TextArguments>("lower_case = true").is_err());
    }
}
