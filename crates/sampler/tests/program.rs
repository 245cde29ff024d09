//! The program `scrimshaw`, as its users meet it: arguments in, text, messages and exit codes out.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

fn data(name: &str) -> String {
    format!("{}/tests/data/{name}.onnx", env!("CARGO_MANIFEST_DIR"))
}

fn expected(model: &str, key: &str) -> String {
    let all: Value = serde_json::from_str(include_str!("data/expected.json")).unwrap();
    all[model][key].as_str().unwrap().to_string()
}

fn command(program: impl AsRef<Path>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program.as_ref());
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn scrimshaw(arguments: &[&str]) -> Output {
    command(env!("CARGO_BIN_EXE_scrimshaw"), arguments).output().unwrap()
}

fn with_input(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = command(env!("CARGO_BIN_EXE_scrimshaw"), arguments).stdin(Stdio::piped()).spawn().unwrap();
    // A program that has seen enough closes its input; what it says then is the test's business.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn objects(output: &Output) -> Vec<Value> {
    text(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The program fails with this code and a message that holds this, and writes no text.
fn fails(output: &Output, code: i32, part: &str) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{message}");
    assert!(message.contains(part), "{message:?} should say {part:?}");
    assert!(!message.contains("panicked"), "{message}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "a failure writes no text");
}

#[test]
fn a_prompt_is_continued() {
    let (stateful, window) = (data("stateful"), data("window"));
    let greedy = format!("the sea {}\n", expected("stateful", "greedy"));
    let cases = [
        (vec!["--model", &stateful, "--prompt", "The sea "], greedy.clone()),
        (vec!["--model", &stateful], greedy.clone()),
        (vec!["--model", &stateful, "--hide-prompt"], format!("{}\n", expected("stateful", "greedy"))),
        (vec!["--model", &window, "--prompt", "abcdefg"], format!("abcdefg{}\n", expected("window", "greedy"))),
        (
            vec!["--model", &window, "--prompt", "abcdefg", "--stateful"],
            format!("abcdefg{}\n", expected("window", "greedy_stateful")),
        ),
        (vec!["--model", &stateful, "--count", "2"], greedy.repeat(2)),
    ];
    for (mut arguments, expected) in cases {
        arguments.extend(["--temperature", "0", "--length", "40"]);
        assert_eq!(text(&scrimshaw(&arguments)), expected, "{arguments:?}");
    }
    let piped =
        with_input(&["--model", &stateful, "--prompt", "-", "--temperature", "0", "--length", "40"], b"THE SEA ");
    assert_eq!(text(&piped), greedy);
}

#[test]
fn the_same_seed_writes_the_same_text() {
    let model = data("stateful");
    let write =
        |seed: &str| text(&scrimshaw(&["--model", &model, "--temperature", "1.2", "--length", "100", "--seed", seed]));
    assert_eq!(write("7"), write("7"));
    assert_ne!(write("7"), write("8"));
    assert_eq!(write("7").chars().count(), "the sea ".len() + 100 + 1);
}

#[test]
fn several_temperatures_write_a_text_each() {
    let model = data("stateful");
    let one = |temperature: &str| {
        text(&scrimshaw(&["--model", &model, "--length", "30", "--seed", "7", "--temperature", temperature]))
    };
    let both = scrimshaw(&[
        "--model",
        &model,
        "--length",
        "30",
        "--seed",
        "7",
        "--temperature",
        "0.2",
        "--temperature",
        "1.2",
    ]);
    assert_eq!(text(&both), format!("{}{}", one("0.2"), one("1.2")));
    let headings = String::from_utf8_lossy(&both.stderr).into_owned();
    assert_eq!(headings, "----- temperature: 0.2\n----- temperature: 1.2\n");
}

#[test]
fn samples_of_a_model_of_names_are_whole_names() {
    let names = objects(&scrimshaw(&[
        "--model",
        &data("names"),
        "--count",
        "20",
        "--temperature",
        "1",
        "--seed",
        "1",
        "--json",
        "--length",
        "500",
    ]));
    assert_eq!(names.len(), 20);
    for (name, number) in names.iter().zip(0..) {
        assert_eq!(name["sample"], number);
        assert_eq!(name["end"], "boundary");
        assert_eq!(name["characters"], name["text"].as_str().unwrap().chars().count());
        assert!(name["text"].as_str().unwrap().chars().all(|letter| "abeilmnor".contains(letter)), "{name}");
    }
}

#[test]
fn a_sample_ends_after_its_stop_text() {
    let output = scrimshaw(&[
        "--model",
        &data("window"),
        "--temperature",
        "1",
        "--seed",
        "3",
        "--length",
        "5000",
        "--stop",
        "a",
        "--stop",
        "gg",
        "--hide-prompt",
    ]);
    let text = text(&output);
    let text = text.trim_end();
    assert!(text.ends_with('a') || text.ends_with("gg"), "{text}");
    assert!(!text[..text.len() - 1].contains('a') && text.len() < 5000, "{text}");
}

#[test]
fn characters_are_explained_in_json() {
    let arguments = ["--model", &data("stateful"), "--temperature", "0", "--length", "40", "--json=characters"];
    let characters = objects(&scrimshaw(&arguments));
    let written: String = characters.iter().map(|object| object["text"].as_str().unwrap()).collect();
    assert_eq!(written, expected("stateful", "greedy"));
    for object in &characters {
        // The likeliest character is the one that temperature 0 writes.
        assert_eq!(object["alternatives"].as_array().unwrap().len(), 5);
        assert_eq!(object["alternatives"][0]["text"], object["text"]);
        assert_eq!(object["alternatives"][0]["probability"], object["probability"]);
    }
    assert_eq!(characters[39]["end"], "length");
}

#[test]
fn an_explanation_has_five_rows_beneath_and_no_colours_in_a_pipe() {
    let arguments = ["--model", &data("stateful"), "--temperature", "0", "--length", "40", "--explain"];
    let table = text(&scrimshaw(&arguments));
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows[0], expected("stateful", "greedy").replace('\n', "\u{21b5}"));
    assert_eq!(rows[0], rows[1], "at temperature 0 the likeliest is the one that is written");
    assert_eq!((rows.len(), rows[6]), (7, ""));
    assert!(!table.contains('\u{1b}'));
}

#[test]
fn a_user_picks_characters() {
    let arguments = ["--model", &data("stateful"), "--interactive", "--temperature", "0", "--prompt", "the sea "];
    let output = with_input(&arguments, b"1\n\n+3\n=THE\nnonsense\n=\xe2\x82\xac\nq\n");
    let greedy = expected("stateful", "greedy");
    assert_eq!(text(&output), format!("the sea {}the\n", &greedy[..5]));
    let offers = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(offers.contains("  1  w  ") && offers.contains("U+20AC"), "{offers}");
}

#[test]
fn the_card_is_shown() {
    let shown = text(&scrimshaw(&["info", "--model", &data("stateful")]));
    for part in ["nonsense, 1000 characters", "CC0-1.0", "1.7500 nats (2.5247 bits)", "lower case", "2 \u{d7} 8 LSTM"] {
        assert!(shown.contains(part), "{shown} should say {part:?}");
    }
    let json: Value = serde_json::from_str(&text(&scrimshaw(&["info", "--json", "--model", &data("window")]))).unwrap();
    assert_eq!(json["context"]["length"], 5);
}

#[test]
fn what_cannot_be_used_is_refused_with_its_own_code() {
    let stateful = data("stateful");
    let folder = env!("CARGO_MANIFEST_DIR");
    let not_onnx = format!("{folder}/Cargo.toml");
    let cases: &[(&[&str], i32, &str)] = &[
        (&["--model", &stateful, "--temperature", "NaN"], 2, "temperature of NaN"),
        (&["--model", &stateful, "--temperature", "-0.5"], 2, "temperature of -0.5"),
        (&["--model", &stateful, "--no-such-flag"], 2, "--no-such-flag"),
        (&[], 2, "--model"),
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
        (&["bundle", "--model", &stateful, "--output", "/dev/null"], 5, "no ordinary file"),
        (&["bundle", "--model", &data("no-card"), "--output", "/dev/null"], 4, "no model card"),
        (&["score", "--model", &stateful, "no/such/text"], 3, "no/such/text"),
        (&["score", "--model", &stateful, folder], 3, "cannot read"),
    ];
    for (arguments, code, part) in cases {
        fails(&scrimshaw(arguments), *code, part);
    }
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
    let damage = [
        ("cut short", bytes[..bytes.len() / 2].to_vec(), "announces"),
        ("cut by a byte", bytes[..bytes.len() - 1].to_vec(), "announces"),
        ("empty", Vec::new(), "it is empty"),
        (
            "a graph of 2 GB",
            vec![0x08, 0x08, 0x3a, 0xff, 0xff, 0xff, 0xff, 0x07, 1, 2, 3],
            "announces 2147483647 bytes",
        ),
        ("a tensor of 2 GB", with_tensor(b"\x80\x80\x80\x80\x08"), "claims 2147483648 numbers"),
        ("a tensor of more than there is memory", with_tensor(wraps), "more than 2^64 numbers"),
    ];
    for (name, bytes, part) in damage {
        eprintln!("{name}");
        fs::write(&damaged, bytes).unwrap();
        fails(&scrimshaw(&["--model", damaged.to_str().unwrap()]), 4, part);
    }
}

#[cfg(unix)]
#[test]
fn a_bundle_writes_alone_from_a_folder_that_cannot_be_written() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let pirate = folder.path().join("pirate");
    let bundled = scrimshaw(&["bundle", "--model", &data("stateful"), "--output", pirate.to_str().unwrap()]);
    assert_eq!(text(&bundled), "");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let alone =
        |arguments: &[&str]| command(&pirate, arguments).env_clear().current_dir(folder.path()).output().unwrap();
    let written = text(&alone(&[]));
    assert!(written.starts_with("the sea ") && written.chars().count() == "the sea ".len() + 400 + 1, "{written}");
    assert!(text(&alone(&["info"])).contains("nonsense"));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

type Damage = fn(&mut Vec<u8>);

#[cfg(unix)]
#[test]
fn a_damaged_bundle_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    text(&scrimshaw(&["bundle", "--model", &data("stateful"), "--output", whole.to_str().unwrap()]));
    let whole = fs::read(whole).unwrap();
    let cases: [(&str, Damage, i32, &str); 5] = [
        ("a changed byte of the model", |bytes| *bytes.iter_mut().nth_back(99).unwrap() ^= 1, 4, "checksum"),
        (
            "a trailer that claims 2 GB",
            |bytes| *bytes.iter_mut().nth_back(28).unwrap() = 0x80,
            4,
            "shorter than the model",
        ),
        ("a trailer of a later version", |bytes| *bytes.iter_mut().nth_back(15).unwrap() = 2, 4, "version"),
        // Without its end nothing says that there ever was a model.
        ("a lost end", |bytes| bytes.truncate(bytes.len() - 1), 2, "--model"),
        ("something appended", |bytes| bytes.push(0), 2, "--model"),
    ];
    for (number, (what, damage, code, part)) in cases.into_iter().enumerate() {
        eprintln!("{what}");
        let mut bytes = whole.clone();
        damage(&mut bytes);
        let damaged = folder.path().join(number.to_string());
        fs::write(&damaged, bytes).unwrap();
        fs::set_permissions(&damaged, fs::Permissions::from_mode(0o755)).unwrap();
        fails(&command(&damaged, &[]).output().unwrap(), code, part);
    }
}

