//! Bad input: each kind gets its own message and exit code, and leaves nothing behind.

use std::fs;

use end_to_end::{Finished, Workplace, story};

/// A text long enough for a window.
const TEXT: &str = "It was a fair wind and a falling tide, and nobody on the quay looked twice at us.\n";

/// What is wrong, the file's bytes if there is a file, and what has to be said.
type Text = (&'static str, Option<&'static [u8]>, &'static [&'static str]);

/// What is wrong, and what is done to the shard of that name.
type Damage = (&'static str, fn(&Workplace, &str));

/// Holds a failure against the code it has to have and the words it has to say.
fn check(what: &str, finished: &Finished, code: i32, words: &[&str]) {
    let Finished { code: found, stderr, stdout } = finished;
    assert_eq!(*found, code, "{what}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{what} should say {word:?}: {stderr}");
    }
    assert!(!stderr.contains("panicked"), "{what}: {stderr}");
    assert_eq!(stdout, "", "{what} prints no text");
}

#[test]
fn texts_that_cannot_be_prepared() {
    let cases: [Text; 4] = [
        ("a missing file", None, &["text.txt"]),
        ("an empty file", Some(b""), &["text.txt", "empty"]),
        ("a text shorter than a window", Some(b"Ahoy."), &["the text has 5 tokens", "needs 41"]),
        (
            "invalid UTF-8",
            Some(b"It was a fair \xff wind and a falling tide, and nobody on the quay"),
            &["text.txt is not UTF-8 at byte 14"],
        ),
    ];
    for (what, bytes, words) in cases {
        let place = Workplace::new();
        if let Some(bytes) = bytes {
            place.write("text.txt", bytes);
        }
        let input = place.path("text.txt");
        let finished = place.carve(&["prepare", "--input", input.to_str().unwrap(), "--name", "bad", "--json"]);
        check(what, &finished, 3, words);
        assert_eq!(place.files("bad"), Vec::<String>::new(), "{what} leaves nothing");
    }
}

#[test]
fn invalid_utf8_is_accepted_when_asked() {
    let place = Workplace::new();
    let input = place.write("text.txt", b"It was a fair \xff wind and a falling tide, and nobody on the quay");
    let words = ["prepare", "--input", input.to_str().unwrap(), "--name", "lossy", "--lossy", "--json"];
    assert_eq!(place.carve(&words).success().json()["characters"], 63);
}

#[test]
fn a_dataset_that_nobody_declared() {
    let finished = Workplace::new().carve(&["train", "--dataset", "moby-duck", "--epochs", "1"]);
    check("an unknown dataset", &finished, 2, &["moby-duck", "sea-story", "prepare PATH"]);
}

#[test]
fn shards_that_were_damaged() {
    let damages: [Damage; 5] = [
        ("a truncated shard", |place, shard| {
            let path = place.path(shard);
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        }),
        ("an altered shard", |place, shard| {
            let path = place.path(shard);
            let mut bytes = fs::read(&path).unwrap();
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            fs::write(&path, bytes).unwrap();
        }),
        ("a deleted shard", |place, shard| fs::remove_file(place.path(shard)).unwrap()),
        ("an index that lists the shards of another run", |place, _| {
            // As many characters, of the same vocabulary.
            let input = place.write("other.txt", TEXT.chars().rev().collect::<String>());
            place.carve(&["prepare", "--input", input.to_str().unwrap(), "--name", "other"]).success();
            fs::copy(place.path("other/shards/index.json"), place.path("text/shards/index.json")).unwrap();
        }),
        ("a shard of another vocabulary", |place, shard| {
            let input = place.write("other.txt", TEXT.to_uppercase());
            place.carve(&["prepare", "--input", input.to_str().unwrap(), "--name", "other"]).success();
            let other = place.files("other/shards").into_iter().find(|file| file.ends_with("shard")).unwrap();
            fs::copy(place.path(&format!("other/shards/{other}")), place.path(shard)).unwrap();
        }),
    ];
    for (what, damage) in damages {
        let place = Workplace::new();
        let input = place.write("text.txt", TEXT);
        place.carve(&["prepare", "--input", input.to_str().unwrap(), "--name", "text"]).success();
        let shard = place.files("text/shards").into_iter().find(|file| file.ends_with("shard")).unwrap();
        damage(&place, &format!("text/shards/{shard}"));
        let finished = place.carve(&["train", "--dataset", "text", "--recipe", "lecture", "--epochs", "1"]);
        check(what, &finished, 4, &["text/shards", "prepare"]);
        assert_eq!(place.files("text/runs"), Vec::<String>::new(), "{what} starts no run");
    }
}

#[test]
fn prompts_models_and_temperatures_that_cannot_be_sampled() {
    let place = Workplace::new();
    let tale = place.write("tale.txt", &story()[..3_000]);
    place.carve(&["prepare", "--input", tale.to_str().unwrap(), "--name", "tale"]).success();
    let train = ["train", "--dataset", "tale", "--recipe", "lecture", "--epochs", "1", "--sample-length", "0"];
    place.carve(&train).success();
    let model = place.path("tale/model.onnx");
    let model = model.to_str().unwrap();
    let bytes = fs::read(model).unwrap();
    let cut = place.write("cut.onnx", &bytes[..bytes.len() / 2]);
    let text = place.write("text.onnx", TEXT);
    let missing = place.path("missing.onnx");

    let cases: [(&str, Vec<&str>, i32, &[&str]); 7] = [
        ("an unseen character", vec![model, "--prompt", "caf\u{e9}"], 3, &["'\u{e9}'", "U+00E9"]),
        ("a negative temperature", vec![model, "--temperature", "-1"], 2, &["temperature", "-1"]),
        ("a temperature that is no number", vec![model, "--temperature", "NaN"], 2, &["temperature"]),
        ("half a model", vec![cut.to_str().unwrap()], 4, &["cut.onnx"]),
        ("a text for a model", vec![text.to_str().unwrap()], 4, &["text.onnx"]),
        ("no model", vec![missing.to_str().unwrap()], 4, &["missing.onnx"]),
        ("a folder for a model", vec![place.path("tale").to_str().unwrap().to_string().leak()], 4, &["tale"]),
    ];
    for (what, words, code, said) in cases {
        check(what, &place.scrimshaw(&[&["--model"], &words[..]].concat()), code, said);
    }
    let likeliest = ["--model", model, "--prompt", "The ", "--length", "30", "--temperature", "0"];
    let [first, second] =
        ["1", "2"].map(|seed| place.scrimshaw(&[&likeliest[..], &["--seed", seed]].concat()).success());
    assert_eq!(first.stdout, second.stdout, "temperature 0 takes the likeliest character, whatever the seed");
}

#[test]
#[cfg(target_os = "linux")]
fn folders_that_cannot_be_written() {
    let place = Workplace::new();
    let input = place.write("text.txt", TEXT);
    let file = place.write("file", "");
    // Not even root makes folders under /sys.
    for folder in ["/sys", file.to_str().unwrap()] {
        let mut command = end_to_end::binary("carve");
        command.args(["prepare", "--input", input.to_str().unwrap(), "--name", "text"]);
        // `run` names the workplace's own folder, so the command goes through `env`.
        let mut through = std::process::Command::new("env");
        through.arg(format!("SCRIMSHAW_ARTIFACTS={folder}")).arg(command.get_program()).args(command.get_args());
        let finished = place.run(&mut through);
        check(folder, &finished, 5, &[folder]);
    }
}
