//! The options of the command line.

use std::{ffi::OsString, path::PathBuf, str::FromStr};

use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, error::ErrorKind};

use super::escapes::unescape;

/// Writes text with a model that Scrimshaw exported.
///
/// Without a command it continues a prompt. A program made by `bundle` has its model inside and needs no arguments.
#[derive(Debug, Parser)]
#[command(
    name = "scrimshaw",
    version,
    after_help = "Examples:
  scrimshaw --model model.onnx --prompt \"The ship\" --length 800
  scrimshaw --model model.onnx --temperature 0.2,0.5,1 --seed 7
  scrimshaw --model model.onnx --count 10 --stop '\\n\\n' --json
  scrimshaw --model model.onnx bundle --output pirate
  tail -f server.log | scrimshaw --model model.onnx score

Exit codes: 1 no memory or threads, 2 usage, 3 input text, 4 model, 5 output"
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Option<Subcommands>,
    /// The exported model (.onnx) [default: the one in this program, if `bundle` made it]
    #[arg(long, global = true, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Run the model with ONNX Runtime: the path of its shared library [env: `ORT_DYLIB_PATH`]
    #[cfg(feature = "onnxruntime")]
    #[arg(long, global = true, value_name = "LIBRARY")]
    pub onnxruntime: Option<PathBuf>,
    /// Threads for --count and score, at most 1024 [default: all cores]
    #[arg(long, global = true, value_name = "N", value_parser = whole_number::<usize>, allow_negative_numbers = true)]
    pub threads: Option<usize>,
    #[command(flatten)]
    pub write: WriteArguments,
}

