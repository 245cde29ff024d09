//! The page that writes text: in a real browser where there is one, and what is refused.
//!
//! `SCRIMSHAW_WEB` names the folder with the sampler for browsers, in place of the one that `cargo xtask page` builds.
//! `SCRIMSHAW_SCREENSHOTS` names a folder for pictures of the page: light, dark, and 400 pixels wide.

#[path = "../report/browser.rs"]
#[allow(dead_code, reason = "the tests of the report use the rest of it")]
mod browser;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use browser::Browser;
use end_to_end::{Workplace, root, skip, story};
use thirtyfour::Key;

/// What the page writes with, if it was built: `target/web/no-modules`, beside the folder of the profile.
fn engine() -> Option<PathBuf> {
    let named = env::var_os("SCRIMSHAW_WEB").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    named.or_else(|| {
        let test = env::current_exe().ok()?;
        let built = test.ancestors().nth(3)?.join("web/no-modules");
        built.join("scrimshaw_web_bg.wasm").is_file().then_some(built)
    })
}

/// A small model with int8 weights, as a file.
fn train(place: &Workplace) -> String {
    let text = place.write("tale.txt", &story()[..14_000]);
    let train = ["train", text.to_str().unwrap(), "--recipe", "char-rnn", "--epochs", "2", "--sample-length", "0"];
    let sizes = ["--set", "model.hidden=24", "--set", "model.layers=2", "--set", "batch=4", "--set", "streams.time=25"];
    place.carve(&[&train[..], &sizes].concat()).success();
    place.carve(&["export", "--dataset", "tale", "--quantize", "int8"]).success();
    place.path("tale/model-int8.onnx").to_str().unwrap().to_owned()
}

/// What the native program writes after a prompt.
fn native(place: &Workplace, model: &str, words: &[&str]) -> String {
    let finished = place.scrimshaw(&[&["--model", model, "--hide-prompt"], words].concat()).success();
    finished.stdout.strip_suffix('\n').expect("a line end").to_owned()
}

const DONE: &str = "document.body.dataset.state === 'done'";
/// What was written, without the prompt.
const WRITTEN: &str = "[...document.querySelectorAll('#texts [data-at]')].map(node => node.textContent).join('')";

