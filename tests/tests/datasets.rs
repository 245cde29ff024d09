//! Figures of well-known texts, in the folders that the environment variable `SCRIMSHAW_DATASETS` names.

mod common;

use std::env;

use common::Place;
use end_to_end::skip;

#[test]
fn known_texts_have_their_figures() {
    let Some(folders) = env::var_os("SCRIMSHAW_DATASETS") else {
        return skip("SCRIMSHAW_DATASETS names no folders with texts");
    };
    // From Python: len(text) and len(set(text)) of the files decoded as utf-8-sig with newline="", and of their bytes.
    let cases: &[(&str, &[&str], u64, u64)] = &[
        ("treasure-island.txt", &["--lowercase", "--ascii"], 397_400, 60),
        ("treasure-island.txt", &[], 397_408, 89),
        ("treasure-island.txt", &["--unit", "byte"], 397_419, 93),
        ("tiny-shakespeare.txt", &[], 1_115_394, 65),
        ("latex-stacks.txt", &[], 5_805_322, 97),
        ("chinese.txt", &[], 860_933, 4_533),
        ("chinese.txt", &["--unit", "byte"], 2_522_985, 106),
        ("names.txt", &[], 228_145, 27),
    ];
    for &(name, flags, characters, vocabulary) in cases {
        let Some(path) = env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file()) else {
            skip(&format!("{name} is in none of the folders of SCRIMSHAW_DATASETS"));
            continue;
        };
        let place = Place::new();
        let report = place.prepare(&[path.to_str().unwrap()], flags);
        let found = (report["characters"].as_u64().unwrap(), report["vocabulary"].as_u64().unwrap());
        assert_eq!(found, (characters, vocabulary), "{name} {flags:?}");
        if name == "treasure-island.txt" && flags.contains(&"--lowercase") {
            assert_eq!(report["windows"], 132_454); // the lecture's figure
        }
        if flags.is_empty() {
            let text = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
            assert!(place.text() == text.trim_start_matches('\u{feff}'), "{name} comes back as it was");
        }
    }
}
