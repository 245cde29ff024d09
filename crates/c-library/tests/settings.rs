//! Each setting of C means what the same setting means in Rust.

#![expect(unsafe_code, reason = "the test calls what C calls")]

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    path::{Path, PathBuf},
    ptr, slice,
};

use sampler::{Engine, Plan, Sampler, Scorer, Writer};
use scrimshaw::{
    Model, Options, Status, scrimshaw_card_json, scrimshaw_close, scrimshaw_generate, scrimshaw_last_error,
    scrimshaw_logits, scrimshaw_open, scrimshaw_options_default, scrimshaw_score,
};

fn path(model: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sampler/tests/data").join(model).with_extension("onnx")
}

fn rust(model: &str) -> sampler::Model {
    sampler::Model::open(path(model), &Engine::default()).unwrap()
}

fn open(model: &str) -> *mut Model {
    let path = CString::new(path(model).to_str().unwrap()).unwrap();
    let mut handle = ptr::null_mut();
    // SAFETY: a C string, and a place for a pointer.
    assert_eq!(unsafe { scrimshaw_open(path.as_ptr(), &raw mut handle) }, Status::Ok);
    handle
}

fn last_error() -> String {
    // SAFETY: the message is a C string, and no other call comes between.
    unsafe { CStr::from_ptr(scrimshaw_last_error()) }.to_str().unwrap().into()
}

unsafe extern "C" fn append(text: *const c_char, length: usize, user: *mut c_void) -> c_int {
    // SAFETY: the library passes so many bytes, and the test its string.
    let (text, target) = unsafe { (slice::from_raw_parts(text.cast::<u8>(), length), &mut *user.cast::<String>()) };
    target.push_str(str::from_utf8(text).unwrap());
    0
}

fn write(model: *const Model, options: &Options) -> String {
    let mut text = String::new();
    let user = (&raw mut text).cast();
    // SAFETY: settings whose C strings live on, and a callback that takes a string.
    let status = unsafe { scrimshaw_generate(model, options, Some(append), user) };
    assert_eq!(status, Status::Ok, "{}", last_error());
    text
}

fn write_in_rust(plan: &Plan, prompt: &str) -> String {
    let mut sampler = Sampler::new(rust("stateful"));
    let mut writer = Writer::new(plan, &sampler.card().vocabulary, 0).unwrap();
    sampler.feed(prompt).unwrap();
    for token in rust("stateful").encode(prompt).unwrap() {
        writer.remember(token);
    }
    let mut text = String::new();
    while writer.end().is_none() {
        text.push_str(sampler.write(&mut writer).unwrap().text);
    }
    text
}

/// A change of a setting in C, and the same in Rust.
type Change = (fn(&mut Options), fn(&mut Plan));

#[test]
fn each_setting_is_that_of_rust() {
    let changes: [Change; 9] = [
        (|_| {}, |_| {}),
        (|options| options.length = 30, |plan| plan.length = 30),
        (|options| options.temperature = 2.0, |plan| plan.options.temperature = 2.0),
        (|options| options.top_k = 2, |plan| plan.options.top_k = Some(2)),
        (|options| options.top_p = 0.5, |plan| plan.options.top_p = Some(0.5)),
        (|options| options.min_p = 0.6, |plan| plan.options.min_p = Some(0.6)),
        (|options| options.repetition_penalty = 1.5, |plan| plan.options.repetition_penalty = Some(1.5)),
        (|options| options.seed = 1 << 60, |plan| plan.seed = 1 << 60),
        (
            |options| (options.words, options.length) = (1, 21),
            |plan| {
                plan.words = true;
                plan.length = 21;
            },
        ),
    ];
    let model = open("stateful");
    let mut texts = Vec::new();
    for (c, rust) in changes {
        let mut options = scrimshaw_options_default();
        (options.prompt, options.temperature) = (c"the sea ".as_ptr(), 1.0);
        let mut plan = Plan::default();
        c(&mut options);
        rust(&mut plan);
        let text = write(model, &options);
        assert_eq!(text, write_in_rust(&plan, "the sea "), "{options:?}");
        assert!(!texts.contains(&text), "{options:?} changes the text");
        texts.push(text);
    }
    assert_eq!(scrimshaw_close(model), Status::Ok);
}

/// Characters and their scores.
type Scores = Vec<(String, f32)>;

unsafe extern "C" fn collect(text: *const c_char, length: usize, nats: f32, user: *mut c_void) -> c_int {
    // SAFETY: the library passes a C string, and the test its list.
    let (text, target) = unsafe { (CStr::from_ptr(text), &mut *user.cast::<Scores>()) };
    let text = text.to_str().unwrap();
    assert_eq!(text.len(), length);
    target.push((text.into(), nats));
    // A text of more than nine characters is scored up to the tenth.
    c_int::from(target.len() == 10)
}

fn score(model: *const Model, text: &str) -> Scores {
    let mut scores = Scores::new();
    let user = (&raw mut scores).cast();
    // SAFETY: a text of this length, and a callback that takes such a list.
    let status = unsafe { scrimshaw_score(model, text.as_ptr().cast(), text.len(), Some(collect), user) };
    assert_eq!(status, Status::Ok, "{}", last_error());
    scores
}

#[test]
fn scores_and_logits_are_those_of_rust() {
    for (name, text) in [("stateful", "the sea was calm"), ("stateful", "the"), ("names", "anna"), ("bytes", "\u{e9}")]
    {
        let tokens = rust(name).encode(text).unwrap();
        let mut expected = Vec::new();
        let mut scorer = Scorer::new(rust(name), Vec::new());
        scorer.push(&tokens, |nats| expected.push(nats)).unwrap();
        scorer.finish(|nats| expected.push(nats)).unwrap();
        if name == "bytes" {
            expected = vec![expected.iter().sum()];
        }
        let model = open(name);
        let scores = score(model, text);
        assert_eq!(scores.len(), text.chars().count().min(10));
        for ((character, (shown, nats)), expected) in text.chars().zip(scores).zip(expected) {
            assert_eq!((shown, nats.to_bits()), (character.to_string(), expected.to_bits()), "{name} {text:?}");
        }

        let mut sampler = Sampler::new(rust(name));
        sampler.feed(text).unwrap();
        let expected = sampler.logits().unwrap();
        let (mut logits, mut count) = (vec![0.0; expected.len()], 0);
        let (room, capacity) = (logits.as_mut_ptr(), logits.len());
        // SAFETY: a text of this length, room for as many floats, and a place for their number.
        let status =
            unsafe { scrimshaw_logits(model, text.as_ptr().cast(), text.len(), room, capacity, &raw mut count) };
        assert_eq!((status, count), (Status::Ok, expected.len()), "{}", last_error());
        assert_eq!(logits, expected, "{name}");

        // SAFETY: the card is a C string until the model is closed.
        let card = unsafe { CStr::from_ptr(scrimshaw_card_json(model)) };
        assert_eq!(card.to_str().unwrap(), rust(name).card.to_json());
        assert_eq!(scrimshaw_close(model), Status::Ok);
    }
}
