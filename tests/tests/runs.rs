//! Runs that nothing can lose: killed, stopped, damaged, mistaken for another, and gone on with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use end_to_end::{Finished, Workplace, binary, signal, story};
use serde_json::Value;

/// A recipe with everything that a checkpoint has to hold: carried states, dropout, both moments of the optimizer, averages,
/// accumulated gradients, a schedule that depends on the evaluations.
const EVERYTHING: [&str; 14] = [
    "model.hidden=24",
    "model.layers=2",
    "batch=4",
    "accumulate=2",
    "streams.time=20",
    "optimizer.kind=adamw",
    "optimizer.learning_rate=0.01",
    "optimizer.weight_decay=0.01",
    "schedule.kind=plateau",
    "schedule.patience=0",
    "schedule.factor=0.5",
    "dropout.output=0.2",
    "dropout.recurrent=0.1",
    "average.decay=0.9",
];

/// `carve train` on the text `tale` with these words.
fn trainer(place: &Workplace, run: &str, words: &[&str]) -> Command {
    let mut trainer = binary("carve");
    trainer.arg("--artifacts").arg(place.path("."));
    trainer.args(["train", "--dataset", "tale", "--run", run, "--device", "cpu", "--json"]).args(words);
    trainer
}

/// The folder of a run.
fn folder(place: &Workplace, run: &str) -> PathBuf {
    place.path("tale/runs").join(run)
}

