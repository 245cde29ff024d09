//! The real program and the models beside the tests.

#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

/// The program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_scrimshaw");

/// A model beside the tests.
pub fn data(name: &str) -> String {
    format!("{}/tests/data/{name}.onnx", env!("CARGO_MANIFEST_DIR"))
}

/// A program that is given no input.
pub fn command(program: impl AsRef<Path>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program.as_ref());
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program.
pub fn scrimshaw(arguments: &[&str]) -> Output {
    command(PROGRAM, arguments).output().unwrap()
}

/// Runs the program with this on its standard input.
pub fn with_input(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = command(PROGRAM, arguments).stdin(Stdio::piped()).spawn().unwrap();
    // A program that has seen enough closes its input; what it says then is the test's business.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// The standard output of a program that succeeded.
pub fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}
