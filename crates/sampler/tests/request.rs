//! What users ask for, in the characters of the models beside the tests.

mod common;

use common::data;
use model_card::ModelCard;
use sampler::{Plan, Request, read_card};

fn card(name: &str) -> ModelCard {
    read_card(&std::fs::read(data(name)).unwrap()).unwrap()
}

#[test]
fn prompts_are_normalised_or_the_models_own() {
    let prompt = |prompt, skip_unknown| Request { prompt, skip_unknown, ..Request::default() };
    let cases = [
        ("stateful", prompt(Some("The Sea"), false), "the sea", 0),
        ("stateful", prompt(Some("The Sea #1"), true), "the sea ", 2),
        ("stateful", prompt(Some(""), false), "", 0),
        ("stateful", prompt(None, false), &card("stateful").seed_text, 0),
        // A model of documents begins a new one.
        ("names", prompt(None, false), "", 0),
        // It has a token for what it does not know.
        ("names", prompt(Some("Ab"), true), "Ab", 0),
        ("bytes", prompt(Some("a\u{e9}x"), true), "a\u{e9}", 1),
    ];
    for (name, request, text, skipped) in cases {
        let card = card(name);
        let resolved = request.resolve(&card).unwrap();
        assert_eq!((&*resolved.prompt, resolved.skipped), (text, skipped), "{name}: {request:?}");
        assert_eq!(resolved.tokens, card.vocabulary.encode(text).unwrap(), "{name}: {request:?}");
    }
}

#[test]
fn a_plan_gets_what_the_request_says() {
    let stops = ["SEA".to_owned(), "\n".into()];
    let request = Request {
        stops: &stops,
        allow: Some("ABC\u{1f40b}"),
        forbid: Some("b"),
        known: Some(("The cab", 3)),
        ..Request::default()
    };
    let card = card("stateful");
    let plan = request.resolve(&card).unwrap().plan(Plan { length: 7, ..Plan::default() });
    assert_eq!((plan.length, plan.stops), (7, vec!["sea".to_owned(), "\n".into()]));
    let tokens = |text: &str| card.vocabulary.encode(text).unwrap();
    let written: Vec<u32> = (0..21).filter(|token| !plan.options.excluded.contains(&(*token as usize))).collect();
    assert_eq!(written, tokens("ac"));
    let known = plan.known.unwrap();
    assert_eq!(known.completions(&tokens("ca")).collect::<Vec<_>>(), tokens("b"));
    assert_eq!(known.length(), 3);

    let plan = Request::default().resolve(&card).unwrap().plan(Plan::default());
    assert_eq!(plan, Plan::default());
}

#[test]
fn what_a_model_cannot_do_is_refused() {
    let stops = |stop: &str| [stop.to_owned()];
    let [empty, euro, letter] = ["", "sea\u{20ac}", "x"].map(stops);
    let cases = [
        ("stateful", Request { prompt: Some("the \u{17f}"), ..Request::default() }, "U+017F"),
        ("stateful", Request { stops: &empty, ..Request::default() }, "leaves no text to stop at"),
        ("stateful", Request { stops: &euro, ..Request::default() }, "does not write character '\u{20ac}' (U+20AC)"),
        // It has a token for it, but never writes that.
        ("names", Request { stops: &letter, ..Request::default() }, "does not write character 'x'"),
        ("bytes", Request { stops: &letter, ..Request::default() }, "does not write byte 0x78"),
        ("stateful", Request { allow: Some("XYZ"), forbid: Some("y"), ..Request::default() }, "is left"),
        ("bytes", Request { forbid: Some("\u{e9}"), ..Request::default() }, "only ASCII"),
    ];
    for (name, request, part) in cases {
        let message = request.resolve(&card(name)).unwrap_err().to_string();
        assert!(message.contains(part), "{name}: {message}");
        assert!(!message.contains("--"), "a library knows no options of a command line: {message}");
    }
}
