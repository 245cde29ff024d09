//! The same int8 model and seed give the same bytes: with every instruction set of this processor, on one thread and on two,
//! for one text and for several at the same time, and in the program for ARM.
//!
//! `SCRIMSHAW_CHARACTERS` enlarges the texts.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use end_to_end::{Workplace, binary, finish, skip, story};
use lstm_engine::Instructions;

/// Variable of the number of characters.
const CHARACTERS: &str = "SCRIMSHAW_CHARACTERS";
/// The program's variable that names the instructions to compute with.
const INSTRUCTIONS: &str = "SCRIMSHAW_INSTRUCTIONS";
/// The other machine.
const ARM: &str = "aarch64-unknown-linux-gnu";
const EMULATOR: &str = "qemu-aarch64-static";

/// How each network is trained, as settings: one that reads one-hot characters, and one that reads an embedding. The sizes
/// are no multiples of a vector.
const NETWORKS: [(&str, &[&str]); 2] = [
    ("one-hot", &["model.hidden=45", "model.layers=2", "model.input={kind=\"one-hot\"}"]),
    ("embedding", &["model.hidden=51", "model.layers=1", "model.input={kind=\"embedding\",size=19}"]),
];

/// A program, and the words to start it with.
type Program = Vec<PathBuf>;

#[test]
fn a_seed_means_the_same_text_whatever_computes_it() {
    let length = env::var(CHARACTERS).unwrap_or_else(|_| "3000".into());
    let place = Workplace::new();
    let models = NETWORKS.map(|(name, settings)| model(&place, name, settings));
    let native: Program = vec![binary("scrimshaw").get_program().into()];
    let arm = arm(&place);
    for model in &models {
        let expected = write(&native, model, &length, ["1", "1"], None);
        assert!(expected.chars().count() > length.parse().unwrap(), "{expected:?}");
        for set in Instructions::available() {
            for threads in ["1", "2"] {
                let found = write(&native, model, &length, ["1", threads], Some(set.key()));
                assert_same(&found, &expected, model, &format!("{} on {threads} threads", set.key()));
            }
        }
        // The first of several texts is the single text, but for the line end that a single text is given if it has none.
        let several = write(&native, model, &length, ["5", "2"], None);
        let first = several.split("\n=====\n").next().expect("a text");
        assert_same(first.trim_end_matches('\n'), expected.trim_end_matches('\n'), model, "the first of five texts");
        for set in Instructions::available() {
            let found = write(&native, model, &length, ["5", "1"], Some(set.key()));
            assert_same(&found, &several, model, &format!("five texts by {}", set.key()));
        }
        let Some(arm) = &arm else { continue };
        for set in ["neon", "portable"] {
            let found = write(arm, model, &length, ["1", "1"], Some(set));
            assert_same(&found, &expected, model, &format!("{ARM} by {set}"));
            let found = write(arm, model, &length, ["5", "2"], Some(set));
            assert_same(&found, &several, model, &format!("five texts on {ARM} by {set}"));
        }
    }
}

#[test]
fn instructions_that_the_processor_lacks_are_refused() {
    let place = Workplace::new();
    let model = place.write("model.onnx", model_file());
    let mut command = binary("scrimshaw");
    let finished = finish(command.arg("--model").arg(&model).env(INSTRUCTIONS, "abacus"));
    assert_eq!(finished.code, 4, "{}", finished.stderr);
    assert!(finished.stderr.contains("SCRIMSHAW_INSTRUCTIONS is abacus"), "{}", finished.stderr);
    assert!(finished.stderr.contains("portable"), "{}", finished.stderr);
}

fn model_file() -> Vec<u8> {
    std::fs::read(end_to_end::root().join("crates/sampler/tests/data/stateful.onnx")).expect("a model")
}

/// Trains a small network, and exports it with int8 weights.
fn model(place: &Workplace, name: &str, settings: &[&str]) -> PathBuf {
    let text = place.write(&format!("{name}.txt"), &story()[..8_000]);
    let text = text.to_str().expect("a path in Unicode");
    place.carve(&["prepare", "--input", text, "--name", name, "--split", "90/10"]).success();
    let mut words = vec!["train", "--dataset", name, "--recipe", "char-rnn", "--epochs", "1", "--sample-length", "0"];
    words.extend(["--device", "cpu", "--seed", "1"]);
    words.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    place.carve(&words).success();
    place.carve(&["export", "--dataset", name, "--quantize", "int8"]).success();
    place.path(&format!("{name}/model-int8.onnx"))
}

/// What a program writes with these many texts on these many threads.
fn write(program: &Program, model: &Path, length: &str, [count, threads]: [&str; 2], set: Option<&str>) -> String {
    let mut command = Command::new(&program[0]);
    command.args(&program[1..]).arg("--model").arg(model);
    command.args(["--length", length, "--count", count, "--threads", threads, "--seed", "7", "--temperature", "1"]);
    command.args(["--separator", r"\n=====\n"]);
    match set {
        Some(set) => command.env(INSTRUCTIONS, set),
        None => command.env_remove(INSTRUCTIONS),
    };
    finish(&mut command).success().stdout
}

fn assert_same(found: &str, expected: &str, model: &Path, way: &str) {
    let same = found.bytes().zip(expected.bytes()).take_while(|(found, expected)| found == expected).count();
    assert!(
        found == expected,
        "{}: {way} differs from byte {same} of {} on: {:?}",
        model.display(),
        expected.len(),
        String::from_utf8_lossy(&found.as_bytes()[same..found.len().min(same + 60)])
    );
}

/// The static program for ARM under the emulator, if this machine can build and run it.
fn arm(place: &Workplace) -> Option<Program> {
    let answers =
        |program: &str, word: &str| Command::new(program).arg(word).output().ok().filter(|o| o.status.success());
    if env::consts::OS != "linux" {
        skip(&format!("programs for {ARM} are built on Linux"));
        return None;
    }
    for program in ["aarch64-linux-gnu-gcc", EMULATOR] {
        if answers(program, "--version").is_none() {
            skip(&format!("the program for {ARM}: there is no {program}"));
            return None;
        }
    }
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let folder = Command::new(rustc).args(["--print", "target-libdir", "--target", ARM]).output().ok();
    let folder = folder.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    if !folder.is_some_and(|folder| folder.is_dir()) {
        skip(&format!("the program for {ARM}: rustc cannot compile for it (rustup target add {ARM})"));
        return None;
    }
    let built = place.run(binary("xtask").args(["dist", "--target", ARM, "--json"])).success().json();
    assert_eq!(built["file"], place.path(&format!("dist/{ARM}/scrimshaw")).to_str().unwrap());
    Some(vec![EMULATOR.into(), built["file"].as_str().unwrap().into()])
}
