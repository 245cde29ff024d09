//! What can go wrong with a report.

use std::io;
use std::path::PathBuf;

/// What can go wrong with a report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The place is taken by a file that is no report.
    #[error("{path} is there and is no report: it stays as it is; name another file with --output, or remove it")]
    NotAReport {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write {path}: {source}; check permissions and free space, or name another file with --output")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The data cannot be put into the page.
    #[error("cannot put the analysis into the page: {0}")]
    Data(#[from] serde_json::Error),
}

/// A result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
