//! `carve prepare --part` and `--merge`: as a user or a scheduler runs them, and killed on the way.

#![cfg(unix)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{BINARY, Place};
use end_to_end::{number, random, root, signal};
use serde_json::Value;

const PARTS: usize = 8;
const UNFINISHED: i32 = 7;

/// The words for everything but the part: a text of about 9 MB becomes 9 shards and more.
const WORDS: [&str; 12] = [
    "prepare",
    "text.txt",
    "other.txt",
    "--name",
    "test",
    "--shard-size",
    "1",
    "--split",
    "90/5/5",
    "--threads",
    "1",
    "--lines",
];

fn place() -> Place {
    let place = Place::new();
    let story = fs::read_to_string(root().join("datasets/sea-story/sea-story.txt")).unwrap();
    let mut text = String::new();
    for number in 0.. {
        if text.len() > 9 << 20 {
            break;
        }
        // Each copy differs, so that text in the wrong place is noticed.
        text += &number.to_string();
        text += " \u{e9}\r\n\n";
        text += &story;
    }
    place.file("text.txt", &text[..text.len() - story.len()]);
    place.file("other.txt", &text[text.len() - story.len()..]);
    place
}

fn command(place: &Place, output: &str, more: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(WORDS).args(["--output", output]).args(more).current_dir(place.path("."));
    command
}

fn run(place: &Place, output: &str, more: &[&str]) -> (i32, String) {
    let output = command(place, output, more).output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout) + &text(&output.stderr))
}

fn start(place: &Place, output: &str, part: usize, more: &[&str]) -> Child {
    let part = format!("{part}/{PARTS}");
    let more = [&["--part", &part], more].concat();
    command(place, output, &more).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The checksum of every file in a folder by its name, as `sha256sum` prints them.
fn checksums(folder: &Path) -> BTreeMap<String, String> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let printed = Command::new("sha256sum").args(&files).output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let checksums: BTreeMap<String, String> = printed
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(checksum, path)| (path.rsplit('/').next().unwrap().into(), checksum.into()))
        .collect();
    assert_eq!(checksums.len(), files.len(), "{files:?}");
    checksums
}

#[test]
fn eight_parts_of_which_any_is_killed_give_the_shards_of_one_run() {
    let (kills, mut state) = (number("SCRIMSHAW_KILLS", 25), number("SCRIMSHAW_SEED", 1));
    let place = place();
    let (code, said) = run(&place, "whole", &[]);
    assert_eq!(code, 0, "{said}");
    let expected = checksums(&place.path("whole"));
    assert!(expected.len() > PARTS + 2, "{expected:?}");

    // How long a part takes on this machine, so that the kills are spread over all of it.
    let began = Instant::now();
    for part in 1..=PARTS {
        start(&place, "parts", part, &[]).wait().unwrap();
    }
    let duration = began.elapsed() / PARTS as u32;
    fs::remove_dir_all(place.path("parts")).unwrap();

    let mut killed = 0;
    let mut kill_some = |kills: u64| {
        for _ in 0..kills {
            let part = (random(&mut state) % PARTS as u64) as usize + 1;
            let mut child = start(&place, "parts", part, &[]);
            sleep(duration.mul_f64((random(&mut state) % 1_000) as f64 / 1_000.0));
            if child.try_wait().unwrap().is_none() {
                signal("KILL", child.id());
                killed += 1;
            }
            child.wait().unwrap();
        }
    };
    kill_some(kills / 2);
    for part in 1..=PARTS {
        let (code, said) = run(&place, "parts", &["--part", &format!("{part}/{PARTS}")]);
        assert!([0, UNFINISHED].contains(&code), "{said}");
    }
    kill_some(kills - kills / 2);
    for part in 1..=PARTS {
        let (code, said) = run(&place, "parts", &["--part", &format!("{part}/{PARTS}")]);
        assert_eq!(code, 0, "{said}");
    }
    // A merge that is killed goes on, too.
    for _ in 0..3 {
        let mut merge = command(&place, "parts", &["--merge"]).stderr(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_micros(random(&mut state) % 30_000));
        if merge.try_wait().unwrap().is_none() {
            signal("KILL", merge.id());
        }
        merge.wait().unwrap();
    }
    let (code, said) = run(&place, "parts", &["--merge"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(checksums(&place.path("parts")), expected);
    eprintln!("kills: {killed} of {kills} met a part at work");
}

#[test]
fn parts_that_run_side_by_side_wait_for_each_other() {
    let place = place();
    assert_eq!(run(&place, "whole", &[]).0, 0);
    let children: Vec<Child> = (1..=PARTS).map(|part| start(&place, "parts", part, &["--wait"])).collect();
    for mut child in children {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    let (code, said) = run(&place, "parts", &["--merge", "--json"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("merged from its parts"), "{said}");
    assert_eq!(checksums(&place.path("parts")), checksums(&place.path("whole")));
}

#[test]
fn a_part_says_what_it_did_and_what_comes_next() {
    let place = place();
    let said = |more: &[&str], expected: i32, parts: &[&str]| {
        let (code, said) = run(&place, "parts", more);
        assert_eq!(code, expected, "{more:?}: {said}");
        for part in parts {
            assert!(said.contains(part), "{more:?}: {said:?} should say {part:?}");
        }
        said
    };
    said(&["--merge"], 3, &["error: no part has been counted", "--part 1/N"]);
    let waits = said(&["--part", "1/2"], UNFINISHED, &["part 1/2: counted", "run it again", "2/2"]);
    assert!(!waits.contains("error"), "{waits}");
    said(&["--part", "1/3"], 2, &["part 1/2", "number of parts"]);
    said(&["--part", "2/2", "--min-count", "3"], 2, &["part 1/2", "min count"]);
    said(&["--merge"], 3, &["part 2/2 has not counted", "run prepare with --part 2/2"]);
    said(&["--part", "3/2"], 2, &["there are only 2 parts"]);
    said(&["--part", "2/2"], 0, &["part 2/2", "shards written now", "parts/.parts/2-of-2/"]);
    said(&["--merge"], 3, &["part 1/2 has not written all shards", "run prepare with --part 1/2"]);
    let json = command(&place, "parts", &["--part", "1/2", "--json"]).output().unwrap().stdout;
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!((&json["part"], &json["outcome"]), (&"1/2".into(), &"written".into()), "{json}");
    assert_eq!(json["new_shards"].as_u64().unwrap() as usize, json["shards"].as_array().unwrap().len());
    said(&["--merge"], 0, &["test: merged from its parts", "corpus length"]);
    said(&["--merge"], 0, &["test: unchanged, nothing to do"]);
    said(&["--part", "1/2"], 0, &["test: unchanged, nothing to do"]);
    let stdin = place.corpus(&["prepare", "-", "--name", "piped", "--part", "1/2", "--output", "piped"]);
    let message = String::from_utf8_lossy(&stdin.stderr);
    assert!(stdin.status.code() == Some(2) && message.contains("can be read only once"), "{message}");
    assert!(!place.path("piped").exists());
}
