//! Machines that fail under every command that writes: the disk is full, calls fail, the disk is read-only.
//!
//! After each fault, what was there before is whole, what is new is whole or absent, the message says what happened, and
//! the same command succeeds as soon as the fault is gone. Each test tries a few faults of its kind, spread over all of
//! them; `SCRIMSHAW_FAULTS=1000` tries up to so many of each kind and command. A line on stderr counts them.

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use end_to_end::stage::{OPERATIONS, Operation, STAGE, check_words, contents, ends_in};
use end_to_end::trace::{is_possible, under};
use end_to_end::{Finished, finish, skip};

const CANNOT_WRITE: i32 = 5;

/// How many faults of a kind are tried on each command.
fn limit() -> usize {
    env::var("SCRIMSHAW_FAULTS").ok().and_then(|limit| limit.parse().ok()).unwrap_or(2)
}

/// At most so many of them, spread evenly.
fn some<T: Copy>(all: &[T], limit: usize) -> Vec<T> {
    match limit.max(1) {
        limit if all.len() <= limit => all.to_vec(),
        1 => vec![all[all.len() / 2]],
        limit => (0..limit).map(|index| all[index * (all.len() - 1) / (limit - 1)]).collect(),
    }
}

/// What came of the faults of one kind.
struct Tally {
    kind: &'static str,
    operation: &'static str,
    refused: usize,
    done: usize,
}

impl Tally {
    fn new(kind: &'static str, operation: &Operation) -> Self {
        Self { kind, operation: operation.name, refused: 0, done: 0 }
    }

    /// Holds what a command did under a fault against what it may do.
    fn check(&mut self, operation: &Operation, folder: &Path, finished: &Finished, fault: &str) {
        eprintln_case(self.kind, operation.name, fault, finished);
        check_words(finished);
        if finished.code == 0 {
            STAGE.check_done(operation, folder);
            self.done += 1;
            return;
        }
        let said = &finished.stderr;
        assert_eq!(finished.code, CANNOT_WRITE, "{} {fault}: {said}", operation.name);
        assert!(said.contains("cannot write"), "{} {fault}: {said}", operation.name);
        STAGE.check(operation, folder, false);
        self.refused += 1;
        // The next command says what happened and goes on. A new run is there whole if it was its directory that could not be
        // synced.
        let next = finish(&mut STAGE.go_on(operation, folder));
        let is_there = next.stderr.contains("exists already");
        assert!(next.code == 0 || is_there, "{} after {fault}: {}", operation.name, next.stderr);
        STAGE.check_done(operation, folder);
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let Self { kind, operation, refused, done } = *self;
        eprintln!("faults: {kind}, {operation}: {} tried, {refused} refused, {done} done all the same", refused + done);
    }
}

/// With `SCRIMSHAW_FAULTS`, every message, to be read.
fn eprintln_case(kind: &str, operation: &str, fault: &str, finished: &Finished) {
    if env::var_os("SCRIMSHAW_FAULTS").is_some() {
        let last = finished.stderr.lines().last().unwrap_or_default();
        eprintln!("  {kind} {operation} {fault}: {} {last}", finished.code);
    }
}

/// Sizes of the files that an operation leaves, less one byte: each limit is too small for one file more.
fn limits(operation: &Operation) -> Vec<u64> {
    let place = STAGE.copy();
    finish(&mut STAGE.start(operation, &place.path("."))).success();
    let before = contents(&STAGE.folder());
    let now = contents(&place.path("."));
    let new = now.iter().filter(|(path, bytes)| before.get(*path) != Some(bytes));
    let sizes: BTreeSet<u64> = new.map(|(_, bytes)| bytes.len() as u64).filter(|size| *size > 0).collect();
    [0].into_iter().chain(sizes.into_iter().map(|size| size - 1)).collect()
}

/// A limit on the size of files fails like a full disk: in the middle of a write.
#[test]
fn a_limit_on_the_size_of_files_loses_nothing() {
    for operation in OPERATIONS {
        let mut tally = Tally::new("file size limit", operation);
        for bytes in some(&limits(operation), limit()) {
            let place = STAGE.copy();
            let folder = place.path(".");
            let limited = under("prlimit", &[&format!("--fsize={bytes}")], &STAGE.start(operation, &folder));
            tally.check(operation, &folder, &finish(&mut { limited }), &format!("{bytes} bytes"));
        }
    }
}

