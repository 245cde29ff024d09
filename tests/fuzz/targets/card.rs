//! Any bytes as an ONNX file, and as the card in one: they are read or refused, and what is read can be used.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model_card::{CARD_KEY, ModelCard};
use onnx_view::Model;

fuzz_target!(|bytes: &[u8]| {
    if let Some(card) = Model::read(bytes).ok().and_then(|model| model.property(CARD_KEY)) {
        check(card);
    }
    if let Ok(card) = std::str::from_utf8(bytes) {
        check(card);
    }
});

fn check(json: &str) {
    let Ok(card) = ModelCard::from_json(json) else { return };
    assert_eq!(ModelCard::from_json(&card.to_json()).expect("a card that was read is a card"), card);
    if let Ok(ids) = card.vocabulary.encode(&card.normalisation.apply(&card.seed_text)) {
        assert!(ids.iter().all(|&id| (id as usize) < card.size.vocabulary));
        let _ = card.vocabulary.decode(&ids);
    }
}
