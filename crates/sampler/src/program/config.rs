//! Validated commands.

use std::path::PathBuf;

use sampler::{Engine, Plan};

/// A validated command line.
#[derive(Debug)]
pub struct Command {
    pub engine: Engine,
    /// The most threads to use, each with a network of its own.
    pub threads: usize,
    /// `None` means the model in this program.
    pub model: Option<PathBuf>,
    pub action: Action,
}

/// What to do.
#[derive(Debug)]
pub enum Action {
    Bundle(PathBuf),
    Info { json: bool },
    Write(WriteConfig),
    Score(ScoreConfig),
}

/// How to write text.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct WriteConfig {
    /// `None` means the card's seed text.
    pub prompt: Option<Prompt>,
    /// Leave out characters of the prompt that the model does not know.
    pub skip_unknown: bool,
    pub hide_prompt: bool,
    /// One per temperature, without stop texts: these depend on the model.
    pub plans: Vec<Plan>,
    /// Stop texts as the user gave them, unescaped.
    pub stops: Vec<String>,
    /// The only characters to write, unescaped.
    pub allow: Option<String>,
    /// Characters not to write, unescaped.
    pub forbid: Option<String>,
    /// A text not to quote, and how many characters of it are a quotation.
    pub novel: Option<(PathBuf, usize)>,
    /// Text between two texts. `None` means the default, which depends on the model.
    pub separator: Option<String>,
    /// The seed to show: one that was drawn and makes a difference.
    pub shown_seed: Option<u64>,
    /// Texts per temperature.
    pub count: usize,
    /// Write until Ctrl-C. The length in the plan is then the largest number.
    pub forever: bool,
    /// Where to save the text, to go on later.
    pub save_state: Option<PathBuf>,
    /// The saved text to go on with.
    pub load_state: Option<PathBuf>,
    pub stateful: bool,
    pub form: Form,
}

/// Where the prompt comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    Text(String),
    File(PathBuf),
    StandardInput,
}

/// How the text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Plain,
    Explained,
    Interactive,
    JsonSamples,
    JsonCharacters,
}

/// How to score texts.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct ScoreConfig {
    /// `-` is standard input.
    pub files: Vec<PathBuf>,
    pub top: Option<usize>,
    /// Bits per character that a line has to exceed to be shown.
    pub above: Option<f32>,
    /// Score each line before the next one is read.
    pub line_buffered: bool,
    /// Bits.
    pub mark: f32,
    pub total: bool,
    pub json: bool,
    pub stateful: bool,
    pub lossy: bool,
    pub skip_unknown: bool,
}
