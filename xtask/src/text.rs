//! What is done to a text: one list for the flags of `cargo xtask prepare`, for `[prepare]` in a `dataset.toml`, and for
//! the words that `corpus prepare` is given.
//!
//! What the values mean, and which of them make sense, is the business of `corpus`.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The flags of `corpus prepare`, each under its own name.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "one a flag")]
pub struct TextArguments {
    /// What a token stands for: a Unicode character or a byte.
    #[arg(long, value_parser = ["char", "byte"], help_heading = "Text")]
    pub unit: Option<String>,
    /// Make every character lower case.
    #[arg(long, help_heading = "Text")]
    pub lowercase: bool,
    /// Drop every character outside ASCII.
    #[arg(long, help_heading = "Text")]
    pub ascii: bool,
    /// What becomes of CR LF and lone CR: they stay, or become LF.
    #[arg(long, value_name = "HOW", value_parser = ["keep", "lf"], help_heading = "Text")]
    pub newlines: Option<String>,
    /// Compose characters (Unicode NFC).
    #[arg(long, help_heading = "Text")]
    pub nfc: bool,
    /// Leave out the header and licence around a Project Gutenberg e-text.
    #[arg(long, help_heading = "Text")]
    pub strip_gutenberg: bool,
    /// Accept invalid UTF-8, each broken sequence as U+FFFD.
    #[arg(long, help_heading = "Text")]
    pub lossy: bool,
    /// Fold characters that occur less often into an unknown token, which is never sampled.
    #[arg(long, value_name = "N", help_heading = "Text")]
    pub min_count: Option<u64>,
    /// Keep at most N tokens; fold the rarest characters into the unknown token.
    #[arg(long, value_name = "N", help_heading = "Text")]
    pub max_vocabulary: Option<u64>,

    /// Only files of folders that match, such as '*.c'; a pattern with a slash is for the path. Repeatable.
    #[arg(long, value_name = "GLOB", help_heading = "Documents")]
    pub include: Vec<String>,
    /// Make each line a document: a list of names then samples whole names.
    #[arg(long, conflicts_with = "joined", help_heading = "Documents")]
    pub lines: bool,
    /// Make all inputs one text, without boundaries.
    #[arg(long, help_heading = "Documents")]
    pub joined: bool,
    /// Percent for training, validation and test, such as 90/5/5.
    #[arg(long, value_name = "SHARES", help_heading = "Documents")]
    pub split: Option<String>,
    /// Deal out whole documents to the splits, rather than cut the text in three.
    #[arg(long, help_heading = "Documents")]
    pub split_by_document: bool,
    /// Where the text comes from; recorded.
    #[arg(long, value_name = "TEXT", help_heading = "Documents")]
    pub source: Option<String>,
    /// Licence of the text; recorded.
    #[arg(long, value_name = "TEXT", help_heading = "Documents")]
    pub licence: Option<String>,

    /// Characters in a window, for the count of windows.
    #[arg(long, value_name = "N", help_heading = "Windows and shards")]
    pub window: Option<u64>,
    /// Characters from one window to the next, for the count of windows.
    #[arg(long, value_name = "N", help_heading = "Windows and shards")]
    pub step: Option<u64>,
    /// Most MiB of ids in a shard.
    #[arg(long, value_name = "MIB", help_heading = "Windows and shards")]
    pub shard_size: Option<u64>,

    /// Cores to use; all unless given.
    #[arg(long, value_name = "N")]
    pub threads: Option<u64>,
    /// Prepare again what has not changed.
    #[arg(long)]
    pub force: bool,
}

/// Flags that leave the text, its characters and its windows as they are.
const HARMLESS: &[&str] = &["source", "licence", "shard_size", "threads", "force"];

