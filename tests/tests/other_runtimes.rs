//! The exported file in other runtimes: ONNX Runtime in Python and in JavaScript writes what `scrimshaw` writes.
//!
//! What is run is what `docs/other-runtimes.md` shows, letter for letter.
//!
//! - Python: the interpreter that `SCRIMSHAW_PYTHON` names, or `python3` if it has onnxruntime and numpy.
//! - JavaScript: `node`, with onnxruntime-web or onnxruntime-node in the `node_modules` folder that
//!   `SCRIMSHAW_NODE_MODULES` names.
//!
//! Where there is neither, the test says that it is skipped; a runtime that is named has to be there.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use end_to_end::{Finished, Workplace, root, skip, story};
use serde_json::Value;

/// How far the logarithm of a probability may be off: what a logit may be.
const TOLERANCE: f64 = 1e-4;

/// Names that take more than a byte a letter, each a document.
const NAMES: &str = "Zo\u{eb}\nRen\u{e9}e\nJos\u{e9}\nNo\u{eb}l\nAnna\nEmil\n";

/// A model, what it is asked to continue, and the flags that both programs know.
type Case<'c> = (&'c str, PathBuf, &'c str, &'c [&'c str]);

/// What a program writes, and the largest probabilities before each token.
#[derive(Debug)]
struct Written {
    text: String,
    likeliest: Vec<Vec<f64>>,
}

/// A workplace with two models that were trained for a moment, of a tale by windows and of names by bytes; and the small
/// ones beside the sampler's tests, whose weights are so large that every token of a window tells.
fn models() -> (Workplace, [Case<'static>; 7]) {
    let place = Workplace::new();
    let tale = place.write("tale.txt", &story()[..6_000]);
    let names = place.write("names.txt", NAMES.repeat(200));
    let train = |name: &str, input: &Path, flags: &[&str]| {
        let input = input.to_str().unwrap();
        place.carve(&[&["prepare", "--input", input, "--name", name], flags].concat()).success();
        let train = ["train", "--dataset", name, "--recipe", "lecture", "--epochs", "1", "--sample-length", "0"];
        place.carve(&train).success();
        place.path(&format!("{name}/model.onnx"))
    };
    let tale = train("tale", &tale, &["--lowercase", "--newlines", "lf"]);
    let names = train("names", &names, &["--unit", "byte", "--lines", "--nfc"]);
    let small = |name| root().join(format!("crates/sampler/tests/data/{name}.onnx"));
    let cases: [Case; 7] = [
        ("windows", tale.clone(), "The SHIP\r\nwas ", &[]),
        ("a carried state", tale, "The ship, and all that were in her, ", &["--stateful"]),
        ("bytes", names.clone(), "Jose\u{301}", &["--stateful"]),
        ("a document from its beginning", names, "", &[]),
        ("a small window", small("window"), "abcdefghhgfedcba", &[]),
        ("two layers", small("stateful"), "The sea ", &[]),
        ("broken bytes", small("bytes"), "a\u{e9}", &[]),
    ];
    (place, cases)
}

/// The likeliest text, token by token, out of lines of JSON.
fn written(finished: Finished, likeliest: fn(&Value) -> Vec<f64>) -> Written {
    let lines = finished.success().stdout;
    let objects = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("an object a line"));
    // Where a document ends, nothing is written.
    let objects: Vec<Value> = objects.filter(|object| object["end"] != "boundary").collect();
    let text: String = objects.iter().map(|object| object["text"].as_str().unwrap()).collect();
    Written {
        // A letter that the length cuts in two is a matter of taste.
        text: text.trim_end_matches('\u{fffd}').into(),
        likeliest: objects.iter().map(likeliest).collect(),
    }
}

/// Holds what another runtime writes, given the words that both programs know, against what `scrimshaw` writes.
fn check(runtime: &str, other: impl Fn(&Workplace, &str, &[&str]) -> Finished) {
    let (place, cases) = models();
    let mut largest = 0.0_f64;
    for (what, model, prompt, flags) in cases {
        let model = model.to_str().unwrap();
        let words = [&["--prompt", prompt, "--temperature", "0", "--length", "60"], flags].concat();
        let ours = place.scrimshaw(&[&["--model", model, "--json=characters"], &words[..]].concat());
        let ours = written(ours, |object| {
            let alternatives = object["alternatives"].as_array().unwrap().iter();
            alternatives.map(|alternative| alternative["probability"].as_f64().unwrap()).collect()
        });
        let theirs = written(other(&place, model, &[&["--json"], &words[..]].concat()), |object| {
            object["likeliest"].as_array().unwrap().iter().map(|probability| probability.as_f64().unwrap()).collect()
        });
        assert_eq!(theirs.text, ours.text, "{runtime}, {what}");
        assert_eq!(theirs.likeliest.len(), ours.likeliest.len(), "{runtime}, {what}");
        let pairs = ours.likeliest.iter().flatten().zip(theirs.likeliest.iter().flatten());
        let difference = pairs.map(|(ours, theirs)| (ours.ln() - theirs.ln()).abs()).fold(0.0, f64::max);
        assert!(difference < TOLERANCE, "{runtime}, {what}: {difference} apart");
        largest = largest.max(difference);
    }
    eprintln!("{runtime}: logarithms of probabilities are {largest:.1e} apart at most");
}

fn scripts() -> PathBuf {
    root().join("tests/tests/other_runtimes")
}

/// What a program says, if it is there and content.
fn answer(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

#[test]
fn the_documentation_shows_what_is_tested() {
    let page = fs::read_to_string(root().join("docs/other-runtimes.md")).unwrap();
    for name in ["sample.py", "scrimshaw.mjs", "sample.mjs"] {
        let script = fs::read_to_string(scripts().join(name)).unwrap();
        assert!(page.contains(&script), "docs/other-runtimes.md does not show {name} as it is");
    }
}

#[test]
fn python_writes_the_same_text() {
    let named = env::var_os("SCRIMSHAW_PYTHON");
    let python = named.clone().unwrap_or_else(|| "python3".into());
    let version = "import numpy, onnxruntime; print(onnxruntime.__version__)";
    let Some(version) = answer(Command::new(&python).args(["-c", version])) else {
        assert!(named.is_none(), "SCRIMSHAW_PYTHON has no onnxruntime and numpy: {}", python.display());
        return skip("python3 has no onnxruntime; SCRIMSHAW_PYTHON may name a Python that has");
    };
    let script = scripts().join("sample.py");
    check(&format!("Python's onnxruntime {version}"), |place, model, words| {
        place.run(Command::new(&python).arg(&script).arg(model).args(words))
    });
}

#[cfg(unix)]
#[test]
fn javascript_writes_the_same_text() {
    let Some(modules) = env::var_os("SCRIMSHAW_NODE_MODULES").map(PathBuf::from) else {
        return skip("SCRIMSHAW_NODE_MODULES names no node_modules with onnxruntime-web or onnxruntime-node");
    };
    let runtimes = ["onnxruntime-web", "onnxruntime-node"].map(|name| (name, modules.join(name).join("package.json")));
    let installed: Vec<_> = runtimes.iter().filter(|(_, package)| package.exists()).collect();
    assert!(!installed.is_empty(), "neither of {runtimes:?} is there");
    for (runtime, package) in installed {
        let package: Value = serde_json::from_str(&fs::read_to_string(package).unwrap()).unwrap();
        let title = format!("{runtime} {}", package["version"].as_str().unwrap());
        check(&title, |place, model, words| {
            // Node looks for modules beside the script.
            for name in ["scrimshaw.mjs", "sample.mjs"] {
                place.write(name, fs::read(scripts().join(name)).unwrap());
            }
            if !place.path("node_modules").exists() {
                std::os::unix::fs::symlink(&modules, place.path("node_modules")).unwrap();
            }
            let sample = ["sample.mjs", model, "--runtime", runtime];
            place.run(Command::new("node").current_dir(place.path(".")).args(sample).args(words))
        });
    }
}