#[test]
fn a_reader_writes_with_the_keyboard_alone_and_gets_the_native_text() {
    let Some(engine) = engine() else {
        return skip("there is no sampler for browsers: cargo xtask page builds it, or SCRIMSHAW_WEB names its folder");
    };
    let Some(browser) = Browser::start() else {
        return skip("there is no chromedriver: install chromium and chromium-driver");
    };
    let place = Workplace::new();
    let model = train(&place);
    let finished = place.carve(&["page", "--model", &model, "--engine", engine.to_str().unwrap()]).success();
    let page = PathBuf::from(finished.stdout.trim_end());
    assert_eq!(page, place.path("tale/page.html"), "beside the model");
    let quiet = |browser: &Browser, page: &Path| {
        assert_eq!(browser.requests(page), Vec::<String>::new());
        assert_eq!(browser.log("browser"), Vec::<String>::new());
    };

    // It writes when it is opened.
    browser.resize(1280, 900);
    browser.open_until(&page, "", DONE);
    assert_eq!(browser.value(&format!("{WRITTEN}.length")), 400);
    eprintln!("the first characters after {} ms", browser.value("document.body.dataset.first"));
    browser.keep("page-light.png");

    // Tab reaches the prompt; Enter writes.
    let reach = |id: &str| {
        for _ in 0..20 {
            if browser.value("document.activeElement.id") == id {
                return;
            }
            browser.press(Key::Tab);
        }
        panic!("the keyboard does not reach {id}");
    };
    reach("prompt");
    browser.write("The sea ");
    reach("temperature");
    browser.write("0.8");
    reach("top-p");
    browser.write("0.9");
    reach("length");
    browser.write("300");
    reach("seed");
    browser.write("7");
    browser.press(Key::Enter);
    browser.wait(DONE);
    let words = ["--prompt", "The sea ", "--temperature", "0.8", "--top-p", "0.9", "--length", "300", "--seed", "7"];
    let expected = native(&place, &model, &words);
    assert_eq!(browser.value(WRITTEN), expected, "byte for byte");
    assert_eq!(browser.value("document.querySelector('#texts article').textContent"), format!("The sea {expected}"));
    let status = browser.value("document.getElementById('status').textContent");
    assert!(
        status.as_str().unwrap().contains("300 characters") && status.as_str().unwrap().ends_with("seed 7"),
        "{status}"
    );

    // What could follow, and what was expected where the reader walks.
    let chips = "document.querySelectorAll('#readout .chip').length";
    assert_eq!(browser.value(chips), 5);
    reach("surprise");
    browser.press(Key::Space);
    let shades = "new Set([...document.querySelectorAll('#texts [data-at]')].map(n => getComputedStyle(n).backgroundColor)).size";
    assert!(browser.value(shades).as_u64() > Some(2), "characters are coloured by surprise");
    reach("texts");
    browser.press(Key::Left);
    let readout = browser.value("document.getElementById('readout').textContent");
    assert!(readout.as_str().unwrap().contains("bits of surprise"), "{readout}");
    assert_eq!(browser.value(chips), 5);
    quiet(&browser, &page);

    // The link carries the settings: another window writes the same.
    let link = browser.value("document.getElementById('link').getAttribute('href')");
    assert_eq!(link, "#prompt=The+sea+&temperature=0.8&top-p=0.9&length=300&seed=7");
    browser.click("#link");
    browser.wait("document.getElementById('status').textContent.startsWith('The link is')");
    assert_eq!(browser.value("location.hash"), link);
    assert_eq!(browser.log("browser"), Vec::<String>::new());
    browser.open_until(&page, link.as_str().unwrap(), DONE);
    assert_eq!(browser.value("document.getElementById('temperature').value"), "0.8");
    assert_eq!(browser.value(WRITTEN), expected);

    // A stop text, and several texts.
    browser.open_until(&page, "#prompt=The+&seed=3&stop-text=e&length=500", DONE);
    assert_eq!(
        browser.value(WRITTEN),
        native(&place, &model, &["--prompt", "The ", "--seed", "3", "--stop", "e", "--length", "500"])
    );
    browser.open_until(&page, "#prompt=The+&seed=3&count=2&length=50", DONE);
    assert_eq!(browser.value("document.querySelectorAll('#texts article').length"), 2);
    let both = ["3", "4"].map(|seed| native(&place, &model, &["--prompt", "The ", "--seed", seed, "--length", "50"]));
    assert_eq!(browser.value(WRITTEN), both.concat());

    // Escape stops.
    browser.open_until(&page, "#length=100000", "document.querySelectorAll('#texts [data-at]').length > 0");
    browser.press(Key::Escape);
    browser.wait(DONE);
    let status = browser.value("document.getElementById('status').textContent");
    assert!(status.as_str().unwrap().starts_with("Stopped after"), "{status}");
    assert!(browser.value(&format!("{WRITTEN}.length")).as_u64() < Some(100_000));

    // What cannot be written is said, and the page goes on.
    browser.open_until(&page, "#prompt=%F0%9F%90%8B", "document.body.dataset.state === 'failed'");
    let status = browser.value("document.getElementById('status').textContent");
    assert!(status.as_str().unwrap().contains('\u{1f40b}'), "{status}");
    browser.open_until(&page, "#temperature=-1", "document.body.dataset.state === 'failed'");
    assert_eq!(browser.value("document.activeElement.id"), "temperature");

    look(&browser, &page);
    assert_eq!(browser.log("browser"), Vec::<String>::new());
}