impl TextArguments {
    /// These, and of the others those that these say nothing of.
    pub fn over(&self, others: &Self) -> Flags {
        let mut flags = Flags::of(others);
        let given = Flags::of(self);
        // What a document is, is said once; where there are none, none can be dealt out.
        let contradicted: [(&str, &[&str]); 2] = [("lines", &["joined"]), ("joined", &["lines", "split_by_document"])];
        for (flag, others) in contradicted {
            if given.0.contains_key(flag) {
                flags.0.retain(|name, _| !others.contains(&name.as_str()));
            }
        }
        flags.0.extend(given.0);
        flags
    }
}

/// The flags that were given, with their values.
#[derive(Debug, PartialEq)]
pub struct Flags(Map<String, Value>);

impl Flags {
    pub fn of(arguments: &TextArguments) -> Self {
        let Ok(Value::Object(mut flags)) = serde_json::to_value(arguments) else {
            unreachable!("a struct of plain values is a JSON object");
        };
        flags.retain(|_, value| !matches!(value, Value::Null | Value::Bool(false)) && value != &Value::Array(vec![]));
        Self(flags)
    }

    /// Whether both make the same characters and windows of a text.
    pub fn same_text(&self, other: &Self) -> bool {
        let harmful = |flags: &Self| -> Map<String, Value> {
            let flags = flags.0.iter().filter(|(name, _)| !HARMLESS.contains(&name.as_str()));
            flags.map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        harmful(self) == harmful(other)
    }

    /// As words of a command line.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        for (name, value) in &self.0 {
            let flag = format!("--{}", name.replace('_', "-"));
            let values = match value {
                Value::Bool(_) => {
                    words.push(flag);
                    continue;
                }
                Value::Array(values) => values.as_slice(),
                value => std::slice::from_ref(value),
            };
            // One word, so that a value may begin with a dash.
            let word =
                |value: &Value| format!("{flag}={}", value.as_str().map_or_else(|| value.to_string(), Into::into));
            words.extend(values.iter().map(word));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(toml: &str) -> TextArguments {
        toml::from_str(toml).unwrap()
    }

    #[test]
    fn every_kind_of_flag_becomes_words() {
        let cases: [(&str, &[&str]); 6] = [
            ("", &[]),
            ("lowercase = true\nascii = false", &["--lowercase"]),
            ("strip_gutenberg = true", &["--strip-gutenberg"]),
            ("split = '90/5/5'\nmin_count = 3", &["--min-count=3", "--split=90/5/5"]),
            ("include = ['*.rs', '!b']", &["--include=*.rs", "--include=!b"]),
            ("source = '--a shelf'", &["--source=--a shelf"]),
        ];
        for (toml, words) in cases {
            assert_eq!(Flags::of(&arguments(toml)).words(), words, "{toml}");
        }
    }

    #[test]
    fn what_is_given_goes_before_what_was_declared() {
        let declared = arguments("unit = 'byte'\nlines = true\nsplit = '90/10'\ninclude = ['*.c']");
        let cases = [
            ("", "unit = 'byte'\nlines = true\nsplit = '90/10'\ninclude = ['*.c']", true),
            ("unit = 'byte'\nlines = true", "unit = 'byte'\nlines = true\nsplit = '90/10'\ninclude = ['*.c']", true),
            ("force = true", "force = true\nunit = 'byte'\nlines = true\nsplit = '90/10'\ninclude = ['*.c']", true),
            ("unit = 'char'", "unit = 'char'\nlines = true\nsplit = '90/10'\ninclude = ['*.c']", false),
            ("joined = true", "joined = true\nunit = 'byte'\nsplit = '90/10'\ninclude = ['*.c']", false),
            ("include = ['*.h']", "include = ['*.h']\nunit = 'byte'\nlines = true\nsplit = '90/10'", false),
        ];
        for (given, merged, same_text) in cases {
            let flags = arguments(given).over(&declared);
            assert_eq!(flags, Flags::of(&arguments(merged)), "{given}");
            assert_eq!(flags.same_text(&Flags::of(&declared)), same_text, "{given}");
        }
    }

    #[test]
    fn fields_that_are_no_flags_are_refused() {
        assert!(toml::from_str::<TextArguments>("lower_case = true").is_err());
    }
}