/// Runs a script that mounts disks for itself alone; `None` if this user may not.
fn with_own_mounts(folder: &Path, script: &str, words: &[&str]) -> Option<Finished> {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", script, "sh"]).args(words).current_dir(folder);
    command.env("SCRIMSHAW_ARTIFACTS", ".").env("RAYON_NUM_THREADS", "1");
    command.output().ok()?;
    let finished = finish(&mut command);
    (finished.code != 98).then_some(finished)
}

/// The words of a command, its program first.
fn words(command: &Command) -> Vec<String> {
    let program = std::iter::once(command.get_program());
    program.chain(command.get_args()).map(|word| word.to_string_lossy().into_owned()).collect()
}

/// A disk with so many free pages, until one is large enough.
#[test]
fn a_disk_that_is_full_loses_nothing() {
    let script = "mount -t tmpfs -o size=512m tmpfs disk || exit 98
        cp -a start/. disk/ && used=$(df --output=used -k disk | tail -n 1) || exit 97
        mount -o remount,size=$((used + $1))k disk || exit 98
        shift; cd disk; \"$@\"; code=$?
        cd ..; cp -a disk/. after/ && exit $code";
    for operation in OPERATIONS {
        let mut tally = Tally::new("full disk", operation);
        let made: u64 = limits(operation).iter().map(|bytes| bytes / 4096 + 1).sum();
        let pages: Vec<u64> = (0..made).collect();
        for free in some(&pages, limit()) {
            let place = STAGE.copy();
            let outer = end_to_end::Workplace::new();
            for folder in ["start", "disk", "after"] {
                fs::create_dir(outer.path(folder)).unwrap();
            }
            let copied = Command::new("cp").arg("-a").arg(place.path(".")).arg(outer.path("start")).status();
            assert!(copied.unwrap().success());
            let command = STAGE.start(operation, &outer.path("disk"));
            let kilobytes = (4 * free).to_string();
            let words: Vec<String> = [kilobytes].into_iter().chain(words(&command)).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let Some(finished) = with_own_mounts(&outer.path("."), script, &words) else {
                return skip("this user may not mount a small disk");
            };
            tally.check(operation, &outer.path("after"), &finished, &format!("{free} pages"));
        }
    }
}

/// Calls of these names fail, one at a time, with the error of a disk that is full or broken.
const FAILING: [(&str, &str); 6] = [
    ("write", "ENOSPC"),
    ("fsync", "EIO"),
    ("rename,renameat,renameat2", "ENOSPC"),
    ("mkdir,mkdirat", "ENOSPC"),
    ("fdatasync", "EIO"),
    ("ftruncate", "EIO"),
];

/// How often a command makes a call in its busiest thread.
fn count(operation: &Operation, calls: &str) -> usize {
    let place = STAGE.copy();
    let log = place.path("../trace").with_file_name(format!("trace-{}-{}", std::process::id(), operation.name));
    let arguments = ["-f", "-qq", "-s", "0", "-e", &format!("trace={calls}"), "-o", log.to_str().unwrap()];
    finish(&mut under("strace", &arguments, &STAGE.start(operation, &place.path(".")))).success();
    let text = fs::read_to_string(&log).unwrap();
    fs::remove_file(&log).unwrap();
    let of = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let mut counts = std::collections::HashMap::<String, usize>::new();
    text.lines().filter(|line| line.contains('(')).for_each(|line| *counts.entry(of(line)).or_default() += 1);
    counts.into_values().max().unwrap_or(0)
}

#[test]
fn a_call_that_fails_loses_nothing() {
    if !is_possible() {
        return skip("strace is not there, or may not look at programs");
    }
    for operation in OPERATIONS {
        let mut tally = Tally::new("failing call", operation);
        let mut all = Vec::new();
        for (calls, error) in FAILING {
            let numbers: Vec<usize> = (1..=count(operation, calls)).collect();
            all.extend(some(&numbers, limit() / 2).into_iter().map(|number| (calls, error, number)));
        }
        for (calls, error, number) in all {
            let place = STAGE.copy();
            let folder = place.path(".");
            let inject = format!("inject={calls}:error={error}:when={number}");
            // Only calls that are traced can be made to fail.
            let arguments = ["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}"), "-e", &inject];
            let finished = finish(&mut under("strace", &arguments, &STAGE.start(operation, &folder)));
            tally.check(operation, &folder, &finished, &format!("{calls} {number}"));
        }
    }
}