#[derive(Debug, Subcommand)]
pub enum Subcommands {
    /// Write a copy of this program that contains the model
    #[command(after_help = "Example:\n  scrimshaw bundle --model model.onnx --output pirate && ./pirate")]
    Bundle {
        /// The program to write; an earlier bundle is replaced, any other file is not
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Show the model card: training text, recipe, losses, vocabulary, sizes
    Info {
        /// Print the card as JSON
        #[arg(long)]
        json: bool,
    },
    /// Measure how surprising each line of a text is, in bits per character
    #[command(after_help = "Examples:
  scrimshaw score --model model.onnx --top 20 server.log
  tail -f server.log | scrimshaw score --model model.onnx --skip-unknown --above 4
  journalctl -f | scrimshaw score --model model.onnx --line-buffered --json | jq .text")]
    Score(ScoreArguments),
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct WriteArguments {
    /// Text to continue; `-` reads standard input [default: an excerpt of the training text]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub prompt: Option<String>,
    /// Continue the text in this file, with its last line end; `-` reads standard input
    ///
    /// Example: scrimshaw --model model.onnx --prompt-file chapter.txt --hide-prompt
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    pub prompt_file: Option<PathBuf>,
    /// Leave out characters of the prompt that the model does not know, and say how many there were
    ///
    /// Example: scrimshaw --model model.onnx --prompt "The sea #1" --skip-unknown
    #[arg(long)]
    pub skip_unknown: bool,
    /// Print only what follows the prompt
    #[arg(long)]
    pub hide_prompt: bool,
    /// Number of characters to write; 0 writes none
    #[arg(
        long,
        default_value = "400",
        value_name = "N",
        value_parser = whole_number::<usize>,
        allow_negative_numbers = true
    )]
    pub length: usize,
    /// Write until Ctrl-C; when a document ends, begin the next one
    ///
    /// What was written until then is complete, and the exit code is 0. A --stop text ends it as well.
    ///
    /// Example: scrimshaw --model model.onnx --forever | tee story.txt
    #[arg(long, conflicts_with_all = ["length", "count", "interactive"])]
    pub forever: bool,
    /// Save where the text ends in this file, to go on later with --load-state
    ///
    /// Works with --forever, too. A text that ended with a document goes on with the next one.
    ///
    /// Example: scrimshaw --model model.onnx --length 400 --save-state story.state
    #[arg(long, value_name = "FILE", conflicts_with_all = ["count", "words"])]
    pub save_state: Option<PathBuf>,
    /// Go on with a text that --save-state saved, as if it had not been interrupted
    ///
    /// Give the same model and the same options; --length is that of what follows.
    ///
    /// Example: scrimshaw --model model.onnx --length 600 --load-state story.state --save-state story.state
    #[arg(long, value_name = "FILE", conflicts_with_all = ["prompt", "prompt_file", "seed", "count"])]
    pub load_state: Option<PathBuf>,
    /// Sampling temperature: below 1 is more predictable, above 1 more random
    ///
    /// 0 always takes the most likely character. A list such as 0.2,0.5,1 writes one text for each.
    #[arg(
        long,
        default_value = "0.5",
        value_name = "T",
        value_parser = number,
        allow_negative_numbers = true,
        value_delimiter = ','
    )]
    pub temperature: Vec<f32>,
    /// Cycle through the list of temperatures within one text, character by character
    #[arg(long)]
    pub cycle: bool,
    /// Draw only from the N most likely characters [default: from all]
    #[arg(long, value_name = "N", value_parser = whole_number::<usize>, allow_negative_numbers = true)]
    pub top_k: Option<usize>,
    /// Draw only from the most likely characters whose probabilities add up to P [default: 1]
    #[arg(long, value_name = "P", value_parser = number, allow_negative_numbers = true)]
    pub top_p: Option<f32>,
    /// Draw only from characters at least P times as likely as the most likely one [default: 0]
    #[arg(long, value_name = "P", value_parser = number, allow_negative_numbers = true)]
    pub min_p: Option<f32>,
    /// Make the last 64 characters less likely: 1 has no effect, 1.2 a little [default: 1]
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true)]
    pub repetition_penalty: Option<f32>,
    /// Make characters less likely each time they are written: 0 has no effect, 2 is the most [default: 0]
    ///
    /// A logit loses F for each time the text has the character so far, the prompt not counted. Below 0, characters become
    /// more likely.
    ///
    /// Example: scrimshaw --model model.onnx --frequency-penalty 0.1
    #[arg(long, value_name = "F", value_parser = number, allow_negative_numbers = true)]
    pub frequency_penalty: Option<f32>,
    /// Random seed: the same seed writes the same text [default: a new one, shown on stderr]
    ///
    /// With --json the seed is in the object. It makes no difference at temperature 0.
    #[arg(long, value_name = "N", value_parser = whole_number::<u64>, allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// Number of texts, written at the same time
    #[arg(
        long,
        default_value = "1",
        value_name = "N",
        value_parser = whole_number::<usize>,
        allow_negative_numbers = true
    )]
    pub count: usize,
    /// Print this between texts [default: \n-----\n, or \n if the texts are single lines]
    ///
    /// \n is a line end, \t a tab, \0 a NUL and \\ a backslash.
    #[arg(long, value_name = "TEXT", value_parser = unescape, allow_hyphen_values = true)]
    pub separator: Option<String>,
    /// End the text after this; can be given several times
    ///
    /// \n is a line end, \t a tab and \\ a backslash.
    #[arg(long, value_name = "TEXT", value_parser = unescape, allow_hyphen_values = true)]
    pub stop: Vec<String>,
    /// Write only these characters; the prompt may have others
    ///
    /// \n is a line end, \t a tab and \\ a backslash. Characters that the model does not know make no difference.
    /// A model of bytes takes only ASCII here.
    ///
    /// Example: scrimshaw --model model.onnx --allow "abcdefghijklmnopqrstuvwxyz \n"
    #[arg(long, value_name = "CHARACTERS", value_parser = unescape, allow_hyphen_values = true)]
    pub allow: Option<String>,
    /// Write none of these characters
    ///
    /// The same escapes as for --allow; with both, what is allowed and not forbidden is written.
    ///
    /// Example: scrimshaw --model model.onnx --forbid "e\n"
    #[arg(long, value_name = "CHARACTERS", value_parser = unescape, allow_hyphen_values = true)]
    pub forbid: Option<String>,
    /// Never quote this text: write no --novel-length characters in a row that stand in it, counting from the prompt on
    ///
    /// Name the training text to see nothing copied from it. The text ends where every character would complete a
    /// quotation.
    ///
    /// Example: scrimshaw --model model.onnx --novel shakespeare.txt --novel-length 12
    #[arg(long, value_name = "FILE")]
    pub novel: Option<PathBuf>,
    /// Characters in a row (of a model of bytes, bytes) that --novel does not write
    #[arg(
        long,
        default_value = "20",
        value_name = "N",
        value_parser = whole_number::<usize>,
        allow_negative_numbers = true,
        requires = "novel"
    )]
    pub novel_length: usize,
    /// Finish the last word, even beyond --length
    #[arg(long)]
    pub words: bool,
    /// Carry the state, even if the model was trained on windows
    #[arg(long)]
    pub stateful: bool,
    /// Pick each character yourself from the most likely ones
    #[arg(long, conflicts_with_all = ["count", "explain", "json"])]
    pub interactive: bool,
    /// Colour each character by its probability, with the five most likely ones below
    #[arg(long, conflicts_with_all = ["count", "json"])]
    pub explain: bool,
    /// Print JSON, one object per line: `samples` (the default) or `characters`
    #[arg(
        long,
        value_name = "WHAT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "samples",
        hide_possible_values = true
    )]
    pub json: Option<JsonArgument>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum JsonArgument {
    Samples,
    Characters,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct ScoreArguments {
    /// The texts; `-` is standard input [default: -]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print only the N most surprising lines, with the surprising characters marked
    #[arg(
        long,
        value_name = "N",
        value_parser = whole_number::<usize>,
        allow_negative_numbers = true,
        conflicts_with = "total"
    )]
    pub top: Option<usize>,
    /// Print only lines of more than this many bits per character; the total still counts all
    #[arg(
        long,
        value_name = "BITS",
        value_parser = number,
        allow_negative_numbers = true,
        conflicts_with = "total"
    )]
    pub above: Option<f32>,
    /// Score and print each line as soon as it ends, even while more input is waiting
    ///
    /// Without this, lines that arrive together are scored together, which is faster. A line still waits no longer than
    /// the input pauses.
    #[arg(long, conflicts_with_all = ["total", "top"])]
    pub line_buffered: bool,
    /// Mark characters of at least this many bits
    #[arg(long, value_name = "BITS", default_value = "7", value_parser = number, allow_negative_numbers = true)]
    pub mark: f32,
    /// Print only the total
    #[arg(long)]
    pub total: bool,
    /// Print JSON: one object per line of text, and one for the total
    #[arg(long)]
    pub json: bool,
    /// Carry the state, even if the model was trained on windows
    #[arg(long)]
    pub stateful: bool,
    /// Read invalid UTF-8 as U+FFFD
    #[arg(long)]
    pub lossy: bool,
    /// Leave out characters that the model does not know
    #[arg(long)]
    pub skip_unknown: bool,
}

