//! What is in a page, and what it replaces.

use std::fs;
use std::io::Read;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::read::DeflateDecoder;
use model_card::{
    Context, FORMAT_VERSION, InputEncoding, Losses, ModelCard, ModelSize, Normalisation, Provenance, Unit, Vocabulary,
};
use page::{Engine, Error, Page, check, render, write};

/// Text that would be markup, end a script, or turn the line around.
const HOSTILE: &str =
    "</script><script>hostile=1</script></style><!-- <img src=x onerror=hostile=2> \"quoted\" &amp; \u{202e}";
const SCRIPT: &str = "let wasm_bindgen = '</script><!--';";

fn card(text: &str) -> ModelCard {
    ModelCard {
        format_version: FORMAT_VERSION,
        vocabulary: Vocabulary::from_text(Unit::Char, "ab<>&\n"),
        normalisation: Normalisation::default(),
        size: ModelSize { vocabulary: 6, hidden: 8, layers: 2, input: InputEncoding::OneHot },
        context: Context::Stateful,
        seed_text: text.into(),
        provenance: Provenance {
            dataset: text.into(),
            licence: Some(text.into()),
            recipe: text.into(),
            program: text.into(),
            losses: Losses { train: None, validation: Some(1.5) },
            ..Provenance::default()
        },
    }
}

/// A page about a card; the model's bytes are of every value.
fn page(card: &ModelCard) -> String {
    let model: Vec<u8> = (0..4000_u32).map(|at| (at * at % 256) as u8).collect();
    let engine = Engine { script: SCRIPT, wasm: b"\0asm and more" };
    let page = Page { card, model: &model, engine, made_by: "carve 1" };
    let html = render(&page);
    assert_eq!(data(&html, "model"), model, "the model comes back as it was");
    assert_eq!(data(&html, "engine"), engine.wasm);
    html
}

/// What a page keeps in an element.
fn data(html: &str, id: &str) -> Vec<u8> {
    let start = format!("<script id=\"{id}\" type=\"application/octet-stream\">");
    let packed = html.split_once(&start).expect(id).1.split_once('<').expect("an end").0;
    let mut bytes = Vec::new();
    DeflateDecoder::new(&*BASE64_STANDARD.decode(packed).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_page_loads_nothing() {
    let html = page(&card("sea-story"));
    for never in
        ["http:", "https:", "src=", "@import", "url(", "fetch(", "XMLHttpRequest", "WebSocket", "innerHTML", "eval("]
    {
        assert!(!html.contains(never), "{never}");
    }
    assert!(html.contains("default-src &apos;none&apos;") || html.contains("default-src 'none'"), "{}", &html[..900]);
    assert!(html.contains("1.5000 nats (2.1640 bits)"));
}

#[test]
fn hostile_text_has_no_power_over_the_page() {
    let html = page(&card(HOSTILE));
    let plain = page(&card("plain"));
    for tag in ["<script", "</script", "</style", "<!--", "<img"] {
        assert_eq!(html.matches(tag).count(), plain.matches(tag).count(), "{tag}");
    }
    // The engine's own script ends nothing either: two of data, two of code.
    assert_eq!(html.matches("</script").count(), 4);
    assert!(!html.contains('\u{202e}'));
    assert!(html.contains("&lt;img src=x onerror=hostile=2&gt;"));
}

#[test]
fn only_a_page_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.html");
    let card = card("sea-story");
    let page =
        |made_by| Page { card: &card, model: b"model", engine: Engine { script: SCRIPT, wasm: b"\0asm" }, made_by };
    write(&page("first"), &path).unwrap();
    write(&page("second"), &path).unwrap();
    assert!(fs::read_to_string(&path).unwrap().contains("Made by second"));

    let mine = folder.path().join("mine.html");
    fs::write(&mine, "<!DOCTYPE html><p>mine").unwrap();
    assert!(matches!(write(&page("third"), &mine), Err(Error::NotAPage { .. })));
    assert_eq!(fs::read_to_string(&mine).unwrap(), "<!DOCTYPE html><p>mine");
    assert!(matches!(check(folder.path()), Err(Error::Write { .. })));
    assert!(matches!(check(&mine.join("page.html")), Err(Error::Write { .. })));
}
