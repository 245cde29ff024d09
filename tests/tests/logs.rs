//! Logs of a training for other programs: they say what the run's own records say, number for number, whatever disturbed the
//! training.
//!
//! TensorBoard's own reader is asked too, where `SCRIMSHAW_PYTHON` (or `python3`) has the package `tensorboard`.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use end_to_end::{Workplace, binary, root, skip, story};
use event_files::{EventFile, Value as Logged};
use serde_json::Value;

const LOGS: [&str; 4] = ["--log", "tensorboard", "--log", "csv"];

/// The numbers of a series by step.
type Series = BTreeMap<String, Vec<(u64, f64)>>;

fn prepared() -> Workplace {
    let place = Workplace::new();
    let text = place.write("tale.txt", &story()[..8_000]);
    let words = ["prepare", "--input", text.to_str().unwrap(), "--name", "tale", "--split", "90/10/0"];
    place.carve(&words).success();
    place
}

/// A training of 30 steps, an evaluation after every fourth and a checkpoint after every sixth.
fn trainer(place: &Workplace, run: &str, more: &[&str]) -> Command {
    let sets = ["model.hidden=16", "model.layers=1", "batch=6", "streams.time=75", "records.steps=2"];
    let more_sets = ["evaluation.steps=4", "checkpoints.steps=6", "samples.every=0", "records.progress=20"];
    let mut trainer = binary("carve");
    trainer.arg("--artifacts").arg(place.path("."));
    trainer.args(["train", "--dataset", "tale", "--run", run, "--device", "cpu", "--json", "--recipe", "char-rnn"]);
    trainer.args(["--epochs", "2", "--sample-length", "5"]);
    trainer.args(sets.iter().chain(&more_sets).flat_map(|set| ["--set", *set])).args(more);
    trainer
}

fn folder(place: &Workplace, run: &str) -> PathBuf {
    place.path("tale/runs").join(run)
}

fn event_file(run: &Path) -> PathBuf {
    let files: Vec<_> = fs::read_dir(run.join("tensorboard")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "one file goes on: {files:?}");
    files[0].clone()
}

