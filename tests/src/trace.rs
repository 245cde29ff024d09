//! The system calls of a program, in order: what a power cut leaves depends on nothing else.
//!
//! A name that is put in place has to be renamed after its bytes are synced, and the directory has to be synced after
//! that: otherwise the name may be there after a power cut without its bytes, or not at all.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Finished, finish};

/// Calls that put something on a disk.
const CALLS: &str = "trace=openat,open,creat,write,pwrite64,writev,pwritev,ftruncate,copy_file_range,sendfile,fsync,\
                     fdatasync,rename,renameat,renameat2,mkdir,mkdirat,unlink,unlinkat,rmdir";

/// One call that succeeded.
#[derive(Debug)]
struct Call {
    name: String,
    /// The path that it is about; of a rename, the old one.
    path: PathBuf,
    /// The new path of a rename.
    to: PathBuf,
    makes: bool,
    /// Lines of the trace where it began and where it had ended.
    began: usize,
    ended: usize,
}

/// Says whether a call with a name and a path is meant.
pub type Matches<'m> = &'m dyn Fn(&str, &str) -> bool;

/// What a program did to the files of a folder.
pub struct Trace {
    folder: PathBuf,
    calls: Vec<Call>,
}

/// The same command as words of another program: `strace`, `prlimit` and so on.
pub fn under(program: &str, words: &[&str], command: &Command) -> Command {
    let mut outer = Command::new(program);
    outer.args(words).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        outer.current_dir(folder);
    }
    outer
}

/// Whether `strace` is there and may look at programs.
pub fn is_possible() -> bool {
    Command::new("strace").args(["-qq", "-e", "trace=none", "true"]).output().is_ok_and(|ran| ran.status.success())
}

impl Trace {
    /// Runs a program and watches what it does in a folder.
    ///
    /// # Panics
    /// If there is no `strace`, or its output cannot be read.
    pub fn of(command: &Command, folder: &Path) -> (Finished, Self) {
        let log = tempfile::NamedTempFile::new().expect("a file");
        let path = log.path().to_str().expect("a path");
        let finished = finish(&mut under("strace", &["-f", "-y", "-qq", "-s", "0", "-e", CALLS, "-o", path], command));
        let folder = fs::canonicalize(folder).expect("a folder");
        let text = String::from_utf8_lossy(&fs::read(path).expect("a trace")).into_owned();
        let mut calls = Vec::new();
        let mut begun: HashMap<&str, (usize, &str)> = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let Some((process, rest)) = line.split_once(' ') else { continue };
            let rest = rest.trim_start();
            if let Some(start) = rest.strip_suffix(" <unfinished ...>") {
                begun.insert(process, (number, start));
            } else if let Some((_, end)) = rest.split_once(" resumed>") {
                let Some((began, start)) = begun.remove(process) else { continue };
                calls.extend(parse(&format!("{start}{end}"), &folder, began, number));
            } else {
                calls.extend(parse(rest, &folder, number, number));
            }
        }
        calls.retain(|call| call.path.starts_with(&folder));
        (finished, Self { folder, calls })
    }

    /// Checks every name that was put in place; returns them.
    ///
    /// # Panics
    /// If a name was put in place before its bytes, or was not made durable afterwards.
    pub fn check_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for rename in self.calls.iter().filter(|call| call.name.starts_with("rename")) {
            if hidden(&rename.to, &self.folder) {
                continue;
            }
            let (from, name) = (&rename.path, self.relative(&rename.to));
            let inside: Vec<&Call> =
                self.calls.iter().filter(|call| call.makes && call.path.starts_with(from)).collect();
            for made in inside.iter().filter(|made| !made.name.starts_with("mkdir")) {
                self.check_synced(&made.path, rename, &name);
            }
            for made in inside.iter().filter(|made| made.name.starts_with("mkdir")) {
                let last = inside.iter().filter(|one| one.path.parent() == Some(&made.path)).map(|one| one.ended).max();
                let is_synced = self.syncs(&made.path).any(|sync| Some(sync.began) > last && sync.ended < rename.began);
                assert!(is_synced, "{name}: the folder {} is not synced before it has its name", made.path.display());
            }
            assert!(!inside.is_empty(), "{name} was made by nobody");
            self.check_durable(&rename.to, rename.ended);
            names.push(name);
        }
        for made in self.calls.iter().filter(|call| call.makes && !hidden(&call.path, &self.folder)) {
            if made.name.starts_with("mkdir") {
                self.check_durable(&made.path, made.ended);
                names.push(self.relative(&made.path));
            } else {
                let name = self.relative(&made.path);
                let is_record = [".jsonl", "lock"].iter().any(|end| name.ends_with(end));
                assert!(is_record, "{name} is written under its own name");
            }
        }
        names
    }

    /// Checks an order of calls, each given by its name and its path (of a rename, the new one): between the last `put`
    /// before each `then`, and `then`, there is a `sync`. Returns how often there was something to check.
    ///
    /// # Panics
    /// If there is no `sync`.
    pub fn check_order(&self, what: &str, put: Matches<'_>, sync: Matches<'_>, then: Matches<'_>) -> usize {
        let matching = |is: Matches<'_>| {
            let path = |call: &Call| if call.to.as_os_str().is_empty() { &call.path } else { &call.to }.clone();
            let is_one = move |call: &&Call| is(&call.name, &self.relative(&path(call)));
            self.calls.iter().filter(is_one).collect::<Vec<&Call>>()
        };
        let (puts, syncs) = (matching(put), matching(sync));
        let mut checked = 0;
        for then in matching(then) {
            let Some(put) = puts.iter().filter(|put| put.ended < then.began).map(|put| put.ended).max() else {
                continue;
            };
            let is_synced = syncs.iter().any(|sync| sync.began > put && sync.ended < then.began);
            assert!(is_synced, "{what}: nothing is synced before {then:?}");
            checked += 1;
        }
        checked
    }

    /// A file's last byte is synced before the file, or the folder that it is in, gets its name.
    fn check_synced(&self, path: &Path, rename: &Call, name: &str) {
        const WRITES: [&str; 7] =
            ["write", "pwrite64", "writev", "pwritev", "ftruncate", "copy_file_range", "sendfile"];
        // It may have had other names on the way.
        let mut names = vec![path];
        for call in self.calls.iter().filter(|call| call.ended < rename.began && call.name.starts_with("rename")) {
            if names.last() == Some(&call.path.as_path()) {
                names.push(&call.to);
            }
        }
        let about = |call: &&Call| call.ended < rename.began && names.contains(&call.path.as_path());
        let written = self.calls.iter().filter(about).filter(|call| WRITES.contains(&call.name.as_str()));
        let last = written.map(|call| call.ended).max();
        let mut syncs = self.calls.iter().filter(about).filter(|call| is_sync(call));
        let is_synced = syncs.any(|sync| Some(sync.began) > last);
        assert!(is_synced, "{name}: {} is not synced before it has its name", path.display());
    }

    /// The directory of a name is synced after the name was given.
    fn check_durable(&self, path: &Path, after: usize) {
        let parent = path.parent().expect("a folder");
        let is_synced = self.syncs(parent).any(|sync| sync.began > after);
        assert!(is_synced, "{}: its directory is not synced afterwards", self.relative(path));
    }

    fn syncs(&self, path: &Path) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(move |call| call.path == path && is_sync(call))
    }

    fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.folder).unwrap_or(path).to_string_lossy().into_owned()
    }
}

