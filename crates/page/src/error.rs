//! What can go wrong with a page.

use std::io;
use std::path::PathBuf;

/// What can go wrong with a page.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The place is taken by a file that is no page.
    #[error(
        "{path} exists and is not a page of this kind, so it is not replaced; choose another --output, or remove it"
    )]
    NotAPage {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write {path}: {source}; check permissions and free space, or choose another --output")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
