//! Event files that TensorBoard opens: numbers and texts over steps, appended to and cut back.
//!
//! An event file is a sequence of records in the framing of `TFRecord`, each with an event as a protocol buffer. An
//! [`EventFile`] is made whole with its first event, grows by one write per event, and can be opened again: what comes
//! after a given step, and a record that a kill cut off, is removed before it grows further. So the file of a training that
//! was killed and resumed shows no step twice.
//!
//! The crate knows files, steps and tags. It does not know what is trained.
//!
//! ```
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("events.out.tfevents.0.example");
//! let mut file = event_files::EventFile::open(&path, 0)?;
//! file.scalars(1, 1.5e9, &[("loss", 2.5), ("learning_rate", 0.01)])?;
//! file.text(1, 1.5e9, "sample", "the sea")?;
//!
//! let file = event_files::EventFile::open(&path, 0)?;
//! assert_eq!(file.last_step("loss"), None, "step 1 comes after step 0");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod file;
mod messages;
mod record;

use std::io;
use std::path::PathBuf;

pub use file::{EventFile, Reading, Value, read};

/// What can go wrong with an event file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system refuses.
    #[error("cannot write {path}: {source}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// There is a file, but not an event file.
    #[error("{path} is not an event file: move it away", path = path.display())]
    NotAnEventFile {
        /// The file.
        path: PathBuf,
    },
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
