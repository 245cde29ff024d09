//! Computing while other Python threads run.

use std::time::{Duration, Instant};

use pyo3::prelude::*;

use crate::error::exception;

/// How long Python waits at most, about, to answer a signal such as Ctrl-C.
const PATIENCE: Duration = Duration::from_millis(50);

/// Computes without holding Python's lock.
pub fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> sampler::Result<T> + Send) -> PyResult<T> {
    py.detach(work).map_err(|error| exception(py, &error))
}

/// Calls `step` until it returns true, without holding Python's lock. Signals are answered in between: Ctrl-C ends it with
/// `KeyboardInterrupt`.
pub fn repeat(py: Python<'_>, mut step: impl FnMut() -> sampler::Result<bool> + Send) -> PyResult<()> {
    loop {
        let is_done = detached(py, || {
            let begin = Instant::now();
            while begin.elapsed() < PATIENCE {
                if step()? {
                    return Ok(true);
                }
            }
            Ok(false)
        })?;
        if is_done {
            return Ok(());
        }
        py.check_signals()?;
    }
}
