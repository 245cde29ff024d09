//! Runs that are resumed: as if they had never stopped, and only if what is asked for agrees.

use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;

use serde_json::Value;
use trainer::recipe::Request;
use trainer::runs::{self, State};
use trainer::{Error, Resume, Silent, TrainConfig, train};

use crate::support::{EVERYTHING, Place, Recorder, SMALL, column, go_on, lines, request, results, start};

/// Trains up to a step and stops there.
fn stop_at(place: &Place, name: &str, request: &Request, step: usize) {
    let interrupted = AtomicBool::new(false);
    let mut recorder = Recorder { interrupt: Some((step, &interrupted)), ..Recorder::default() };
    let new = place.new_run("tale", name, request);
    train(&TrainConfig::New(Box::new(new)), &mut recorder, &interrupted).unwrap_err();
}

/// The recorded steps without what depends on the clock.
fn steps(place: &Place, name: &str) -> Vec<Value> {
    let mut steps = lines(&place.runs().join(name).join("steps.jsonl"));
    for step in &mut steps {
        let step = step.as_object_mut().unwrap();
        step.remove("seconds").unwrap();
        step.remove("elapsed").unwrap();
    }
    steps
}

#[test]
fn an_interrupted_run_ends_as_an_undisturbed_one() {
    let place = Place::with_tale();
    let request = request(&[EVERYTHING, &["records.steps=2"]].concat(), 3);
    place.train("undisturbed", &request);
    stop_at(&place, "stopped", &request, 17);
    // As after a kill: steps that no checkpoint stands behind, the last line cut off.
    let run = place.runs().join("stopped");
    let last = fs::read_to_string(run.join("steps.jsonl")).unwrap().lines().last().unwrap().to_owned();
    let later = last.replace("\"step\":16", "\"step\":18");
    assert_ne!(later, last);
    let mut file = fs::OpenOptions::new().append(true).open(run.join("steps.jsonl")).unwrap();
    write!(file, "{later}\n{}", &later[..20]).unwrap();
    let samples = fs::read_to_string(run.join("progress.jsonl")).unwrap();
    let later = samples.lines().last().unwrap().replace("\"step\":16", "\"step\":32");
    fs::write(run.join("progress.jsonl"), format!("{samples}{later}\n{}", &later[..20])).unwrap();

    let mut recorder = Recorder::default();
    go_on(place.resume("stopped"), &mut recorder).unwrap();
    assert_eq!(recorder.of("started")[0]["resumed_after"], 17);
    assert_eq!(steps(&place, "stopped"), steps(&place, "undisturbed"));
    for (found, expected) in results(&run).into_iter().zip(results(&place.runs().join("undisturbed"))) {
        assert_eq!(found.0, expected.0);
        assert!(found.1 == expected.1, "{} differs from that of a run that nothing disturbed", found.0);
    }
}

#[test]
fn a_kill_right_after_a_checkpoint_loses_no_line() {
    let place = Place::with_tale();
    let request = request(SMALL, 3);
    place.train("undisturbed", &request);
    let mut recorder = Recorder { die_after_checkpoint: Some(6), ..Recorder::default() };
    let new = place.new_run("tale", "killed", &request);
    let killed = catch_unwind(AssertUnwindSafe(|| start(new, &mut recorder)));
    assert!(killed.is_err(), "it has to end right after the checkpoint");
    go_on(place.resume("killed"), &mut Silent).unwrap();
    for file in ["times.jsonl", "metrics.jsonl", "steps.jsonl", "progress.jsonl"] {
        let column = |run: &str| column(&place.runs().join(run).join(file), "step");
        assert_eq!(column("killed"), column("undisturbed"), "{file}");
    }
}

#[test]
fn a_finished_run_says_so_and_stays_as_it_is() {
    let still = ["optimizer.learning_rate=1e-30", "evaluation.patience=1", "evaluation.steps=3"];
    for (why, more, epochs, step) in [("its epochs are over", &[][..], 2, 6), ("its patience has ended", &still, 9, 6)]
    {
        let place = Place::with_tale();
        let outcome = place.train("run", &request(&[SMALL, more].concat(), epochs));
        let before = results(&outcome.run);
        assert_eq!(runs::list(&place.runs())[0].state, State::Finished, "{why}");
        let mut recorder = Recorder::default();
        let again = go_on(place.resume("run"), &mut recorder).unwrap();
        assert_eq!(recorder.of("already_finished")[0]["step"], step, "{why}");
        assert!(recorder.of("step").is_empty() && recorder.of("checkpoint").is_empty(), "{why}");
        assert!(recorder.of("stopped_early").is_empty(), "it stopped before: {why}");
        assert!(!recorder.of("sample").is_empty(), "its samples are shown again");
        assert!(again.already_finished && !outcome.already_finished, "{why}");
        assert_eq!((again.checkpoint, again.best_loss), (outcome.checkpoint, outcome.best_loss), "{why}");
        assert!(results(&outcome.run) == before, "{why}");
    }
}

