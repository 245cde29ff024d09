//! What `scrimshaw` can be told about the text that it writes: where it begins, what it may be made of, and how it goes on.

mod common;

use std::fs;
#[cfg(unix)]
use std::io::Read as _;

#[cfg(unix)]
use common::{PROGRAM, command};
use common::{data, errors, objects, scrimshaw, text, with_input};
use serde_json::Value;

#[test]
fn unknown_characters_of_a_prompt_are_left_out_on_request() {
    let cases = [
        // This model reads lower case.
        ("stateful", "Q\u{fc}The \u{20ac}sea ", "the sea ", 3),
        ("stateful", "the sea ", "the sea ", 0),
        // Of bytes: a, and 2-byte characters of which one is known.
        ("bytes", "a\u{e9}\u{ea}", "a\u{e9}", 1),
        // One that has a token for unknown characters reads them.
        ("names", "eQ", "eQ", 0),
    ];
    for (model, prompt, read, skipped) in cases {
        let model = data(model);
        let write = |prompt: &str, arguments: &[&str]| {
            let words = ["--model", &model, "--prompt", prompt, "--length", "30", "--seed", "7"];
            scrimshaw(&[&words[..], arguments].concat())
        };
        let output = write(prompt, &["--skip-unknown"]);
        assert_eq!(text(&output), text(&write(read, &[])), "{prompt}");
        let notice = format!(
            "left out of the prompt: {skipped} character{} that this model does not know\n",
            if skipped == 1 { "" } else { "s" }
        );
        assert_eq!(errors(&output), if skipped > 0 { notice } else { String::new() }, "{prompt}");
        assert_eq!(write(prompt, &[]).status.code(), Some(if skipped > 0 { 3 } else { 0 }), "{prompt}");
    }
    let nothing_left = scrimshaw(&["--model", &data("stateful"), "--prompt", "\u{20ac}", "--skip-unknown"]);
    assert_eq!(nothing_left.status.code(), Some(3));
}

#[test]
fn a_prompt_can_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let model = data("stateful");
    let words = ["--model", &model, "--temperature", "0", "--length", "20"];
    let file = |text: &[u8]| {
        let path = folder.path().join("prompt.txt");
        fs::write(&path, text).unwrap();
        scrimshaw(&[&words[..], &["--prompt-file", path.to_str().unwrap()]].concat())
    };
    let given = |prompt: &str| text(&scrimshaw(&[&words[..], &["--prompt", prompt]].concat()));
    assert_eq!(text(&file(b"The sea")), given("the sea"));
    assert_eq!(text(&file(b"the sea\n")), given("the sea\n"), "the line end belongs to it");
    let piped = with_input(&[&words[..], &["--prompt-file", "-"]].concat(), b"the sea\n");
    assert_eq!(text(&piped), given("the sea\n"));
    let refused = file(b"the \xff");
    assert_eq!(refused.status.code(), Some(3));
    assert!(errors(&refused).contains("prompt.txt is not UTF-8 at byte 4"), "{}", errors(&refused));
    let missing = scrimshaw(&[&words[..], &["--prompt-file", "no-such-file"]].concat());
    assert_eq!(missing.status.code(), Some(3));
    assert!(errors(&missing).contains("no-such-file"), "{}", errors(&missing));
}

/// What a program writes that goes on until it gets a signal.
#[cfg(unix)]
fn interrupted(arguments: &[&str]) -> std::process::Output {
    let mut child = command(PROGRAM, &[arguments, &["--forever"]].concat()).spawn().unwrap();
    let mut first = [0; 2000];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    let kill = format!("kill -INT {}", child.id());
    assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let mut output = child.wait_with_output().unwrap();
    output.stdout.splice(0..0, first);
    output
}

