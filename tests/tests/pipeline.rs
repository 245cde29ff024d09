//! From a text to text, through every program.

use std::fs;

use end_to_end::{Workplace, story};
use serde_json::{Value, json};

/// Prepares the story's beginning under the name `tale`, trains one epoch and exports.
fn train_tale(characters: usize) -> Workplace {
    let place = Workplace::new();
    let tale = place.write("tale.txt", &story()[..characters]);
    let tale = tale.to_str().unwrap();
    place.carve(&["prepare", "--input", tale, "--name", "tale", "--lowercase"]).success();
    let train = ["train", "--dataset", "tale", "--recipe", "lecture", "--epochs", "1", "--sample-length", "20"];
    place.carve(&train).success();
    place
}

/// The lines of `metrics.jsonl`.
fn metrics(place: &Workplace, run: &str) -> Vec<Value> {
    let text = fs::read_to_string(place.path(&format!("{run}/metrics.jsonl"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_embedded_story_goes_all_the_way() {
    let place = Workplace::new();
    let prepared = place.carve(&["prepare", "--json"]).success().json();
    let figures = [&prepared["characters"], &prepared["vocabulary"], &prepared["windows"]];
    assert_eq!(figures, [&json!(139_470), &json!(67), &json!(41_828)]);

    let trained = place.carve(&["train", "--recipe", "lecture", "--epochs", "1", "--seed", "3"]).success();
    assert!(trained.stdout.contains("temperature 0.2"), "the lecture's print-out: {}", trained.stdout);
    let metrics = metrics(&place, "sea-story/runs/lecture");
    assert_eq!((metrics.len(), &metrics[0]["epoch"], &metrics[0]["step"]), (1, &json!(1), &json!(327)));
    // Guessing evenly among 67 characters costs ln 67 = 4.2 nats, guessing by frequency alone 3.0.
    let loss = metrics[0]["train_loss"].as_f64().unwrap();
    assert!((2.0..2.9).contains(&loss), "{loss}");
    let files = place.files("sea-story/runs/lecture");
    for file in ["config.json", "samples/00000327.txt", "checkpoints/00000327/card.json"] {
        assert!(files.iter().any(|found| found == file), "{file} in {files:?}");
    }

    let exported = place.carve(&["export", "--dataset", "sea-story", "--json"]).success().json();
    for engine in ["candle_onnx", "ort"] {
        assert!(exported["largest_difference"][engine].as_f64().unwrap() < 1e-4, "{exported}");
    }
    let alone = Workplace::new();
    let model = alone.path("model.onnx");
    fs::copy(place.path("sea-story/model.onnx"), &model).unwrap();
    let words = ["--model", model.to_str().unwrap(), "--prompt", "The ship", "--length", "60", "--temperature", "0.5"];
    let first = alone.scrimshaw(&[&words[..], &["--seed", "7"]].concat()).success().stdout;
    assert!(first.trim_end_matches('\n').chars().count() >= 60, "{first:?}");
    assert_eq!(alone.scrimshaw(&[&words[..], &["--seed", "7"]].concat()).success().stdout, first, "the same seed");
    assert_ne!(alone.scrimshaw(&[&words[..], &["--seed", "8"]].concat()).success().stdout, first, "another seed");
}

#[test]
fn the_same_seed_gives_the_same_model_and_the_same_text() {
    let (first, second) = (train_tale(6_000), train_tale(6_000));
    let run = "tale/runs/lecture";
    assert_eq!(metrics(&first, run), metrics(&second, run));
    for file in [
        "tale/runs/lecture/metrics.jsonl",
        "tale/runs/lecture/samples/00000016.txt",
        "tale/runs/lecture/checkpoints/00000016/model.safetensors",
        "tale/runs/lecture/checkpoints/00000016/training.safetensors",
        "tale/model.onnx",
    ] {
        let [first, second] = [&first, &second].map(|place| fs::read(place.path(file)).unwrap());
        assert!(first == second, "{file} differs");
    }
}

#[test]
fn a_second_run_gets_a_name_of_its_own() {
    let place = train_tale(3_000);
    place
        .carve(&["train", "--dataset", "tale", "--recipe", "lecture", "--epochs", "1", "--sample-length", "0"])
        .success();
    assert!(place.path("tale/runs/lecture-2/metrics.jsonl").exists());
    let again =
        place.carve(&["train", "--dataset", "tale", "--recipe", "lecture", "--epochs", "1", "--run", "lecture"]);
    assert_eq!(again.code, 2, "{}", again.stderr);
    assert!(again.stderr.contains("exists already"), "{}", again.stderr);
}
