//! The npm package: Node writes what `scrimshaw` writes, byte for byte, and says what is wrong.

use std::fs;
use std::path::Path;
use std::process::Command;

use end_to_end::{Workplace, binary, root, skip, story};

/// What this machine lacks.
fn missing() -> Option<&'static str> {
    let answer = |command: &mut Command| {
        let output = command.current_dir(root()).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    if answer(Command::new("node").arg("--version")).is_none() {
        return Some("there is no Node (node)");
    }
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let words = ["--print", "target-libdir", "--target", "wasm32-unknown-unknown"];
    let library = answer(Command::new(rustc).args(words));
    let is_there = library.is_some_and(|folder| Path::new(&folder).is_dir());
    (!is_there).then_some("there is no standard library for WebAssembly (rustup target add wasm32-unknown-unknown)")
}

#[test]
fn node_writes_what_the_program_writes() {
    if let Some(missing) = missing() {
        return skip(missing);
    }
    let place = Workplace::new();
    let tale = place.write("tale.txt", &story()[..20_000]);
    place.carve(&["prepare", "--input", tale.to_str().unwrap(), "--name", "tale", "--split", "90/10"]).success();
    let train = ["train", "--dataset", "tale", "--recipe", "char-rnn", "--epochs", "2", "--sample-length", "0"];
    place.carve(&[&train[..], &["--set", "model.hidden=48"]].concat()).success();
    place.carve(&["export", "--dataset", "tale", "--quantize", "int8"]).success();
    let model = place.path("tale/model-int8.onnx");
    let model = model.to_str().unwrap();

    place.run(binary("xtask").args(["dist", "--npm"])).success();
    // As `npm install` puts it.
    fs::create_dir(place.path("node_modules")).unwrap();
    fs::rename(place.path("dist/npm"), place.path("node_modules/scrimshaw")).unwrap();
    place.write("check.mjs", fs::read(root().join("tests/tests/web/check.mjs")).unwrap());
    let node = place.run(Command::new("node").current_dir(place.path(".")).args(["check.mjs", model])).success();

    let words = ["--prompt", "The ", "--hide-prompt", "--length", "3000", "--temperature", "0.8", "--top-p", "0.95"];
    let ours = place.scrimshaw(&[&["--model", model, "--seed", "7"], &words[..]].concat()).success().stdout;
    assert!(ours.chars().count() > 3000, "{} characters", ours.chars().count());
    assert_eq!(node.stdout, ours.strip_suffix('\n').unwrap());
}
