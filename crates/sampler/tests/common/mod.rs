//! Runs the program, and finds the models beside the tests.

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

/// Bytes in which one sequence, which must occur, is replaced by another of the same length.
pub fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let place = bytes.windows(from.len()).position(|window| window == from).expect("the sequence occurs");
    [&bytes[..place], to, &bytes[place + from.len()..]].concat()
}

/// The bytes of a model whose output bias is minus infinity, which alone masks a token, for all tokens.
pub fn not_numbers(name: &str) -> Vec<u8> {
    let mut bytes = std::fs::read(data(name)).unwrap();
    // In `TensorProto`, the name (field 8), then the data (field 9) with its length, which is below 128 here.
    let head = b"\x42\x04bias\x4a";
    let start = bytes.windows(head.len()).position(|window| window == head).unwrap() + head.len() + 1;
    let length = usize::from(bytes[start - 1]);
    assert!(length < 128 && length.is_multiple_of(4));
    for number in bytes[start..start + length].chunks_exact_mut(4) {
        number.copy_from_slice(&f32::NEG_INFINITY.to_le_bytes());
    }
    bytes
}

/// The standard output of a program that succeeded.
pub fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The standard error of a program.
pub fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The JSON objects that a program has written.
pub fn objects(output: &Output) -> Vec<serde_json::Value> {
    text(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
