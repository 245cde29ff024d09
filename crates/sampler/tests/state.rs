//! A text that is saved and goes on later is the text that was not interrupted.

use std::sync::Arc;

use decoding::Options;
use model_card::Unit;
use sampler::{End, Engine, Error, KnownText, Model, Plan, Sampler, Writer, largest_state, weights_checksum};
use xxhash_rust::xxh3::xxh3_64;

const MODELS: [(&str, &str); 4] = [("stateful", "the sea "), ("window", "abcdefgh"), ("window", "ab"), ("bytes", "a")];

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/{name}.onnx", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn weights(name: &str) -> String {
    weights_checksum(&file(name)).unwrap()
}

fn sampler(name: &str) -> Sampler {
    Sampler::new(Model::from_bytes(&file(name), &Engine::default()).unwrap())
}

/// Settings for which as much as possible has to be remembered.
fn plan(length: usize) -> Plan {
    let options = Options {
        top_p: Some(0.95),
        repetition_penalty: Some(1.1),
        repetition_window: 5,
        frequency_penalty: Some(0.02),
        ..Options::default()
    };
    Plan { options, cycle: vec![0.7, 1.5, 3.0], length, seed: 7, continued: true, ..Plan::default() }
}

fn begin(sampler: &mut Sampler, plan: &Plan, prompt: &str) -> Writer {
    sampler.feed(prompt).unwrap();
    let vocabulary = &sampler.card().vocabulary;
    let mut writer = Writer::new(plan, vocabulary, 3).unwrap();
    vocabulary.encode(prompt).unwrap().into_iter().for_each(|token| writer.remember(token));
    writer
}

fn write(sampler: &mut Sampler, writer: &mut Writer) -> String {
    let mut text = String::new();
    while writer.end().is_none() {
        text.push_str(sampler.write(writer).unwrap().text);
    }
    text
}

/// A text of a model, and what was saved after it.
fn saved(name: &str, prompt: &str, plan: &Plan) -> (String, Vec<u8>) {
    let mut sampler = sampler(name);
    let mut writer = begin(&mut sampler, plan, prompt);
    let text = write(&mut sampler, &mut writer);
    (text, sampler.save_state(&mut writer, &weights(name)).unwrap())
}

#[test]
fn a_saved_text_goes_on_as_if_it_had_not_been_interrupted() {
    for (name, prompt) in MODELS {
        let whole = saved(name, prompt, &plan(1000)).0;
        for first in (0..30).chain([400, 999]) {
            let (mut text, state) = saved(name, prompt, &plan(first));
            let mut sampler = sampler(name);
            // What was there before does not count.
            sampler.feed(prompt).unwrap();
            let later = Plan { seed: 99, ..plan(1000 - first) };
            let mut writer = sampler.load_state(&state, &later, &weights(name)).unwrap();
            text.push_str(&write(&mut sampler, &mut writer));
            assert_eq!(text, whole, "{name}: {first} characters first");
            assert_eq!(writer.seed(), (7, 3));
        }
        assert!(whole.chars().count() >= 1000);
        let is_broken = whole.contains('\u{fffd}');
        assert_eq!(is_broken, sampler(name).card().vocabulary.unit() == Unit::Byte, "characters are cut in two");
    }
}

#[test]
fn a_text_can_be_saved_after_every_character() {
    for (name, prompt) in MODELS {
        let whole = saved(name, prompt, &plan(60)).0;
        let (mut text, mut state) = saved(name, prompt, &plan(0));
        while text.chars().count() < 60 {
            let mut sampler = sampler(name);
            let mut writer = sampler.load_state(&state, &plan(1), &weights(name)).unwrap();
            text.push_str(&write(&mut sampler, &mut writer));
            state = sampler.save_state(&mut writer, &weights(name)).unwrap();
            assert!(state.len() as u64 <= largest_state(sampler.card()));
        }
        assert_eq!(text, whole, "{name}");
    }
}

#[test]
fn a_stop_text_that_was_begun_is_found_and_one_that_was_found_is_over() {
    let whole = saved("stateful", "the ", &plan(1000)).0;
    let stop: String = whole.chars().skip(20).take(3).collect();
    let stops = |length| Plan { stops: vec![stop.clone()], ..plan(length) };
    let place = whole.find(&stop).unwrap() + stop.len();
    // Saved within the stop text.
    let (_, state) = saved("stateful", "the ", &stops(place - 1));
    let mut text = sampler("stateful");
    let mut writer = text.load_state(&state, &stops(100), &weights("stateful")).unwrap();
    assert_eq!((write(&mut text, &mut writer).len(), writer.end()), (1, Some(End::Stop)));
    let state = text.save_state(&mut writer, &weights("stateful")).unwrap();
    let mut writer = text.load_state(&state, &plan(1000 - place), &weights("stateful")).unwrap();
    assert_eq!(write(&mut text, &mut writer), whole[place..]);
    // Of bytes, some complete no character: the end of the text is the same after them.
    let stops = Plan { stops: vec!["\n".into()], ..plan(1000) };
    let (mut written, mut state) = saved("bytes", "a", &stops);
    while written.chars().count() < 200 {
        let mut text = sampler("bytes");
        let mut writer = text.load_state(&state, &stops, &weights("bytes")).unwrap();
        let line = write(&mut text, &mut writer);
        assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "{line:?}");
        written.push_str(&line);
        state = text.save_state(&mut writer, &weights("bytes")).unwrap();
    }
    assert!(saved("bytes", "a", &plan(1000)).0.starts_with(&written));
}

