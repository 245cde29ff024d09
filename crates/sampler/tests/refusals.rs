//! What the program `scrimshaw` refuses, with which message and exit code, and that it leaves nothing behind.

mod common;

use std::{fs, process::Output};

use common::{PROGRAM, command, data, not_numbers, scrimshaw, text, with_input};

/// The program fails with this code and a message that contains `part`, and writes no text.
fn fails(output: &Output, code: i32, part: &str) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{message}");
    assert!(message.contains(part), "{message:?} should say {part:?}");
    for accident in ["panicked", "internal error", "unexpected argument"] {
        assert!(!message.contains(accident), "{message}");
    }
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "a failure writes no text");
}

#[test]
fn what_cannot_be_used_is_refused_with_its_own_code() {
    let stateful = data("stateful");
    let folder = env!("CARGO_MANIFEST_DIR");
    let not_onnx = format!("{folder}/Cargo.toml");
    let cases: &[(&[&str], i32, &str)] = &[
        (&["--model", &stateful, "--temperature", "NaN"], 2, "temperature of NaN"),
        (&["--model", &stateful, "--temperature", "-0.5"], 2, "temperature of -0.5"),
        (&["--model", &stateful, "--interactive", "--json"], 2, "cannot be used with"),
        (&["--model", &stateful, "--seed", "-1"], 2, "give a whole number"),
        (&["--model", &stateful, "--length", "-5"], 2, "give a whole number"),
        (&["--model", &stateful, "--threads", "100000"], 2, "give 1 to 1024"),
        (&["--model", &stateful, "--temperature", "1", "info"], 2, "--temperature before `info`"),
        (&["--model", &stateful, "--stop", "\\q"], 2, "`\\q` is not an escape"),
        (&["--model", &stateful, "--stop", "sea\u{20ac}"], 3, "does not write character '\u{20ac}' (U+20AC)"),
        (&["--model", &data("window"), "--stop", "\\n"], 3, "does not write character '\\n' (U+000A)"),
        (&["--model", &data("bytes"), "--stop", "x"], 3, "does not write byte 0x78"),
        // The unknown token stands for it in a prompt, but is never written.
        (&["--model", &data("names"), "--stop", "z"], 3, "does not write character 'z' (U+007A)"),
        (&[], 2, "no model: name one with --model"),
        (&["--model", &stateful, "--prompt", "Sea \u{e9}"], 3, "'\u{e9}' (U+00E9) at position 4"),
        (&["--model", &stateful, "--prompt", ""], 3, "nothing to continue"),
        (&["--model", "no/such/file.onnx"], 4, "no/such/file.onnx"),
        (&["--model", folder], 4, "is a folder"),
        (&["--model", &not_onnx], 4, "not an ONNX file"),
        (&["--model", &data("no-card")], 4, "no model card"),
        (&["--model", &data("other-card")], 4, "contradicts itself"),
        (&["--model", &data("lying-logits")], 4, "disagree"),
        (&["--model", &data("lying-state")], 4, "`h` has the shape [1, -1, 4]"),
        (&["--model", &data("newer-card")], 4, "format version 99"),
        (&["--model", &data("unknown-opset")], 4, "operator set 9999"),
        (&["--model", &data("unknown-operator")], 4, "Carve"),
        (&["bundle", "--model", &stateful, "--output", "no/such/folder/pirate"], 5, "cannot write"),
        (&["bundle", "--model", &stateful, "--output", folder], 5, "cannot write"),
        (&["bundle", "--model", &data("no-card"), "--output", "no/such/folder/pirate"], 4, "no model card"),
        (&["score", "--model", &stateful, "no/such/text"], 3, "no/such/text"),
        (&["score", "--model", &stateful, folder], 3, "cannot read"),
    ];
    for (arguments, code, part) in cases {
        fails(&scrimshaw(arguments), *code, part);
    }
}