#[test]
fn a_read_only_disk_is_named_and_left_alone() {
    let script = "mount --bind disk disk && mount -o remount,bind,ro disk || exit 98; cd disk; exec \"$@\"";
    for operation in OPERATIONS {
        let mut tally = Tally::new("read-only disk", operation);
        let outer = end_to_end::Workplace::new();
        fs::create_dir(outer.path("disk")).unwrap();
        let copied = Command::new("cp").arg("-a").arg(STAGE.folder().join(".")).arg(outer.path("disk")).status();
        assert!(copied.unwrap().success());
        let words = words(&STAGE.start(operation, &outer.path("disk")));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let Some(finished) = with_own_mounts(&outer.path("."), script, &words) else {
            return skip("this user may not mount a disk read-only");
        };
        assert!(contents(&outer.path("disk")) == contents(&STAGE.folder()), "{} changed something", operation.name);
        assert_eq!(finished.code, CANNOT_WRITE, "{}: {}", operation.name, finished.stderr);
        tally.check(operation, &outer.path("disk"), &finished, "read-only");
    }
}

/// Nobody can read what is written to `/dev/full`: the work is done or refused, and nothing panics.
#[test]
fn outputs_that_take_nothing_are_no_reason_to_panic() {
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    for operation in OPERATIONS {
        let place = STAGE.copy();
        let mut command = STAGE.start(operation, &place.path("."));
        let status = command.stdout(full()).stderr(full()).status().unwrap();
        assert!(matches!(status.code(), Some(0 | CANNOT_WRITE)), "{}: {status}", operation.name);
        STAGE.check_done(operation, &place.path("."));
    }
}

#[test]
fn names_are_put_in_place_after_their_bytes() {
    use end_to_end::trace::Trace;
    if !is_possible() {
        return skip("strace is not there, or may not look at programs");
    }
    for operation in OPERATIONS {
        let place = STAGE.copy();
        // Whatever is made with its parents is made anew.
        if operation.name == "import" || operation.name == "train" {
            fs::rename(place.path("tale/runs"), place.path("elsewhere")).unwrap();
        }
        let (finished, trace) = Trace::of(&STAGE.start(operation, &place.path(".")), &place.path("."));
        finished.success();
        let names = trace.check_names();
        assert!(!names.is_empty(), "{} puts nothing in place", operation.name);
        eprintln!("trace: {}: {} names in order: {}", operation.name, names.len(), names.join(", "));
        let renamed = |call: &str| call.starts_with("rename");
        let is_checkpoint = |path: &str| path.contains("/checkpoints/0");
        let checkpoint = |call: &str, path: &str| renamed(call) && is_checkpoint(path);
        let checkpoints_synced = |call: &str, path: &str| call == "fsync" && path.ends_with("/checkpoints");
        let expected = match operation.name {
            "prepare" => trace.check_order(
                "shards are durable before the index lists them",
                &|call, path| renamed(call) && ends_in(path, "shard"),
                &|call, path| call == "fsync" && path == "tale/shards",
                &|call, path| renamed(call) && path == "tale/shards/index.json",
            ),
            "train" | "resume" => {
                let best = trace.check_order(
                    "a checkpoint is durable before it is called the best",
                    &checkpoint,
                    &checkpoints_synced,
                    &|call, path| renamed(call) && path.ends_with("best.json"),
                );
                let removed = trace.check_order(
                    "the new checkpoint is durable before an old one goes",
                    &checkpoint,
                    &checkpoints_synced,
                    &|call, path| renamed(call) && path.contains("/checkpoints/.removing-"),
                );
                let records = ["steps.jsonl", "metrics.jsonl"].map(|records| {
                    trace.check_order(
                        "records are durable before the checkpoint",
                        &|call, path| call == "write" && path.ends_with(records),
                        &|call, path| call == "fdatasync" && path.ends_with(records),
                        &checkpoint,
                    )
                });
                best.min(removed).min(records[0]).min(records[1])
            }
            _ => 1,
        };
        assert!(expected > 0, "{}: the order was looked at", operation.name);
    }
}
