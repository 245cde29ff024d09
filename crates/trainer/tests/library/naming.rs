//! Runs in their folder: names, and which is the newest.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, SystemTime};

use trainer::runs::{self, State};
use trainer::{Error, ImportConfig, ImportTarget, NewRun, RunName, Silent, import};

use crate::support::{Place, SMALL, request, start};

#[test]
fn a_taken_name_is_refused_or_numbered() {
    let place = Place::with_tale();
    let request = request(SMALL, 1);
    fs::create_dir_all(place.runs().join("letters")).unwrap();
    fs::write(place.runs().join("letters/mine.txt"), "keep me").unwrap();
    let error = start(place.new_run("tale", "letters", &request), &mut Silent).unwrap_err();
    assert!(matches!(error, Error::RunExists { .. }), "{error}");
    let numbered = || NewRun { name: RunName::Numbered("letters".into()), ..place.new_run("tale", "", &request) };
    for expected in ["letters-2", "letters-3"] {
        let outcome = start(numbered(), &mut Silent).unwrap();
        assert_eq!(outcome.run, place.runs().join(expected));
    }
    assert_eq!(fs::read_to_string(place.runs().join("letters/mine.txt")).unwrap(), "keep me");
}

#[test]
fn a_file_in_place_of_the_runs_is_named() {
    let place = Place::with_tale();
    fs::write(place.runs(), "a file").unwrap();
    for name in [RunName::Exact("run".into()), RunName::Numbered("run".into())] {
        let new = NewRun { name, ..place.new_run("tale", "", &request(SMALL, 1)) };
        let error = start(new, &mut Silent).unwrap_err();
        assert!(matches!(error, Error::Write { .. }), "{error}");
    }
    assert_eq!(fs::read_to_string(place.runs()).unwrap(), "a file");
}

#[test]
fn trainers_that_start_together_never_share_a_run() {
    const TRAINERS: usize = 4;
    let place = Place::with_tale();
    let barrier = Barrier::new(TRAINERS);
    let together = |name: RunName| -> Vec<trainer::Result<trainer::Outcome>> {
        thread::scope(|scope| {
            let train = || {
                let new = NewRun { name: name.clone(), ..place.new_run("tale", "", &request(SMALL, 1)) };
                barrier.wait();
                start(new, &mut Silent)
            };
            let trainers: Vec<_> = (0..TRAINERS).map(|_| scope.spawn(train)).collect();
            trainers.into_iter().map(|trainer| trainer.join().unwrap()).collect()
        })
    };
    let (trained, refused): (Vec<_>, Vec<_>) =
        together(RunName::Exact("one".into())).into_iter().partition(Result::is_ok);
    assert_eq!((trained.len(), refused.len()), (1, TRAINERS - 1));
    for error in refused.into_iter().filter_map(Result::err) {
        // Busy while the winner trains, and taken once it has finished.
        assert!(matches!(error, Error::RunExists { .. } | Error::Busy { .. }), "{error}");
    }
    assert!(place.runs().join("one/best.json").exists(), "the winner's run is whole");

    let mut names: Vec<_> =
        together(RunName::Numbered("many".into())).into_iter().map(|outcome| outcome.unwrap().run).collect();
    names.sort();
    assert_eq!(names, ["many", "many-2", "many-3", "many-4"].map(|name| place.runs().join(name)));
}

/// Makes a checkpoint look as if it were written at a time.
fn written(checkpoint: &Path, hours: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(3600 * hours);
    File::options().write(true).open(checkpoint.join("card.json")).unwrap().set_modified(time).unwrap();
}