/// What a user names.
type Change = fn(&mut Request);

#[test]
fn only_what_is_named_is_compared() {
    let place = Place::with_tale();
    stop_at(&place, "run", &request(EVERYTHING, 3), 5);
    let named = |change: Change| {
        let mut changes = Request::default();
        change(&mut changes);
        Resume { changes, ..place.resume("run") }
    };
    let refused: [(Change, [&str; 4]); 4] = [
        (|request| request.recipe = Some("lecture".into()), ["another recipe", "char-rnn", "lecture", "--recipe"]),
        (|request| request.overrides = vec!["batch=9".into()], ["another batch", "3", "9", "--set batch"]),
        (|request| request.epochs = Some(4), ["another epochs", "3", "4", "--epochs"]),
        (|request| request.minutes = Some(2.0), ["another minutes", "0", "2", "--time-budget"]),
    ];
    for (change, parts) in refused {
        let error = go_on(named(change), &mut Silent).unwrap_err();
        assert!(matches!(error, Error::OtherRun { .. }), "{error}");
        for part in parts {
            assert!(error.to_string().contains(part), "{error} should say {part}");
        }
    }
    let other_seed = Resume { seed: Some(8), ..place.resume("run") };
    assert!(go_on(other_seed, &mut Silent).unwrap_err().to_string().contains("another seed: 7, not 8"));

    // What only prints takes effect, and changes nothing of what is trained.
    let mut recorder = Recorder::default();
    let silent = named(|request| {
        request.sample_length = Some(0);
        request.overrides = vec!["records.steps=0".into(), "batch=3".into()];
        request.epochs = Some(3);
    });
    go_on(silent, &mut recorder).unwrap();
    assert!(recorder.of("sample").is_empty());
    assert!(!place.runs().join("run/samples/00000036.txt").exists());
}

#[test]
fn another_text_is_refused() {
    let place = Place::with_tale();
    stop_at(&place, "run", &request(SMALL, 3), 2);
    place.prepare("tale", &crate::support::tale(), |options| options.split = "90/10".parse().unwrap());
    let error = go_on(place.resume("run"), &mut Silent).unwrap_err();
    assert!(matches!(error, Error::OtherText { .. }) && error.to_string().contains("tale"), "{error}");
}

#[test]
fn damaged_files_get_advice_that_helps() {
    let place = Place::with_tale();
    stop_at(&place, "run", &request(SMALL, 3), 4);
    let run = place.runs().join("run");
    let newest = run.join("checkpoints/00000004/training.json");
    let whole = fs::read_to_string(&newest).unwrap();
    fs::write(&newest, &whole[..whole.len() / 2]).unwrap();
    let error = go_on(place.resume("run"), &mut Silent).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("training.json") && message.contains("delete this folder"), "{message}");
    // What the advice says works.
    fs::remove_dir_all(run.join("checkpoints/00000004")).unwrap();
    go_on(place.resume("run"), &mut Silent).unwrap();

    let config = run.join("config.json");
    let whole = fs::read_to_string(&config).unwrap();
    for damaged in [whole[..whole.len() / 2].to_owned(), whole.replace("\"batch\": 4", "\"batch\": 0")] {
        fs::write(&config, damaged).unwrap();
        let error = go_on(place.resume("run"), &mut Silent).unwrap_err();
        assert!(matches!(error, Error::DamagedConfig { .. }), "{error}");
        let message = error.to_string();
        assert!(!message.contains("delete") && message.contains("--init-from"), "{message}");
        assert_eq!(error.exit_code(), corpus::exit::DAMAGED);
    }
    fs::remove_file(&config).unwrap();
    assert!(matches!(go_on(place.resume("run"), &mut Silent), Err(Error::NoRun { .. })));
}
