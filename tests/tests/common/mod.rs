//! What the tests share: a fresh folder, `carve` at work on texts in it, and skipping aloud.

#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use serde_json::Value;

/// The program under test, as a path.
pub const BINARY: Binary = Binary;

#[derive(Clone, Copy)]
pub struct Binary;

impl fmt::Display for Binary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", end_to_end::binary("carve").get_program().display())
    }
}

impl AsRef<OsStr> for Binary {
    fn as_ref(&self) -> &OsStr {
        static PATH: LazyLock<OsString> = LazyLock::new(|| end_to_end::binary("carve").get_program().into());
        &PATH
    }
}

/// A folder that is removed when the test ends.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and makes the folders that it is in.
    pub fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        path
    }

    /// Runs `carve` in the folder.
    pub fn corpus(&self, arguments: &[&str]) -> Output {
        Command::new(BINARY).args(arguments).current_dir(self.0.path()).output().unwrap()
    }

    /// Prepares inputs under `shards` and returns the JSON.
    pub fn prepare(&self, inputs: &[&str], flags: &[&str]) -> Value {
        let output = self.corpus(&[&["prepare", "-o", "shards", "-n", "test", "--json", "-i"], inputs, flags].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The text of the shards, with boundaries as `|`.
    pub fn text(&self) -> String {
        let corpus = corpus::Corpus::open(&self.path("shards")).unwrap();
        corpus.verify().unwrap();
        let ids = corpus.tokens().to_vec(0..corpus.tokens().len());
        let boundary = corpus.vocabulary().boundary();
        let documents: Vec<String> =
            ids.split(|&id| Some(id) == boundary).map(|ids| corpus.vocabulary().decode(ids)).collect();
        documents.join("|")
    }

    /// Every file under a folder, with its contents; none if there is no folder.
    pub fn contents(&self, name: &str) -> Vec<(PathBuf, Vec<u8>)> {
        fn gather(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    gather(&path, found);
                } else {
                    found.push((path.clone(), fs::read(&path).unwrap()));
                }
            }
        }
        let mut found = Vec::new();
        gather(&self.path(name), &mut found);
        found.sort();
        found
    }

    /// The only shard of `shards`.
    pub fn shard(&self) -> PathBuf {
        let shards = self.contents("shards").into_iter().map(|(path, _)| path);
        let shards: Vec<PathBuf> =
            shards.filter(|path| path.extension().is_some_and(|ending| ending == "shard")).collect();
        assert_eq!(shards.len(), 1, "{shards:?}");
        shards[0].clone()
    }
}

/// Asserts an exit code and what the message says.
pub fn assert_fails(output: &Output, code: i32, parts: &[&str]) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{message}");
    for part in parts {
        assert!(message.contains(part), "{message:?} should say {part:?}");
    }
}
