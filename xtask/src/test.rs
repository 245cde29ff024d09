//! `cargo xtask test`: every test of the workspace, and what was skipped.

use std::env;
use std::io::{BufRead, BufReader, IsTerminal, Write, stderr};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use clap::Args;

use crate::project::{Failed, Project, code, has_cuda_toolkit, run as run_program};
use crate::skips::Skips;
use crate::web::{self, Kind};

#[derive(Args)]
#[command(after_help = "\
Tests that need what is not part of the workspace (Python, Node, a browser, texts) say that they are skipped where it is
missing, and the end of the output lists them. SCRIMSHAW_STRICT=1 makes that a failure; CONTRIBUTING.md says what they need.

Examples:
  cargo xtask test
  cargo xtask test -- --package corpus shard")]
pub struct Arguments {
    /// Fail if Cargo.lock is not up to date.
    #[arg(long)]
    locked: bool,
    /// Passed on to `cargo test`.
    #[arg(last = true)]
    rest: Vec<String>,
}

pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    let locked: &[&str] = if arguments.locked { &["--locked"] } else { &[] };
    // The end-to-end tests run the real programs of the same profile: build them first. With all targets, so that both
    // commands agree on every dependency's features and nothing is built twice.
    run_program(project.cargo()?.args(["build", "--workspace", "--all-targets"]).args(locked))?;
    let whole = arguments.rest.is_empty();
    let scope: &[String] = if whole { &["--workspace".into()] } else { &arguments.rest };
    let mut skips = Skips::default();
    // A page that writes text is tried in a browser, and has the sampler for browsers in it.
    if whole
        && project.has_library_for(web::TARGET)
        && let Err(error) = web::build(project, Kind::NoModules)
    {
        skips.say("the sampler for browsers", &format!("it cannot be built: {error:#}"));
    }
    let mut passed = run_and_read(project.cargo()?.arg("test").args(locked).args(scope), &mut skips, &mut stderr());
    for Peer { test, package, feature, missing } in if whole { PEERS } else { &[] } {
        if passed.is_err() {
            break;
        }
        if let Some(missing) = missing() {
            skips.say(&format!("{test} of {package}"), missing);
            continue;
        }
        let words = ["test", "--package", package, "--features", feature, "--test", test];
        passed = run_and_read(project.cargo()?.args(words).args(locked), &mut skips, &mut stderr());
    }
    // What was skipped comes last, even where a test failed.
    let closed = skips.close();
    passed.and(closed)
}

/// Tests behind a feature that most machines cannot build or use.
struct Peer {
    test: &'static str,
    package: &'static str,
    feature: &'static str,
    /// What this machine lacks to run them.
    missing: fn() -> Option<&'static str>,
}

const PEERS: &[Peer] = &[
    Peer {
        test: "cuda",
        package: "lstm",
        feature: "cuda",
        missing: || (!has_cuda_toolkit()).then_some("there is no CUDA toolkit (nvcc) to compile for a GPU"),
    },
    Peer {
        test: "onnxruntime",
        package: "ort-rten",
        feature: "onnxruntime",
        missing: || {
            env::var_os("ORT_DYLIB_PATH").is_none().then_some("ORT_DYLIB_PATH names no library of ONNX Runtime")
        },
    },
];

/// Runs a program to its end, forwards its stderr, and notes what it says there that it skips.
fn run_and_read(command: &mut Command, skips: &mut Skips, forward: &mut dyn Write) -> Result<()> {
    if stderr().is_terminal() && env::var_os("CARGO_TERM_COLOR").is_none() {
        // Its stderr is a pipe now, and ends at a terminal all the same.
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = command.stderr(Stdio::piped()).spawn().context("cannot start cargo")?;
    let mut output = BufReader::new(child.stderr.take().context("cargo has no stderr")?);
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line)? > 0 {
        forward.write_all(&line)?;
        skips.read(&String::from_utf8_lossy(&line));
        line.clear();
    }
    let status = child.wait()?;
    if status.success() { Ok(()) } else { Err(Failed { code: code(status) }.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_a_program_skips_is_noted_and_its_code_passed_on() {
        let script = "echo 'skipped: a_test: no Python' >&2; echo 'skipped: on stdout'; printf 'last line' >&2; exit 3";
        let mut skips = Skips::default();
        let mut forwarded = Vec::new();
        let error = run_and_read(Command::new("sh").args(["-c", script]), &mut skips, &mut forwarded).unwrap_err();
        assert_eq!(String::from_utf8(forwarded).unwrap(), "skipped: a_test: no Python\nlast line");
        assert_eq!(error.downcast::<Failed>().unwrap().code, 3);
        assert_eq!(skips.lines(), ["a_test: no Python"]);
        run_and_read(&mut Command::new("true"), &mut skips, &mut Vec::new()).unwrap();
    }
}
