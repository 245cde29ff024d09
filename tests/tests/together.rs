//! Two at once: one waits for the other or is told to, and both leave whole files.

#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use end_to_end::trace::{is_possible, under};
use end_to_end::{Finished, Workplace, binary, finish, signal, skip, story};

const CANNOT_WRITE: i32 = 5;
const BUSY: i32 = 6;

/// A text that is prepared under the name `tale`.
fn tale() -> Workplace {
    let place = Workplace::new();
    place.write("tale.txt", &story()[..6_000]);
    place.write("other.txt", &story()[6_000..14_000]);
    finish(&mut carve(&place, &["prepare", "tale.txt", "--name", "tale", "--split", "90/10"])).success();
    place
}

fn carve(place: &Workplace, words: &[&str]) -> Command {
    let mut command = binary("carve");
    command.args(words).current_dir(place.path(".")).env("SCRIMSHAW_ARTIFACTS", ".").stdin(Stdio::null());
    command
}

/// A training of a small network, with a checkpoint at every step.
fn train(place: &Workplace, run: &str, epochs: &str) -> Command {
    let mut command = carve(place, &["train", "--dataset", "tale", "--run", run, "--epochs", epochs]);
    command.args(["--recipe", "char-rnn", "--device", "cpu", "--sample-length", "0"]);
    for assignment in ["model.hidden=6", "batch=4", "checkpoints.steps=1", "checkpoints.keep=1"] {
        command.args(["--set", assignment]);
    }
    command
}

fn resume(place: &Workplace, run: &str) -> Command {
    carve(place, &["train", "--dataset", "tale", "--run", run, "--resume"])
}

/// A program at work, killed when the test ends.
struct Working(Option<Child>);

impl Working {
    fn start(mut command: Command) -> Self {
        Self(Some(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()))
    }

    fn id(&self) -> u32 {
        self.0.as_ref().unwrap().id()
    }