fn is_sync(call: &Call) -> bool {
    matches!(call.name.as_str(), "fsync" | "fdatasync")
}

/// Whether a path below the folder has a name that nobody looks for.
fn hidden(path: &Path, folder: &Path) -> bool {
    let below = path.strip_prefix(folder).unwrap_or(path);
    below.iter().any(|name| {
        [".writing-", ".unfinished-", ".removing-"].iter().any(|start| name.to_string_lossy().starts_with(start))
    })
}

/// One call; nothing of calls that failed, and of those that are about no file.
fn parse(line: &str, folder: &Path, began: usize, ended: usize) -> Option<Call> {
    let (name, rest) = line.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    if result.starts_with('-') || result.starts_with('?') {
        return None;
    }
    // A relative path is quoted; a descriptor is followed by its path in angle brackets.
    let mut quoted = arguments.split('"').skip(1).step_by(2).map(|path| normal(&folder.join(path)));
    let descriptor = |text: &str| Some(PathBuf::from(text.split_once('<')?.1.split_once('>')?.0));
    let (path, to, makes) = match name {
        "openat" | "open" | "creat" => (descriptor(result)?, PathBuf::new(), arguments.contains("O_CREAT")),
        "rename" | "renameat" | "renameat2" => (quoted.next()?, quoted.next()?, false),
        "mkdir" | "mkdirat" => (quoted.next()?, PathBuf::new(), true),
        "unlink" | "rmdir" => (quoted.next()?, PathBuf::new(), false),
        "unlinkat" => {
            let base = descriptor(arguments).unwrap_or_default();
            (base.join(arguments.split('"').nth(1)?), PathBuf::new(), false)
        }
        _ => (descriptor(arguments)?, PathBuf::new(), false),
    };
    Some(Call { name: name.into(), path, to, makes, began, ended })
}

/// Without `.` in it.
fn normal(path: &Path) -> PathBuf {
    path.components().collect()
}
