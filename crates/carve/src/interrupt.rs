//! Ctrl-C, SIGTERM and SIGHUP: one handler for the whole program.
//!
//! Work that can stop at a good moment asks for [`Watch`] and looks at its flag: the first signal sets the flag, a second
//! one ends the program at once. Anything else is ended by the first signal. Either way the exit code is 130.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use corpus::exit;

use crate::failure::{self, Failure};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static WATCHED: AtomicBool = AtomicBool::new(false);

/// Installs the handler; called once, by `main`.
pub fn listen() -> Result<()> {
    ctrlc::set_handler(|| {
        let again = INTERRUPTED.swap(true, Ordering::Relaxed);
        if again || !WATCHED.load(Ordering::Relaxed) {
            process::exit(exit::INTERRUPTED.into());
        }
        failure::notice("\nstopping; press Ctrl-C again to stop at once");
    })
    .context("cannot listen for Ctrl-C")
}

/// While it lives, a signal sets the flag instead of ending the program.
pub struct Watch(());

impl Watch {
    /// Begins to watch.
    pub fn new() -> Self {
        WATCHED.store(true, Ordering::Relaxed);
        Self(())
    }

    /// The flag that a signal sets.
    #[expect(clippy::unused_self, reason = "the flag is set only while somebody watches")]
    pub fn flag(&self) -> &'static AtomicBool {
        &INTERRUPTED
    }

    /// Fails if a signal has come.
    pub fn check(&self) -> Result<()> {
        if self.flag().load(Ordering::Relaxed) { Err(Failure::Interrupted.into()) } else { Ok(()) }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        WATCHED.store(false, Ordering::Relaxed);
    }
}
