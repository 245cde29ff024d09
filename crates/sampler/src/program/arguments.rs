//! What may stand on the command line, and what it comes to.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use decoding::{Decoding, Options};
use sampler::{Backend, Engine, Plan};

use super::Failure;

/// Writes text with a model that Scrimshaw exported.
///
/// Without a command it continues a prompt. A program that carries a model (see `bundle`) needs no arguments at all.
/// Exit codes: 2 usage, 3 a text or prompt that cannot be used, 4 a damaged or foreign model, 5 output not written.
#[derive(Debug, Parser)]
#[command(name = "scrimshaw", version)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Subcommands>,
    /// The exported model (.onnx); unneeded where the program carries one
    #[arg(long, global = true, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Let ONNX Runtime do the work: the path of its shared library [also: `ORT_DYLIB_PATH`]
    #[cfg(feature = "onnxruntime")]
    #[arg(long, global = true, value_name = "LIBRARY")]
    onnxruntime: Option<PathBuf>,
    /// Threads for --count and score; one text is written by one [default: all cores]
    #[arg(long, global = true, value_name = "N")]
    threads: Option<usize>,
    #[command(flatten)]
    write: WriteArguments,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Writes a copy of this program with the model in it
    Bundle {
        /// The program to write
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Shows the model's card: corpus, recipe, losses, vocabulary, sizes
    Info {
        /// The card as JSON
        #[arg(long)]
        json: bool,
    },
    /// Says how surprising each line of a text is, in bits a character
    Score(ScoreArguments),
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "a flag of the command line is one")]
struct WriteArguments {
    /// The text to continue; `-` reads it from standard input [default: an excerpt of the corpus]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    prompt: Option<String>,
    /// Print only what follows the prompt
    #[arg(long)]
    hide_prompt: bool,
    /// Characters to write
    #[arg(long, default_value_t = 400, value_name = "N")]
    length: usize,
    /// Low is conservative, high is daring, 0 takes the likeliest character; given several times, a text for each
    #[arg(long, value_name = "T", allow_negative_numbers = true, value_delimiter = ',')]
    temperature: Vec<f32>,
    /// Let the temperatures take turns, character by character, in one text
    #[arg(long)]
    cycle: bool,
    /// Draw from the N likeliest characters only
    #[arg(long, value_name = "N")]
    top_k: Option<usize>,
    /// Draw from the fewest characters that have this share of the probability
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    top_p: Option<f32>,
    /// Draw from the characters that have this fraction of the likeliest one's probability
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    min_p: Option<f32>,
    /// Make the last 64 characters less likely: 1 does nothing, 1.2 a little
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    repetition_penalty: Option<f32>,
    /// The same seed gives the same text [default: another each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write N texts, side by side in one run
    #[arg(long, default_value_t = 1, value_name = "N")]
    count: usize,
    /// End after this text; may be given several times
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Write on to the end of the word
    #[arg(long)]
    words: bool,
    /// Carry the state even if the model was trained on windows
    #[arg(long)]
    stateful: bool,
    /// Choose each character yourself, from the likeliest
    #[arg(long, conflicts_with_all = ["count", "explain", "json"])]
    interactive: bool,
    /// Colour each character by its probability, with the five likeliest beneath
    #[arg(long, conflicts_with_all = ["count", "json"])]
    explain: bool,
    /// One JSON object a sample, or a character
    #[arg(long, value_name = "WHAT", num_args = 0..=1, require_equals = true, default_missing_value = "samples")]
    json: Option<JsonArgument>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum JsonArgument {
    Samples,
    Characters,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "a flag of the command line is one")]
struct ScoreArguments {
    /// The texts; none, or `-`, is standard input; lines of more than 64 KiB are taken in pieces
    files: Vec<PathBuf>,
    /// Only the N most surprising lines, with the surprising characters marked
    #[arg(long, value_name = "N", conflicts_with = "total")]
    top: Option<usize>,
    /// Mark characters of so many bits and more
    #[arg(long, value_name = "BITS", default_value_t = 7.0)]
    mark: f32,
    /// Only the figures of the whole
    #[arg(long)]
    total: bool,
    /// One JSON object a line, and one for the whole
    #[arg(long)]
    json: bool,
    /// Carry the state even if the model was trained on windows
    #[arg(long)]
    stateful: bool,
    /// Read bytes that are no UTF-8 as U+FFFD
    #[arg(long)]
    lossy: bool,
    /// Leave out characters that the model does not know
    #[arg(long)]
    skip_unknown: bool,
}

/// A validated command line.
#[derive(Debug)]
pub struct Command {
    pub engine: Engine,
    /// Networks that share the work of many texts.
    pub threads: usize,
    /// None stands for the model that the program carries.
    pub model: Option<PathBuf>,
    pub action: Action,
}

/// What is to be done.
#[derive(Debug)]
pub enum Action {
    Bundle(PathBuf),
    Info { json: bool },
    Write(WriteConfig),
    Score(ScoreConfig),
}

/// How text is to be written.
#[derive(Debug)]
pub struct WriteConfig {
    /// None stands for the card's seed text.
    pub prompt: Option<Prompt>,
    pub hide_prompt: bool,
    /// One text for each; a plan's own temperature is the one in force.
    pub plans: Vec<Plan>,
    pub count: usize,
    pub stateful: bool,
    pub form: Form,
}

/// Where a prompt comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    Text(String),
    StandardInput,
}

/// The form in which text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Plain,
    Explained,
    Interactive,
    JsonSamples,
    JsonCharacters,
}

