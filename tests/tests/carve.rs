//! `carve` as a new user meets it: one file, an empty folder, an empty environment; and what it refuses before any work.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use end_to_end::{Finished, Workplace, binary, finish, root, signal, story};

/// The words of a training that takes a moment.
const MOMENT: [&str; 6] = ["--recipe", "lecture", "--epochs", "1", "--sample-length", "0"];

/// Runs a program in a folder, with nothing in its environment.
fn alone(folder: &Path, program: &str, words: &[&str]) -> Finished {
    finish(binary(program).args(words).current_dir(folder).env_clear())
}

/// A place with a text in it, and the text's path.
fn tale(characters: usize) -> (Workplace, PathBuf) {
    let place = Workplace::new();
    let text = place.write("tale.txt", &story()[..characters]);
    (place, text)
}

#[test]
fn a_file_becomes_text_in_an_empty_folder_with_an_empty_environment() {
    let place = Workplace::new();
    place.write("my letters.txt", &story()[..12_000]);
    let folder = place.path(".");
    let trained = alone(&folder, "carve", &[&["train", "my letters.txt"], &MOMENT[..]].concat()).success();
    let command = trained.stderr.lines().find(|line| line.starts_with("scrimshaw ")).expect("the command to repeat it");
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    let again = alone(&folder, "scrimshaw", &words).success();
    assert_eq!(trained.stdout, again.stdout, "{command} writes the same text");
    assert!(trained.stdout.chars().count() > 400, "{}", trained.stdout);
    assert!(place.path("artifacts/my-letters/model.onnx").exists());
    assert!(place.path("artifacts/my-letters/runs/lecture/model.onnx").exists());
    // A tenth is held out of a text of one's own.
    let runs = alone(&folder, "carve", &["runs", "--json"]).success().json();
    assert!(runs["best_validation_loss"].as_f64().unwrap() > 1.0, "{runs}");
}

#[test]
fn folders_and_standard_input_are_texts_too() {
    let place = Workplace::new();
    place.write("letters/a.txt", &story()[..6_000]);
    place.write("letters/b.txt", &story()[6_000..12_000]);
    place.carve(&[&["train", place.path("letters").to_str().unwrap()], &MOMENT[..]].concat()).success();
    assert!(place.path("letters/model.onnx").exists());

    let piped = |words: &[&str]| {
        let input = fs::File::open(place.write("piped.txt", &story()[..12_000])).unwrap();
        place.run(binary("carve").args(["train", "-"]).args(MOMENT).args(words).stdin(input))
    };
    piped(&["--name", "from-a-pipe"]).success();
    assert!(place.path("from-a-pipe/model.onnx").exists());
    let nameless = piped(&[]);
    assert_eq!((nameless.code, nameless.stderr.contains("--name")), (2, true), "{}", nameless.stderr);
}