impl Arguments {
    /// Parses the command line. Help, and what clap refuses, ends the program.
    pub fn from_command_line() -> Self {
        Self::parse_words(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    /// Parses words, the first of which is the program's name.
    pub fn parse_words(words: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(words)?;
        if let Some(message) = misplaced(&matches) {
            return Err(command.error(ErrorKind::ArgumentConflict, message));
        }
        Self::from_arg_matches(&matches)
    }
}

/// A message if an option for writing text stands before another command.
fn misplaced(matches: &ArgMatches) -> Option<String> {
    let command = matches.subcommand_name()?;
    // The group of all options in `WriteArguments`. Defaults do not count.
    let option = matches.get_many::<clap::Id>("WriteArguments")?.next()?.as_str().replace('_', "-");
    Some(format!("--{option} before `{command}` has no effect; leave it out, or put it after `{command}`"))
}

fn whole_number<N: FromStr>(text: &str) -> Result<N, &'static str> {
    text.parse().map_err(|_| "give a whole number, 0 or more")
}

fn number(text: &str) -> Result<f32, &'static str> {
    text.parse().map_err(|_| "give a number, such as 0.5")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declarations_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn help_shows_the_defaults() {
        let help = Arguments::command().render_long_help().to_string();
        let option = |name: &str| {
            let text = help.split_once(&format!("--{name} <")).unwrap_or_else(|| panic!("no --{name} in {help}")).1;
            text.split("\n      --").next().unwrap_or_default()
        };
        let cases = [
            ("length", "[default: 400]"),
            ("temperature", "[default: 0.5]"),
            ("count", "[default: 1]"),
            ("seed", "[default: a new one"),
            ("threads", "[default: all cores]"),
            ("novel-length", "[default: 20]"),
            ("frequency-penalty", "[default: 0]"),
            ("separator", r"[default: \n-----\n"),
        ];
        for (name, part) in cases {
            assert!(option(name).contains(part), "{name} should say {part:?}: {help}");
        }
        for name in ["prompt-file", "save-state", "load-state", "frequency-penalty", "allow", "forbid", "novel"] {
            assert!(option(name).contains("Example: ") && option(name).contains("scrimshaw --model"), "{name}: {help}");
        }
        assert!(help.contains("Examples:\n  scrimshaw --model"), "{help}");
    }
}