/// How text is to be scored.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "a flag of the command line is one")]
pub struct ScoreConfig {
    /// `-` is standard input.
    pub files: Vec<PathBuf>,
    pub top: Option<usize>,
    /// Bits.
    pub mark: f32,
    pub total: bool,
    pub json: bool,
    pub stateful: bool,
    pub lossy: bool,
    pub skip_unknown: bool,
}

impl Arguments {
    /// Checks what clap cannot.
    pub fn validate(self) -> Result<Command, Failure> {
        let backend = self.backend();
        let action = match self.command {
            None => Action::Write(self.write.validate()?),
            Some(Subcommands::Bundle { output }) => Action::Bundle(output),
            Some(Subcommands::Info { json }) => Action::Info { json },
            Some(Subcommands::Score(score)) => Action::Score(score.validate()),
        };
        let threads = self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        if threads == 0 {
            return Err(Failure::Usage("no work is done by 0 threads: give 1 or more".into()));
        }
        Ok(Command { engine: Engine { backend, threads: 1 }, threads, model: self.model, action })
    }

    #[cfg(feature = "onnxruntime")]
    fn backend(&self) -> Backend {
        let named = self.onnxruntime.clone().or_else(|| std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from));
        named.map_or(Backend::default(), Backend::OnnxRuntime)
    }

    #[cfg(not(feature = "onnxruntime"))]
    #[expect(clippy::unused_self, reason = "the other build asks the arguments")]
    fn backend(&self) -> Backend {
        Backend::default()
    }
}

impl WriteArguments {
    fn validate(self) -> Result<WriteConfig, Failure> {
        if self.count == 0 {
            return Err(Failure::Usage("a count of 0 writes nothing: give 1 or more".into()));
        }
        let temperatures = if self.temperature.is_empty() { vec![0.5] } else { self.temperature };
        let seed = self.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        let plan = |temperature: f32, cycle: Vec<f32>| -> Result<Plan, Failure> {
            let options = Options {
                temperature,
                top_k: self.top_k,
                top_p: self.top_p,
                min_p: self.min_p,
                repetition_penalty: self.repetition_penalty,
                ..Options::default()
            };
            Decoding::new(options.clone())?;
            Ok(Plan { options, cycle, length: self.length, words: self.words, stops: self.stop.clone(), seed })
        };
        let plans =
            temperatures.iter().map(|&temperature| plan(temperature, Vec::new())).collect::<Result<Vec<_>, _>>()?;
        let plans = if self.cycle { vec![plan(temperatures[0], temperatures)?] } else { plans };
        let form = match self.json {
            Some(JsonArgument::Samples) => Form::JsonSamples,
            Some(JsonArgument::Characters) if self.count > 1 => {
                return Err(Failure::Usage("--json=characters shows one text: leave --count out".into()));
            }
            Some(JsonArgument::Characters) => Form::JsonCharacters,
            None if self.interactive => Form::Interactive,
            None if self.explain => Form::Explained,
            None => Form::Plain,
        };
        if form == Form::Interactive && self.prompt.as_deref() == Some("-") {
            return Err(Failure::Usage(
                "--interactive needs standard input for your choices: give the prompt itself".into(),
            ));
        }
        let prompt = self.prompt.map(|text| if text == "-" { Prompt::StandardInput } else { Prompt::Text(text) });
        let Self { hide_prompt, count, stateful, .. } = self;
        Ok(WriteConfig { prompt, hide_prompt, plans, count, stateful, form })
    }
}

impl ScoreArguments {
    fn validate(self) -> ScoreConfig {
        let Self { mut files, top, mark, total, json, stateful, lossy, skip_unknown } = self;
        if files.is_empty() {
            files.push("-".into());
        }
        ScoreConfig { files, top, mark, total, json, stateful, lossy, skip_unknown }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn temperatures_make_plans() {
        let plans = |line: &str| {
            let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
            let Action::Write(config) = arguments.validate().unwrap().action else {
                panic!("no command, so it writes")
            };
            config.plans.iter().map(|plan| (plan.options.temperature, plan.cycle.clone())).collect::<Vec<_>>()
        };
        let cases = [
            ("scrimshaw", vec![(0.5, vec![])]),
            ("scrimshaw --temperature 0", vec![(0.0, vec![])]),
            ("scrimshaw --temperature 0.2 --temperature 1", vec![(0.2, vec![]), (1.0, vec![])]),
            ("scrimshaw --temperature 0.2,1 --cycle", vec![(0.2, vec![0.2, 1.0])]),
        ];
        for (line, expected) in cases {
            assert_eq!(plans(line), expected, "{line}");
        }
    }

    #[test]
    fn senseless_arguments_are_usage_errors() {
        let cases = [
            ("scrimshaw --temperature NaN", "temperature of NaN"),
            ("scrimshaw --temperature -1", "temperature of -1"),
            ("scrimshaw --temperature 0.5,-1 --cycle", "temperature of -1"),
            ("scrimshaw --top-p 2", "top-p of 2"),
            ("scrimshaw --top-k 0", "top-k of 0"),
            ("scrimshaw --count 0", "count of 0"),
            ("scrimshaw --threads 0", "0 threads"),
            ("scrimshaw --count 2 --json=characters", "leave --count out"),
            ("scrimshaw --interactive --prompt -", "needs standard input"),
        ];
        for (line, part) in cases {
            let message = match Arguments::try_parse_from(line.split(' ')) {
                Ok(arguments) => arguments.validate().unwrap_err().to_string(),
                Err(error) => panic!("{line}: clap says {error}"),
            };
            assert!(message.contains(part), "{line}: {message:?} should say {part:?}");
        }
    }
}