    fn end(mut self) -> Finished {
        let output = self.0.take().unwrap().wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Finished { code: output.status.code().unwrap_or(-1), stdout: String::new(), stderr }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until a run has a checkpoint past its start.
fn wait_for_steps(working: &mut Working, run: &Path) {
    while steps(run) < 2 {
        assert!(working.0.as_mut().unwrap().try_wait().unwrap().is_none(), "it ended early");
        sleep(Duration::from_millis(2));
    }
}

fn steps(run: &Path) -> u64 {
    end_to_end::stage::newest(run).map_or(0, |(step, _)| step)
}

/// Holds a refusal against its code and what it has to say.
fn assert_refused(finished: &Finished, code: i32, parts: &[&str]) {
    assert_eq!(finished.code, code, "{}", finished.stderr);
    for part in parts {
        assert!(finished.stderr.contains(part), "{:?} should say {part:?}", finished.stderr);
    }
}

fn run_folder(place: &Workplace, run: &str) -> PathBuf {
    place.path("tale/runs").join(run)
}

#[test]
fn one_of_two_trainers_gets_a_new_name_and_the_other_is_told_who_has_it() {
    let place = tale();
    let (one, other) = (Working::start(train(&place, "run", "2")), Working::start(train(&place, "run", "2")));
    let ids = [one.id().to_string(), other.id().to_string()];
    let finished = [one.end(), other.end()];
    let winner = finished.iter().position(|finished| finished.code == 0).expect("one trains");
    let loser = &finished[1 - winner];
    // Busy while the other trains; once it has finished, the name is simply taken.
    match loser.code {
        BUSY => assert_refused(loser, BUSY, &["another trainer", &ids[winner], "--run"]),
        code => assert_refused(loser, 2, &[if code == 2 { "exists already" } else { "busy" }, "--resume"]),
    }
    finish(&mut resume(&place, "run")).success();
    assert!(place.path("tale/model.onnx").exists());
    let runs: Vec<_> = fs::read_dir(place.path("tale/runs")).unwrap().map(|run| run.unwrap().file_name()).collect();
    assert_eq!(runs, ["run"], "nothing is left of the other");
}

#[test]
fn a_run_is_resumed_once_and_the_lock_of_a_killed_trainer_is_in_nobodys_way() {
    let place = tale();
    let mut first = Working::start(train(&place, "run", "300"));
    wait_for_steps(&mut first, &run_folder(&place, "run"));
    let id = first.id().to_string();
    let told = ["another trainer", &format!("process {id}"), "wait until it has finished"];
    assert_refused(&finish(&mut resume(&place, "run")), BUSY, &told);
    // The same name for a new run is as busy.
    assert_refused(&finish(&mut train(&place, "run", "1")), BUSY, &told);
    signal("KILL", first.id());
    first.end();
    assert_eq!(
        fs::read_to_string(run_folder(&place, "run").join("lock")).unwrap().trim(),
        id,
        "what the killed one left"
    );

    let one = Working::start(resume(&place, "run"));
    let other = Working::start(resume(&place, "run"));
    let both = [one.id(), other.id()];
    // The one that was refused ends; the other one trains until it is asked to stop.
    let (mut one, mut other) = (one, other);
    let refused = loop {
        let mut ended = [&mut one, &mut other].map(|working| working.0.as_mut().unwrap().try_wait().unwrap().is_some());
        if let Some(index) = ended.iter_mut().position(|ended| *ended) {
            break index;
        }
        sleep(Duration::from_millis(5));
    };
    signal("TERM", both[1 - refused]);
    let mut finished = [one.end(), other.end()];
    assert_refused(&finished[refused], BUSY, &["another trainer", &both[1 - refused].to_string()]);
    assert_refused(&finished[1 - refused], 130, &["--resume"]);
    finished.reverse();
}

#[test]
fn two_prepares_of_one_name_leave_one_of_the_two_texts() {
    let place = tale();
    // One waits for its input, so that the other comes in the middle.
    let mut waiting = carve(&place, &["prepare", "-", "--name", "tale", "--split", "90/10"]);
    let mut waiting = waiting.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let id = waiting.id().to_string();
    while fs::read_to_string(place.path("tale/shards/.lock")).unwrap_or_default().trim() != id {
        sleep(Duration::from_millis(2));
    }
    let prepare = ["prepare", "other.txt", "--name", "tale", "--split", "90/10"];
    let told = ["another prepare", &format!("process {id}"), "wait until it has finished"];
    assert_refused(&finish(&mut carve(&place, &prepare)), BUSY, &told);
    assert_eq!(tokens(&place), 6_000, "the old text is there until the new one is");
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    finish(&mut carve(&place, &prepare)).success();
    assert_eq!(tokens(&place), 8_000);

    for round in 0..3 {
        let texts = ["tale.txt", "other.txt"];
        let both = texts.map(|text| {
            let words = ["prepare", text, "--name", "tale", "--split", "90/10", "--force"];
            Working::start(carve(&place, &words))
        });
        let codes = both.map(|working| working.end().code);
        assert!(codes.contains(&0) && codes.iter().all(|code| [0, BUSY].contains(code)), "round {round}: {codes:?}");
        assert!([6_000, 8_000].contains(&tokens(&place)));
        let names = fs::read_dir(place.path("tale/shards")).unwrap().count();
        assert_eq!(names, 4, "lock, index, and two shards");
    }
}

/// Tokens of the prepared text, all of them sound.
fn tokens(place: &Workplace) -> u64 {
    let corpus = corpus::Corpus::open(&place.path("tale/shards")).unwrap();
    corpus.verify().unwrap();
    corpus.index().tokens
}

/// What happens to the text.
type Change = fn(&Workplace);

/// The trainer has its shards in memory, so the same weights come of it whatever happens to the files.
#[test]
fn a_training_sees_the_text_that_it_began_with() {
    let place = tale();
    finish(&mut train(&place, "undisturbed", "4")).success();
    let undisturbed = model(&place, "undisturbed");
    let cases: [(&str, Change); 2] = [
        ("prepared-anew", |place| {
            finish(&mut carve(place, &["prepare", "other.txt", "--name", "tale", "--split", "90/10"])).success();
        }),
        ("removed", |place| fs::remove_dir_all(place.path("tale/shards")).unwrap()),
    ];
    for (run, change) in cases {
        let mut training = Working::start(train(&place, run, "4"));
        wait_for_steps(&mut training, &run_folder(&place, run));
        signal("STOP", training.id());
        change(&place);
        signal("CONT", training.id());
        training.end().success();
        assert!(model(&place, run) == undisturbed, "{run}: another model");
        assert!(run_folder(&place, run).join("model.onnx").exists());
        // To go on with it takes the text as it was.
        let resumed = finish(&mut resume(&place, run));
        assert!([2, 3].contains(&resumed.code), "{}", resumed.stderr);
        assert!(resumed.stderr.contains("prepare"), "{}", resumed.stderr);
        finish(&mut carve(&place, &["prepare", "tale.txt", "--name", "tale", "--split", "90/10"])).success();
        finish(&mut resume(&place, run)).success();
    }
}

fn model(place: &Workplace, run: &str) -> Vec<u8> {
    let (_, checkpoint) = end_to_end::stage::newest(&run_folder(place, run)).unwrap();
    fs::read(checkpoint.join("model.safetensors")).unwrap()
}

#[test]
fn a_run_that_is_removed_under_its_trainer_stays_removed() {
    let place = tale();
    for replaced in [false, true] {
        let mut training = Working::start(train(&place, "run", "300"));
        wait_for_steps(&mut training, &run_folder(&place, "run"));
        signal("STOP", training.id());
        fs::remove_dir_all(run_folder(&place, "run")).unwrap();
        if replaced {
            finish(&mut train(&place, "run", "1")).success();
        }
        let before = place.files("tale/runs");
        signal("CONT", training.id());
        assert_refused(&training.end(), CANNOT_WRITE, &["was removed or replaced", "start the run again"]);
        assert_eq!(place.files("tale/runs"), before, "replaced: {replaced}");
        finish(&mut train(&place, if replaced { "third" } else { "second" }, "1")).success();
        fs::remove_dir_all(place.path("tale/runs")).unwrap();
    }
}

#[test]
fn exports_under_a_training_are_whole() {
    let place = tale();
    let mut training = Working::start(train(&place, "run", "400"));
    wait_for_steps(&mut training, &run_folder(&place, "run"));
    for _ in 0..4 {
        finish(&mut carve(&place, &["export", "--dataset", "tale", "--run", "run", "--output", "tale.onnx"])).success();
        let words = ["--model", "tale.onnx", "--length", "5", "--seed", "1"];
        finish(binary("scrimshaw").args(words).current_dir(place.path("."))).success();
    }
    assert!(training.0.as_mut().unwrap().try_wait().unwrap().is_none(), "the training went on meanwhile");
}

#[test]
fn twenty_samplers_share_a_bundle_that_is_made_anew_under_them() {
    let place = tale();
    finish(&mut train(&place, "run", "1")).success();
    let bundle = || {
        let words = ["bundle", "--model", "tale/model.onnx", "--output", "pirate"];
        finish(binary("scrimshaw").args(words).current_dir(place.path("."))).success();
    };
    bundle();
    let start = || {
        let mut command = Command::new(place.path("pirate"));
        command
            .args(["--length", "200", "--seed", "3", "--threads", "1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let samplers: Vec<Child> = (0..20).map(|_| start()).collect();
    bundle();
    let texts: Vec<String> = samplers
        .into_iter()
        .map(|sampler| {
            let output = sampler.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        })
        .collect();
    assert!(texts[0].chars().count() >= 200 && texts.iter().all(|text| *text == texts[0]), "{texts:?}");
}

/// A file system without locks, such as some network file systems: every attempt to lock fails.
#[test]
fn a_lock_is_made_where_the_file_system_has_none() {
    if !is_possible() {
        return skip("strace is not there, or may not look at programs");
    }
    let place = tale();
    for error in ["ENOSYS", "ENOLCK"] {
        let inject = format!("inject=flock:error={error}");
        let arguments = ["-f", "-qq", "-o", "/dev/null", "-e", "trace=flock", "-e", &inject];
        let without_locks = |command: Command| under("strace", &arguments, &command);
        let mut training = Working::start(without_locks(train(&place, error, "300")));
        let run = run_folder(&place, error);
        wait_for_steps(&mut training, &run);
        let held = run.join("lock.held");
        let trainer = fs::read_to_string(&held).unwrap().trim().to_owned();
        let told = ["another trainer", &trainer, "this file system has no locks", "lock.held"];
        assert_refused(&finish(&mut without_locks(resume(&place, error))), BUSY, &told);
        signal("TERM", trainer.parse().unwrap());
        training.end();
        assert!(!held.exists(), "a trainer that ends takes its lock away");

        // The lock of a killed one stays, and the message says what to do.
        let mut training = Working::start(without_locks(resume(&place, error)));
        let reached = steps(&run);
        while steps(&run) <= reached {
            assert!(training.0.as_mut().unwrap().try_wait().unwrap().is_none(), "it ended early");
            sleep(Duration::from_millis(2));
        }
        let trainer: u32 = fs::read_to_string(&held).unwrap().trim().parse().unwrap();
        signal("KILL", trainer);
        training.end();
        let refused = finish(&mut without_locks(resume(&place, error)));
        assert_refused(&refused, BUSY, &["if that process is gone, delete", "lock.held"]);
        fs::remove_file(&held).unwrap();
        let prepare = ["prepare", "tale.txt", "--name", "tale", "--split", "90/10", "--force"];
        finish(&mut without_locks(carve(&place, &prepare))).success();
        assert!(!place.path("tale/shards/.lock.held").exists());
    }
}

/// The clock of the day jumps forwards and backwards under a training with a time budget, which counts by another clock.
#[test]
fn a_clock_that_jumps_changes_no_budget() {
    let printed = Command::new("faketime").args(["-f", "+0", "env"]).output();
    let printed = printed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let Some(library) = printed.lines().find_map(|line| line.strip_prefix("LD_PRELOAD=")) else {
        return skip("faketime is not there");
    };
    let place = tale();
    let clock = place.write("clock", "+0\n");
    let mut command = train(&place, "run", "1");
    let words: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    command = binary("carve");
    command.current_dir(place.path(".")).env("SCRIMSHAW_ARTIFACTS", ".");
    let budget = words.iter().position(|word| word == "--epochs").unwrap();
    command.args(&words[..budget]).args(["--time-budget", "2s", "--json"]).args(&words[budget + 2..]);
    command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", &clock);
    command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut jumps = ["+400d", "-4000d", "+0", "-3h", "+9000d"].iter().cycle();
    let outcome = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| child.wait_with_output().unwrap());
        while !waiting.is_finished() {
            let next = place.write("next", format!("{}\n", jumps.next().unwrap()));
            fs::rename(next, &clock).unwrap();
            sleep(Duration::from_millis(100));
        }
        waiting.join().unwrap()
    });
    let (stdout, stderr) = (String::from_utf8_lossy(&outcome.stdout), String::from_utf8_lossy(&outcome.stderr));
    assert!(outcome.status.success(), "{stderr}");
    let last: serde_json::Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    // A jump by days would end the training at once, or never.
    let elapsed = last["elapsed"].as_f64().unwrap();
    assert!(elapsed > 1.0 && elapsed < 3_600.0, "{elapsed} seconds of training: {stdout}");
    finish(&mut resume(&place, "run")).success();
    assert!(finish(&mut carve(&place, &["runs"])).success().stdout.contains("run"));
}
