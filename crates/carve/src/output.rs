//! Standard output: text and JSON, nothing else.

use std::io::{self, IsTerminal, Write};

use model_card::printable_lines;

use crate::failure::Failure;

/// Prints a line, in which whatever could steer a terminal is escaped: it may hold text of a card, a run or a file's name.
/// JSON stays JSON. A reader that has heard enough, such as `head`, is no failure.
pub fn line(text: &str) -> anyhow::Result<()> {
    put(&format!("{}\n", printable_lines(text)))
}

/// Prints text at once: as it is, but for what could steer a terminal, if it is one.
pub fn write(text: &str) -> anyhow::Result<()> {
    if io::stdout().is_terminal() { put(&printable_lines(text)) } else { put(text) }
}

fn put(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::CannotWrite(format!("cannot write to standard output: {error}")).into())
        }
        _ => Ok(()),
    }
}
