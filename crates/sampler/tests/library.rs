//! The library, compared with ONNX Runtime on the same files: see `data/models.py`.

mod common;

use std::ops::ControlFlow;

use decoding::Options;
use sampler::{End, Engine, Error, Model, Plan, Sampler, Scorer, write_batch};
use serde_json::Value;

const ARGMAX: Options = Options {
    temperature: 0.0,
    top_k: None,
    top_p: None,
    min_p: None,
    repetition_penalty: None,
    repetition_window: 0,
    frequency_penalty: None,
    excluded: Vec::new(),
};

fn expected(model: &str, key: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("data/expected.json")).unwrap();
    all[model][key].clone()
}

fn text(model: &str, key: &str) -> String {
    expected(model, key).as_str().unwrap().to_string()
}

fn numbers(model: &str, key: &str) -> Vec<f64> {
    expected(model, key).as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn path(name: &str) -> String {
    format!("{}/tests/data/{name}.onnx", env!("CARGO_MANIFEST_DIR"))
}

fn model(name: &str) -> Model {
    Model::open(path(name), &Engine::default()).unwrap()
}

/// The message of an error that was meant, and is no accident.
fn refusal<T: std::fmt::Debug>(result: sampler::Result<T>) -> String {
    let message = result.unwrap_err().to_string();
    for accident in ["panicked", "internal error"] {
        assert!(!message.contains(accident), "{message}");
    }
    message
}

fn continue_from(sampler: &mut Sampler, prompt: &str, count: usize) -> String {
    sampler.feed(prompt).unwrap();
    sampler.characters(ARGMAX, 0).unwrap().take(count).collect::<Result<_, _>>().unwrap()
}

#[test]
fn logits_are_those_of_onnx_runtime() {
    let mut sampler = Sampler::open(path("stateful")).unwrap();
    sampler.feed(&text("stateful", "prompt")).unwrap();
    let logits = sampler.logits().unwrap();
    for (logit, expected) in logits.iter().zip(numbers("stateful", "logits")) {
        assert!((f64::from(*logit) - expected).abs() < 1e-4, "{logit} should be {expected}");
    }
    let sum: f32 = sampler.probabilities().unwrap().iter().sum();
    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
}

#[test]
fn greedy_texts_are_those_of_onnx_runtime() {
    let stateful = |model: Model| {
        let mut model = model;
        model.carry_state();
        model
    };
    let cases = [
        ("stateful", model("stateful"), "prompt", "greedy"),
        ("window", model("window"), "prompt", "greedy"),
        ("window", model("window"), "short_prompt", "greedy_short"),
        ("window", stateful(model("window")), "prompt", "greedy_stateful"),
    ];
    for (name, model, prompt, greedy) in cases {
        let written = continue_from(&mut Sampler::new(model), &text(name, prompt), 40);
        assert_eq!(written, text(name, greedy), "{name}, {greedy}");
    }
}

#[test]
fn a_prompt_is_normalised_and_may_come_in_pieces() {
    let mut sampler = Sampler::open(path("stateful")).unwrap();
    sampler.feed("THE ").unwrap();
    sampler.probabilities().unwrap();
    assert_eq!(continue_from(&mut sampler, "Sea ", 40), text("stateful", "greedy"));
}

#[test]
fn a_reset_forgets_the_text() {
    for name in ["stateful", "window"] {
        let mut sampler = Sampler::open(path(name)).unwrap();
        let first = continue_from(&mut sampler, "abcd", 20);
        continue_from(&mut sampler, "cab", 20);
        sampler.reset().unwrap();
        assert_eq!(continue_from(&mut sampler, "abcd", 20), first, "{name}");
    }
}

#[test]
fn without_a_prompt_the_seed_text_is_continued() {
    let mut sampler = Sampler::open(path("stateful")).unwrap();
    assert!(matches!(sampler.probabilities(), Err(Error::NothingFed)));
    assert_eq!(continue_from(&mut sampler, "", 40), text("stateful", "greedy"));
}

#[test]
fn an_unknown_character_is_named_and_nothing_is_fed() {
    let mut sampler = Sampler::open(path("stateful")).unwrap();
    let message = sampler.feed("the \u{17f}ea").unwrap_err().to_string();
    assert!(message.contains("'\u{17f}' (U+017F) at position 4"), "{message}");
    assert!(matches!(sampler.logits(), Err(Error::NothingFed)));
}

#[test]
fn a_text_starts_and_ends_with_a_boundary() {
    let mut sampler = Sampler::open(path("names")).unwrap();
    for seed in 0..20 {
        let name: Vec<char> = sampler.characters(Options::default(), seed).unwrap().collect::<Result<_, _>>().unwrap();
        assert!(name.len() < 200, "{name:?} should have ended");
        sampler.reset().unwrap();
    }
}

#[test]
fn a_byte_model_writes_characters() {
    let mut sampler = Sampler::open(path("bytes")).unwrap();
    sampler.feed("\u{1f40b}\u{2014}").unwrap();
    let text: String = sampler.characters(Options::default(), 1).unwrap().take(300).collect::<Result<_, _>>().unwrap();
    assert_eq!(text.chars().count(), 300);
    assert!(text.contains('a') && text.contains('\u{fffd}'), "{text:?}");
}

#[test]
fn samples_of_a_batch_are_those_that_are_written_alone() {
    for (name, prompt) in [("stateful", "the "), ("window", "abcdefg"), ("window", "ab"), ("names", "")] {
        let plan = Plan { options: Options::default(), length: 12, seed: 5, ..Plan::default() };
        let batch = |rows: usize| {
            let mut helpers = [model(name).network];
            let mut model = model(name);
            let boundary = model.card.vocabulary.boundary();
            let prompt: Vec<u32> = boundary.into_iter().chain(model.encode(prompt).unwrap()).collect();
            let mut samples = Vec::new();
            write_batch(&mut model, &mut helpers, &plan, &prompt, rows, |sample| {
                samples.push(sample);
                ControlFlow::Continue(())
            })
            .unwrap();
            samples
        };
        let many = batch(300); // more than one batch
        assert_eq!(many.len(), 300);
        for (sample, index) in many.iter().zip(0..) {
            assert_eq!(sample.index, index);
            assert!(sample.end == End::Boundary || sample.text.chars().count() == 12, "{sample:?}");
        }
        assert_eq!(batch(3), many[..3], "{name}");
        let mut sampler = Sampler::open(path(name)).unwrap();
        sampler.feed(prompt).unwrap();
        let alone: String =
            sampler.characters(Options::default(), 5).unwrap().take(12).collect::<Result<_, _>>().unwrap();
        assert_eq!(alone, many[0].text, "{name}");
    }
}

#[test]
fn a_sample_of_length_0_is_empty() {
    let plan = Plan { length: 0, ..Plan::default() };
    let mut samples = Vec::new();
    let mut window = model("window");
    write_batch(&mut window, &mut [model("window").network], &plan, &[1, 2], 3, |sample| {
        samples.push((sample.index, sample.text, sample.end));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(samples, [0, 1, 2].map(|index| (index, String::new(), End::Length)));
}

#[test]
fn a_model_that_computes_no_numbers_ends_in_an_error() {
    let model = || Model::from_bytes(&common::not_numbers("stateful"), &Engine::default()).unwrap();
    let mut sampler = Sampler::new(model());
    sampler.feed("the ").unwrap();
    assert!(matches!(sampler.logits(), Err(Error::NotNumbers)));
    let mut sampler = Sampler::new(model());
    let first = sampler.characters(Options::default(), 1).unwrap().next();
    assert!(matches!(first, Some(Err(Error::NotNumbers))), "{first:?}");
    let batch = write_batch(&mut model(), &mut [], &Plan::default(), &[1, 2], 2, |_| ControlFlow::Continue(()));
    assert!(matches!(batch, Err(Error::NotNumbers)), "{batch:?}");
    let mut scorer = Scorer::new(model(), Vec::new());
    scorer.push(&[1, 2, 3], |_| ()).unwrap();
    assert!(matches!(scorer.finish(|_| ()), Err(Error::NotNumbers)));
}

#[test]
fn a_text_that_is_flushed_goes_on() {
    for name in ["stateful", "window"] {
        let tokens = model(name).encode(&text(name, "scored")).unwrap();
        let mut scorer = Scorer::new(model(name), Vec::new());
        let mut nats = Vec::new();
        for tokens in tokens.chunks(3) {
            scorer.push(tokens, |score| nats.push(score)).unwrap();
            let before = nats.len();
            scorer.flush(|score| nats.push(score)).unwrap();
            assert_eq!(nats.len(), before + tokens.len(), "every token so far has its score");
        }
        for (place, (score, expected)) in nats[1..].iter().zip(numbers(name, "nats")).enumerate() {
            assert!((f64::from(*score) - expected).abs() < 1e-4, "{name}, {place}: {score} should be {expected}");
        }
    }
}

#[test]
fn short_pieces_carry_the_state() {
    // This model remembers where in repeated words it began: to read the 256 characters before is not enough.
    let model = || model("stateful");
    let lines = (0..60).map(|n| model().encode(&format!("the men saw the sea {}\n", "la ".repeat(n % 30))).unwrap());
    let mut scorer = Scorer::new(model(), Vec::new());
    let (mut tokens, mut scores) = (Vec::new(), Vec::new());
    for line in lines {
        scorer.push(&line, |score| scores.push(score)).unwrap();
        scorer.flush(|score| scores.push(score)).unwrap();
        tokens.extend(line);
    }
    assert_eq!(scores.len(), tokens.len());
    for (place, (score, carried)) in scores.iter().zip(carried_scores(&tokens)).enumerate().skip(1) {
        assert!((score - carried).abs() < 1e-3, "token {place}: {score}, carried {carried}");
    }
}

#[test]
fn a_batch_can_be_stopped() {
    let plan = Plan { length: 3, ..Plan::default() };
    let mut seen = 0;
    write_batch(&mut model("window"), &mut [], &plan, &[1, 2], 50, |_| {
        seen += 1;
        if seen == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .unwrap();
    assert_eq!(seen, 2);
}

#[test]
fn scores_are_those_of_onnx_runtime() {
    for name in ["stateful", "window"] {
        let model = model(name);
        let tokens = model.encode(&text(name, "scored")).unwrap();
        let mut scorer = Scorer::new(model, Vec::new());
        for piece in [1, 7, tokens.len()] {
            let mut nats = Vec::new();
            for tokens in tokens.chunks(piece) {
                scorer.push(tokens, |score| nats.push(score)).unwrap();
            }
            scorer.finish(|score| nats.push(score)).unwrap();
            assert!(nats[0].is_nan(), "nothing stands before the first token");
            assert_eq!(nats.len(), tokens.len());
            for (place, (score, expected)) in nats[1..].iter().zip(numbers(name, "nats")).enumerate() {
                assert!((f64::from(*score) - expected).abs() < 1e-4, "{name}, {place}: {score} should be {expected}");
            }
        }
    }
}

#[test]
fn a_long_text_is_scored_as_if_the_state_had_been_carried() {
    let vocabulary = model("stateful").card.size.vocabulary;
    // More than one block of 64 streams of 2048, and a part of another.
    let mut rng = decoding::Rng::seed(1);
    let tokens: Vec<u32> = (0..150_000).map(|_| rng.below(vocabulary) as u32).collect();
    let helpers = vec![model("stateful").network, model("stateful").network];
    let mut scorer = Scorer::new(model("stateful"), helpers);
    let mut scores = Vec::new();
    scorer.push(&tokens, |score| scores.push(score)).unwrap();
    scorer.finish(|score| scores.push(score)).unwrap();
    assert_eq!(scores.len(), tokens.len());
    for (place, (score, carried)) in scores.iter().zip(carried_scores(&tokens)).enumerate().skip(1) {
        assert!((score - carried).abs() < 1e-3, "token {place}: {score}, carried {carried}");
    }
}

/// The scores of a text from one state that is carried through it, by the model `stateful`.
fn carried_scores(tokens: &[u32]) -> Vec<f32> {
    let Model { card, mut network } = model("stateful");
    let mut scores = vec![f32::NAN];
    for piece in tokens.chunks(1000) {
        network.run(piece.iter().copied()).unwrap();
        for logits in network.logits().chunks_exact(card.size.vocabulary) {
            let Some(&next) = tokens.get(scores.len()) else { break };
            scores.push(-decoding::log_probability(logits, next as usize) as f32);
        }
    }
    scores
}

#[test]
fn models_that_contradict_themselves_are_refused_by_name() {
    let cases = [
        ("no-card", "has no model card"),
        ("other-card", "2 tokens and the network 3"),
        ("lying-logits", "`logits` has the shape [-1, -1, 5]"),
        ("lying-state", "`h` has the shape [1, -1, 4]"),
        ("newer-card", "format version 99"),
        ("unknown-opset", "operator set 9999"),
        ("unknown-operator", "Carve"),
        ("missing", "cannot read"),
    ];
    for (name, part) in cases {
        let message = refusal(Model::open(path(name), &Engine::default()));
        assert!(message.contains(part), "{name}: {message:?} should say {part:?}");
    }
    let folder = refusal(Model::open(env!("CARGO_MANIFEST_DIR"), &Engine::default()));
    assert!(folder.contains("is a folder"), "{folder}");
}

#[test]
fn a_model_cut_anywhere_is_refused() {
    let bytes = std::fs::read(path("window")).unwrap();
    for length in (0..bytes.len()).step_by(97) {
        let message = refusal(Model::from_bytes(&bytes[..length], &Engine::default()));
        let parts = ["is not an ONNX file", "is damaged"];
        assert!(parts.iter().any(|part| message.contains(part)), "cut to {length} bytes: {message:?}");
    }
}

#[test]
fn a_state_goes_with_its_model_only() {
    let mut small = model("window").network;
    let mut large = model("stateful").network;
    large.run([1, 2, 3].into_iter()).unwrap();
    let state = large.state(0).unwrap();
    assert!(matches!(small.set_state(0, &state), Err(Error::StateSize { found: 32, expected: 12 })));
    large.run([4].into_iter()).unwrap();
    let after = large.logits().to_vec();
    large.restart(2).unwrap();
    large.set_state(1, &state).unwrap();
    large.run([0, 4].into_iter()).unwrap();
    for (logit, expected) in large.last_logits(1).iter().zip(after) {
        assert!((logit - expected).abs() < 1e-5, "{logit} should be {expected}");
    }
}
