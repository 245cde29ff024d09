//! Shards that commit 5d3690c wrote still open, verify and read as the same ids. `data/README.md` says how they were
//! made.

use std::path::Path;

use corpus::prepare::Options;
use corpus::{Corpus, Documents, Split, SplitBy};
use model_card::{Newlines, Normalisation, Unit};

fn open(name: &str) -> Corpus {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/5d3690c").join(name);
    let corpus = Corpus::open(&folder).unwrap();
    corpus.verify().unwrap();
    corpus
}

fn tale() -> String {
    [1, 2, 3, 4].map(|number| format!("The tide turned, and {number} boats came in.\n")).concat()
}

fn ids(corpus: &Corpus, split: Split) -> Vec<u32> {
    let tokens = corpus.split(split).unwrap();
    tokens.to_vec(0..tokens.len())
}

#[test]
fn characters_with_a_validation_split_are_readable() {
    let corpus = open("text");
    assert_eq!(corpus.text(0..corpus.tokens().len()), tale().to_lowercase());
    let training = ids(&corpus, Split::Train);
    assert_eq!((training.len(), &training[..9]), (121, &[20, 13, 12, 1, 20, 14, 11, 12, 1][..]));
    let validation = ids(&corpus, Split::Validation);
    assert_eq!((validation.len(), &validation[..9]), (31, &[12, 1, 20, 21, 18, 16, 12, 11, 2][..]));
    let index = corpus.index();
    assert_eq!((index.name.as_str(), index.run), ("tale", 0x1673_eb33_6069_d770));
    assert_eq!((index.source.as_deref(), index.licence.as_deref()), (Some("made for a test"), Some("CC0-1.0")));
    let normalisation = Normalisation { newlines: Newlines::Lf, nfc: false, lowercase: true, ascii: true };
    assert_eq!(corpus.normalisation(), normalisation);
    assert_eq!((index.window.length, index.window.step, index.window.count), (5, 3, 39));
}

#[test]
fn lines_split_by_document_are_readable() {
    let corpus = open("lines");
    // Anne, Bo, Cy, Dora, Caf\u{e9} and so on; 4 is the boundary, 5 the unknown token.
    assert_eq!(ids(&corpus, Split::Train), [5, 2, 2, 5, 4, 5, 3, 4, 0, 5, 4, 5, 3, 5, 1, 4, 5, 4]);
    assert_eq!(ids(&corpus, Split::Validation), [0, 1, 5, 5, 5, 5, 5, 4]);
    let (index, vocabulary) = (corpus.index(), corpus.vocabulary());
    assert_eq!((vocabulary.boundary(), vocabulary.unknown()), (Some(4), Some(5)));
    assert_eq!((index.documents, index.unknown, index.settings.min_count), (6, 12, Some(2)));
    assert_eq!((index.settings.documents, index.settings.split_by), (Documents::Lines, SplitBy::Document));
}

#[test]
fn bytes_are_readable() {
    let corpus = open("bytes");
    assert_eq!(corpus.vocabulary().unit(), Unit::Byte);
    let training = ids(&corpus, Split::Train);
    let end = [11, 14, 19, 38, 35, 2, 40, 37, 34, 39, 36, 32, 0, 41, 33, 31, 30, 0, 42];
    assert_eq!((training.len(), &training[training.len() - end.len()..]), (190, &end[..]));
    assert_eq!(corpus.vocabulary().decode(&end), "Caf\u{e9} \u{6f22}\u{5b57}\n\u{1f40b}\n");
}

#[test]
fn ids_of_two_bytes_are_readable() {
    let corpus = open("wide");
    let text: String = (0..600).filter_map(|place| char::from_u32(0x4e00 + place % 300)).collect();
    assert_eq!(corpus.text(0..600), text);
    assert_eq!(corpus.training().to_vec(298..302), [298, 299, 0, 1]);
}

/// The same text in the same way still makes the same shards and has the same identity.
#[test]
fn the_same_text_still_has_the_same_identity() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tale.txt");
    std::fs::write(&path, tale()).unwrap();
    let before = open("text");
    let settings = before.index().settings.clone();
    let options = Options {
        inputs: vec![path],
        output: folder.path().join("shards"),
        name: "tale".into(),
        normalisation: settings.normalisation,
        split: settings.split,
        window: 5,
        ..Options::default()
    };
    let report = corpus::prepare::prepare(&options, &mut |_| (), &std::sync::atomic::AtomicBool::new(false)).unwrap();
    assert_eq!((report.index.run, &report.index.shards), (before.index().run, &before.index().shards));
    for shard in &report.index.shards {
        let bytes = |folder: &Path| std::fs::read(folder.join(&shard.file)).unwrap();
        assert!(bytes(&options.output) == bytes(before.folder()), "{}", shard.file);
    }
}
