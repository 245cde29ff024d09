//! What can go wrong, and the exit code that says so.

use std::io;
use std::path::PathBuf;

use crate::exit;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// What can be wrong with an input, with shards, or with the place that they are written to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Options that contradict each other or make no sense.
    #[error("{0}")]
    Options(String),

    /// An input is missing or cannot be read.
    #[error("cannot read {path}: {source}; check the path and its permissions")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// An input that was named holds nothing.
    #[error("{0} is empty: there is nothing to prepare; name a file with text in it")]
    Empty(PathBuf),
    /// No file of a folder is text, or none matches.
    #[error(
        "{path} holds no file to prepare ({binary} binary and {empty} empty ones skipped; ignore rules hold); \
         check the path and the --include patterns"
    )]
    NothingFound {
        /// The folder.
        path: PathBuf,
        /// Files skipped because they hold NUL bytes.
        binary: u64,
        /// Files skipped because they hold nothing.
        empty: u64,
    },
    /// The text, or a split of it, has not one whole window with a target.
    #[error(
        "{what} has {tokens} tokens, and one window of {window} and the character after it take {}; \
         give more text, a larger share or a shorter --window", window + 1
    )]
    TooShort {
        /// The text, or which split of it.
        what: String,
        /// Tokens that there are.
        tokens: u64,
        /// Tokens of a window.
        window: usize,
    },
    /// Bytes that are not UTF-8.
    #[error(
        "{path} is not UTF-8 at byte {offset}{hint}; convert it, or accept replacement characters with --lossy, \
         or count bytes with --unit byte"
    )]
    InvalidUtf8 {
        /// The file.
        path: PathBuf,
        /// Bytes before the broken sequence, in the file or in what it decompresses to.
        offset: u64,
        /// What the file looks like instead, with a leading separator; often nothing.
        hint: &'static str,
    },
    /// A compressed file that does not decompress.
    #[error("{path} begins like {format} and does not decompress: {source}; fetch or compress it again")]
    Decompress {
        /// The file.
        path: PathBuf,
        /// The compression's name.
        format: &'static str,
        /// What the decoder says.
        source: io::Error,
    },
    /// An input changed while it was read.
    #[error("the input changed while it was being prepared; wait until nothing writes to it and prepare it again")]
    InputChanged,
    /// A folder without an index: nothing was prepared there.
    #[error("{0} holds no index.json: nothing is prepared there; run prepare first")]
    NotPrepared(PathBuf),

    /// The index is not one, or contradicts itself.
    #[error("the index {path} is damaged: {message}; prepare the text again")]
    Index {
        /// The index file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A shard that the index lists is gone.
    #[error("the shard {0} is missing, and the index lists it; prepare the text again")]
    ShardMissing(PathBuf),
    /// A shard's header is not one.
    #[error("the shard {path} is damaged: {message}; prepare the text again")]
    ShardHeader {
        /// The shard.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A shard is shorter or longer than its header says.
    #[error("the shard {path} has {found} bytes and its header says {expected}: it was {}; prepare the text again",
        if found < expected { "cut short" } else { "appended to" })]
    ShardLength {
        /// The shard.
        path: PathBuf,
        /// Bytes in the file.
        found: u64,
        /// Bytes that header and ids take.
        expected: u64,
    },
    /// A shard's ids are not those that were written.
    #[error(
        "the ids in the shard {0} are not those that were written (its checksum differs): the file was altered; \
         prepare the text again"
    )]
    ShardAltered(PathBuf),
    /// A shard was written for another vocabulary.
    #[error(
        "the shard {path} was written for another vocabulary ({found:016x}) than the index's ({expected:016x}); \
         prepare the text again"
    )]
    OtherVocabulary {
        /// The shard.
        path: PathBuf,
        /// Fingerprint in the shard.
        found: u64,
        /// Fingerprint of the index's vocabulary.
        expected: u64,
    },
    /// A shard belongs to another run of prepare.
    #[error(
        "the shard {path} is of another run ({found:016x}) than the index ({expected:016x}): files of two corpora \
         were mixed; prepare the text again"
    )]
    OtherRun {
        /// The shard.
        path: PathBuf,
        /// Run in the shard.
        found: u64,
        /// Run in the index.
        expected: u64,
    },

    /// A file or folder cannot be written.
    #[error("cannot write {path}: {source}; check permissions and free space, or name another folder")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another prepare writes to the same folder.
    #[error("another prepare is at work in {0}; wait for it, or name another folder")]
    Busy(PathBuf),
    /// The work was cancelled from outside.
    #[error("interrupted; nothing was changed")]
    Interrupted,
}

impl Error {
    /// The exit code of a program that ends with this error: see [`exit`].
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Options(_) => exit::USAGE,
            Self::Read { .. }
            | Self::Empty(_)
            | Self::NothingFound { .. }
            | Self::TooShort { .. }
            | Self::InvalidUtf8 { .. }
            | Self::Decompress { .. }
            | Self::InputChanged
            | Self::NotPrepared(_) => exit::BAD_INPUT,
            Self::Index { .. }
            | Self::ShardMissing(_)
            | Self::ShardHeader { .. }
            | Self::ShardLength { .. }
            | Self::ShardAltered(_)
            | Self::OtherVocabulary { .. }
            | Self::OtherRun { .. } => exit::DAMAGED,
            Self::Write { .. } => exit::CANNOT_WRITE,
            Self::Busy(_) => exit::BUSY,
            Self::Interrupted => exit::INTERRUPTED,
        }
    }
}
