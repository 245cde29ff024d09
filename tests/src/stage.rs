//! A stage for faults: one of everything that the programs write, the commands that write it, and what has to be whole
//! whatever happens to them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use crate::{Finished, Workplace, binary, finish, story};

/// Every file of a folder, by its path.
pub type Contents = BTreeMap<String, Vec<u8>>;

/// A command that writes files.
pub struct Operation {
    /// What it is called.
    pub name: &'static str,
    program: &'static str,
    words: &'static [&'static str],
    /// The same after a fault in the middle, once the second path is there.
    again: Option<(&'static [&'static str], &'static str)>,
    /// What it may change: files and folders. Everything else has to stay as it is.
    changes: &'static [&'static str],
}

/// A network of a few cells, and a checkpoint at every third step.
const SMALL: [&str; 16] = [
    "--recipe",
    "char-rnn",
    "--device",
    "cpu",
    "--sample-length",
    "5",
    "--set",
    "model.hidden=6",
    "--set",
    "batch=4",
    "--set",
    "checkpoints.steps=3",
    "--set",
    "checkpoints.keep=1",
    "--set",
    "records.steps=1",
];

/// Everything that writes. A new command is one more line here; the tests of faults, kills and traces do the rest.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        name: "prepare",
        program: "carve",
        words: &["prepare", "--input", "other.txt", "--name", "tale", "--split", "90/10"],
        again: None,
        changes: &["tale/shards"],
    },
    Operation {
        name: "train",
        program: "carve",
        words: &["train", "--dataset", "tale", "--run", "second", "--epochs", "1"],
        again: Some((&["train", "--dataset", "tale", "--run", "second", "--resume"], "tale/runs/second")),
        changes: &["tale/runs/second", "tale/model.onnx"],
    },
    Operation {
        name: "resume",
        program: "carve",
        words: &["train", "--dataset", "tale", "--run", "stopped", "--resume"],
        again: None,
        changes: &["tale/runs/stopped", "tale/model.onnx"],
    },
    Operation {
        name: "export",
        program: "carve",
        words: &["export", "--dataset", "tale", "--run", "done", "--output", "tale.onnx"],
        again: None,
        changes: &["tale.onnx"],
    },
    Operation {
        name: "bundle",
        program: "scrimshaw",
        words: &["bundle", "--model", "done.onnx", "--output", "pirate"],
        again: None,
        changes: &["pirate"],
    },
    Operation {
        name: "import",
        program: "carve",
        words: &["import", "module/module.safetensors", "--dataset", "tale", "--run", "imported"],
        again: None,
        changes: &["tale/runs/imported"],
    },
    Operation {
        name: "report",
        program: "carve",
        words: &["report", "--dataset", "tale", "--run", "done", "--output", "tale.html"],
        again: None,
        changes: &["tale.html"],
    },
];

/// A folder in which every operation can run, and what each of them leaves if nothing disturbs it.
pub struct Stage {
    place: Workplace,
    /// `scrimshaw` without its debug information: a bundle is a copy of it.
    sampler: PathBuf,
    after: Vec<Contents>,
}

/// The stage. It is made once; every case works on a copy.
pub static STAGE: LazyLock<Stage> = LazyLock::new(Stage::new);

impl Stage {
    fn new() -> Self {
        let place = Workplace::new();
        let start = place.path("start");
        place.write("start/tale.txt", &story()[..3_000]);
        place.write("start/other.txt", &story()[3_000..7_000]);
        let sampler = place.path("scrimshaw");
        let program = binary("scrimshaw").get_program().to_owned();
        let stripped = Command::new("strip").arg("-o").arg(&sampler).arg(&program).status();
        if !stripped.is_ok_and(|status| status.success()) {
            fs::copy(program, &sampler).expect("scrimshaw");
        }
        let mut stage = Self { place, sampler, after: Vec::new() };
        let run = |program: &str, words: &[&str]| finish(&mut stage.command(program, words, &start)).success();
        run("carve", &["prepare", "--input", "tale.txt", "--name", "tale", "--split", "90/10"]);
        let train = |name, epochs, seed| {
            let words = ["train", "--dataset", "tale", "--run", name, "--epochs", epochs, "--seed", seed];
            let keep = ["--set", "checkpoints.keep=99"];
            run("carve", &[&words[..], &SMALL, &keep].concat())
        };
        train("stopped", "2", "5");
        cut_back(&start.join("tale/runs/stopped"));
        run("carve", &["export", "--dataset", "tale", "--run", "stopped", "--output", "tale.onnx"]);
        run("scrimshaw", &["bundle", "--model", "tale.onnx", "--output", "pirate"]);
        train("done", "1", "7");
        run("carve", &["export", "--dataset", "tale", "--run", "done", "--output", "done.onnx"]);
        fs::create_dir(start.join("module")).expect("a folder");
        let done = newest(&start.join("tale/runs/done")).expect("a checkpoint").1;
        for (from, to) in [("model.safetensors", "module.safetensors"), ("card.json", "card.json")] {
            fs::copy(done.join(from), start.join("module").join(to)).expect("a file");
        }
        for operation in OPERATIONS {
            let copy = stage.copy();
            finish(&mut stage.start(operation, &copy.path("."))).success();
            stage.after.push(contents(&copy.path(".")));
        }
        stage
    }