#[test]
fn a_text_that_must_not_be_quoted_is_remembered() {
    let quoted = saved("stateful", "the ", &plan(300)).0;
    let known = sampler("stateful").card().vocabulary.encode(&quoted).unwrap();
    let known = Some(Arc::new(KnownText::new(known, 4).unwrap()));
    let novel = |length| Plan { known: known.clone(), ..plan(length) };
    let whole = saved("stateful", "the ", &novel(200)).0;
    for first in 20..60 {
        let (text, state) = saved("stateful", "the ", &novel(first));
        let mut sampler = sampler("stateful");
        let mut writer = sampler.load_state(&state, &novel(200 - first), &weights("stateful")).unwrap();
        assert_eq!(text + &write(&mut sampler, &mut writer), whole, "{first}");
    }
}

#[test]
fn after_a_document_the_next_one_begins() {
    let alone = |stream| {
        let mut sampler = sampler("names");
        let mut writer = Writer::new(&plan(500), &sampler.card().vocabulary, stream).unwrap();
        (write(&mut sampler, &mut writer), writer.end())
    };
    let (text, state) = saved("names", "", &plan(500));
    assert_eq!((text, Some(End::Boundary)), alone(3));
    let mut sampler = sampler("names");
    let mut writer = sampler.load_state(&state, &plan(500), &weights("names")).unwrap();
    assert_eq!((write(&mut sampler, &mut writer), writer.end()), alone(4));
}

#[test]
fn what_is_no_state_of_this_model_is_refused() {
    for (name, prompt) in MODELS {
        let (_, state) = saved(name, prompt, &plan(30));
        let mut sampler = sampler(name);
        let mut load = |bytes: &[u8], weights: &str| sampler.load_state(bytes, &plan(1), weights).map(drop);
        let weights = weights(name);
        load(&state, &weights).unwrap();
        assert!(matches!(load(&state, "other weights"), Err(Error::StateModel)));
        for length in 0..state.len() {
            let expected_magic = length < 8;
            match load(&state[..length], &weights) {
                Err(Error::NotAState) if expected_magic => {}
                Err(Error::StateDamaged) if !expected_magic => {}
                other => panic!("{name}: {other:?} at {length}"),
            }
        }
        for place in 0..state.len() {
            let mut damaged = state.clone();
            damaged[place] ^= 1;
            match (place, load(&damaged, &weights)) {
                (..8, Err(Error::NotAState))
                | (8..12, Err(Error::StateVersion(_)))
                | (12.., Err(Error::StateDamaged)) => {}
                (_, other) => panic!("{name}: {other:?} at {place}"),
            }
            // With a right checksum it says something else, or claims more than there is.
            let content = damaged.len() - 8;
            if (20..content).contains(&place) {
                damaged[place] ^= 0xc1;
                let checksum = xxh3_64(&damaged[..content]);
                damaged[content..].copy_from_slice(&checksum.to_le_bytes());
                let loaded = load(&damaged, &weights);
                assert!(matches!(loaded, Ok(()) | Err(Error::StateDamaged | Error::NotNumbers)), "{loaded:?}");
            }
        }
    }
    // Whatever the numbers before the lists are.
    let (_, mut state) = saved("bytes", "a", &plan(30));
    state[20..60].fill(0xff);
    state[52] = 0xfe;
    let content = state.len() - 8;
    let checksum = xxh3_64(&state[..content]);
    state[content..].copy_from_slice(&checksum.to_le_bytes());
    let mut text = sampler("bytes");
    let mut writer = text.load_state(&state, &plan(usize::MAX), &weights("bytes")).unwrap();
    write(&mut text, &mut writer);
    // A text of windows is none of a model that carries its state.
    let (_, state) = saved("window", "ab", &plan(30));
    let mut carrying = Model::from_bytes(&file("window"), &Engine::default()).unwrap();
    carrying.carry_state();
    let loaded = Sampler::new(carrying).load_state(&state, &plan(1), &weights("window"));
    assert!(matches!(loaded, Err(Error::StateModel)));
}