/// What is wrong, the words, the code, and what has to be said.
type Refusal = (&'static str, &'static [&'static str], i32, &'static str);

#[test]
fn what_can_be_checked_is_refused_before_any_work() {
    let cases: &[Refusal] = &[
        ("a misspelt recipe", &["--recipe", "modren"], 2, "modern"),
        ("a misspelt field", &["--set", "model.hiden=3"], 2, "hiden"),
        ("a misspelt flag", &["--epoch", "3"], 2, "--epochs"),
        ("no epochs", &["--epochs", "0"], 2, "0"),
        ("a temperature below zero", &["--set", "samples.temperatures=[-1]"], 2, "temperature"),
        ("no duration", &["--time-budget", "soon"], 2, "cannot parse \"soon\" as a duration"),
        ("a negative duration", &["--time-budget", "-1"], 2, "as a duration"),
        ("a negative seed", &["--seed", "-1"], 2, "-1"),
        ("shares beyond the whole", &["--split", "-10/110"], 2, "-10/110"),
        ("a name of the program's own", &["--name", "dist"], 2, "choose another name"),
        ("a name that leads elsewhere", &["--name", "../tale"], 2, "../tale"),
        ("a network beyond all memory", &["--set", "model.hidden=1000000000"], 2, "memory"),
        ("no checkpoint to start from", &["--init-from", "nowhere"], 3, "nowhere"),
        ("nothing to resume", &["--resume"], 2, "train one first"),
        ("a missing file", &["--name", "missing", "nowhere.txt"], 3, "nowhere.txt"),
    ];
    let (place, text) = tale(12_000);
    for (what, words, code, said) in cases {
        let finished = place.carve(&[&["train", text.to_str().unwrap()], *words].concat());
        assert_eq!(finished.code, *code, "{what}: {}", finished.stderr);
        assert!(finished.stderr.contains(said), "{what} should say {said:?}: {}", finished.stderr);
        assert_eq!(place.files("."), ["tale.txt"], "{what} leaves nothing");
    }
    let finished = place.carve(&["train", text.to_str().unwrap(), "--device", "cuda"]);
    assert!(finished.code == 1 && finished.stderr.contains("cuda"), "this build has no GPU: {}", finished.stderr);
    assert_eq!(place.files("."), ["tale.txt"]);
}

#[test]
fn programs_are_told_of_a_training_line_by_line() {
    let (place, text) = tale(12_000);
    let words = ["train", text.to_str().unwrap(), "--recipe", "lecture", "--epochs", "2", "--sample-length", "9"];
    let finished = place.carve(&[&words[..], &["--json", "--quiet"]].concat()).success();
    assert_eq!(finished.stderr, "", "--quiet");
    let events = finished.json_lines();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    for name in ["started", "step", "evaluated", "checkpoint", "sample", "finished"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert_eq!(names.iter().filter(|name| **name == "evaluated").count(), 2, "one per epoch");
    let outcome = finished.outcome();
    assert_eq!((&outcome["event"], &outcome["is_best"]), (&"outcome".into(), &true.into()));
    assert!(outcome["text"].as_str().unwrap().chars().count() >= 400, "{outcome}");
    assert!(Path::new(outcome["model"].as_str().unwrap()).exists(), "{outcome}");
}

#[test]
fn plain_lines_tell_of_every_epoch_where_there_is_no_terminal() {
    let (place, text) = tale(12_000);
    let words = ["train", text.to_str().unwrap(), "--recipe", "lecture", "--epochs", "2", "--sample-length", "0"];
    let stderr = place.carve(&words).success().stderr;
    for part in ["tale: 10800 characters to train on", "epoch 1/2", "epoch 2/2", "best validation loss", "checked: "] {
        assert!(stderr.contains(part), "{part:?} in {stderr}");
    }
    assert!(!stderr.contains('\u{1b}'), "no control sequences: {stderr}");
}

#[test]
fn the_best_model_stays_in_its_place() {
    let (place, text) = tale(12_000);
    let train = |words: &[&str]| {
        let always = ["train", text.to_str().unwrap(), "--recipe", "lecture", "--sample-length", "0"];
        let epochs: &[&str] = if words.contains(&"--epochs") { &[] } else { &["--epochs", "1"] };
        let finished = place.carve(&[&always[..], epochs, words].concat()).success();
        (finished.stderr, fs::read(place.path("tale/model.onnx")).unwrap())
    };
    let (said, good) = train(&["--run", "good"]);
    assert!(said.contains("from run good"), "{said}");
    let (said, after) = train(&["--run", "bad", "--set", "optimizer.learning_rate=1e-30"]);
    assert!(good == after && said.contains("run good is better") && said.contains("--run bad"), "{said}");
    let bad = fs::read(place.path("tale/runs/bad/model.onnx")).unwrap();
    assert!(bad != good, "each run keeps its own model");
    let (said, _) = train(&["--run", "longer", "--epochs", "3"]);
    assert!(said.contains("from run longer"), "{said}");

    place.carve(&["export", "--dataset", "tale", "--run", "bad"]).success();
    assert!(fs::read(place.path("tale/model.onnx")).unwrap() == bad, "whoever asks gets it");

    // Prepared anew, the old losses say nothing.
    let (said, _) = train(&["--run", "lower", "--lowercase", "--set", "optimizer.learning_rate=1e-30"]);
    assert!(said.contains("from run lower"), "{said}");
    let other = place.carve(&["evaluate", "--dataset", "tale", "--run", "good"]);
    assert_eq!(other.code, 2, "the text is another now: {}", other.stderr);
}

#[test]
fn two_trainers_of_one_new_run_do_not_harm_each_other() {
    let (place, text) = tale(12_000);
    place.carve(&["prepare", text.to_str().unwrap()]).success();
    let start = |words: &[&str]| {
        let mut command = binary("carve");
        command.arg("--artifacts").arg(place.path(".")).args(["train", "--dataset", "tale"]).args(MOMENT).args(words);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    for round in 0..5 {
        let name = format!("round-{round}");
        let mut codes =
            [(); 2].map(|()| start(&["--run", &name])).map(|mut child| child.wait().unwrap().code().unwrap());
        codes.sort_unstable();
        assert_eq!(codes[0], 0, "one trains: {codes:?}");
        assert!([2, 6].contains(&codes[1]), "the other is refused: {codes:?}");
        assert!(place.path(&format!("tale/runs/{name}/metrics.jsonl")).exists(), "and harms nothing");
    }
    for mut child in [(); 2].map(|()| start(&[])) {
        assert!(child.wait().unwrap().success(), "without a name, each gets one of its own");
    }
    let runs: BTreeSet<_> =
        place.files("tale/runs").iter().map(|file| file.split('/').next().unwrap().to_string()).collect();
    assert!(runs.contains("lecture") && runs.contains("lecture-2"), "{runs:?}");
    assert!(runs.iter().all(|run| !run.starts_with('.')), "nothing half-made is left: {runs:?}");
}

#[test]
fn a_failed_import_leaves_nothing() {
    let place = Workplace::new();
    let file = place.write("module.safetensors", "not one");
    for words in [["--dataset", "nope"], ["--dataset", "sea-story"]] {
        let finished = place.carve(&[&["import", file.to_str().unwrap()], &words[..]].concat());
        assert_eq!(finished.code, 3, "{}", finished.stderr);
        assert!(finished.stderr.contains(words[1]), "{}", finished.stderr);
        assert_eq!(place.files("."), ["module.safetensors"]);
        assert_eq!(fs::read_dir(place.path(".")).unwrap().count(), 1, "no empty folder either");
    }
}

#[cfg(unix)]
#[test]
fn xtask_passes_words_codes_and_signals_on() {
    let (place, text) = tale(12_000);
    let xtask = |words: &[&str]| place.run(binary("xtask").args(words));
    let help = xtask(&["train", "--help"]).success().stdout;
    assert!(help.contains("cargo xtask train letters.txt"), "{help}");
    let unknown = xtask(&["train", "--dataset", "moby-duck"]);
    assert_eq!((unknown.code, unknown.stderr.contains("moby-duck")), (2, true), "{}", unknown.stderr);
    assert_eq!(xtask(&["prepare", "nowhere.txt"]).code, 3);

    for name in ["INT", "TERM", "HUP"] {
        let mut command = binary("xtask");
        let binaries = Path::new(binary("carve").get_program()).parent().unwrap().to_owned();
        command.env("SCRIMSHAW_ARTIFACTS", place.path(".")).env("SCRIMSHAW_BINARIES", binaries);
        command.args(["train", text.to_str().unwrap(), "--recipe", "lecture"]);
        command.args(["--run", name, "--set", "checkpoints.steps=1"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let checkpoints = place.path(&format!("tale/runs/{name}/checkpoints"));
        while fs::read_dir(&checkpoints).map_or(0, Iterator::count) < 2 {
            sleep(Duration::from_millis(1));
        }
        signal(name, child.id());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "SIG{name}: {stderr}");
        assert!(stderr.contains("--resume"), "SIG{name}: {stderr}");
    }
}

#[test]
fn a_gpu_without_its_compiler_is_refused_before_compiling() {
    let finished = finish(binary("xtask").args(["train", "--device", "cuda"]).env("PATH", ""));
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    assert!(finished.stderr.contains("nvcc"), "{}", finished.stderr);
}

#[cfg(unix)]
#[test]
fn a_second_signal_ends_the_program_at_once() {
    let place = Workplace::new();
    let mut command = binary("carve");
    command.arg("--artifacts").arg(place.path(".")).args(["prepare", "-", "--name", "endless"]);
    // Standard input stays open and says nothing: the first signal alone waits for it.
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !place.path("endless/shards/.lock").exists() {
        sleep(Duration::from_millis(1));
    }
    let input = child.stdin.take();
    signal("INT", child.id());
    let mut said = [0; 9];
    std::io::Read::read_exact(child.stderr.as_mut().unwrap(), &mut said).unwrap();
    assert_eq!(&said, b"\nstopping");
    signal("INT", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(input);
}

/// The commands that a program's help lists.
fn commands(help: &str) -> Vec<&str> {
    let lines = help.lines().skip_while(|line| !line.starts_with("Commands")).skip(1);
    let lines = lines.take_while(|line| line.starts_with("  ")).filter_map(|line| line.strip_prefix("  "));
    // Further lines of a description are indented more.
    lines.filter(|line| !line.starts_with(' ')).filter_map(|line| line.split_whitespace().next()).collect()
}

#[test]
fn xtask_lists_the_commands_of_both() {
    let place = Workplace::new();
    let carve = place.carve(&["--help"]).success().stdout;
    let xtask = place.run(binary("xtask").arg("--help")).success().stdout;
    let listed = &xtask[xtask.find("Commands of carve").unwrap()..];
    let (mut ours, mut theirs) = (commands(&carve), commands(listed));
    ours.retain(|command| *command != "help");
    assert!(ours.len() > 10, "{ours:?}");
    ours.sort_unstable();
    theirs.sort_unstable();
    assert_eq!(theirs, ours);
    for command in ["check", "test", "dist", "bench"] {
        assert!(xtask.contains(&format!("  {command} ")), "{command} in {xtask}");
    }
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let place = Workplace::new();
    let help = place.carve(&["--help"]).success().stdout;
    let commands = commands(&help);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = place.carve(&["completions", shell]).success().stdout;
        for part in commands.iter().chain(&["--time-budget", "--strip-gutenberg"]) {
            assert!(script.contains(part.trim_start_matches('-')), "{part} in the completions for {shell}");
        }
    }
    assert!(place.carve(&["man"]).success().stdout.contains(".TH carve"));
    let pages = place.path("pages");
    place.carve(&["man", pages.to_str().unwrap()]).success();
    let pages = place.files("pages");
    for command in commands.iter().filter(|command| **command != "help") {
        assert!(pages.contains(&format!("carve-{command}.1")), "{command} in {pages:?}");
    }
}

#[test]
fn the_documents_show_commands_that_exist() {
    let place = Workplace::new();
    let mut seen = 0;
    for page in ["README.md", "CONTRIBUTING.md", "docs/pytorch.md", "docs/expected-losses.md", "datasets/README.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        for line in text.lines().filter_map(|line| line.strip_prefix("    ")) {
            let line = line.split(" # ").next().unwrap().split("&&").next().unwrap();
            let mut words = line.split_whitespace();
            let (program, command) = match (words.next(), words.next(), words.next()) {
                (Some("cargo"), Some("xtask"), Some(command)) => ("xtask", command),
                (Some("carve"), Some(command), _) => ("carve", command),
                _ => continue,
            };
            seen += 1;
            let mut help = vec![command, "--help"];
            if command == "bench" {
                help.insert(1, line.split_whitespace().nth(3).unwrap());
            }
            let help = place.run(binary(program).args(&help)).success().stdout;
            for flag in line.split_whitespace().take_while(|word| *word != "--").filter(|word| word.starts_with("--")) {
                assert!(help.contains(flag), "{page}: {flag} of {line:?} in {help}");
            }
        }
    }
    assert!(seen > 10, "{seen} commands");
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_heard_enough_is_no_failure() {
    let place = Workplace::new();
    let script = format!("'{}' datasets | head -n 1; echo ${{PIPESTATUS[0]}}", binary("carve").get_program().display());
    let finished = place.run(Command::new("bash").args(["-c", &script])).success();
    assert_eq!(finished.stdout, "enwik8\n0\n", "{}", finished.stderr);
}
