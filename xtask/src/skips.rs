//! What is not done because a program, a toolchain or the network is missing: said at once, and listed at the end.

use std::env;

use anyhow::{Result, bail};

/// How a line begins that says that something is skipped, and why. The tests of the workspace write the same.
pub const MARK: &str = "skipped: ";

/// What was skipped so far.
#[derive(Default)]
pub struct Skips(Vec<String>);

impl Skips {
    /// Says on stderr that something is skipped, and why.
    pub fn say(&mut self, what: &str, reason: &str) {
        let line = format!("{what}: {reason}");
        eprintln!("{MARK}{line}");
        self.0.push(line);
    }

    /// Takes a line of another program's output, which the user has seen, if it says that something is skipped.
    pub fn read(&mut self, line: &str) {
        if let Some(skipped) = line.strip_prefix(MARK) {
            self.0.push(skipped.trim_end().into());
        }
    }

    /// What was skipped so far, a line each.
    #[cfg(test)]
    pub fn lines(&self) -> &[String] {
        &self.0
    }

    /// Lists what was skipped. With `SCRIMSHAW_STRICT=1` it is an error if anything was.
    pub fn close(self) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        eprintln!("\nSkipped ({}):", self.0.len());
        for line in &self.0 {
            eprintln!("  {line}");
        }
        if env::var_os("SCRIMSHAW_STRICT").is_some_and(|strict| strict == "1") {
            bail!("SCRIMSHAW_STRICT is 1, and not everything was done");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_say_so_are_kept() {
        let mut skips = Skips::default();
        for line in ["skipped: a_test: there is no Python\n", "  skipped   3 binary files", "running 2 tests", ""] {
            skips.read(line);
        }
        assert_eq!(skips.lines(), ["a_test: there is no Python"]);
    }
}
