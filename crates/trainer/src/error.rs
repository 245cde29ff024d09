//! What can go wrong in training.

use std::path::PathBuf;

use corpus::exit;

/// What can go wrong in training.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The shards cannot be used.
    #[error(transparent)]
    Corpus(#[from] corpus::Error),
    /// The recipe has a wrong or unknown field.
    #[error("recipe {name}: {message}")]
    Recipe {
        /// The recipe's name.
        name: String,
        /// What is wrong and where.
        message: String,
    },
    /// No recipe has that name.
    #[error("unknown recipe {name:?}; the recipes are: {known}")]
    UnknownRecipe {
        /// What was asked for.
        name: String,
        /// The recipes that exist.
        known: String,
    },
    /// The text is shorter than a window and the character after it.
    #[error(
        "the text has {tokens} characters, too few for {length} and the one after them to predict: prepare a longer \
         text or a larger split"
    )]
    TooShort {
        /// Characters in the text.
        tokens: usize,
        /// Characters in a window.
        length: usize,
    },
    /// The corpus is too short for the recipe's streams.
    #[error(
        "the text to train on has {tokens} characters, and a batch of {batch} streams of {time} needs {needed}: \
         prepare a longer text, or set a smaller batch (--set batch=8)"
    )]
    TooShortForStreams {
        /// Characters to train on.
        tokens: usize,
        /// Streams in a batch.
        batch: usize,
        /// Characters of a piece.
        time: usize,
        /// Characters needed.
        needed: usize,
    },
    /// A time budget is too short for a single step.
    #[error(
        "{budget} of training are too short: one step of this recipe takes {step} on this machine; give it more time \
         (--time-budget) or a smaller network (--set model.hidden=…)"
    )]
    BudgetTooShort {
        /// The time budget.
        budget: String,
        /// What a step takes.
        step: String,
    },
    /// A run of an earlier version that was bounded by the clock, and cannot be repeated.
    #[error(
        "{path} was bounded by the clock, as an earlier version did it: it has no plan in steps, so it cannot be repeated"
    )]
    NoPlan {
        /// The run's folder.
        path: PathBuf,
    },
    /// The split was not held out.
    #[error("the corpus {corpus} has no {split} split: prepare it with --split 90/5/5, or choose another split")]
    NoSplit {
        /// The corpus' name.
        corpus: String,
        /// What was asked for.
        split: &'static str,
    },
    /// There is no run to resume.
    #[error("{path} holds no run: name another with --run, or leave out --resume to start one")]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// A folder of runs has none to use.
    #[error("{path} holds no run with a checkpoint: train one first")]
    NoRuns {
        /// The folder of runs.
        path: PathBuf,
    },
    /// A run's name is not the name of a folder.
    #[error("cannot name a run {name:?}: use letters, digits, `-`, `_` and `.`, and begin with a letter or digit")]
    RunName {
        /// The name.
        name: String,
    },
    /// Another trainer works in the run's folder.
    #[error(
        "another trainer{holder} works in {path}; wait until it has finished, or choose another name with --run{}",
        holder.advice()
    )]
    Busy {
        /// The folder.
        path: PathBuf,
        /// Which process works there.
        holder: durable::Holder,
    },
    /// The run's folder was removed, or another one put in its place, while it was trained.
    #[error(
        "{path} was removed or replaced while its run was being trained, so nothing more can be saved there; start the \
         run again"
    )]
    RunGone {
        /// The folder.
        path: PathBuf,
    },
    /// Something was named for a run that was begun with something else.
    #[error(
        "{path} was begun with another {what}: {found}, not {given}; leave out {option} to resume it as it was begun, \
         or start another run, with --init-from from its weights"
    )]
    OtherRun {
        /// The run's folder.
        path: PathBuf,
        /// What differs: `recipe`, `seed`, or a field of the recipe.
        what: Box<str>,
        /// What the run has.
        found: Box<str>,
        /// What was asked for.
        given: Box<str>,
        /// The option that asked for it.
        option: Box<str>,
    },
    /// The text was prepared anew since the run was begun.
    #[error(
        "{path} was begun with another text: {found}, not {given}; prepare the text again as it was prepared then, or \
         start another run"
    )]
    OtherText {
        /// The run's folder.
        path: PathBuf,
        /// The text and preparation of the run.
        found: String,
        /// Those of the shards.
        given: String,
    },
    /// The text to be measured was prepared in another way than the one that was trained on.
    #[error(
        "{checkpoint} was trained on another preparation of {corpus} ({reason}): the loss would say nothing, because \
         characters that are held out now may have been trained on; prepare the text as it was then, or allow another \
         text"
    )]
    PreparedAnew {
        /// The checkpoint.
        checkpoint: PathBuf,
        /// The corpus' name.
        corpus: String,
        /// What differs.
        reason: String,
    },
    /// A run has no checkpoint.
    #[error("{path} has no checkpoint: delete the folder and start again")]
    NoCheckpoint {
        /// The run's folder.
        path: PathBuf,
    },
    /// A path is neither a checkpoint nor a run.
    #[error("{path} is neither a checkpoint's folder nor a run's: name one that has a card.json or checkpoints in it")]
    NoCheckpointAt {
        /// The path.
        path: PathBuf,
    },
    /// A run's configuration cannot be used.
    #[error(
        "{path} is damaged: {message}; a run cannot be resumed without it, but its checkpoints can still be exported, \
         measured and started from with --init-from"
    )]
    DamagedConfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A checkpoint's file cannot be used.
    #[error(
        "{checkpoint} is damaged: {message}; if it belongs to a run, delete this folder, and --resume goes on from the \
         one before"
    )]
    DamagedCheckpoint {
        /// The checkpoint's folder.
        checkpoint: PathBuf,
        /// Which file is wrong, and what is wrong with it.
        message: String,
    },
    /// Training would need more memory than there is.
    #[error(
        "a network of {parameters} parameters needs at least {needed} of memory to train, and {available} is available: \
         set a smaller model.hidden or model.layers, or a smaller batch"
    )]
    TooLarge {
        /// Trained numbers in the network.
        parameters: u128,
        /// Memory that it takes.
        needed: String,
        /// Memory that there is.
        available: String,
    },
    /// A checkpoint is of a later version of this program.
    #[error(
        "{path} has format version {found}, and this program knows up to {supported}: use the version that wrote it"
    )]
    NewerCheckpoint {
        /// The checkpoint's folder.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The last known one.
        supported: u32,
    },
    /// A network that was trained before shares no character with the text.
    #[error("{checkpoint} knows none of the {tokens} characters of {corpus}: its weights are of no use for this text")]
    NothingInCommon {
        /// The checkpoint.
        checkpoint: PathBuf,
        /// The corpus' name.
        corpus: String,
        /// Tokens in the corpus' vocabulary.
        tokens: usize,
    },
    /// A number is outside its range.
    #[error("{what} is {value}, and has to be {range}")]
    OutOfRange {
        /// What the number says.
        what: &'static str,
        /// The number.
        value: f64,
        /// The range in words.
        range: &'static str,
    },
    /// A text to be measured has a character that the model does not know.
    #[error("{corpus} has the character {character:?}, which the model was not trained with")]
    UnknownCharacter {
        /// The corpus' name.
        corpus: String,
        /// The character.
        character: String,
    },
    /// A network from elsewhere has no vocabulary.
    #[error("{path} does not say which character an id is: name the shards that it was trained on with --shards")]
    NoVocabulary {
        /// The file.
        path: PathBuf,
    },
    /// A network from elsewhere cannot be made a checkpoint.
    #[error(transparent)]
    Import(#[from] crate::import::Error),
    /// The training text cannot be searched.
    #[error(transparent)]
    Novelty(#[from] crate::novelty::Error),
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A variable does not contribute to the loss.
    #[error("a variable got no gradient: this is a bug in the program")]
    NoGradient,
    /// There is something at the run's folder already.
    #[error("{path} exists already: resume it with --resume, or choose another name with --run")]
    RunExists {
        /// The folder.
        path: PathBuf,
    },
    /// A file of the run cannot be written.
    #[error(
        "cannot write {path}: {source}; check the free space and the permissions there, then go on with --resume if the \
         run had begun"
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The loss is no longer a number.
    #[error(
        "the loss became {loss} in epoch {epoch}, step {step}: training has diverged; the last checkpoint was kept; \
         try a lower learning rate (--set optimizer.learning_rate=…) or another seed"
    )]
    Diverged {
        /// The loss, or the norm of its gradients.
        loss: f64,
        /// The epoch, from 1.
        epoch: usize,
        /// The step, from 1.
        step: usize,
    },
    /// The device was not compiled in or is not there.
    #[error("cannot use the device {device}: {message}")]
    Device {
        /// The device's name.
        device: &'static str,
        /// Why not, and what to do.
        message: String,
    },
    /// The network refused its input.
    #[error(transparent)]
    Network(#[from] lstm::Error),
    /// A sampling option is out of range.
    #[error(transparent)]
    Decoding(#[from] decoding::Error),
    /// A tensor operation failed.
    #[error("a tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// The user stopped the training; a checkpoint was written.
    #[error("stopped in epoch {epoch}; everything is saved in {checkpoint}: go on with --resume")]
    Interrupted {
        /// The epoch, from 1.
        epoch: usize,
        /// The checkpoint.
        checkpoint: PathBuf,
    },
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The program's exit code for this error, by the table of [`corpus::exit`].
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Corpus(error) => error.exit_code(),
            Self::Import(error) => error.exit_code(),
            Self::Recipe { .. }
            | Self::UnknownRecipe { .. }
            | Self::RunExists { .. }
            | Self::BudgetTooShort { .. }
            | Self::NoPlan { .. }
            | Self::NoRun { .. }
            | Self::OtherRun { .. }
            | Self::NoSplit { .. }
            | Self::NoRuns { .. }
            | Self::OutOfRange { .. }
            | Self::RunName { .. }
            | Self::OtherText { .. }
            | Self::PreparedAnew { .. }
            | Self::TooLarge { .. }
            | Self::NoVocabulary { .. }
            | Self::Decoding(_) => exit::USAGE,
            Self::TooShort { .. }
            | Self::TooShortForStreams { .. }
            | Self::NothingInCommon { .. }
            | Self::UnknownCharacter { .. }
            | Self::Novelty(_)
            | Self::NoCheckpointAt { .. }
            | Self::Read { .. }
            | Self::NewerCheckpoint { .. } => exit::BAD_INPUT,
            Self::NoCheckpoint { .. } | Self::DamagedConfig { .. } | Self::DamagedCheckpoint { .. } => exit::DAMAGED,
            Self::Busy { .. } => exit::BUSY,
            Self::Write { .. } | Self::RunGone { .. } => exit::CANNOT_WRITE,
            Self::Interrupted { .. } => exit::INTERRUPTED,
            Self::Diverged { .. } | Self::Device { .. } | Self::Network(_) | Self::Tensor(_) | Self::NoGradient => 1,
        }
    }
}
