//! The program `scrimshaw` and what it runs in: a terminal or none, little memory.

#![cfg(target_os = "linux")]

mod common;

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use common::{PROGRAM, data, text, with_input};

/// Begins every colour.
const ESCAPE: char = '\u{1b}';

/// What a command line of a shell shows on a pseudo-terminal, with `input` typed; `None` without util-linux' `script`.
fn in_terminal(line: &str, environment: &[(&str, &str)], input: &str) -> Option<String> {
    let version = Command::new("script").arg("--version").output().ok()?;
    if !String::from_utf8_lossy(&version.stdout).contains("util-linux") {
        return None;
    }
    let mut script = Command::new("script")
        .args(["--quiet", "--return", "--command", line, "/dev/null"])
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    script.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = script.wait_with_output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{line}: {shown}");
    Some(shown)
}

#[test]
fn a_terminal_has_colours_unless_they_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = folder.path().join("elsewhere").display().to_string();
    let lines = folder.path().join("text.txt");
    fs::write(&lines, "the sea was calm.\n").unwrap();
    let with_model = format!("'{PROGRAM}' --model '{}'", data("stateful"));
    let explain = format!("{with_model} --explain --length 20 --seed 1");
    let interactive = format!("{with_model} --interactive --prompt sea");
    let score = format!("{with_model} score --top 1 --mark 0 '{}'", lines.display());
    let plain: &[(&str, &str)] = &[];
    let cases = [
        (explain.clone(), plain, "", true),
        (score.clone(), plain, "", true),
        (interactive.clone(), plain, "q\n", true),
        (explain.clone(), &[("NO_COLOR", "1")], "", false),
        (score.clone(), &[("NO_COLOR", "1")], "", false),
        (interactive.clone(), &[("NO_COLOR", "1")], "q\n", false),
        (explain.clone(), &[("NO_COLOR", "")], "", true),
        (explain.clone(), &[("TERM", "dumb")], "", false),
        // Each stream for itself: what goes into a file has none, whatever the other is.
        (format!("{explain} > '{elsewhere}'; cat '{elsewhere}'"), plain, "", false),
        (format!("{score} > '{elsewhere}'; cat '{elsewhere}'"), plain, "", false),
        (format!("{interactive} 2> '{elsewhere}'; cat '{elsewhere}'"), plain, "q\n", false),
        (format!("{interactive} > '{elsewhere}'"), plain, "q\n", true),
    ];
    for (line, environment, input, coloured) in cases {
        let Some(shown) = in_terminal(&line, environment, input) else {
            eprintln!("skipped: there is no util-linux script to make a terminal");
            return;
        };
        assert!(shown.len() > 20, "{line} shows something: {shown:?}");
        assert_eq!(shown.contains(ESCAPE), coloured, "{line} with {environment:?}: {shown:?}");
    }
}

#[test]
fn what_is_marked_is_marked_with_and_without_colours() {
    let score = format!("printf 'the sea\\n' | '{PROGRAM}' score --model '{}' --top 1 --mark 0", data("stateful"));
    let Some(coloured) = in_terminal(&score, &[], "") else { return };
    let plain = in_terminal(&score, &[("NO_COLOR", "1")], "").unwrap();
    // Every character but the first, which has no score.
    assert_eq!(coloured.matches("\u{1b}[1;7;31m").count(), 8, "{coloured:?}");
    assert!(!coloured.contains('^') && plain.contains("^^^^^^^^"), "{plain:?}");
}

/// The most memory that a scorer has held once it has read all of a text, in KiB.
fn peak(arguments: &[&str], pieces: impl Iterator<Item = String>) -> u64 {
    let mut child = Command::new(PROGRAM)
        .args(["score", "--threads", "1"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for piece in pieces {
        input.write_all(piece.as_bytes()).unwrap();
    }
    // The program still waits for the end of its input; all but what a pipe holds has been read.
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    drop(input);
    assert!(child.wait().unwrap().success(), "{arguments:?}");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_longer_text_takes_no_more_memory() {
    let (names, window) = (data("names"), data("window"));
    // Which model, flags, what is repeated, and how often in a short text, which fills pipe, buffer and a block of scores.
    let cases: [(&str, &[&str], &str, usize); 4] = [
        (&names, &["--top", "20"], "bella\nnoemi\nalma\n", 20_000),
        (&names, &["--total"], "bellanoemialma", 25_000),
        // Not a character of these lines is known: nothing is ever complete, and nothing may pile up.
        (&window, &["--skip-unknown"], "\n\n\n\n\n\n\n\n", 20_000),
        (&window, &["--skip-unknown", "--top", "20"], "xyzxyz\nxyz", 20_000),
    ];
    for (model, flags, piece, count) in cases {
        let arguments = [&["--model", model], flags].concat();
        // One character that is known comes first.
        let pieces = |count| ["a".to_string()].into_iter().chain((0..count / 100).map(|_| piece.repeat(100)));
        let [short, long] = [count, 3 * count].map(|count| peak(&arguments, pieces(count)));
        // Four bytes a character would be 2.6 MiB, a line kept as such many more.
        assert!(long < short + 2048, "{flags:?} over {piece:?}: {short} KiB, and {long} KiB for three times as much");
    }
}

#[test]
fn lines_without_a_known_character_are_lines_all_the_same() {
    let score = ["score", "--json", "--skip-unknown", "--model", &data("window")];
    let output = text(&with_input(&score, b"\nab\nx\n\ncd\n\n"));
    let objects: Vec<serde_json::Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let lines: Vec<_> = objects[..6]
        .iter()
        .map(|line| {
            (line["line"].as_u64().unwrap(), line["text"].as_str().unwrap(), line["characters"].as_u64().unwrap())
        })
        .collect();
    // The first character of all has no score.
    assert_eq!(lines, [(1, "", 0), (2, "ab", 1), (3, "", 0), (4, "", 0), (5, "cd", 2), (6, "", 0)]);
    assert_eq!((&objects[6]["total"]["lines"], objects.len()), (&6.into(), 7));
}