    /// A fresh copy.
    pub fn copy(&self) -> Workplace {
        let copy = Workplace::new();
        copy_folder(&self.place.path("start"), &copy.path("."));
        copy
    }

    /// The folder that is copied.
    pub fn folder(&self) -> PathBuf {
        self.place.path("start")
    }

    /// An operation in a folder, ready to be started.
    pub fn start(&self, operation: &Operation, folder: &Path) -> Command {
        self.command(operation.program, &operation.words(), folder)
    }

    /// The same, or what has to be done instead after a fault in the middle.
    pub fn go_on(&self, operation: &Operation, folder: &Path) -> Command {
        match operation.again {
            Some((words, path)) if folder.join(path).exists() => self.command(operation.program, words, folder),
            _ => self.start(operation, folder),
        }
    }

    fn command(&self, program: &str, words: &[&str], folder: &Path) -> Command {
        let mut command = if program == "carve" { binary("carve") } else { Command::new(&self.sampler) };
        command.args(words).current_dir(folder).env("SCRIMSHAW_ARTIFACTS", ".").env("RAYON_NUM_THREADS", "1");
        command
    }

    /// Holds a folder against what an operation may leave: everything else is as it was, and what it changes is whole.
    /// Unfinished files may lie about if `is_killed`.
    ///
    /// # Panics
    /// If anything is lost or half there.
    pub fn check(&self, operation: &Operation, folder: &Path, is_killed: bool) {
        let (before, now, name) = (contents(&self.place.path("start")), contents(folder), operation.name);
        let after = self.after(operation);
        for (path, bytes) in &before {
            if operation.may_change(path) {
                continue;
            }
            assert!(now.get(path) == Some(bytes), "{name} lost or changed {path}");
        }
        for (path, bytes) in &now {
            if is_unfinished(path) {
                assert!(is_killed, "{name} left {path}");
            } else if operation.changes.contains(&path.as_str()) || ends_in(path, "onnx") {
                let is_whole = [before.get(path), after.get(path)].contains(&Some(bytes));
                assert!(is_whole, "{name}: {path} is neither the old file nor the new one");
            } else {
                assert!(before.contains_key(path) || operation.may_change(path), "{name} left {path}");
            }
        }
        check_text(folder, name);
        for run in folders(&folder.join("tale/runs")) {
            check_run(&run, name);
        }
        if operation.name == "resume" {
            let step = |folder: &Path| newest(&folder.join("tale/runs/stopped")).map(|(step, _)| step);
            assert!(step(folder) >= step(&self.place.path("start")), "resume lost the checkpoint that it started from");
        }
    }

    /// Holds a folder against what the undisturbed operation left.
    ///
    /// # Panics
    /// If anything differs.
    pub fn check_done(&self, operation: &Operation, folder: &Path) {
        self.check(operation, folder, true);
        let now = contents(folder);
        for (path, bytes) in self.after(operation).iter().filter(|(path, _)| operation.may_change(path)) {
            let found = now.get(path).unwrap_or_else(|| panic!("{}: {path} is missing", operation.name));
            assert!(depends_on_the_moment(path) || found == bytes, "{}: {path} differs", operation.name);
        }
    }

    fn after(&self, operation: &Operation) -> &Contents {
        let index = OPERATIONS.iter().position(|one| one.name == operation.name).expect("an operation");
        &self.after[index]
    }
}

impl Operation {
    fn words(&self) -> Vec<&'static str> {
        let settings: &[&str] = if self.name == "train" { &SMALL } else { &[] };
        [self.words, settings].concat()
    }

    fn may_change(&self, path: &str) -> bool {
        let path = path.trim_start_matches("./");
        is_lock(path) || self.changes.iter().any(|change| Path::new(path).starts_with(change))
    }
}

/// Whether what is said of a failure can be read by a person: no panic, no internals.
///
/// # Panics
/// If it cannot.
pub fn check_words(finished: &Finished) {
    for word in ["panicked", "internal error", "RUST_BACKTRACE", "Os {"] {
        assert!(!finished.stderr.contains(word), "{}", finished.stderr);
    }
}

