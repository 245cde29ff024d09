//! What every command works with.

use crate::artifacts::Artifacts;
use crate::progress::Progress;

/// Where results go, and how much is shown.
pub struct Session {
    pub artifacts: Artifacts,
    pub quiet: bool,
}

impl Session {
    /// Something to show progress with.
    pub fn progress(&self) -> Progress {
        Progress::new(self.quiet)
    }
}
