//! Standard output and standard error.

use std::{
    io::{self, BufWriter, StdoutLock, Write},
    time::{Duration, Instant},
};

use serde::Serialize;

use super::failure::Failure;

/// Text waits at most this long in the buffer while more is being written.
const PATIENCE: Duration = Duration::from_millis(20);

/// Standard output, flushed often enough to watch text being written, but not for every character.
pub struct Output {
    buffer: BufWriter<StdoutLock<'static>>,
    flushed: Option<Instant>,
}

impl Output {
    pub fn new() -> Self {
        Self { buffer: BufWriter::new(io::stdout().lock()), flushed: None }
    }

    /// Writes an object on a line of its own.
    pub fn json_line(&mut self, object: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut *self, object).map_err(io::Error::from)?;
        Ok(self.write_all(b"\n")?)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.buffer.write(bytes)?;
        // The first character appears at once.
        if self.flushed.is_none_or(|flushed| flushed.elapsed() >= PATIENCE) {
            self.flush()?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.buffer.flush()?;
        self.flushed = Some(Instant::now());
        Ok(())
    }
}

/// Writes a line to standard error. Nobody can be told if that fails.
pub fn notice(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