/// Whether a path has this extension.
pub fn ends_in(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

/// Every file of a folder, by its path relative to it.
pub fn contents(folder: &Path) -> Contents {
    let mut found = Contents::new();
    gather(folder, "", &mut found);
    found
}

/// The newest checkpoint of a run: its number of steps and its folder.
pub fn newest(run: &Path) -> Option<(u64, PathBuf)> {
    let named = |path: PathBuf| Some((path.file_name()?.to_str()?.parse().ok()?, path));
    folders(&run.join("checkpoints")).into_iter().filter_map(named).max()
}

fn gather(folder: &Path, prefix: &str, found: &mut Contents) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            gather(&entry.path(), &format!("{name}/"), found);
        } else if let Ok(bytes) = fs::read(entry.path()) {
            found.insert(name, bytes);
        }
    }
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.is_dir() && !is_unfinished(&path.to_string_lossy())).collect()
}

fn copy_folder(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().expect("cp");
    assert!(copied.success(), "a copy of {}", from.display());
}

/// Takes a run back to an early checkpoint, as if it had been stopped there.
fn cut_back(run: &Path) {
    let mut checkpoints = folders(&run.join("checkpoints"));
    checkpoints.sort();
    assert!(checkpoints.len() > 3, "one at every third step: {checkpoints:?}");
    let kept = checkpoints.remove(2);
    for later in checkpoints {
        fs::remove_dir_all(later).expect("a checkpoint");
    }
    let position: Value = json(&kept.join("training.json"));
    assert!(position["best"].is_null(), "before the first evaluation");
    fs::remove_file(run.join("best.json")).expect("a file");
    // Whoever goes on with it keeps the newest alone, and has old ones to remove.
    let mut config = json(&run.join("config.json"));
    config["recipe"]["checkpoints"]["keep"] = 1.into();
    fs::write(run.join("config.json"), config.to_string()).expect("a file");
}

fn is_unfinished(path: &str) -> bool {
    let is = |name: &str| [".writing-", ".unfinished-", ".removing-"].iter().any(|start| name.starts_with(start));
    path.split('/').any(is)
}

fn is_lock(path: &str) -> bool {
    matches!(path.rsplit('/').next(), Some("lock" | ".lock"))
}

/// Files that are not the same twice: they hold times, the time stamps of other files, or where the folder is.
fn depends_on_the_moment(path: &str) -> bool {
    is_lock(path)
        || ["times.jsonl", "steps.jsonl", "progress.jsonl", "training.json", "index.json", "config.json"]
            .iter()
            .any(|name| path.ends_with(name))
}

/// The shards are those of one text, from the first id to the last.
fn check_text(folder: &Path, name: &str) {
    let shards = folder.join("tale/shards");
    let corpus = corpus::Corpus::open(&shards).and_then(|corpus| corpus.verify().map(|()| corpus));
    let corpus = corpus.unwrap_or_else(|error| panic!("{name}: {error}"));
    let tokens = corpus.index().tokens;
    assert!([3_000, 4_000].contains(&tokens), "{name}: {tokens} tokens");
}

/// Every checkpoint that has a name is whole, and so is what is said about the run.
fn check_run(run: &Path, name: &str) {
    let is_imported = !run.join("config.json").exists();
    if !is_imported {
        json(&run.join("config.json"));
    }
    for checkpoint in folders(&run.join("checkpoints")) {
        let files: &[&str] = if is_imported {
            &["card.json", "model.safetensors"]
        } else {
            &["card.json", "model.safetensors", "training.json", "training.safetensors"]
        };
        let found: Vec<String> = contents(&checkpoint).into_keys().collect();
        assert_eq!(found, files, "{name}: {}", checkpoint.display());
        for file in files {
            let path = checkpoint.join(file);
            if ends_in(file, "json") { drop(json(&path)) } else { check_tensors(&path) }
        }
    }
    if run.join("best.json").exists() {
        let best = json(&run.join("best.json"))["step"].as_u64().expect("a step");
        assert!(run.join(format!("checkpoints/{best:08}")).is_dir(), "{name}: the best checkpoint is there");
    }
    for records in ["metrics.jsonl", "times.jsonl", "steps.jsonl"] {
        let text = fs::read_to_string(run.join(records)).unwrap_or_default();
        // A full disk may cut off the last line, which no reader counts.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            serde_json::from_str::<Value>(line)
                .unwrap_or_else(|error| panic!("{name}: {records}: {error} in {line:?}"));
        }
    }
}

fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A safetensors file ends where its header says.
fn check_tensors(path: &Path) {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (length, rest) = bytes.split_first_chunk::<8>().expect("a length");
    let length = usize::try_from(u64::from_le_bytes(*length)).expect("a length");
    let header: Value = serde_json::from_slice(&rest[..length]).expect("a header");
    let tensors = header.as_object().expect("tensors").iter().filter(|(name, _)| *name != "__metadata__");
    let end = tensors.filter_map(|(_, tensor)| tensor["data_offsets"][1].as_u64()).max().unwrap_or(0);
    assert_eq!(end, (rest.len() - length) as u64, "{}", path.display());
}