#[test]
fn a_bundle_replaces_an_earlier_one_only() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("output");
    let bundle = |model: &str| scrimshaw(&["bundle", "--model", model, "--output", output.to_str().unwrap()]);
    text(&bundle(&data("stateful")));
    let first = fs::read(&output).unwrap();
    text(&bundle(&data("window")));
    assert!(fs::read(&output).unwrap() != first, "a bundle is replaced");
    // Neither the model itself nor any other file is.
    let window = fs::read(data("window")).unwrap();
    let cases = [(&window[..], output.to_str().unwrap()), (b"my diary", &data("window")), (b"", &data("window"))];
    for (kept, model) in cases {
        fs::write(&output, kept).unwrap();
        fails(&bundle(model), 5, "is not a program made by `bundle`, so it is not replaced; choose another name");
        assert!(fs::read(&output).unwrap() == kept, "the file stays as it is");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_damaged_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("model.onnx");
    let bytes = fs::read(data("stateful")).unwrap();
    // Of a graph that comes in two parts, the second adds to the first: here a tensor, by its dimensions.
    let with_tensor = |dimensions: &[u8]| {
        let head = |tag: u8, length: usize| [tag, length as u8];
        let (tensor, graph) = (head(0x0a, dimensions.len()), head(0x2a, dimensions.len() + 2));
        [&bytes, &head(0x3a, dimensions.len() + 4)[..], &graph, &tensor, dimensions].concat()
    };
    // 2^61 + 1 times 2^61 + 63, which is 63 in 64 bits: numbers of which there might be enough.
    let wraps = b"\x81\x80\x80\x80\x80\x80\x80\x80\x20\xbf\x80\x80\x80\x80\x80\x80\x80\x20";
    let claim = (br#""hidden": 8, "layers": 2"#, br#""hidden":9999,"layers":2"#);
    let place = bytes.windows(claim.0.len()).position(|window| window == claim.0).unwrap();
    let (before, after) = (&bytes[..place], &bytes[place + claim.0.len()..]);
    let damage = [
        ("a card with a larger state", [before, claim.1, after].concat(), "its card claims more cells"),
        ("cut short", bytes[..bytes.len() / 2].to_vec(), "announces"),
        ("cut by a byte", bytes[..bytes.len() - 1].to_vec(), "announces"),
        ("empty", Vec::new(), "it is empty"),
        (
            "a graph of 2 GB",
            vec![0x08, 0x08, 0x3a, 0xff, 0xff, 0xff, 0xff, 0x07, 1, 2, 3],
            "announces 2147483647 bytes",
        ),
        ("a tensor of 2 GB", with_tensor(b"\x80\x80\x80\x80\x08"), "claims more numbers than the file has room for"),
        ("a tensor of more than there is memory", with_tensor(wraps), "claims more numbers than the file has room for"),
    ];
    for (name, bytes, part) in damage {
        eprintln!("{name}");
        fs::write(&damaged, bytes).unwrap();
        let output = scrimshaw(&["--model", damaged.to_str().unwrap()]);
        fails(&output, 4, part);
        fails(&output, 4, "model.onnx");
    }
}

#[test]
fn a_model_that_computes_no_numbers_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.onnx");
    for name in ["stateful", "window"] {
        fs::write(&model, not_numbers(name)).unwrap();
        let model = model.to_str().unwrap();
        let forms: [&[&str]; 6] =
            [&[], &["--count", "3"], &["--json"], &["--json=characters"], &["--explain"], &["--temperature", "0"]];
        for form in forms {
            // Longer than a test could wait for.
            let words = ["--model", model, "--prompt", "abcdeh", "--seed", "1", "--length", "1000000000000"];
            let output = scrimshaw(&[&words[..], form].concat());
            fails(&output, 4, "logits that are not numbers");
            fails(&output, 4, "model.onnx");
        }
        fails(&with_input(&["score", "--model", model], b"abcdeh"), 4, "logits that are not numbers");
    }
}

type Damage = fn(&mut Vec<u8>);

