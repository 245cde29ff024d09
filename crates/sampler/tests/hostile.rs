//! Files that are damaged, or were made to do harm: the program answers every one of them with a text or a message.

mod common;
#[path = "common/hostile.rs"]
mod hostile;

use std::{fs, path::Path, process::Output};

use common::{command, data, replace, scrimshaw, text};
use hostile::{KINDS, empty_weights, field, split, with_graph};

/// The program writes a text, or fails with a message about the model. Returns the message.
fn answers(what: &str, arguments: &[&str]) -> Option<String> {
    check(what, &scrimshaw(arguments), &[4])
}

fn check(what: &str, output: &Output, codes: &[i32]) -> Option<String> {
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    for accident in ["panicked", "internal error", "memory allocation of"] {
        assert!(!message.contains(accident), "{what}: {message}");
    }
    if output.status.success() {
        return None;
    }
    // A signal leaves no code.
    assert!(output.status.code().is_some_and(|code| codes.contains(&code)), "{what}: {:?}, {message}", output.status);
    assert!(message.starts_with("scrimshaw: ") && message.len() < 3000, "{what}: {message}");
    Some(message)
}

/// Asks for the card and for a text.
fn answers_both(what: &str, file: &Path) -> Option<String> {
    let file = file.to_str().unwrap();
    let info = answers(what, &["info", "--model", file]);
    answers(what, &["--model", file, "--seed", "1", "--length", "10"]).or(info)
}

#[test]
fn files_that_were_made_to_do_harm_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hostile.onnx");
    for (kind, make) in KINDS {
        for size in [1000, 60_000] {
            fs::write(&file, make(size)).unwrap();
            let message = answers_both(kind, &file);
            eprintln!("{kind}: {message:?}");
        }
    }
    for (kind, bytes, part) in [
        ("MatMul", empty_weights(), "the operator MatMul (node 5): its weights have a dimension of 0"),
        ("Split", with_graph(&split(1_000_000)), "a list of more than 65536 items"),
    ] {
        fs::write(&file, bytes).unwrap();
        let message = answers_both(kind, &file).unwrap_or_default();
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn damaged_files_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("damaged.onnx");
    let whole = fs::read(data("stateful")).unwrap();
    for length in (0..whole.len()).step_by(97) {
        fs::write(&file, &whole[..length]).unwrap();
        let message = answers_both("cut", &file);
        assert!(message.is_some(), "a model of {length} bytes of {}", whole.len());
    }
    // A generator of random numbers: Knuth's MMIX.
    let mut seed = 12_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for number in 0..150 {
        let mut bytes = whole.clone();
        for _ in 0..=random(8) {
            let place = random(bytes.len());
            bytes[place] = random(256) as u8;
        }
        fs::write(&file, bytes).unwrap();
        answers_both(&format!("change {number}"), &file);
    }
}

#[test]
fn weights_that_are_not_those_that_were_exported_are_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.onnx");
    let name = file.to_str().unwrap();
    let arguments = ["--model", name, "--seed", "1", "--length", "10"];
    let plain = fs::read(data("stateful")).unwrap();
    let expected = text(&scrimshaw(&["--model", &data("stateful"), "--seed", "1", "--length", "10"]));
    let checksum = sampler::weights_checksum(&plain).unwrap();
    assert!(checksum.starts_with("xxh3-64:") && checksum.len() == 8 + 16, "{checksum}");
    let entry = field(14, &[field(1, b"scrimshaw.weights"), field(2, checksum.as_bytes())].concat());
    let marked = [plain, entry].concat();
    fs::write(&file, &marked).unwrap();
    assert_eq!(text(&scrimshaw(&arguments)), expected);
    // The last bit of a weight, which no other check would see: the name (field 8) and the data (field 9) of the bias.
    let head = b"\x42\x04bias\x4a";
    let place = marked.windows(head.len()).position(|window| window == head).unwrap() + head.len() + 1;
    let mut changed = marked.clone();
    changed[place] ^= 1;
    for (what, bytes) in [
        ("a weight", changed),
        ("a name", replace(&marked, b"\x42\x04bias", b"\x42\x04vias")),
        ("the checksum", replace(&marked, b"xxh3-64:", b"xxh3-65:")),
    ] {
        fs::write(&file, bytes).unwrap();
        let message = answers_both(what, &file).unwrap_or_default();
        assert!(message.contains("do not match their checksum (metadata `scrimshaw.weights`)"), "{what}: {message}");
        assert!(message.contains("copy or export it again"), "{what}: {message}");
    }
}

/// The program under a limit on its memory, in megabytes.
#[cfg(target_os = "linux")]
fn limited(megabytes: usize, arguments: &[&str]) -> Output {
    let script = r#"ulimit -v "$0"; exec "$@""#;
    let limit = (megabytes << 10).to_string();
    let words = [&["-c", script, &limit, common::PROGRAM], arguments].concat();
    command("sh", &words).output().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn without_memory_the_program_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.onnx");
    let (_, make) = KINDS.iter().find(|(kind, _)| *kind == "large weights").unwrap();
    fs::write(&model, make(64 << 20)).unwrap();
    let model = model.to_str().unwrap();
    // What the program itself takes, in steps of 4 MB.
    let least = (1..64).map(|step| 4 * step).find(|&megabytes| limited(megabytes, &["--version"]).status.success());
    let least = least.expect("the program starts with 256 MB");
    let arguments = ["--model", model, "--seed", "1", "--length", "10"];
    // Enough for half of the file; for the file and half of its packed weights; and for all.
    for (more, fits) in [(32, false), (64 + 32, false), (64 + 64 + 64, true)] {
        let output = limited(least + more, &arguments);
        let message = check(&format!("{more} MB"), &output, &[1]);
        assert_eq!(message.is_none(), fits, "{more} MB: {message:?}");
        assert!(message.is_none_or(|message| message.contains("out of memory")), "{more} MB");
    }
    let prompt = folder.path().join("prompt");
    fs::write(&prompt, "the sea ".repeat(8 << 20)).unwrap();
    let stateful = data("stateful");
    for more in [32, 128, 256] {
        let mut command = command("sh", &["-c", r#"ulimit -v "$0"; exec "$@""#, &((least + more) << 10).to_string()]);
        command.args([common::PROGRAM, "--model", &stateful, "--prompt", "-"]);
        let output = command.stdin(fs::File::open(&prompt).unwrap()).output().unwrap();
        let message = check("prompt", &output, &[1]).unwrap_or_default();
        assert!(message.contains("out of memory"), "{more} MB for a prompt: {message}");
    }
}
