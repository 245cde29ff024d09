//! What can go wrong, and the exit codes for it.

use std::io;
use std::path::PathBuf;

use model_card::counted;

use crate::exit;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// What can be wrong with options, inputs, shards, or the folder that they are written to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An option has a value that makes no sense, or options contradict each other.
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
    /// An input that was named is empty.
    #[error("{0} is empty; name a file with text in it")]
    Empty(PathBuf),
    /// No file of a folder is text, or none matches.
    #[error(
        "{path} has no text file to prepare ({binary} binary and {empty} empty files were skipped, and files that an \
         ignore file names); check the path and the --include patterns"
    )]
    NothingFound {
        /// The folder.
        path: PathBuf,
        /// Files skipped because they contain NUL bytes.
        binary: u64,
        /// Files skipped because they are empty.
        empty: u64,
    },
    /// The text, or a split of it, is too short for one window and its target.
    #[error(
        "{what} has {}, and a window of {window} with the character after it needs {}; \
         use more text, a larger --split or a shorter --window", counted(*tokens, "token"), window + 1
    )]
    TooShort {
        /// The text, or which split of it.
        what: String,
        /// Its number of tokens.
        tokens: u64,
        /// Tokens of a window.
        window: usize,
    },
    /// Bytes that are not UTF-8.
    #[error(
        "{path} is not UTF-8 at byte {offset}{hint}; convert it, or replace invalid bytes with --lossy, \
         or use bytes as tokens with --unit byte"
    )]
    InvalidUtf8 {
        /// The file.
        path: PathBuf,
        /// Bytes before the invalid sequence, in the file or, if it is compressed, in its contents.
        offset: u64,
        /// What the file looks like instead, with a leading space; often empty.
        hint: &'static str,
    },
    /// A compressed file that does not decompress.
    #[error("{path} looks like {format} but cannot be decompressed: {source}; download or compress it again")]
    Decompress {
        /// The file.
        path: PathBuf,
        /// Name of the compression format.
        format: &'static str,
        /// What the decoder says.
        source: io::Error,
    },
    /// A zip archive has no text file, or several.
    #[error("{path} is a zip archive with {entries}; choose one with --include NAME, or unpack the archive")]
    Archive {
        /// The archive.
        path: PathBuf,
        /// How many text files it has, and the names of its entries.
        entries: String,
    },
    /// An input changed while it was read.
    #[error("the input changed while it was being prepared; wait until nothing writes to it, and prepare it again")]
    InputChanged,
    /// A part was counted with other options, or as one of another number of parts.
    #[error(
        "part {part} was counted with other options ({differences}); use the same for every part, or delete {folder} \
         to begin again"
    )]
    OtherPart {
        /// The part.
        part: String,
        /// Which options differ, and how.
        differences: String,
        /// The folder in which the parts meet.
        folder: PathBuf,
    },
    /// An input is not what it was when a part was counted.
    #[error("{what} changed after part {part} was counted; delete {folder} and prepare every part again")]
    PartInput {
        /// The file, or what else is not the same.
        what: String,
        /// The part.
        part: String,
        /// The folder in which the parts meet.
        folder: PathBuf,
    },
    /// Parts have to be prepared before they can be merged.
    #[error("{what}; run prepare with {advice}")]
    PartsMissing {
        /// Which parts have not done what.
        what: String,
        /// Flags that prepare them.
        advice: String,
    },
    /// A folder without an index.
    #[error("{0} has no index.json, so nothing is prepared there; run prepare first")]
    NotPrepared(PathBuf),

    /// The index cannot be parsed, or contradicts itself.
    #[error("the index {path} is damaged: {message}; prepare the text again")]
    Index {
        /// The index file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// What a part left is damaged.
    #[error("{path} is damaged: {message}; delete the folder that it is in and prepare that part again")]
    PartDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A shard that the index lists is missing.
    #[error("the shard {0} is missing; prepare the text again")]
    ShardMissing(PathBuf),
    /// A shard's header cannot be parsed, or contradicts the index.
    #[error("the shard {path} is damaged: {message}; prepare the text again")]
    ShardHeader {
        /// The shard.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A shard is shorter or longer than its header says.
    #[error("the shard {path} has {} and its header says {expected}: it was {}; prepare the text again",
        counted(*found, "byte"), if found < expected { "truncated" } else { "appended to" })]
    ShardLength {
        /// The shard.
        path: PathBuf,
        /// Bytes in the file.
        found: u64,
        /// Bytes that the header and its ids take.
        expected: u64,
    },
    /// A shard's ids have another checksum than its header.
    #[error("the shard {0} was altered: its checksum differs; prepare the text again")]
    ShardAltered(PathBuf),
    /// A shard was written for another vocabulary.
    #[error(
        "the shard {path} was written for vocabulary {found:016x}, but the index has {expected:016x}; \
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
    /// A shard belongs to another corpus.
    #[error(
        "the shard {path} belongs to another corpus ({found:016x}) than the index ({expected:016x}): the files of two \
         corpora were mixed; prepare the text again"
    )]
    OtherRun {
        /// The shard.
        path: PathBuf,
        /// Identity of the corpus in the shard.
        found: u64,
        /// Identity of the corpus in the index.
        expected: u64,
    },

    /// A file or folder cannot be written.
    #[error("cannot write {path}: {source}; check the permissions and the free space, or name another folder")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another prepare writes to the same folder.
    #[error(
        "another prepare{holder} is writing to {path}; wait until it has finished, or name another folder{}",
        holder.advice()
    )]
    Busy {
        /// The folder.
        path: PathBuf,
        /// Which process writes to it.
        holder: durable::Holder,
    },
    /// The caller cancelled the work.
    #[error("interrupted; nothing was changed")]
    Interrupted,
}

impl Error {
    /// The exit code of a program that fails with this error; see [`exit`].
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Options(_) | Self::OtherPart { .. } => exit::USAGE,
            Self::Read { .. }
            | Self::Empty(_)
            | Self::NothingFound { .. }
            | Self::TooShort { .. }
            | Self::InvalidUtf8 { .. }
            | Self::Decompress { .. }
            | Self::Archive { .. }
            | Self::InputChanged
            | Self::PartInput { .. }
            | Self::PartsMissing { .. }
            | Self::NotPrepared(_) => exit::BAD_INPUT,
            Self::Index { .. }
            | Self::PartDamaged { .. }
            | Self::ShardMissing(_)
            | Self::ShardHeader { .. }
            | Self::ShardLength { .. }
            | Self::ShardAltered(_)
            | Self::OtherVocabulary { .. }
            | Self::OtherRun { .. } => exit::DAMAGED,
            Self::Write { .. } => exit::CANNOT_WRITE,
            Self::Busy { .. } => exit::BUSY,
            Self::Interrupted => exit::INTERRUPTED,
        }
    }
}