#[cfg(unix)]
#[test]
fn a_damaged_bundle_is_refused() {
    use std::{io::ErrorKind, os::unix::fs::PermissionsExt, thread::sleep, time::Duration};

    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    text(&scrimshaw(&["bundle", "--model", &data("stateful"), "--output", whole.to_str().unwrap()]));
    let whole = fs::read(whole).unwrap();
    let cases: [(&str, Damage, &str); 6] = [
        ("a changed byte of the model", |bytes| *bytes.iter_mut().nth_back(99).unwrap() ^= 1, "checksum"),
        (
            "a trailer that claims 2 GB",
            |bytes| *bytes.iter_mut().nth_back(28).unwrap() = 0x80,
            "shorter than the model",
        ),
        ("a trailer of a later version", |bytes| *bytes.iter_mut().nth_back(15).unwrap() = 2, "version"),
        ("a lost byte at the end", |bytes| bytes.truncate(bytes.len() - 1), "was cut short"),
        ("a lost half of the model", |bytes| bytes.truncate(bytes.len() - 2000), "was cut short"),
        ("something appended", |bytes| bytes.push(0), "was appended"),
    ];
    for (number, (what, damage, part)) in cases.into_iter().enumerate() {
        eprintln!("{what}");
        let mut bytes = whole.clone();
        damage(&mut bytes);
        let damaged = folder.path().join(number.to_string());
        fs::write(&damaged, bytes).unwrap();
        fs::set_permissions(&damaged, fs::Permissions::from_mode(0o755)).unwrap();
        // A process that another test has just forked keeps the file open for writing until it runs its own program.
        let output = loop {
            match command(&damaged, &[]).output() {
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => sleep(Duration::from_millis(1)),
                output => break output.unwrap(),
            }
        };
        fails(&output, 4, part);
    }
}

/// A limit on the size of files stands for a full disk: the same call fails.
#[cfg(unix)]
#[test]
fn a_bundle_that_does_not_fit_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let pirate = folder.path().join("pirate");
    text(&scrimshaw(&["bundle", "--model", &data("window"), "--output", pirate.to_str().unwrap()]));
    let earlier = fs::read(&pirate).unwrap();
    let bundle = format!("bundle --model '{}' --output '{}'", data("stateful"), pirate.display());
    let script = format!("trap '' XFSZ; ulimit -f 100; exec '{PROGRAM}' {bundle}");
    fails(&command("sh", &["-c", &script]).output().unwrap(), 5, "cannot write");
    assert!(fs::read(&pirate).unwrap() == earlier, "the earlier bundle stays");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_reported() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = command(PROGRAM, &["--model", &data("stateful"), "--seed", "1"]);
    let output = command.stdout(full).output().unwrap();
    fails(&output, 5, "cannot write the output");
}

#[test]
fn what_cannot_be_scored_is_reported_with_its_place() {
    let stateful = data("stateful");
    let invalid = b"the sea\nthe \xff land\n";
    fails(&with_input(&["score", "--top", "1", "--model", &stateful], invalid), 3, "not UTF-8 at byte 12 (line 2)");
    let unknown = "the sea\nthe \u{20ac}\n".as_bytes();
    fails(&with_input(&["score", "--top", "1", "--model", &stateful], unknown), 3, "U+20AC) in standard input, line 2");
    let skipped = with_input(&["score", "--total", "--skip-unknown", "--model", &stateful], unknown);
    assert!(text(&skipped).starts_with("12 characters (1 unknown left out)"), "{}", text(&skipped));
    let lossy = with_input(&["score", "--total", "--skip-unknown", "--lossy", "--model", &stateful], invalid);
    assert!(text(&lossy).starts_with("17 characters (1 unknown left out)"), "{}", text(&lossy));
    // Bytes are bytes to a model of bytes.
    let bytes = with_input(&["score", "--total", "--skip-unknown", "--model", &data("bytes")], b"a\xc3\xff\n");
    assert!(text(&bytes).starts_with("2 characters (1 unknown left out)"), "{}", text(&bytes));
}
