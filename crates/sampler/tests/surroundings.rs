//! The program `scrimshaw` with and without a terminal, and with a long input.

#![cfg(target_os = "linux")]

mod common;

use std::{
    fs,
    io::{Read as _, Write as _},
    process::{Command, Stdio},
};

use common::{PROGRAM, data, text, with_input};
use rustix::pty::{self, OpenptFlags};

/// Starts every colour.
const ESCAPE: char = '\u{1b}';

/// What a shell command shows on a terminal when `input` is typed.
fn in_terminal(line: &str, environment: &[(&str, &str)], input: &str) -> String {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let keyboard_and_screen = pty::openpt(flags).unwrap();
    pty::unlockpt(&keyboard_and_screen).unwrap();
    let terminal = pty::ioctl_tiocgptpeer(&keyboard_and_screen, flags).unwrap();
    let mut child = Command::new("sh")
        .args(["-c", line])
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .envs(environment.iter().copied())
        .stdin(terminal.try_clone().unwrap())
        .stdout(terminal.try_clone().unwrap())
        .stderr(terminal)
        .spawn()
        .unwrap();
    let mut keyboard_and_screen = fs::File::from(keyboard_and_screen);
    keyboard_and_screen.write_all(input.as_bytes()).unwrap();
    let mut shown = Vec::new();
    // Reading ends in an error once nobody has the terminal open.
    let _ = keyboard_and_screen.read_to_end(&mut shown);
    let shown = String::from_utf8_lossy(&shown).into_owned();
    assert!(child.wait().unwrap().success(), "{line}: {shown}");
    shown
}

#[test]
fn a_terminal_has_colours_unless_the_user_refuses() {
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
        // Each stream on its own: a file gets no colours, whatever the other stream is.
        (format!("{explain} > '{elsewhere}'; cat '{elsewhere}'"), plain, "", false),
        (format!("{score} > '{elsewhere}'; cat '{elsewhere}'"), plain, "", false),
        (format!("{interactive} 2> '{elsewhere}'; cat '{elsewhere}'"), plain, "q\n", false),
        (format!("{interactive} > '{elsewhere}'"), plain, "q\n", true),
    ];
    for (line, environment, input, coloured) in cases {
        let shown = in_terminal(&line, environment, input);
        assert!(shown.len() > 20, "{line} shows something: {shown:?}");
        assert_eq!(shown.contains(ESCAPE), coloured, "{line} with {environment:?}: {shown:?}");
    }
}

#[test]
fn surprising_characters_are_marked_with_and_without_colours() {
    let score = format!("printf 'the sea\\n' | '{PROGRAM}' score --model '{}' --top 1 --mark 0", data("stateful"));
    let coloured = in_terminal(&score, &[], "");
    let plain = in_terminal(&score, &[("NO_COLOR", "1")], "");
    // Every character but the first, which has no score.
    assert_eq!(coloured.matches("\u{1b}[1;7;31m").count(), 8, "{coloured:?}");
    assert!(!coloured.contains('^') && plain.contains("^^^^^^^^"), "{plain:?}");
}

/// Peak memory of a scorer that has read a text, in KiB.
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
    // The program still waits for the end of its input, and has read all but what the pipe holds.
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    drop(input);
    assert!(child.wait().unwrap().success(), "{arguments:?}");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_longer_text_takes_no_more_memory() {
    let (names, window) = (data("names"), data("window"));
    // Model, flags, the text that is repeated, and how often in a short text, which fills the pipe, the chunks read ahead and a block.
    let cases: [(&str, &[&str], &str, usize); 4] = [
        (&names, &["--top", "20"], "bella\nnoemi\nalma\n", 60_000),
        (&names, &["--total"], "bellanoemialma", 75_000),
        // No character of these lines is known, so no line is ever complete; nothing may pile up.
        (&window, &["--skip-unknown"], "\n\n\n\n\n\n\n\n", 120_000),
        (&window, &["--skip-unknown", "--top", "20"], "xyzxyz\nxyz", 90_000),
    ];
    for (model, flags, piece, count) in cases {
        let arguments = [&["--model", model], flags].concat();
        // One known character comes first.
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
