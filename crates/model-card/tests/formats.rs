//! Cards that commit 5d3690c wrote still read. They are `card.json` of two small trainings on the texts of
//! `crates/corpus/tests/data/README.md`: `lecture` on the tale, `modern` on the names (repeated fifty times, with
//! `--min-count 100` and nothing held out).

use model_card::{Context, InputEncoding, Losses, ModelCard, ModelSize, Newlines, Normalisation, Unit};

#[test]
fn a_card_of_the_lecture_reads() {
    let card = ModelCard::from_json(include_str!("data/5d3690c-lecture.json")).unwrap();
    assert_eq!(card.format_version, 1);
    let symbols: String = card.vocabulary.symbols().iter().filter_map(|&symbol| char::from_u32(symbol)).collect();
    assert_eq!((card.vocabulary.unit(), symbols.as_str()), (Unit::Char, "\n ,.1234abcdehimnorstu"));
    assert_eq!((card.vocabulary.boundary(), card.vocabulary.unknown()), (None, None));
    let normalisation = Normalisation { newlines: Newlines::Lf, nfc: false, lowercase: true, ascii: true };
    assert_eq!(card.normalisation, normalisation);
    assert_eq!(card.size, ModelSize { vocabulary: 22, hidden: 4, layers: 1, input: InputEncoding::OneHot });
    assert_eq!(card.context, Context::Window { length: 40 });
    assert_eq!(card.seed_text, " boats came in.\nthe tide turned, and 3 b");
    let provenance = &card.provenance;
    assert_eq!((provenance.dataset.as_str(), provenance.licence.as_deref()), ("tale", Some("CC0-1.0")));
    assert_eq!(
        (provenance.tokens, provenance.recipe.as_str(), provenance.program.as_str()),
        (121, "lecture", "scrimshaw 0.1.0")
    );
    assert_eq!(provenance.losses, Losses { train: Some(3.089_997_918_517_501), validation: None });
}

#[test]
fn a_card_of_a_stateful_model_reads() {
    let card = ModelCard::from_json(include_str!("data/5d3690c-modern.json")).unwrap();
    assert_eq!((card.vocabulary.len(), card.vocabulary.boundary(), card.vocabulary.unknown()), (6, Some(4), Some(5)));
    assert_eq!(card.size, ModelSize { vocabulary: 6, hidden: 4, layers: 2, input: InputEncoding::OneHot });
    assert_eq!((card.context, card.seed_text.as_str()), (Context::Stateful, "oaCannoCoaCannoCoaCa"));
    assert!(card.normalisation.nfc && !card.normalisation.lowercase);
}

#[test]
fn the_json_is_written_as_it_was() {
    for json in [include_str!("data/5d3690c-lecture.json"), include_str!("data/5d3690c-modern.json")] {
        assert_eq!(ModelCard::from_json(json).unwrap().to_json(), json);
    }
}
