//! The program `scrimshaw`, as its users meet it: arguments in, text out.

mod common;

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::Output,
};

use common::{PROGRAM, command, data, scrimshaw, text, with_input};
use serde_json::Value;

fn expected(model: &str, key: &str) -> String {
    let all: Value = serde_json::from_str(include_str!("data/expected.json")).unwrap();
    all[model][key].as_str().unwrap().to_string()
}

fn objects(output: &Output) -> Vec<Value> {
    text(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
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

#[test]
fn a_closed_pipe_ends_the_program_quietly() {
    let arguments = ["--model", &data("window"), "--length", "100000000", "--temperature", "1"];
    let mut child = command(PROGRAM, &arguments).spawn().unwrap();
    let mut first = [0; 8];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
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
fn lines_of_a_model_of_names_are_documents() {
    let names = with_input(&["score", "--json", "--model", &data("names")], b"emil\nnora\n");
    let names = objects(&names);
    // Every letter and both ends: the first stands after a boundary.
    assert_eq!((&names[0]["characters"], &names[2]["total"]["characters"]), (&5.into(), &10.into()));
    assert_eq!(names[1]["text"], "nora");
}