fn lines(run: &Path, file: &str) -> Vec<Value> {
    fs::read_to_string(run.join(file)).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// One field of all lines of a record that have it, by step.
fn column(run: &Path, file: &str, field: &str) -> Vec<(u64, f64)> {
    let lines = lines(run, file);
    lines.iter().filter_map(|line| Some((line["step"].as_u64().unwrap(), line.get(field)?.as_f64().unwrap()))).collect()
}

/// What the run's own records say, under the tags of the event file. TensorBoard has 32 bits for a number.
fn recorded(run: &Path) -> Series {
    let series = [
        ("loss/step", "steps.jsonl", "loss"),
        ("optimizer/gradient_norm", "steps.jsonl", "gradient_norm"),
        ("optimizer/learning_rate", "steps.jsonl", "learning_rate"),
        ("speed/seconds_per_step", "steps.jsonl", "seconds"),
        ("loss/training", "metrics.jsonl", "train_loss"),
        ("loss/validation", "metrics.jsonl", "validation_loss"),
        ("speed/characters_per_second", "times.jsonl", "speed"),
    ];
    let round = |(step, number)| (step, f64::from(number as f32));
    series.map(|(tag, file, field)| (tag.into(), column(run, file, field).into_iter().map(round).collect())).into()
}

/// The text of the samples as it is shown: a line of code for each line.
fn samples(run: &Path) -> Vec<(u64, String)> {
    let text = |line: &Value| format!("{}{}", line["prompt"].as_str().unwrap(), line["text"].as_str().unwrap());
    let shown = |line: &Value| text(line).split('\n').map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n");
    lines(run, "progress.jsonl").iter().map(|line| (line["step"].as_u64().unwrap(), shown(line))).collect()
}

/// Holds both logs against the records.
fn check(run: &Path) {
    let mut series = Series::new();
    let mut texts = vec![];
    let readings = event_files::read(&event_file(run)).unwrap();
    for reading in &readings {
        match &reading.value {
            Logged::Scalar(number) => {
                series.entry(reading.tag.clone()).or_default().push((reading.step, f64::from(*number)));
            }
            Logged::Text(text) => texts.push((reading.step, text.clone())),
        }
    }
    assert_eq!(series, recorded(run));
    assert_eq!(texts, samples(run));
    assert!(readings.iter().all(|reading| reading.wall_time > 1.7e9), "seconds since 1970");

    let table = fs::read_to_string(run.join("log.csv")).unwrap();
    let mut rows = table.lines().map(|row| row.split(',').collect::<Vec<_>>());
    let header = rows.next().unwrap();
    let rows: Vec<Vec<&str>> = rows.collect();
    let fields = [
        ("steps.jsonl", &["loss", "gradient_norm", "seconds"][..]),
        ("metrics.jsonl", &["train_loss", "validation_loss"]),
        ("times.jsonl", &["speed"]),
    ];
    for (file, field) in fields.iter().flat_map(|(file, fields)| fields.iter().map(move |field| (file, field))) {
        let place = header.iter().position(|name| name == field).unwrap();
        let found = rows.iter().filter(|row| !row[place].is_empty());
        let found: Vec<(u64, f64)> = found.map(|row| (row[0].parse().unwrap(), row[place].parse().unwrap())).collect();
        assert_eq!(found, column(run, file, field), "{field}, to the last digit");
    }
    let steps: Vec<u64> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    assert!(steps.is_sorted(), "{steps:?}");
    let counted: Vec<&Vec<&str>> = rows.iter().filter(|row| row[2].is_empty() || row[4].is_empty()).collect();
    assert!(counted.is_empty(), "every row has characters and a learning rate: {counted:?}");
}

/// Lets TensorBoard read the event files.
fn check_with_tensorboard(run: &Path) {
    let named = env::var_os("SCRIMSHAW_PYTHON");
    let python = named.unwrap_or_else(|| "python3".into());
    let has_it = Command::new(&python).args(["-c", "import tensorboard"]).stderr(Stdio::null()).status();
    if !has_it.is_ok_and(|status| status.success()) {
        return skip("neither SCRIMSHAW_PYTHON nor python3 has the package tensorboard");
    }
    let script = root().join("tests/tests/logs/accumulate.py");
    let read = end_to_end::finish(Command::new(python).arg(script).arg(run.join("tensorboard"))).success().json();
    let series: Series = serde_json::from_value(read["scalars"].clone()).unwrap();
    assert_eq!(series, recorded(run));
    let texts: Vec<(u64, String)> = serde_json::from_value(read["texts"]["sample"].clone()).unwrap();
    assert_eq!(texts, samples(run));
    assert_eq!(read["plugins"]["sample"], "text");
}

#[test]
fn logs_say_what_the_records_say_also_after_a_kill() {
    let place = prepared();
    place.run(&mut trainer(&place, "undisturbed", &LOGS)).success();
    let run = folder(&place, "undisturbed");
    assert_eq!(column(&run, "steps.jsonl", "loss").len(), 15, "30 steps, every second one recorded");
    check(&run);
    check_with_tensorboard(&run);

    let run = folder(&place, "killed");
    let mut child = trainer(&place, "killed", &LOGS).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !run.join("checkpoints/00000008").exists() {
        assert!(child.try_wait().unwrap().is_none(), "ended before it was killed");
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // Steps that no checkpoint stands behind, and entries that the kill cut off.
    let events = event_file(&run);
    let mut later = EventFile::open(&events, u64::MAX).unwrap();
    later.scalars(1_000, 2e9, &[("loss/step", 9.0), ("loss/other", 9.0)]).unwrap();
    let append = |path: &Path, bytes: &[u8]| {
        fs::OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
    };
    let whole = fs::read(&events).unwrap();
    append(&events, &whole[whole.len() - 30..]);
    append(&run.join("log.csv"), b"1000,9,9,9,9,9,9,9,,,\n1001,9,9");
    place.run(&mut trainer(&place, "killed", &[&LOGS[..], &["--resume"]].concat())).success();
    check(&run);
    check_with_tensorboard(&run);
}

#[test]
fn a_log_that_is_asked_for_late_is_complete() {
    let place = prepared();
    let run = folder(&place, "late");
    place.run(&mut trainer(&place, "late", &[])).success();
    assert!(!run.join("tensorboard").exists() && !run.join("log.csv").exists());
    for _ in 0..2 {
        place.run(&mut trainer(&place, "late", &[&LOGS[..], &["--resume"]].concat())).success();
        check(&run);
    }
}

#[test]
fn what_is_no_log_stays_as_it_is_and_the_run_is_complete() {
    let place = prepared();
    let run = folder(&place, "mine");
    place.run(&mut trainer(&place, "mine", &["--set", "checkpoints.keep=1"])).success();
    for (format, file) in [("csv", "log.csv"), ("tensorboard", "tensorboard/events.out.tfevents.0.carve")] {
        fs::create_dir_all(run.join("tensorboard")).unwrap();
        fs::write(run.join(file), "mine").unwrap();
        let finished = place.carve(&["train", "--dataset", "tale", "--run", "mine", "--resume", "--log", format]);
        assert_eq!(finished.code, 5, "{}", finished.stderr);
        for part in ["move it away", "The run is complete", "--resume --log", file] {
            assert!(finished.stderr.contains(part), "{part} in {}", finished.stderr);
        }
        assert_eq!(fs::read_to_string(run.join(file)).unwrap(), "mine");
    }
    let finished = place.carve(&["train", "--dataset", "tale", "--log", "xml"]);
    assert!(finished.code == 2 && finished.stderr.contains("tensorboard"), "{}", finished.stderr);
}

#[test]
fn runs_are_plotted_in_eighty_columns_where_there_is_no_terminal() {
    let place = prepared();
    let finished = place.run(&mut trainer(&place, "run", &[])).success();
    assert!(!finished.stderr.contains('\u{28c0}') && !finished.stderr.contains("as dots"), "stderr is no terminal");
    let plotted = place.carve(&["runs", "--dataset", "tale", "--plot"]).success().stdout;
    let plot: Vec<&str> = plotted.lines().skip_while(|line| !line.starts_with("loss in nats")).collect();
    assert!(plot[0].contains("validation as a line"), "{plotted}");
    assert!(plot[15].ends_with("step 30") && plot[15].chars().count() == 80, "{plotted}");
    assert!(plot[..16].iter().all(|line| line.chars().count() <= 80), "{plotted}");
}