/// Light and dark, and a phone.
fn look(browser: &Browser, page: &Path) {
    let paper = || browser.value("getComputedStyle(document.body).backgroundColor");
    browser.open_until(page, "#seed=1", DONE);
    let light = paper();
    browser.click("#theme");
    assert_ne!(paper(), light);
    browser.keep("page-dark.png");
    browser.resize(400, 800);
    browser.open_until(page, "#seed=1", DONE);
    assert_eq!(browser.value("document.documentElement.scrollWidth <= innerWidth"), true);
    browser.keep("page-phone.png");
}

#[test]
fn what_makes_no_page_is_refused_and_nothing_is_written() {
    let place = Workplace::new();
    let model = root().join("crates/sampler/tests/data/stateful.onnx");
    let bytes = fs::read(&model).unwrap();
    let no_card = model.with_file_name("no-card.onnx");
    let (model, no_card) = (model.to_str().unwrap(), no_card.to_str().unwrap());
    let path = |name: &str| place.path(name).to_str().unwrap().to_owned();
    place.write("damaged.onnx", &bytes[..bytes.len() / 2]);
    place.write("text.onnx", "The sea was calm.");
    place.write("mine.html", "<!DOCTYPE html><p>mine");
    place.write("engine/scrimshaw_web.js", "let wasm_bindgen;");
    place.write("engine/scrimshaw_web_bg.wasm", "\0asm");
    place.write("other/scrimshaw_web.js", "export default 1;");
    place.write("other/scrimshaw_web_bg.wasm", "\0asm");
    fs::create_dir(place.path("empty")).unwrap();
    let engine = path("engine");
    let (damaged, text, missing, mine) =
        (path("damaged.onnx"), path("text.onnx"), path("nowhere.onnx"), path("mine.html"));
    let (output, in_a_file, empty, other, folder) =
        (path("page.html"), path("mine.html/page.html"), path("empty"), path("other"), path("engine"));
    let cases: [(&str, &str, &str, &str, i32, &str); 10] = [
        ("no such file", &missing, &output, &engine, 3, "nowhere.onnx"),
        ("a folder", &folder, &output, &engine, 3, "is a folder"),
        ("not a model", &text, &output, &engine, 4, "text.onnx"),
        ("a damaged model", &damaged, &output, &engine, 4, "damaged.onnx"),
        ("a model without a card", no_card, &output, &engine, 4, "no model card"),
        ("no engine", model, &output, &empty, 3, "scrimshaw_web.js"),
        ("another kind of engine", model, &output, &other, 3, "no-modules"),
        ("a file that is no page", model, &mine, &engine, 5, "not replaced"),
        ("a folder as output", model, &empty, &engine, 5, "cannot write"),
        ("a place in a file", model, &in_a_file, &engine, 5, "mine.html"),
    ];
    for (what, model, output, engine, code, said) in cases {
        let before = place.files(".");
        let finished = place.carve(&["page", "--model", model, "--output", output, "--engine", engine]);
        assert_eq!(finished.code, code, "{what}: {}", finished.stderr);
        assert!(finished.stderr.contains(said), "{what} should say {said:?}: {}", finished.stderr);
        assert_eq!((place.files("."), finished.stdout.as_str()), (before, ""), "{what} writes nothing");
    }
    let unknown = place.carve(&["page", "--dataset", "nowhere"]);
    assert!(unknown.code == 3 && unknown.stderr.contains("nowhere"), "{}", unknown.stderr);
    // The folder need not be there, and a page is replaced.
    let deep = path("deep/er/page.html");
    for _ in 0..2 {
        let finished = place.carve(&["page", "--model", model, "--output", &deep, "--engine", &engine]).success();
        assert_eq!(finished.stdout.trim_end(), deep);
    }
}

#[test]
fn the_pages_script_is_sound() {
    let script = root().join("crates/page/src/page.js");
    match Command::new("node").arg("--check").arg(&script).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => skip("there is no node to check the script with"),
    }
}
