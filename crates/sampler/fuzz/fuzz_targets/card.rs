//! Any bytes as an ONNX file, and as the card in one: they are read or refused, and what is read can be used.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model_card::ModelCard;

fuzz_target!(|bytes: &[u8]| {
    let _ = sampler::read_card(bytes);
    if let Ok(card) = std::str::from_utf8(bytes).map(ModelCard::from_json).unwrap_or_else(|_| ModelCard::from_json("")) {
        assert_eq!(ModelCard::from_json(&card.to_json()).expect("a card that was read is a card"), card);
        let _ = card.vocabulary.encode(&card.normalisation.apply(&card.seed_text));
    }
});