/// The words of a run with everything, `epochs` long.
fn everything(epochs: &'static str) -> Vec<&'static str> {
    let sets = EVERYTHING.iter().flat_map(|assignment| ["--set", *assignment]);
    let checkpoints = ["--set", "checkpoints.steps=3", "--set", "samples.every=1"];
    let rest = ["--recipe", "char-rnn", "--epochs", epochs, "--sample-length", "5", "--seed", "7"];
    sets.chain(checkpoints).chain(rest).collect()
}

/// A short text, prepared under the name `tale`, a tenth of it held out.
fn tale(characters: usize) -> Workplace {
    let place = Workplace::new();
    let text = place.write("tale.txt", &story()[..characters]);
    prepare(&place, &text, "tale");
    place
}

fn prepare(place: &Workplace, text: &Path, name: &str) {
    let words = ["prepare", "--input", text.to_str().unwrap(), "--name", name, "--split", "90/10/0"];
    place.carve(&words).success();
}

/// Steps of the newest checkpoint of a run, 0 if there is none.
fn steps(run: &Path) -> u64 {
    let entries = fs::read_dir(run.join("checkpoints")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).max().unwrap_or(0)
}

/// Everything that has to be the same, by name.
fn results(run: &Path) -> Vec<(String, Vec<u8>)> {
    let last = format!("checkpoints/{:08}", steps(run));
    let files = ["model.safetensors", "training.safetensors", "card.json"].map(|file| format!("{last}/{file}"));
    let read = |file: String| (file.clone(), fs::read(run.join(&file)).unwrap());
    let files = files.into_iter().chain(["metrics.jsonl".into(), "best.json".into()]).map(read);
    files.chain([("progress.jsonl".into(), progress(run))]).collect()
}

/// The samples along the way, without the time at which they were taken.
fn progress(run: &Path) -> Vec<u8> {
    let text = fs::read_to_string(run.join("progress.jsonl")).unwrap();
    let mut samples: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for sample in &mut samples {
        assert!(sample.as_object_mut().unwrap().remove("elapsed").is_some(), "{sample}");
    }
    serde_json::to_vec(&samples).unwrap()
}

fn assert_same(found: &Path, expected: &Path) {
    for ((file, found), (name, expected)) in results(found).into_iter().zip(results(expected)) {
        assert_eq!(file, name, "the same steps");
        assert!(found == expected, "{file} differs from that of a run that nothing disturbed");
    }
}

fn quiet(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn fifty_kills_change_no_bit() {
    const KILLS: u64 = 50;
    let place = tale(12_000);
    place.run(&mut trainer(&place, "undisturbed", &everything("12"))).success();
    let (undisturbed, killed) = (folder(&place, "undisturbed"), folder(&place, "killed"));
    let all = steps(&undisturbed);

    // Spread over the run, at moments that no one has chosen: a kill comes somewhere after a checkpoint.
    let mut child = quiet(trainer(&place, "killed", &everything("12")));
    for kill in 0..KILLS {
        while steps(&killed) < kill * all / (KILLS + 10) {
            assert!(child.try_wait().unwrap().is_none(), "ended before kill {kill}, at step {}", steps(&killed));
            sleep(Duration::from_millis(1));
        }
        sleep(Duration::from_micros(kill * 7_919 % 20_000));
        child.kill().unwrap();
        child.wait().unwrap();
        // Killed before it had written anything, a run has to be begun again.
        let begun = steps(&killed) > 0 || killed.join("checkpoints/00000000").exists();
        let words = if begun { vec!["--resume"] } else { everything("12") };
        if !begun {
            fs::remove_dir_all(&killed).ok();
        }
        child = quiet(trainer(&place, "killed", &words));
    }
    assert!(child.wait().unwrap().success());
    assert_same(&killed, &undisturbed);
    let samples = |run: &str| place.files(&format!("tale/runs/{run}/samples"));
    assert_eq!(samples("killed"), samples("undisturbed"));
}

#[test]
fn the_best_model_is_exported_and_not_the_last() {
    let place = Workplace::new();
    // What is held out is unlike the rest: validation gets worse from the first evaluation on.
    let text = place.write("tale.txt", "ab".repeat(400) + &"aabbbaab".repeat(25));
    let words = ["prepare", "--input", text.to_str().unwrap(), "--name", "tale", "--split", "80/20"];
    place.carve(&words).success();
    let sets = ["model.hidden=8", "model.layers=1", "batch=4", "streams.time=50", "optimizer.learning_rate=0.05"];
    let more = ["evaluation.steps=2", "checkpoints.keep=100"];
    let sets: Vec<&str> = sets.iter().chain(&more).flat_map(|set| ["--set", *set]).collect();
    let words = [&["--recipe", "char-rnn", "--epochs", "3", "--sample-length", "0"], &sets[..]].concat();
    let outcome = place.run(&mut trainer(&place, "run", &words)).success().outcome();
    let run = folder(&place, "run");
    let (best, last) = (outcome["checkpoint"].as_str().unwrap(), run.join(format!("checkpoints/{:08}", steps(&run))));
    assert_ne!(Path::new(best), last, "the test needs a best checkpoint that is not the last");
    assert!(last.exists());
    let export = |checkpoint: &str| {
        let file = place.path("exported.onnx");
        place.carve(&["export", "--checkpoint", checkpoint, "--output", file.to_str().unwrap()]).success();
        fs::read(file).unwrap()
    };
    for model in [run.join("model.onnx"), place.path("tale/model.onnx")] {
        let model = fs::read(model).unwrap();
        assert!(model == export(best), "it holds the best weights");
        assert!(model != export(last.to_str().unwrap()), "and not the last");
    }
}

#[cfg(unix)]
#[test]
fn a_run_that_is_asked_to_end_says_how_to_go_on() {
    let place = tale(12_000);
    place.run(&mut trainer(&place, "undisturbed", &everything("4"))).success();
    for name in ["INT", "TERM", "HUP"] {
        let run = folder(&place, name);
        let mut command = trainer(&place, name, &everything("4"));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        while steps(&run) < 10 {
            sleep(Duration::from_millis(1));
        }
        signal(name, child.id());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{stderr}");
        assert!(stderr.contains("--resume"), "{stderr}");
        place.run(&mut trainer(&place, name, &["--resume"])).success();
        assert_same(&run, &folder(&place, "undisturbed"));
    }
}

#[test]
fn a_finished_run_has_nothing_left_to_do() {
    let place = tale(8_000);
    place.run(&mut trainer(&place, "run", &everything("2"))).success();
    let before = results(&folder(&place, "run"));
    let again = place.run(&mut trainer(&place, "run", &["--resume"])).success();
    assert!(again.outcome()["best_loss"].as_f64().unwrap() > 1.0, "{}", again.stdout);
    assert!(results(&folder(&place, "run")) == before);
}

/// What is wrong, what is done about it, the words, the code and what has to be said.
type Case = (&'static str, fn(&Workplace), Vec<&'static str>, i32, &'static [&'static str]);

#[test]
fn runs_that_cannot_be_gone_on_with() {
    let cases: [Case; 8] = [
        ("another recipe", |_| {}, vec!["--resume", "--recipe", "lecture"], 2, &["another recipe", "lecture"]),
        ("another size", |_| {}, vec!["--resume", "--recipe", "char-rnn", "--set", "batch=9"], 2, &["another batch"]),
        ("another seed", |_| {}, vec!["--resume", "--seed", "8"], 2, &["another seed: 7, not 8"]),
        (
            "another text",
            |place| {
                let text = place.write("other.txt", &story()[9_000..17_000]);
                fs::remove_dir_all(place.path("tale/shards")).unwrap();
                prepare(place, &text, "tale");
            },
            vec!["--resume"],
            2,
            &["another text"],
        ),
        (
            "a checkpoint cut short",
            |place| {
                let file = checkpoint(place).join("training.safetensors");
                let bytes = fs::read(&file).unwrap();
                fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
            },
            vec!["--resume"],
            4,
            &["training.safetensors", "damaged", "the one before"],
        ),
        (
            "a checkpoint of a later version",
            |place| {
                let file = checkpoint(place).join("training.json");
                let mut json: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
                json["format_version"] = 99.into();
                fs::write(&file, json.to_string()).unwrap();
            },
            vec!["--resume"],
            3,
            &["format version 99"],
        ),
        (
            "no checkpoint",
            |place| fs::remove_dir_all(folder(place, "run").join("checkpoints")).unwrap(),
            vec!["--resume"],
            4,
            &["no checkpoint"],
        ),
        ("no run", |place| fs::remove_dir_all(folder(place, "run")).unwrap(), vec!["--resume"], 2, &["holds no run"]),
    ];
    for (what, damage, words, code, said) in cases {
        let place = tale(8_000);
        place.run(&mut trainer(&place, "run", &everything("1"))).success();
        damage(&place);
        check(what, &place.run(&mut trainer(&place, "run", &words)), code, said);
    }
}

fn checkpoint(place: &Workplace) -> PathBuf {
    let run = folder(place, "run");
    run.join(format!("checkpoints/{:08}", steps(&run)))
}

/// Holds a failure against the code it has to have and the words it has to say.
fn check(what: &str, finished: &Finished, code: i32, words: &[&str]) {
    assert_eq!(finished.code, code, "{what}: {}", finished.stderr);
    for word in words {
        assert!(finished.stderr.contains(word), "{what} should say {word:?}: {}", finished.stderr);
    }
    assert!(!finished.stdout.contains("\"event\":\"step\""), "{what} trains nothing: {}", finished.stdout);
}

#[test]
fn two_trainers_do_not_work_in_one_folder() {
    let place = tale(12_000);
    let mut first = quiet(trainer(&place, "run", &everything("200")));
    while steps(&folder(&place, "run")) == 0 {
        sleep(Duration::from_millis(1));
    }
    let second = place.run(&mut trainer(&place, "run", &["--resume"]));
    first.kill().unwrap();
    first.wait().unwrap();
    check("a second trainer", &second, 6, &["another trainer"]);
}

#[test]
fn what_cannot_be_trained() {
    let place = tale(8_000);
    let greek = place.write("greek.txt", "αβγδεζηθικ".repeat(500));
    prepare(&place, &greek, "greek");
    place.run(&mut trainer(&place, "run", &everything("1"))).success();
    let old = checkpoint(&place);
    let old = old.to_str().unwrap();
    let cases: [(&str, Vec<&str>, i32, &[&str]); 6] = [
        ("a wrong type", vec!["--set", "batch=many"], 2, &["batch", "invalid type"]),
        ("out of range", vec!["--set", "dropout.output=1.5"], 2, &["dropout.output is 1.5"]),
        ("an unknown field", vec!["--set", "model.hiden=3"], 2, &["hiden", "did you mean `hidden`"]),
        ("an unknown recipe", vec!["--recipe", "modren"], 2, &["modren", "modern"]),
        ("a batch beyond the text", vec!["--set", "batch=500"], 3, &["500 streams", "--set batch"]),
        ("no such checkpoint", vec!["--init-from", "nowhere"], 3, &["nowhere"]),
    ];
    for (what, words, code, said) in cases {
        check(what, &place.run(&mut trainer(&place, "bad", &words)), code, said);
        assert!(!folder(&place, "bad").exists(), "{what} leaves nothing");
    }
    let finished = place.carve(&["train", "--dataset", "greek", "--init-from", old]);
    check("nothing in common", &finished, 3, &["knows none of the 10 characters"]);
}

#[test]
fn a_training_that_diverges_keeps_what_was_good() {
    let place = tale(8_000);
    let words = ["--set", "optimizer.kind=sgd", "--set", "optimizer.learning_rate=1e6", "--set", "clipping.value=0"];
    let finished = place.run(&mut trainer(&place, "run", &words));
    let finished = Finished { stdout: String::new(), ..finished };
    check("a learning rate far too high", &finished, 1, &["diverged", "epoch 1", "optimizer.learning_rate"]);
    let (weights, run) = ("model.safetensors", folder(&place, "run"));
    let kept = fs::read(run.join(format!("checkpoints/{:08}/{weights}", steps(&run)))).unwrap();
    assert!(safe_to_use(&kept), "the kept weights are numbers");
}

/// Whether the f32 numbers at the end of a safetensors file are all finite.
fn safe_to_use(file: &[u8]) -> bool {
    let header = 8 + u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    file[header..].as_chunks::<4>().0.iter().all(|bytes| f32::from_le_bytes(*bytes).is_finite())
}

#[test]
fn training_ends_when_it_no_longer_helps_or_its_time_is_over() {
    let place = tale(8_000);
    // No learning rate at all: nothing ever gets better than the first evaluation.
    let still =
        ["--set", "evaluation.patience=2", "--set", "optimizer.learning_rate=1e-30", "--set", "evaluation.steps=2"];
    let words = [&everything("50")[..], &still].concat();
    let stopped = place.run(&mut trainer(&place, "still", &words)).success();
    assert!(stopped.stderr.contains("has not improved for 2 evaluations"), "{}", stopped.stderr);
    assert_eq!(stopped.outcome()["step"], 6);

    let mut words = everything("50");
    words.retain(|word| !["--epochs", "50"].contains(word));
    let timed = place.run(&mut trainer(&place, "timed", &[&words[..], &["--time-budget", "1s"]].concat())).success();
    assert!(timed.stderr.contains("1.0 s allow"), "{}", timed.stderr);
    let run = folder(&place, "timed");
    let file = run.join(format!("checkpoints/{:08}/training.json", steps(&run)));
    let position: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let plans = position["plans"].as_array().unwrap();
    assert_eq!(timed.outcome()["step"], plans.last().unwrap()["steps"], "{}", timed.stderr);
}

#[test]
fn modern_under_a_time_budget_is_killed_and_resumed_and_repeats_to_the_bit() {
    let place = tale(12_000);
    let sets = ["model.hidden=16", "model.layers=2", "batch=8", "streams.time=32", "checkpoints.steps=10"];
    let sets = sets.iter().flat_map(|assignment| ["--set", *assignment]);
    let words: Vec<&str> = sets.chain(["--time-budget", "3s", "--sample-length", "5", "--seed", "7"]).collect();
    let (killed, again) = (folder(&place, "killed"), folder(&place, "again"));
    let mut child = quiet(trainer(&place, "killed", &words));
    for kill in [10, 30, 60] {
        while steps(&killed) < kill {
            assert!(child.try_wait().unwrap().is_none(), "ended before step {kill}");
            sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        child = quiet(trainer(&place, "killed", &["--resume"]));
    }
    assert!(child.wait().unwrap().success());
    // Never stopped, by the plans of the run that was killed three times.
    place.run(&mut trainer(&place, "again", &["--repeat", "killed"])).success();
    assert_same(&again, &killed);
    let model = |run: &Path| fs::read(run.join("model.onnx")).unwrap();
    assert!(model(&again) == model(&killed), "the exported models differ");
    check(
        "what a repetition takes from the run",
        &place.run(&mut trainer(&place, "other", &["--repeat", "killed", "--seed", "8"])),
        2,
        &["--repeat", "--seed"],
    );
}

#[test]
fn a_trained_network_goes_on_with_another_text() {
    let place = tale(20_000);
    place.run(&mut trainer(&place, "run", &everything("6"))).success();
    let text = place.write("other.txt", story()[20_000..26_000].replace('e', "\u{e9}"));
    prepare(&place, &text, "tale2");
    let losses = |run: &str, words: &[&str]| {
        let train = ["train", "--dataset", "tale2", "--run", run, "--json"];
        let finished = place.carve(&[&train[..], &everything("1"), words].concat()).success();
        finished.outcome()["train_loss"].as_f64().unwrap()
    };
    let run = folder(&place, "run");
    let (new, tuned) = (losses("new", &[]), losses("tuned", &["--init-from", run.to_str().unwrap()]));
    assert!(tuned < new - 0.3, "{tuned} nats after training on a text alike, {new} without");
}

#[test]
fn a_split_is_measured_in_every_way() {
    let place = tale(8_000);
    place.run(&mut trainer(&place, "run", &everything("3"))).success();
    let measure = |words: &[&str]| place.carve(&[&["evaluate", "--dataset", "tale", "--json"], words].concat());
    for protocol in ["carried", "streams", "windows", "lecture", "dynamic"] {
        let measured = measure(&["--split", "validation", "--protocol", protocol]).success().json();
        let (nats, bits) = (measured["nats"].as_f64().unwrap(), measured["bits"].as_f64().unwrap());
        assert!((1.5..3.5).contains(&nats), "{protocol}: {measured}");
        assert!((bits - nats / std::f64::consts::LN_2).abs() < 1e-9, "{measured}");
    }
    let all = measure(&[]).success().stdout;
    assert_eq!(all.lines().count(), 2, "training and validation: {all}");
    check("a split that was not held out", &measure(&["--split", "test"]), 2, &["test", "--split 90/5/5"]);
}

#[test]
fn runs_are_listed() {
    let place = tale(8_000);
    let words = ["train", "--dataset", "tale", "--recipe", "char-rnn", "--epochs", "1", "--sample-length", "0"];
    place.carve(&words).success();
    let listed = place.carve(&["runs", "--json"]).success().json();
    assert_eq!((&listed["dataset"], &listed["run"]), (&"tale".into(), &"char-rnn".into()));
    assert_eq!(listed["state"], "finished");
    assert!(listed["best_validation_loss"].as_f64().unwrap() > 1.0, "{listed}");
    let people = place.carve(&["runs"]).success().stdout;
    assert!(people.contains("char-rnn") && people.contains("finished"), "{people}");
}

#[test]
fn an_int8_model_is_smaller_costs_little_and_writes_text() {
    let place = Workplace::new();
    let text = place.write("tale.txt", &story()[..6_000]);
    place.carve(&["prepare", "--input", text.to_str().unwrap(), "--name", "tale", "--split", "90/10"]).success();
    let words = ["--recipe", "char-rnn", "--epochs", "1", "--sample-length", "0", "--set", "model.hidden=48"];
    place.run(&mut trainer(&place, "run", &words)).success();
    let report = place.carve(&["export", "--dataset", "tale", "--quantize", "int8", "--json"]).success().json();
    let [small, large] = ["model-int8.onnx", "model.onnx"].map(|name| place.path(&format!("tale/{name}")));
    assert_eq!(report["file"], small.to_str().unwrap());
    let bytes = |path: &Path| fs::metadata(path).unwrap().len();
    assert!(bytes(&small) * 2 < bytes(&large), "{} and {} bytes", bytes(&small), bytes(&large));
    let nats = |field: &str| report["quantize"][field].as_f64().unwrap();
    assert!((nats("nats") - nats("nats_as_floats")).abs() < 0.005, "{report}");
    let write = |model: &Path| {
        let words = ["--model", model.to_str().unwrap(), "--length", "40", "--seed", "3"];
        place.scrimshaw(&words).success().stdout
    };
    assert_eq!(write(&small), write(&small));
    assert!(write(&small).chars().count() >= 40);
}
