//! Time as training reads it, so that a test can put a clock of its own in its place.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// A clock that never goes back.
pub trait Clock {
    /// Time since some moment before the first call.
    fn now(&self) -> Duration;
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Measures one piece of work after another.
pub(crate) struct Stopwatch<'c> {
    clock: &'c dyn Clock,
    last: Cell<Duration>,
}

impl<'c> Stopwatch<'c> {
    /// Starts now.
    pub(crate) fn new(clock: &'c dyn Clock) -> Self {
        Self { clock, last: Cell::new(clock.now()) }
    }

    /// Seconds since the last call, or since the start.
    pub(crate) fn lap(&self) -> f64 {
        let now = self.clock.now();
        now.saturating_sub(self.last.replace(now)).as_secs_f64()
    }
}
