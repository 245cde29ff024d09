//! Standard output, watched as it is written.

use std::{
    io::{self, BufWriter, StdoutLock, Write},
    time::{Duration, Instant},
};

/// Text is never held back longer than this while more is being written.
const PATIENCE: Duration = Duration::from_millis(20);

/// Standard output that is flushed often enough to watch, and not for every character.
pub struct Output {
    buffer: BufWriter<StdoutLock<'static>>,
    flushed: Option<Instant>,
}

impl Output {
    pub fn new() -> Self {
        Self { buffer: BufWriter::new(io::stdout().lock()), flushed: None }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.buffer.write(bytes)?;
        // The first character goes out at once.
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