#[cfg(unix)]
#[test]
fn a_text_goes_on_until_it_is_interrupted() {
    let model = data("stateful");
    let words = ["--model", &model, "--seed", "7", "--hide-prompt"];
    let endless = text(&interrupted(&words));
    let length = (endless.len() - 1).to_string();
    assert_eq!(endless, text(&scrimshaw(&[&words[..], &["--length", &length]].concat())));
    // Documents follow each other as samples do.
    let names = data("names");
    let words = ["--model", &names, "--seed", "7", "--temperature", "1"];
    let endless = text(&interrupted(&words));
    let whole: Vec<&str> = endless.lines().collect();
    let count = whole.len().to_string();
    let samples = text(&scrimshaw(&[&words[..], &["--count", &count]].concat()));
    let samples: Vec<&str> = samples.lines().collect();
    assert_eq!(whole[..whole.len() - 1], samples[..whole.len() - 1]);
    assert!(samples[whole.len() - 1].starts_with(whole[whole.len() - 1]), "the last one may be cut");
    // Whatever is shown is whole.
    let characters = text(&interrupted(&["--model", &model, "--json=characters"]));
    assert!(characters.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    // A row of the table that is not full is printed.
    assert!(text(&interrupted(&["--model", &model, "--explain"])).ends_with("\n\n"));
}

#[test]
fn a_frequency_penalty_spreads_the_characters() {
    let model = data("stateful");
    let write = |arguments: &[&str]| {
        let words = ["--model", &model, "--temperature", "0", "--length", "200", "--json"];
        objects(&scrimshaw(&[&words[..], arguments].concat())).remove(0)
    };
    // How often the most frequent character is written.
    let most = |sample: &Value| {
        let text = sample["text"].as_str().unwrap();
        text.chars().map(|character| text.matches(character).count()).max().unwrap()
    };
    let (free, spread) = (write(&[]), write(&["--frequency-penalty", "2"]));
    assert!(most(&spread) < 20 && most(&free) > 40, "{} and {}", most(&spread), most(&free));
    assert_eq!((&spread["frequency_penalty"], &free["frequency_penalty"]), (&2.0.into(), &Value::Null));
}

#[test]
fn only_allowed_characters_are_written() {
    let write = |model: &str, arguments: &[&str]| {
        let words = ["--model", &data(model), "--temperature", "2", "--seed", "3", "--length", "300", "--json"];
        scrimshaw(&[&words[..], arguments].concat())
    };
    let cases: [(&str, &[&str], &str); 5] = [
        ("stateful", &["--allow", r"Th \n\u{20ac}"], "th \n"),
        ("stateful", &["--forbid", r" \n,.E"], "abcdhilmnorstuwy"),
        ("stateful", &["--allow", "abcd", "--forbid", "bx"], "acd"),
        ("stateful", &["--allow", "abc", "--count", "2"], "abc"),
        ("bytes", &["--prompt", "a", "--allow", r"a\n"], "a\n"),
    ];
    for (model, arguments, expected) in cases {
        let arguments: Vec<String> = arguments.iter().map(|word| word.replace(r"\u{20ac}", "\u{20ac}")).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        for sample in objects(&write(model, &arguments)) {
            let text = sample["text"].as_str().unwrap();
            let written: std::collections::BTreeSet<char> = text.chars().collect();
            assert_eq!(written, expected.chars().collect(), "{arguments:?}");
        }
    }
    assert_eq!(objects(&write("stateful", &["--allow", r"a\n"]))[0]["allow"], "a\n");
    let refusals: [(&str, &[&str], &str); 4] = [
        ("stateful", &["--allow", "xq"], "no character that this model writes is left"),
        ("stateful", &["--allow", ""], "no character that this model writes is left"),
        ("names", &["--allow", "ab", "--forbid", "ba"], "no character that this model writes is left"),
        ("bytes", &["--prompt", "a", "--forbid", "\u{e9}"], "only ASCII"),
    ];
    for (model, arguments, part) in refusals {
        let refused = write(model, arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(errors(&refused).contains(part), "{}", errors(&refused));
    }
}

#[test]
fn a_text_is_saved_and_goes_on_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("story.state");
    let state = path.to_str().unwrap();
    for (model, prompt) in [("stateful", "the sea "), ("window", "abc"), ("bytes", "a")] {
        let file = data(model);
        let write = |arguments: &[&str]| {
            let words = ["--model", &file, "--temperature", "0.7,1.5", "--cycle", "--repetition-penalty", "1.1"];
            scrimshaw(&[&words[..], arguments].concat())
        };
        let saved = |arguments: &[&str]| {
            let output = write(&[arguments, &["--save-state", state, "--hide-prompt"]].concat());
            text(&output).strip_suffix('\n').unwrap().to_string()
        };
        let whole = saved(&["--prompt", prompt, "--seed", "7", "--length", "1000"]);
        let first = saved(&["--prompt", prompt, "--seed", "7", "--length", "400"]);
        let length = (1000 - first.chars().count()).to_string();
        let output = write(&["--load-state", state, "--length", &length]);
        assert_eq!(errors(&output), "", "no seed is drawn");
        let rest = text(&output);
        // Without --save-state an unfinished character is shown at the end.
        assert!((first + &rest).starts_with(&whole), "{model}");
        let json = &objects(&write(&["--load-state", state, "--length", "5", "--json"]))[0];
        assert_eq!((&json["seed"], &json["prompt"]), (&7.into(), &"".into()));
        assert!(rest.starts_with(json["text"].as_str().unwrap().trim_end_matches('\u{fffd}')));
    }
}

#[test]
fn a_file_that_is_no_saved_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("story.state");
    let state = path.to_str().unwrap();
    let (stateful, window) = (data("stateful"), data("window"));
    text(&scrimshaw(&["--model", &stateful, "--seed", "1", "--save-state", state]));
    let saved = fs::read(&path).unwrap();
    let mut newer = saved.clone();
    newer[8] = 9;
    let mut damaged = saved.clone();
    damaged[40] ^= 1;
    let larger = [saved.clone(), vec![0; 1 << 21]].concat();
    let cases: [(&str, &[u8], &str); 7] = [
        (&stateful, b"", "not a saved text"),
        (&stateful, b"a text of another kind", "not a saved text"),
        (&stateful, &newer, "version 9"),
        (&stateful, &damaged, "damaged"),
        (&stateful, &saved[..100], "damaged"),
        (&stateful, &larger, "damaged"),
        (&window, &saved, "another model"),
    ];
    for (model, bytes, part) in cases {
        fs::write(&path, bytes).unwrap();
        let refused = scrimshaw(&["--model", model, "--load-state", state]);
        assert_eq!(refused.status.code(), Some(3), "{part}");
        assert!(errors(&refused).contains(part) && errors(&refused).contains("story.state"), "{}", errors(&refused));
        assert!(refused.stdout.is_empty());
    }
    let missing = scrimshaw(&["--model", &stateful, "--load-state", "no-such-file"]);
    assert_eq!(missing.status.code(), Some(3));
    let folder = folder.path().to_str().unwrap();
    assert_eq!(scrimshaw(&["--model", &stateful, "--save-state", folder]).status.code(), Some(2));
}

