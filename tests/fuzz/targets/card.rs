//! Any text as a model card: it is refused, or can be used and is read back as the same.
#![no_main]

use model_card::{ModelCard, printable};

fuzz::target!(|json: &str| {
    let Ok(card) = ModelCard::from_json(json) else { return };
    assert_eq!(ModelCard::from_json(&card.to_json()).expect("a card that was read is a card"), card);
    if let Ok(ids) = card.vocabulary.encode(&card.normalisation.apply(&card.seed_text)) {
        assert!(ids.iter().all(|&id| (id as usize) < card.size.vocabulary));
        let _ = card.vocabulary.decode(&ids);
    }
    assert!(printable(&card.seed_text).chars().all(|character| !character.is_control()));
});