/// A limit on the size of files stands for the full disk: it fails the same call in the same place.
#[cfg(unix)]
#[test]
fn a_bundle_that_does_not_fit_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let pirate = folder.path().join("pirate");
    fs::write(&pirate, "the earlier one").unwrap();
    let bundle = format!("bundle --model '{}' --output '{}'", data("stateful"), pirate.display());
    let script = format!("trap '' XFSZ; ulimit -f 100; exec '{}' {bundle}", env!("CARGO_BIN_EXE_scrimshaw"));
    fails(&command("sh", &["-c", &script]).output().unwrap(), 5, "cannot write");
    assert_eq!(fs::read_to_string(&pirate).unwrap(), "the earlier one");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_closed_pipe_ends_the_program_quietly() {
    let arguments = ["--model", &data("window"), "--length", "100000000", "--temperature", "1"];
    let mut child = command(env!("CARGO_BIN_EXE_scrimshaw"), &arguments).spawn().unwrap();
    let mut first = [0; 8];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = command(env!("CARGO_BIN_EXE_scrimshaw"), &["--model", &data("stateful")]);
    let output = command.stdout(full).output().unwrap();
    fails(&output, 5, "cannot write the output");
}

fn lines_file(folder: &Path, text: &[u8]) -> PathBuf {
    let path = folder.join("text.txt");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn lines_are_scored_and_the_odd_one_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let scored = expected("stateful", "scored");
    let path = lines_file(folder.path(), scored.as_bytes());
    let all: Value = serde_json::from_str(include_str!("data/expected.json")).unwrap();
    let nats: Vec<f64> = all["stateful"]["nats"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect();
    let mean = nats.iter().sum::<f64>() / nats.len() as f64;

    let model = data("stateful");
    let json = objects(&scrimshaw(&["score", "--json", "--model", &model, path.to_str().unwrap()]));
    assert_eq!(json.len(), 3);
    assert_eq!(json[0]["text"], "the sea was calm.\n");
    assert_eq!((&json[0]["characters"], &json[1]["line"]), (&17.into(), &2.into()));
    // The first character has no score, so the first line has the first 17.
    let first = nats[..17].iter().sum::<f64>() / std::f64::consts::LN_2;
    assert!((json[0]["bits"].as_f64().unwrap() - first).abs() < 1e-3, "{json:?}");
    let total = &json[2]["total"];
    assert_eq!(total["characters"], nats.len());
    assert!((total["nats"].as_f64().unwrap() - mean).abs() < 1e-4, "{total}");

    let worst = usize::from(json[0]["bits_per_character"].as_f64() < json[1]["bits_per_character"].as_f64());
    let top = with_input(&["score", "--top", "1", "--model", &model], scored.as_bytes());
    let shown = text(&top);
    let shown: Vec<&str> = shown.lines().collect();
    assert!(shown[0].ends_with(&format!("standard input:{}", worst + 1)), "{shown:?}");
    assert_eq!(shown[1].trim_end_matches('\u{21b5}'), scored.lines().nth(worst).unwrap());
    for (place, object) in json[worst]["surprising"].as_array().unwrap().iter().enumerate() {
        let at = object["at"].as_u64().unwrap() as usize;
        assert_eq!(shown[2].chars().nth(at), Some('^'), "{place}: {shown:?}");
    }
    assert!(shown[2].contains('^'), "{shown:?}");

    let plain = text(&scrimshaw(&["score", "--model", &model, path.to_str().unwrap()]));
    assert!(plain.lines().next().unwrap().ends_with("\tthe sea was calm."), "{plain}");
    let total = text(&scrimshaw(&["score", "--total", "--model", &model, path.to_str().unwrap()]));
    assert!(total.contains(&format!("({mean:.4} nats")), "{total}");
}

#[test]
fn a_text_that_cannot_be_scored_says_where() {
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

#[test]
fn lines_of_a_model_of_names_are_documents() {
    let names = with_input(&["score", "--json", "--model", &data("names")], b"emil\nnora\n");
    let names = objects(&names);
    // Every letter and both ends: the first stands after a boundary.
    assert_eq!((&names[0]["characters"], &names[2]["total"]["characters"]), (&5.into(), &10.into()));
    assert_eq!(names[1]["text"], "nora");
}