#[cfg(unix)]
#[test]
fn an_endless_text_is_saved_when_it_is_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("story.state");
    let state = state.to_str().unwrap();
    let model = data("stateful");
    let first = text(&interrupted(&["--model", &model, "--seed", "7", "--hide-prompt", "--save-state", state]));
    let first = first.strip_suffix('\n').unwrap();
    let rest = text(&scrimshaw(&["--model", &model, "--load-state", state, "--length", "50"]));
    let length = (first.len() + 50).to_string();
    let whole = scrimshaw(&["--model", &model, "--seed", "7", "--hide-prompt", "--length", &length]);
    assert_eq!(format!("{first}{rest}"), text(&whole));
}

#[test]
fn a_known_text_is_not_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("known.txt");
    let known = path.to_str().unwrap();
    for (model, prompt) in [("stateful", "the sea "), ("window", "abc"), ("bytes", "a")] {
        let file = data(model);
        let write = |arguments: &[&str]| {
            let words = ["--model", &file, "--prompt", prompt, "--seed", "7", "--length", "300", "--json"];
            objects(&scrimshaw(&[&words[..], arguments].concat()))
        };
        let whole = |sample: &Value| format!("{prompt}{}", sample["text"].as_str().unwrap());
        for arguments in [&["--temperature", "0"][..], &["--temperature", "1", "--count", "3"]] {
            let free = write(arguments);
            let text: String = free.iter().map(whole).collect();
            // Without characters that were cut in two, which are not those that the model wrote.
            let text = text.replace('\u{fffd}', "");
            fs::write(&path, &text).unwrap();
            let novel = write(&[arguments, &["--novel", known, "--novel-length", "5"]].concat());
            for (free, novel) in free.iter().zip(&novel) {
                assert_ne!(free["text"], novel["text"]);
                assert_eq!((&novel["novel_length"], &free["novel_length"]), (&5.into(), &Value::Null));
                let novel = whole(novel).into_bytes();
                assert!(novel.len() > 50, "{model}");
                // What is in the prompt is there.
                for run in novel.windows(5).skip(prompt.len().saturating_sub(4)) {
                    assert!(!text.as_bytes().windows(5).any(|quotation| quotation == run), "{model}: {run:?}");
                }
            }
        }
    }
    // Nothing but quotations is left.
    fs::write(&path, "AAAaaa").unwrap();
    let words = ["--model", &data("stateful"), "--novel", known, "--novel-length", "4", "--allow", "a", "--json"];
    let sample = &objects(&scrimshaw(&words))[0];
    assert_eq!((&sample["text"], &sample["end"]), (&"aaa".into(), &"novel".into()));
}
