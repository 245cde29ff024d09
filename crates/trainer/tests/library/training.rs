//! The training loop, watched by an observer.

use std::fs;
use std::sync::atomic::AtomicBool;

use trainer::recipe::Request;
use trainer::{Error, NoveltyConfig, NoveltySource, RunName, Silent, TrainConfig, novelty, runs, train};

use crate::support::{EVERYTHING, Place, Recorder, SMALL, column, lines, request, start, tale, weights};

/// A text whose held-out part is unlike the rest, so that every evaluation is worse than the first.
fn place_with_misleading_text() -> Place {
    let place = Place::new();
    let text = "ab".repeat(400) + &"aabbbaab".repeat(25);
    place.prepare("tale", &text, |options| options.split = "80/20".parse().unwrap());
    place
}

fn misleading() -> Request {
    request(&[SMALL, &["optimizer.learning_rate=0.05", "evaluation.steps=2"]].concat(), 3)
}

#[test]
fn events_come_in_order() {
    let place = Place::with_tale();
    let mut recorder = Recorder::default();
    let request = request(&[SMALL, &["samples.every=1"]].concat(), 2);
    start(place.new_run("tale", "run", &request), &mut recorder).unwrap();
    let beginning = ["verifying the text", "started", "checkpoint"];
    // Samples along the way after steps 1, 2, 4, and the last one, which is the sixth.
    let steps = ["step", "progress_sample", "step", "progress_sample", "step"];
    let epoch = ["evaluating", "evaluated", "sample", "checkpoint"];
    let other =
        ["step", "progress_sample", "step", "evaluating", "evaluated", "progress_sample", "sample", "checkpoint"];
    let end = ["sampling", "indexing the training text", "novelty", "finished"];
    assert_eq!(recorder.order(), [&beginning[..], &steps, &epoch, &other, &end].concat());

    let announcement = recorder.of("started")[0];
    assert_eq!(announcement["training_characters"], 720);
    assert_eq!(announcement["validation_characters"], 180);
    assert_eq!((&announcement["epochs"], &announcement["steps_per_epoch"]), (&2.into(), &3.into()));
    for task in recorder.of("progress").iter().filter(|event| event["task"] != "indexing the training text") {
        assert!(task["done"].as_u64() <= task["total"].as_u64(), "{task}");
    }
}

