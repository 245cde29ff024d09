//! The program `scrimshaw` as its users see it: arguments in, text out.

mod common;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use common::{PROGRAM, command, data, errors, objects, replace, scrimshaw, text, with_input};
use serde_json::Value;

fn expected(model: &str, key: &str) -> String {
    let all: Value = serde_json::from_str(include_str!("data/expected.json")).unwrap();
    all[model][key].as_str().unwrap().to_string()
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
fn a_seed_that_was_drawn_is_shown_and_repeats_the_text() {
    let model = data("stateful");
    let write = |arguments: &[&str]| {
        scrimshaw(&[&["--model", &model, "--temperature", "1.2", "--length", "100"], arguments].concat())
    };
    let seed = |output: &Output| {
        let line = errors(output);
        line.strip_prefix("seed ").and_then(|rest| rest.strip_suffix("; --seed repeats this text\n")).map(String::from)
    };
    for form in [&[][..], &["--count", "3"], &["--explain"], &["--json=characters"]] {
        let first = write(form);
        let seed = seed(&first).unwrap_or_else(|| panic!("{form:?}: {}", errors(&first)));
        let again = write(&[form, &["--seed", &seed]].concat());
        assert_eq!(text(&again), text(&first), "{form:?}");
        assert_eq!(errors(&again), "", "{form:?}: a given seed is not shown");
    }
    // In JSON the seed is part of the object.
    let json = write(&["--json"]);
    assert_eq!(errors(&json), "");
    let object = &objects(&json)[0];
    let again = &objects(&write(&["--json", "--seed", &object["seed"].to_string()]))[0];
    assert_eq!(again["text"], object["text"]);
    // At temperature 0 the seed makes no difference.
    assert_eq!(errors(&scrimshaw(&["--model", &model, "--temperature", "0"])), "");
}

#[test]
fn a_text_of_no_characters_has_none_in_any_form() {
    let model = data("stateful");
    let write = |arguments: &[&str]| {
        let words = ["--model", &model, "--prompt", "the sea", "--seed", "1", "--length", "0"];
        with_input(&[&words[..], arguments].concat(), b"1\n1\n1\n")
    };
    let cases: [(&[&str], &str); 8] = [
        (&[], "the sea\n"),
        (&["--words"], "the sea\n"),
        (&["--hide-prompt"], "\n"),
        (&["--count", "2"], "the sea\n-----\nthe sea\n"),
        (&["--temperature", "0,1"], "the sea\n-----\nthe sea\n"),
        (&["--interactive"], "the sea\n"),
        (&["--explain"], ""),
        (&["--json=characters"], ""),
    ];
    for (arguments, expected) in cases {
        assert_eq!(text(&write(arguments)), expected, "{arguments:?}");
    }
    for (arguments, count) in [(&["--json"][..], 1), (&["--json", "--count", "300"], 300)] {
        let samples = objects(&write(arguments));
        assert_eq!(samples.len(), count);
        for sample in samples {
            assert_eq!(
                (&sample["text"], &sample["characters"], &sample["end"]),
                (&"".into(), &0.into(), &"length".into())
            );
        }
    }
    // A model of windows and one of documents take other paths.
    for (model, prompt) in [("window", "ab"), ("names", "")] {
        let model = data(model);
        let words = ["--model", &model, "--prompt", prompt, "--length", "0", "--json", "--count", "2"];
        assert!(objects(&scrimshaw(&words)).iter().all(|sample| sample["text"] == ""), "{model}");
    }
}

#[test]
fn texts_are_separated() {
    let (stateful, names) = (data("stateful"), data("names"));
    let greedy = format!("the sea {}", expected("stateful", "greedy"));
    let write = |arguments: &[&str]| {
        let words = ["--model", &stateful, "--temperature", "0", "--length", "40", "--count", "3"];
        text(&scrimshaw(&[&words[..], arguments].concat()))
    };
    let cases: [(&[&str], &str); 5] = [
        (&[], "\n-----\n"),
        (&["--separator", r"\n\t\\\n"], "\n\t\\\n"),
        (&["--separator", "--"], "--"),
        (&["--separator", ""], ""),
        (&["--separator", r"\0"], "\0"),
    ];
    for (arguments, separator) in cases {
        assert_eq!(write(arguments), format!("{}\n", [&greedy[..]; 3].join(separator)), "{arguments:?}");
    }
    assert_eq!(write(&["--json", "--separator", "no such"]).lines().count(), 3, "JSON needs no separator");
    // Names have no line ends in them, so each is a line.
    let names = text(&scrimshaw(&["--model", &names, "--count", "20", "--temperature", "1", "--seed", "1"]));
    assert_eq!(names.lines().count(), 20, "{names:?}");
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
    assert_eq!(text(&both), format!("{}-----\n{}", one("0.2"), one("1.2")));
    assert_eq!(errors(&both), "temperature 0.2\ntemperature 1.2\n");
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
fn stop_texts_are_unescaped_and_normalised() {
    let model = data("stateful");
    let write = |stop: &str| {
        let words = ["--model", &model, "--temperature", "1", "--seed", "3", "--length", "5000", "--json"];
        let output = scrimshaw(&[&words[..], &["--stop", stop]].concat());
        let sample = objects(&output).remove(0);
        assert_eq!(sample["end"], "stop", "{stop}");
        sample["text"].as_str().unwrap().to_string()
    };
    let line = write(r"\n");
    assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "{line:?}");
    // This model reads and writes lower case.
    assert_eq!(write("S"), write("s"));
}

#[test]
fn characters_are_explained_in_json() {
    let arguments = ["--model", &data("stateful"), "--temperature", "0", "--length", "40", "--json=characters"];
    let characters = objects(&scrimshaw(&arguments));
    let written: String = characters.iter().map(|object| object["text"].as_str().unwrap()).collect();
    assert_eq!(written, expected("stateful", "greedy"));
    for object in &characters {
        // Temperature 0 writes the most likely character.
        assert_eq!(object["alternatives"].as_array().unwrap().len(), 5);
        assert_eq!(object["alternatives"][0]["text"], object["text"]);
        assert_eq!(object["alternatives"][0]["probability"], object["probability"]);
    }
    assert_eq!(characters[39]["end"], "length");
}

#[test]
fn an_explanation_has_five_rows_below_and_no_colours_in_a_pipe() {
    let arguments = ["--model", &data("stateful"), "--temperature", "0", "--length", "40", "--explain"];
    let table = text(&scrimshaw(&arguments));
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows[0], expected("stateful", "greedy").replace('\n', "\u{21b5}"));
    assert_eq!(rows[0], rows[1], "at temperature 0 the most likely character is written");
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
fn a_user_is_offered_what_the_options_leave() {
    let folder = tempfile::tempdir().unwrap();
    let known = folder.path().join("known.txt");
    fs::write(&known, expected("stateful", "greedy")).unwrap();
    let cases: [&[&str]; 6] = [
        &["--forbid", "we"],
        &["--allow", "aeiou tn"],
        &["--frequency-penalty", "0.7"],
        &["--repetition-penalty", "50"],
        &["--novel", known.to_str().unwrap(), "--novel-length", "3"],
        &["--stop", "..."],
    ];
    let model = data("stateful");
    let start = ["--model", &model, "--temperature", "0", "--length", "30", "--prompt", "the sea "];
    let plain = text(&scrimshaw(&start));
    for options in cases {
        // The first of what is offered is what temperature 0 takes.
        let written = text(&scrimshaw(&[&start[..], options].concat()));
        let picked = with_input(&[&start[..], options, &["--interactive"]].concat(), &b"1\n".repeat(30));
        assert_eq!(text(&picked), written, "{options:?}");
        assert_ne!(written, plain, "{options:?}");
    }
    let none_forbidden = errors(&with_input(&[&start[..], &["--forbid", "we", "--interactive"]].concat(), b"q\n"));
    assert!(none_forbidden.contains("  1  ") && !none_forbidden.contains("  w  "), "{none_forbidden}");
}

#[test]
fn typed_text_counts_for_the_repetition_penalty() {
    let model = data("stateful");
    let write = |prompt: &str, answers: &str| {
        let words = ["--model", &model, "--interactive", "--temperature", "0", "--repetition-penalty", "50"];
        text(&with_input(&[&words[..], &["--prompt", prompt]].concat(), answers.as_bytes()))
    };
    let typed = write("t", "=he sea, lo\n+20\nq\n");
    assert_eq!(typed, write("the sea, lo", "+20\nq\n"));
    assert!(typed.starts_with("the sea, lo") && typed.len() > 30, "{typed:?}");
}

#[test]
fn the_card_is_shown() {
    let shown = text(&scrimshaw(&["info", "--model", &data("stateful")]));
    for part in [
        "nonsense, 1000 characters",
        "none, 1 epoch, ",
        "CC0-1.0",
        "1.7500 nats (2.5247 bits)",
        "lower case",
        "2 \u{d7} 8 LSTM",
    ] {
        assert!(shown.contains(part), "{shown} should say {part:?}");
    }
    let json: Value = serde_json::from_str(&text(&scrimshaw(&["info", "--json", "--model", &data("window")]))).unwrap();
    assert_eq!(json["context"]["length"], 5);
}

#[test]
fn control_characters_of_a_card_are_escaped() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.onnx");
    let model = model.to_str().unwrap();
    let bytes = fs::read(data("stateful")).unwrap();
    // Each of the same length as what it replaces.
    fs::write(model, replace(&bytes, br#""nonsense""#, br#""a\u001bb""#)).unwrap();
    let shown = text(&scrimshaw(&["info", "--model", model]));
    assert!(shown.contains("a\\u{1b}b, 1000 characters") && !shown.contains('\u{1b}'), "{shown:?}");
    fs::write(model, replace(&bytes, br#""stateful""#, br#""\u001bfu""#)).unwrap();
    let refused = scrimshaw(&["info", "--model", model]);
    assert_eq!(refused.status.code(), Some(4));
    let message = errors(&refused);
    assert!(message.contains("\\u{1b}fu") && !message.contains('\u{1b}'), "{message:?}");
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
    let arguments = ["--model", &data("window"), "--length", "100000000", "--seed", "1"];
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
fn lines_are_scored_and_the_most_surprising_one_is_found() {
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
    // The first character has no score, so 17 scores belong to the first line.
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
fn only_lines_above_a_limit_are_shown() {
    let model = data("stateful");
    let input = b"the sea\nttttt\n\nthe sea was calm\naaahh\n";
    let score = |arguments: &[&str]| with_input(&[&["score", "--model", &model], arguments].concat(), input);
    let all = objects(&score(&["--json"]));
    let mut bits: Vec<f64> = all[..5].iter().map(|line| line["bits_per_character"].as_f64().unwrap()).collect();
    bits.sort_by(f64::total_cmp);
    let limit = f64::midpoint(bits[2], bits[3]).to_string();
    let shown = objects(&score(&["--json", "--above", &limit]));
    let expected: Vec<&Value> =
        all[..5].iter().filter(|line| line["bits_per_character"].as_f64().unwrap() > limit.parse().unwrap()).collect();
    assert_eq!(expected.len(), 2);
    assert_eq!(shown[..2].iter().collect::<Vec<_>>(), expected);
    // All lines count in the total.
    assert_eq!(shown[2]["total"]["characters"], all[5]["total"]["characters"]);
    for arguments in [&[][..], &["--line-buffered"]] {
        let plain = text(&score(&[&["--above", &limit], arguments].concat()));
        let plain: Vec<String> =
            plain.lines().map(|line| line.split_once('\t').unwrap().1.to_string() + "\n").collect();
        assert_eq!(plain, expected.iter().map(|line| line["text"].as_str().unwrap()).collect::<Vec<_>>());
    }
    let ranked = text(&score(&["--above", &limit, "--top", "4"]));
    assert_eq!(ranked.matches("bits per character").count(), 2, "{ranked}");
}

#[test]
fn lines_of_a_model_of_names_are_documents() {
    let names = with_input(&["score", "--json", "--model", &data("names")], b"emil\nnora\n");
    let names = objects(&names);
    // Every letter and both ends: the first stands after a boundary.
    assert_eq!((&names[0]["characters"], &names[2]["total"]["characters"]), (&5.into(), &10.into()));
    assert_eq!(names[1]["text"], "nora");
}

/// A running `scrimshaw score`, whose input is written piece by piece.
struct Scoring {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Scoring {
    fn start(arguments: &[&str]) -> Self {
        let mut child = command(PROGRAM, &[&["score"], arguments].concat()).stdin(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        // Ends with the program's output.
        thread::spawn(move || output.lines().try_for_each(|line| sender.send(line.unwrap())));
        Self { child, lines }
    }

    fn write(&mut self, text: &str) {
        self.child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// The next line of the output. Waits for as long as a program could reasonably take that shows it at all.
    fn line(&self) -> String {
        self.lines.recv_timeout(Duration::from_mins(2)).expect("a line that is complete is shown")
    }
}

#[test]
fn lines_are_shown_as_they_come() {
    let (stateful, window, names) = (data("stateful"), data("window"), data("names"));
    let cases: [(&str, &[&str]); 3] =
        [(&stateful, &["the sea", "was calm", "", "lo"]), (&window, &["abc", "d", "ef"]), (&names, &["emil", "nora"])];
    for (model, input) in cases {
        let mut scoring = Scoring::start(&["--model", model, "--skip-unknown"]);
        for line in input {
            // The line end comes later: until then the line is not complete.
            scoring.write(line);
            scoring.write("\n");
            let shown = scoring.line();
            assert!(shown.ends_with(&format!("\t{line}")), "{shown:?} should show {line:?}");
        }
        drop(scoring.child.stdin.take());
        let output = scoring.child.wait_with_output().unwrap();
        let total = errors(&output);
        assert!(output.status.success() && total.contains(&format!("in {} lines", input.len())), "{total}");
    }
}

#[test]
fn an_unknown_character_does_not_swallow_the_lines_before_it() {
    let model = data("stateful");
    let cases: [&[u8]; 2] =
        ["the sea\nwas calm\nthe \u{20ac}\nmen\n".as_bytes(), b"the sea\nwas calm\nthe \xff\nmen\n"];
    for input in cases {
        let output = with_input(&["score", "--model", &model], input);
        assert_eq!(output.status.code(), Some(3));
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        let texts: Vec<&str> = shown.lines().map(|line| line.split_once('\t').unwrap().1).collect();
        assert_eq!(texts, ["the sea", "was calm"]);
        assert!(errors(&output).contains("line 3"), "{}", errors(&output));
    }
}
