//! The report of a real run: in a real browser where there is one, and what is refused.
//!
//! `SCRIMSHAW_SCREENSHOTS` names a folder for pictures of the page: light, dark, and 400 pixels wide.

#[allow(dead_code, reason = "the tests of the page use the rest of it")]
mod browser;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use browser::Browser;
use end_to_end::{Workplace, root, skip, story};
use serde_json::Value;
use thirtyfour::Key;

/// Text that would be markup, end a script, or turn the line around.
const HOSTILE: &str = "</script><script>hostile=1</script></style><!-- <img src=x onerror=hostile=2> \"quoted\" 'it' &amp; \u{1f40b} \u{202e}turned\u{202c} \u{7}\u{1b}[0m\n";

/// A small run of two layers on a text that has hostile lines among others.
fn train(place: &Workplace, run: &str, words: &[&str]) {
    let text = place.write("tale.txt", format!("{}{}{HOSTILE}", HOSTILE.repeat(3), &story()[..14_000]));
    let train = ["train", text.to_str().unwrap(), "--recipe", "char-rnn", "--epochs", "2", "--sample-length", "0"];
    let sizes = ["--set", "model.hidden=24", "--set", "model.layers=2", "--set", "batch=4", "--set", "streams.time=25"];
    place.carve(&[&train[..], &sizes, &["--run", run], words].concat()).success();
}

/// Makes a report, and returns its path.
fn report(place: &Workplace, words: &[&str]) -> PathBuf {
    let finished = place.carve(&[&["report", "--dataset", "tale"], words].concat()).success();
    PathBuf::from(finished.stdout.trim_end())
}

/// The colours of the characters that are shown.
fn colours(browser: &Browser) -> Value {
    browser.value("[...document.querySelectorAll('#passage b')].map(b => getComputedStyle(b).backgroundColor)")
}

#[test]
fn a_reader_colours_the_text_by_mouse_and_by_keyboard() {
    let Some(browser) = Browser::start() else {
        return skip("there is no chromedriver: install chromium and chromium-driver");
    };
    let place = Workplace::new();
    train(&place, "first", &[]);
    train(&place, "second", &["--seed", "2"]);
    let page = report(&place, &["--run", "first", "--compare", "second"]);
    assert_eq!(page, place.path("tale/runs/first/report.html"), "beside the run");

    browser.resize(1280, 900);
    browser.open(&page);
    assert_eq!(browser.requests(&page), Vec::<String>::new());
    assert_eq!(browser.log("browser"), Vec::<String>::new());
    browser.keep("light.png");

    // Every plot is told in words; what is left out of that is said to be decoration.
    let untold = "[...document.querySelectorAll('svg')].filter(svg => !(svg.getAttribute('role') === 'img' && \
                  svg.getAttribute('aria-labelledby').split(' ').every(id => document.getElementById(id).textContent)) \
                  || !svg.closest('figure').querySelector('figcaption').textContent).length";
    assert!(browser.value("document.querySelectorAll('svg').length").as_u64() > Some(8));
    assert_eq!(browser.value(untold), 0);
    assert_eq!(browser.value("[...document.querySelectorAll('canvas')].filter(c => !c.ariaHidden).length"), 0);

    // The mouse.
    let before = colours(&browser);
    assert!(before.as_array().unwrap().len() > 300, "{before}");
    let picked = "document.getElementById('viewer').dataset";
    let (layer, cell) = (browser.value(&format!("{picked}.layer")), browser.value(&format!("{picked}.cell")));
    let other = format!(
        "button.link:not([data-layer=\"{}\"][data-cell=\"{}\"])",
        layer.as_str().unwrap(),
        cell.as_str().unwrap()
    );
    browser.click("#cells .found summary");
    browser.click(&other);
    browser.wait(&format!("{picked}.milliseconds !== undefined"));
    let after = colours(&browser);
    assert_ne!(before, after, "another cell, other colours");
    assert_eq!(browser.value(&format!("document.querySelector('{other}').ariaPressed")), "true");
    eprintln!("a click is answered in {} ms", browser.value(&format!("{picked}.milliseconds")));

    // The keyboard alone, from the top of the page.
    browser.open(&page);
    for tab in 0.. {
        assert!(tab < 200, "the keyboard does not reach the cell");
        browser.press(Key::Tab);
        if browser.value("document.activeElement.id") == "cell" {
            break;
        }
    }
    let before = colours(&browser);
    browser.press(Key::Up);
    browser.wait(&format!("{picked}.milliseconds !== undefined"));
    assert_ne!(colours(&browser), before);
    for _ in 0..20 {
        browser.press(Key::Tab);
        if browser.value("document.activeElement.id") == "passage" {
            break;
        }
    }
    browser.press(Key::Right);
    let said = browser.value("document.getElementById('readout').textContent");
    assert!(["state", "bits of surprise", "next:"].iter().all(|part| said.as_str().unwrap().contains(part)), "{said}");

    // Light and dark.
    let paper = || browser.value("getComputedStyle(document.body).backgroundColor");
    let light = paper();
    browser.click("#theme");
    assert_ne!(paper(), light);
    browser.value("document.getElementById('cells').scrollIntoView()");
    browser.keep("dark.png");

    // A phone.
    browser.resize(400, 800);
    browser.open(&page);
    assert_eq!(browser.value("document.documentElement.scrollWidth <= innerWidth"), true);
    browser.value("document.getElementById('viewer').scrollIntoView()");
    browser.keep("phone.png");
    assert_eq!(browser.requests(&page), Vec::<String>::new());
    assert_eq!(browser.log("browser"), Vec::<String>::new());
}