#[test]
fn the_latest_run_has_the_newest_checkpoint() {
    let place = Place::with_tale();
    assert!(matches!(runs::latest(&place.runs()), Err(Error::NoRuns { .. })));
    assert!(runs::list(&place.runs()).is_empty());

    // The run "a" has its best checkpoint first, and its newest last of all.
    let still = request(&[SMALL, &["optimizer.learning_rate=1e-30"]].concat(), 2);
    let (a, b) = (place.train("a", &still), place.train("b", &still));
    assert!(a.checkpoint.ends_with("00000003"), "{}", a.checkpoint.display());
    written(&a.run.join("checkpoints/00000003"), 1);
    written(&b.run.join("checkpoints/00000003"), 2);
    written(&b.run.join("checkpoints/00000006"), 3);
    written(&a.run.join("checkpoints/00000006"), 4);
    assert_eq!(runs::latest(&place.runs()).unwrap(), a.run);
    assert_eq!(runs::best_checkpoint(&a.run).unwrap(), a.checkpoint);

    // An imported network can be the latest to be used, and is never one to be resumed.
    let target = ImportTarget::Run(place.runs().join("c"));
    let file = a.checkpoint.join("model.safetensors");
    let config = ImportConfig { file, target, shards: Some(place.path("tale")), window: None };
    import(&config).unwrap();
    assert!(import(&config).unwrap_err().to_string().contains("exists already"));
    let imported = place.runs().join("c");
    written(&imported.join("checkpoints/00000000"), 5);
    assert_eq!(runs::latest(&place.runs()).unwrap(), imported);
    assert_eq!(runs::latest_trained(&place.runs()).unwrap(), a.run);

    // Nor does what is half-written, or is no run at all, count.
    fs::create_dir_all(place.runs().join(".writing-x/checkpoints/00000009")).unwrap();
    fs::create_dir_all(place.runs().join("empty")).unwrap();
    fs::write(place.runs().join("notes.txt"), "").unwrap();
    let listed: Vec<(String, State)> = runs::list(&place.runs()).into_iter().map(|run| (run.run, run.state)).collect();
    assert_eq!(
        listed,
        [("a", State::Finished), ("b", State::Finished), ("c", State::Imported)]
            .map(|(name, state)| (name.to_owned(), state))
    );
}

#[test]
fn an_import_that_fails_leaves_nothing() {
    let place = Place::with_tale();
    let target = ImportTarget::Run(place.runs().join("module"));
    let cases =
        [("nowhere", None, "nothing is prepared"), ("tale", None, "not a safetensors"), ("tale", Some(0), "window")];
    for (shards, window, part) in cases {
        let (file, shards) = (place.path("tale.txt"), Some(place.path(shards)));
        let error = import(&ImportConfig { file, target: target.clone(), shards, window }).unwrap_err();
        assert!(error.to_string().contains(part), "{error} should say {part}");
        assert!(!place.runs().exists());
    }
}

#[test]
fn a_run_says_what_it_has_reached() {
    let place = Place::with_tale();
    let outcome = place.train("run", &request(SMALL, 2));
    let summary = &runs::list(&place.runs())[0];
    let metrics = outcome.metrics.unwrap();
    assert_eq!((summary.run.as_str(), summary.recipe.as_str(), summary.seed), ("run", "char-rnn", Some(7)));
    assert_eq!((summary.epoch, summary.step), (2, metrics.step));
    assert_eq!((summary.train_loss, summary.best_validation_loss), (Some(metrics.train_loss), outcome.best_loss));
    assert_eq!(summary.best_loss, outcome.best_loss);
    assert_eq!(summary.preparation, Some(corpus::Index::read(&place.path("tale")).unwrap().run));
    // An evaluation in the middle of the last epoch is not its end.
    let unfinished = request(&[SMALL, &["evaluation.steps=2"]].concat(), 1);
    let interrupted = std::sync::atomic::AtomicBool::new(false);
    let mut recorder = crate::support::Recorder { interrupt: Some((2, &interrupted)), ..Default::default() };
    let new = Box::new(place.new_run("tale", "stopped", &unfinished));
    trainer::train(&trainer::TrainConfig::New(new), &mut recorder, &interrupted).unwrap_err();
    let states: Vec<State> = runs::list(&place.runs()).iter().map(|run| run.state).collect();
    assert_eq!(states, [State::Finished, State::Stopped]);
}