#[test]
fn steps_are_told_and_recorded() {
    let place = Place::with_tale();
    let mut recorder = Recorder::default();
    let request = request(&[SMALL, &["records.steps=2"]].concat(), 2);
    start(place.new_run("tale", "run", &request), &mut recorder).unwrap();
    let steps = recorder.of("step");
    let field = |name: &str| steps.iter().map(|step| step[name].as_f64().unwrap()).collect::<Vec<_>>();
    assert_eq!(field("step"), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(field("epoch"), [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
    assert_eq!(field("characters"), [200.0, 400.0, 600.0, 800.0, 1000.0, 1200.0]);
    assert!(field("done").is_sorted(), "{:?}", field("done"));
    assert_eq!(steps[5]["done"], 1.0);
    assert!(field("gradient_norm").iter().all(|norm| *norm > 0.0 && norm.is_finite()));
    assert!(field("seconds").iter().all(|seconds| *seconds > 0.0));
    assert!(steps.iter().all(|step| step["learning_rate"] == 0.002));
    // The first loss is about that of a guess.
    let vocabulary = recorder.of("started")[0]["vocabulary"].as_f64().unwrap();
    assert!((field("loss")[0] - vocabulary.ln()).abs() < 0.3, "{} of ln {vocabulary}", field("loss")[0]);

    let recorded = lines(&place.runs().join("run/steps.jsonl"));
    assert_eq!(recorded.len(), 3, "every second step");
    for (line, step) in recorded.iter().zip([steps[1], steps[3], steps[5]]) {
        for field in ["epoch", "step", "loss", "gradient_norm", "learning_rate", "seconds", "characters", "elapsed"] {
            assert_eq!(line[field], step[field], "{field}");
        }
    }
}

#[test]
fn the_same_prompt_is_continued_after_every_doubling_of_the_steps() {
    let place = Place::with_tale();
    let mut recorder = Recorder::default();
    let sampling = ["records.progress=30", "optimizer.learning_rate=0.02"];
    let outcome =
        start(place.new_run("tale", "run", &request(&[SMALL, &sampling].concat(), 7)), &mut recorder).unwrap();
    let samples = runs::progress(&outcome.run).unwrap();
    let steps: Vec<usize> = samples.iter().map(|sample| sample.step).collect();
    assert_eq!(steps, [1, 2, 4, 8, 16, 21], "and after the last");
    assert!(samples.iter().all(|sample| sample.prompt == samples[0].prompt && sample.text.chars().count() == 30));
    assert!(tale().contains(&samples[0].prompt) && samples[0].prompt.len() == 50, "{:?}", samples[0].prompt);
    for pair in samples.windows(2) {
        assert_ne!(pair[0].text, pair[1].text, "other weights write another text");
        assert!(pair[0].elapsed < pair[1].elapsed);
    }
    let last = &samples[5];
    assert_eq!((last.epoch, last.validation_loss), (7, outcome.metrics.unwrap().validation_loss));
    assert!(last.loss < samples[0].loss, "{} after {}", last.loss, samples[0].loss);
    let losses = column(&outcome.run.join("steps.jsonl"), "loss");
    assert!(samples.iter().all(|sample| losses[sample.step - 1] == sample.loss), "{losses:?}");

    let told: Vec<_> = recorder.of("progress_sample").iter().map(|event| event["text"].as_str().unwrap()).collect();
    assert_eq!(told, samples.iter().map(|sample| sample.text.as_str()).collect::<Vec<_>>());

    let without = place.train("without", &request(&[SMALL, &["records.progress=0"]].concat(), 1));
    assert!(runs::progress(&without.run).unwrap().is_empty());
}

#[test]
fn what_is_written_at_the_end_comes_from_the_best_weights() {
    let place = place_with_misleading_text();
    let mut recorder = Recorder::default();
    let outcome = start(place.new_run("tale", "run", &misleading()), &mut recorder).unwrap();
    let best = outcome.checkpoint.file_name().unwrap().to_str().unwrap().to_owned();
    let last = outcome.metrics.unwrap().step;
    assert_ne!(best, format!("{last:08}"), "the test needs a best checkpoint that is not the last");

    let text = recorder.sampled();
    let step: usize = best.parse().unwrap();
    assert!(text.contains(&format!("step {step},")), "{text}");
    assert_eq!(fs::read_to_string(outcome.run.join(format!("samples/{best}.txt"))).unwrap(), text);

    let source = |checkpoint| NoveltySource::Checkpoint { checkpoint, length: 2_000, temperature: 1.0, seed: 7 };
    let measure = |checkpoint| {
        let config = NoveltyConfig { shards: place.path("tale"), source: source(checkpoint) };
        serde_json::to_value(novelty(&config, &mut Silent).unwrap()).unwrap()
    };
    let mut told = recorder.of("novelty")[0].clone();
    told.as_object_mut().unwrap().remove("event");
    assert_eq!(told, measure(outcome.checkpoint.clone()), "of the best");
    assert_ne!(told, measure(outcome.run.join(format!("checkpoints/{last:08}"))), "of the last");
}

#[test]
fn training_stops_when_its_patience_ends_and_names_the_loss() {
    let place = Place::with_tale();
    place.prepare("whole", &tale(), |_| ());
    // No learning rate at all: no evaluation is better than the first.
    let still = ["optimizer.learning_rate=1e-30", "evaluation.patience=2", "evaluation.steps=3"];
    for (text, decides) in [("tale", "validation"), ("whole", "training")] {
        let mut recorder = Recorder::default();
        let request = request(&[SMALL, &still].concat(), 50);
        let outcome = start(place.new_run(text, text, &request), &mut recorder).unwrap();
        let stopped = recorder.of("stopped_early");
        assert_eq!(stopped.len(), 1, "{text}");
        assert_eq!((&stopped[0]["patience"], &stopped[0]["decides"]), (&2.into(), &decides.into()));
        assert!(recorder.of("evaluated").iter().all(|evaluation| evaluation["decides"] == decides));
        assert_eq!(recorder.of("finished")[0]["decides"], decides);
        assert!(outcome.metrics.unwrap().step < 150, "it stopped early");
        if text == "tale" {
            assert_eq!(outcome.metrics.unwrap().step, 9, "the first evaluation and two more");
        }
    }
}

#[test]
fn a_validation_split_without_a_window_is_not_called_validation() {
    let place = Place::new();
    // 99 characters to train on and 11 held out, fewer than a window of 16.
    place.prepare("tale", &tale()[..110], |options| options.split = "90/10".parse().unwrap());
    let windows = ["windows.length=16", "windows.step=3", "model.hidden=4", "model.layers=1", "samples.length=3"];
    let mut recorder = Recorder::default();
    let outcome = start(place.new_run("tale", "run", &request(&windows, 1)), &mut recorder).unwrap();
    assert_eq!(outcome.metrics.unwrap().validation_loss, None);
    assert_eq!(recorder.of("evaluated")[0]["decides"], "training");
    assert_eq!(recorder.of("finished")[0]["decides"], "training");
}

#[test]
fn a_plateau_without_validation_follows_the_training_loss() {
    let place = Place::new();
    place.prepare("tale", &tale(), |_| ());
    let plateau = ["schedule.kind=plateau", "schedule.patience=0", "schedule.factor=0.5", "evaluation.steps=1"];
    let still = ["optimizer.learning_rate=1e-30"];
    let request = request(&[SMALL, &plateau, &still].concat(), 5);
    place.train("run", &request);
    let rates = column(&place.runs().join("run/metrics.jsonl"), "learning_rate");
    let last = rates.last().unwrap().as_f64().unwrap();
    assert!(last < 0.6e-30, "a loss that rose has cut the rate: {rates:?}");
}

#[test]
fn accumulated_batches_make_the_step_of_one_large_batch() {
    let place = Place::new();
    // Five windows of four characters: a batch of four and one of one.
    place.prepare("tale", "abcabbacc", |_| ());
    let windows = ["windows.length=4", "windows.step=1", "model.hidden=5", "model.layers=1", "samples.length=0"];
    let descent = ["optimizer.kind=sgd", "optimizer.learning_rate=1.0", "clipping.value=0"];
    let step = |name: &str, batches: &[&str]| {
        let outcome = place.train(name, &request(&[&windows[..], &descent, batches].concat(), 1));
        assert_eq!(outcome.metrics.unwrap().step, 1);
        weights(&outcome.checkpoint)
    };
    let (one, two) = (step("one", &["batch=5"]), step("two", &["batch=4", "accumulate=2"]));
    for (name, numbers) in one {
        for (one, two) in numbers.iter().zip(&two[&name]) {
            assert!((one - two).abs() < 1e-6, "{name}: {one} in one batch, {two} in two");
        }
    }
}

#[test]
fn evaluations_compute_in_the_precision_that_is_trained_in() {
    let place = Place::with_tale();
    let loss = |name: &str, more: &[&str]| {
        let rounded = ["model.precision=bfloat16", "model.hidden=32"];
        let outcome = place.train(name, &request(&[SMALL, &rounded, more].concat(), 1));
        outcome.metrics.unwrap().validation_loss.unwrap()
    };
    // An average that forgets everything is the last weights.
    assert_eq!(loss("plain", &[]).to_bits(), loss("averaged", &["average.decay=0"]).to_bits());
    assert_ne!(loss("other", &["model.precision=float32"]).to_bits(), loss("again", &[]).to_bits());
}

#[test]
fn the_fastest_precision_is_stored_as_what_it_is() {
    let place = Place::with_tale();
    place.train("run", &request(&[SMALL, &["model.precision=fastest"]].concat(), 1));
    let config = &lines_of_config(&place);
    assert!(["float32", "bfloat16"].contains(&config["recipe"]["model"]["precision"].as_str().unwrap()), "{config}");
}

fn lines_of_config(place: &Place) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(place.runs().join("run/config.json")).unwrap()).unwrap()
}

#[test]
fn a_network_that_no_memory_holds_is_refused_before_anything_is_made() {
    let place = Place::with_tale();
    let request = request(&["model.hidden=1000000000"], 1);
    let error = start(place.new_run("tale", "run", &request), &mut Silent).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    assert_eq!(error.exit_code(), corpus::exit::USAGE);
    assert!(!place.runs().exists());
}

#[test]
fn a_run_can_start_from_another_run() {
    let place = Place::with_tale();
    let before = place.train("before", &request(EVERYTHING, 2));
    place.prepare("other", &tale().replace('s', "\u{df}"), |options| options.split = "80/20".parse().unwrap());
    let mut recorder = Recorder::default();
    let new =
        trainer::NewRun { init_from: Some(before.run.clone()), ..place.new_run("other", "after", &request(SMALL, 1)) };
    let outcome = start(new, &mut recorder).unwrap();
    assert_eq!(outcome.parameters, before.parameters, "the sizes are those of the network");
    let transferred = recorder.of("transferred")[0];
    let vocabulary = recorder.of("started")[0]["vocabulary"].as_u64().unwrap();
    assert_eq!(transferred["checkpoint"], before.checkpoint.to_str().unwrap(), "the best checkpoint of the run");
    assert_eq!(
        (transferred["matched"].as_u64(), transferred["vocabulary"].as_u64()),
        (Some(vocabulary - 1), Some(vocabulary))
    );

    let nowhere = trainer::NewRun {
        init_from: Some(place.path("nowhere")),
        ..place.new_run("other", "never", &request(SMALL, 1))
    };
    let error = start(nowhere, &mut Silent).unwrap_err();
    assert!(matches!(error, Error::NoCheckpointAt { .. }), "{error}");
    assert!(!place.runs().join("never").exists());
}

#[test]
fn an_interruption_ends_training_after_the_step_with_a_checkpoint() {
    let place = Place::with_tale();
    let interrupted = AtomicBool::new(false);
    let mut recorder = Recorder { interrupt: Some((4, &interrupted)), ..Recorder::default() };
    let new = place.new_run("tale", "run", &request(SMALL, 3));
    let error = train(&TrainConfig::New(Box::new(new)), &mut recorder, &interrupted).unwrap_err();
    let Error::Interrupted { epoch, checkpoint } = &error else { panic!("{error}") };
    assert_eq!(*epoch, 2);
    assert!(checkpoint.ends_with("run/checkpoints/00000004") && checkpoint.is_dir(), "{}", checkpoint.display());
    assert_eq!(recorder.of("step").len(), 4);
    assert_eq!(recorder.order().last().unwrap(), "checkpoint");
    assert_eq!(error.exit_code(), corpus::exit::INTERRUPTED);
}

#[test]
fn names_that_are_no_folders_are_refused() {
    let place = Place::with_tale();
    for name in ["", ".hidden", "../elsewhere", "a/b", "a b"] {
        for name in [RunName::Exact(name.into()), RunName::Numbered(name.into())] {
            let new = trainer::NewRun { name, ..place.new_run("tale", "run", &request(SMALL, 1)) };
            let error = start(new, &mut Silent).unwrap_err();
            assert!(matches!(error, Error::RunName { .. }), "{error}");
        }
    }
    assert!(!place.runs().exists());
}
