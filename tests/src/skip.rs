//! Saying aloud that a test is skipped. Tests of other packages include this file by its path.

use std::env;
use std::io::{Write, stderr};
use std::thread;

/// Says that a test, or a part of it, is skipped, and why. `cargo xtask test` lists these lines at the end.
///
/// # Panics
/// With `SCRIMSHAW_STRICT=1`, which makes a skip a failure.
pub fn skip(reason: &str) {
    assert!(env::var_os("SCRIMSHAW_STRICT").is_none_or(|strict| strict != "1"), "skipped: {reason}");
    let thread = thread::current();
    let line = format!("skipped: {}: {reason}\n", thread.name().unwrap_or("a test"));
    // Written past the test harness, which keeps what a passing test prints to itself. In one piece, so that the lines of
    // tests that run side by side stay whole. What cannot be written is no reason to fail.
    let _ = stderr().write_all(line.as_bytes());
}
