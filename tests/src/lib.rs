//! What the end-to-end tests share: a fresh artifacts folder, and the real programs at work in it.
//!
//! The programs are those that `cargo xtask test` builds beside the tests, in the same profile. A program that is missing
//! fails the test, which says how to build it.

mod skip;
pub mod stage;
pub mod trace;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

pub use skip::skip;

/// A fresh artifacts folder and the programs that work in it.
pub struct Workplace {
    folder: TempDir,
}

/// What a program did.
pub struct Finished {
    /// Its exit code; -1 if a signal ended it.
    pub code: i32,
    /// What it printed on stdout.
    pub stdout: String,
    /// What it printed on stderr.
    pub stderr: String,
}

impl Workplace {
    /// An empty one.
    ///
    /// # Panics
    /// If no temporary folder can be made.
    #[expect(clippy::new_without_default, reason = "making a folder is no default")]
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into it.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, bytes).expect("a file");
        path
    }

    /// Runs `carve` with these words.
    pub fn carve(&self, words: &[&str]) -> Finished {
        self.run(binary("carve").args(words))
    }

    /// Runs `scrimshaw` with these words.
    pub fn scrimshaw(&self, words: &[&str]) -> Finished {
        self.run(binary("scrimshaw").args(words))
    }

    /// Runs a program with this folder as its artifacts.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn run(&self, command: &mut Command) -> Finished {
        let command = command.env("SCRIMSHAW_ARTIFACTS", self.folder.path()).env("SCRIMSHAW_BINARIES", binaries());
        finish(command)
    }

    /// Every file under a folder of it, as paths relative to that folder, in order.
    pub fn files(&self, name: &str) -> Vec<String> {
        let mut files = Vec::new();
        list(&self.path(name), "", &mut files);
        files.sort();
        files
    }
}

impl Finished {
    /// The same, if the program succeeded.
    ///
    /// # Panics
    /// If it did not.
    #[expect(clippy::return_self_not_must_use, reason = "often only the success matters")]
    pub fn success(self) -> Self {
        assert_eq!(self.code, 0, "stderr: {}", self.stderr);
        self
    }

    /// stdout as one JSON value.
    ///
    /// # Panics
    /// If it is not one.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {:?}", self.stdout))
    }

    /// stdout as one JSON value per line.
    ///
    /// # Panics
    /// If a line is not one.
    pub fn json_lines(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        self.stdout.lines().map(parse).collect()
    }

    /// The last line of stdout as JSON: what a training with `--json` ends with.
    ///
    /// # Panics
    /// If there is no such line.
    pub fn outcome(&self) -> Value {
        self.json_lines().pop().expect("a line")
    }
}

/// Runs a program to its end.
///
/// # Panics
/// If it cannot be started.
pub fn finish(command: &mut Command) -> Finished {
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|error| panic!("{error}: build the programs with cargo xtask test"));
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Finished { code: status.code().unwrap_or(-1), stdout: text(&stdout), stderr: text(&stderr) }
}

/// Sends a signal to a process.
///
/// # Panics
/// If it cannot be sent.
pub fn signal(name: &str, process: u32) {
    let sent = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status().expect("kill");
    assert!(sent.success(), "SIG{name} to {process}");
}

/// The embedded story.
///
/// # Panics
/// If it cannot be read.
pub fn story() -> String {
    fs::read_to_string(root().join("datasets/sea-story/sea-story.txt")).expect("the story")
}

/// The workspace's root.
///
/// # Panics
/// Never: this package is in a folder of it.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a parent")
}

/// A program of this workspace.
pub fn binary(name: &str) -> Command {
    Command::new(binaries().join(name).with_extension(env::consts::EXE_EXTENSION))
}

/// `target/PROFILE`, from the place of the running test in `target/PROFILE/deps`.
fn binaries() -> PathBuf {
    let test = env::current_exe().expect("the test's own path");
    test.ancestors().nth(2).expect("a target folder").into()
}

fn list(folder: &Path, prefix: &str, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            list(&entry.path(), &format!("{name}/"), files);
        } else {
            files.push(name);
        }
    }
}

/// The number in an environment variable, or another one.
pub fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}

/// The next random number of a sequence: `SplitMix64`, <https://prng.di.unimi.it/splitmix64.c>.
pub fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