#[test]
fn hostile_text_is_shown_as_itself() {
    let Some(browser) = Browser::start() else {
        return skip("there is no chromedriver: install chromium and chromium-driver");
    };
    let place = Workplace::new();
    train(&place, "run", &[]);
    let text = place.write("hostile.txt", HOSTILE.repeat(4));
    let output = place.path("hostile.html");
    let page = report(&place, &["--text", text.to_str().unwrap(), "--output", output.to_str().unwrap()]);
    browser.open(&page);
    let shown = browser.value("[...document.querySelectorAll('#passage b')].map(b => b.textContent).join('')");
    let expected = HOSTILE
        .replace('\u{202e}', "\u{27e8}U+202E\u{27e9}")
        .replace('\u{202c}', "\u{27e8}U+202C\u{27e9}")
        .replace('\u{7}', "\u{2407}")
        .replace('\u{1b}', "\u{241b}")
        .replace('\n', "\u{23ce}");
    assert!(shown.as_str().unwrap().starts_with(&expected), "{shown}");
    assert_eq!(browser.value("window.hostile === undefined && document.images.length === 0"), true);
    assert_eq!(browser.log("browser"), Vec::<String>::new(), "nothing was even tried");
}

#[test]
fn what_cannot_be_reported_is_refused_and_nothing_is_lost() {
    let place = Workplace::new();
    train(&place, "run", &[]);
    place.write("mine.html", "<!DOCTYPE html><p>mine");
    place.write("greek.txt", "\u{3b1}\u{3b2}\u{3b3}\u{3b4} ".repeat(50));
    let path = |name: &str| place.path(name).to_str().unwrap().to_owned();
    let (mine, greek, missing) = (path("mine.html"), path("greek.txt"), path("nowhere.txt"));
    let (in_a_file, folder) = (path("mine.html/report.html"), path("tale"));
    let cases: [(&str, &[&str], i32, &str); 8] = [
        ("an unknown run", &["--run", "nowhere"], 2, "nowhere"),
        ("an unknown run to compare", &["--compare", "nowhere"], 2, "nowhere"),
        ("an unknown text", &["--dataset", "nowhere"], 2, "train one first"),
        ("a missing text", &["--text", &missing], 3, "nowhere.txt"),
        ("a text of unknown characters", &["--text", &greek], 3, "greek.txt"),
        ("a file that is no report", &["--output", &mine], 5, "no report"),
        ("a folder", &["--output", &folder], 5, "cannot write"),
        ("a place in a file", &["--output", &in_a_file], 5, "mine.html"),
    ];
    for (what, words, code, said) in cases {
        let dataset: &[&str] = if words[0] == "--dataset" { &[] } else { &["--dataset", "tale"] };
        let before = place.files(".");
        let finished = place.carve(&[&["report"], dataset, words].concat());
        assert_eq!(finished.code, code, "{what}: {}", finished.stderr);
        assert!(finished.stderr.contains(said), "{what} should say {said:?}: {}", finished.stderr);
        assert_eq!((place.files("."), finished.stdout.as_str()), (before, ""), "{what} writes nothing");
    }
    assert_eq!(fs::read_to_string(place.path("mine.html")).unwrap(), "<!DOCTYPE html><p>mine");
}

#[test]
fn runs_that_lack_something_are_reported_with_what_they_have() {
    let place = Workplace::new();
    train(&place, "run", &[]);
    let cases: [(&str, &[&str], &str); 4] = [
        ("no samples", &["progress.jsonl", "samples"], "kept no samples"),
        ("an older version", &["steps.jsonl", "times.jsonl"], "Loss over steps"),
        ("no evaluation", &["metrics.jsonl", "best.json"], "recorded no evaluation"),
        ("no shards", &["../../shards"], "nothing is prepared"),
    ];
    for (what, removed, said) in cases {
        for name in removed {
            let path = place.path("tale/runs/run").join(name);
            if path.is_dir() { fs::remove_dir_all(&path).unwrap() } else { fs::remove_file(&path).unwrap() }
        }
        // Over itself: the report of the case before is replaced.
        let page = fs::read_to_string(report(&place, &[])).unwrap();
        assert!(page.contains(said), "{what}: no {said:?}");
        assert!(!page.contains("NaN"), "{what}");
    }
    // What was asked for cannot be had any more.
    let text = place.write("other.txt", &story()[..600]);
    let finished = place.carve(&["report", "--dataset", "tale", "--text", text.to_str().unwrap()]);
    assert!(finished.code == 3 && finished.stderr.contains("nothing is prepared"), "{}", finished.stderr);
}

#[test]
fn the_pages_script_is_sound() {
    let script = root().join("crates/report/src/page.js");
    match Command::new("node").arg("--check").arg(&script).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => skip("there is no node to check the script with"),
    }
    let script = fs::read_to_string(script).unwrap();
    for never in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(", "XMLHttpRequest"]
    {
        assert!(!script.contains(never), "{never}");
    }
}
