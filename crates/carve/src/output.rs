//! Standard output: text and JSON, nothing else.

use std::io::{self, Write};

use crate::failure::Failure;

/// Prints a line. A reader that has heard enough, such as `head`, is no failure.
pub fn line(text: &str) -> anyhow::Result<()> {
    write(&format!("{text}\n"))
}

/// Prints text as it is, at once.
pub fn write(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::CannotWrite(format!("cannot write to standard output: {error}")).into())
        }
        _ => Ok(()),
    }
}
