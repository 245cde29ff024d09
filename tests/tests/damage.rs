//! Damaged files: nothing panics, nothing is read outside a file, and no change to a shard goes unnoticed.

mod common;

use std::fs;
use std::path::Path;

use common::Place;
use corpus::shard::format::{HEADER_LENGTH, Header, Shard, Width};
use corpus::{Corpus, Index};
use proptest::prelude::*;
use proptest::sample::Index as Position;

#[derive(Debug, Clone)]
enum Change {
    Flip(Position, u8),
    Cut(Position),
    Insert(Position, Vec<u8>),
    Append(Vec<u8>),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Flip(place, mask) => {
                let place = place.index(bytes.len());
                bytes[place] ^= mask;
            }
            Self::Cut(place) => bytes.truncate(place.index(bytes.len())),
            Self::Insert(place, more) => {
                let place = place.index(bytes.len());
                bytes.splice(place..place, more.iter().copied());
            }
            Self::Append(more) => bytes.extend(more),
        }
    }
}

fn changes() -> impl Strategy<Value = Change> {
    let some = prop::collection::vec(any::<u8>(), 1..20);
    prop_oneof![
        6 => (any::<Position>(), 1..=u8::MAX).prop_map(|(place, mask)| Change::Flip(place, mask)),
        1 => any::<Position>().prop_map(Change::Cut),
        1 => (any::<Position>(), some.clone()).prop_map(|(place, more)| Change::Insert(place, more)),
        1 => some.prop_map(Change::Append),
    ]
}

/// A small corpus with two shards and a boundary.
fn prepared() -> (Place, Vec<std::path::PathBuf>) {
    let place = Place::new();
    place.file("names.txt", "anne\nbo\ncy\ndora\n");
    place.prepare(&["names.txt"], &["--lines", "--split", "50/50", "--window", "2"]);
    let files = place.contents("shards").into_iter().map(|(path, _)| path);
    let shards = files.filter(|path| path.extension().is_some_and(|ending| ending == "shard")).collect();
    (place, shards)
}

fn read_all(corpus: &Corpus) {
    let tokens = corpus.tokens();
    assert_eq!(tokens.to_vec(0..tokens.len()).len(), tokens.len());
    let _ = corpus::inspect::inspect(corpus);
}

#[test]
fn no_change_to_a_shard_goes_unnoticed() {
    let (place, shards) = prepared();
    let folder = place.path("shards");
    assert_eq!(shards.len(), 2);
    let sound = fs::read(&shards[0]).unwrap();
    let outcome = proptest::test_runner::TestRunner::new(config()).run(&changes(), |change| {
        let mut bytes = sound.clone();
        change.apply(&mut bytes);
        fs::write(&shards[0], &bytes).unwrap();
        let noticed = Corpus::open(&folder).and_then(|corpus| {
            read_all(&corpus);
            corpus.verify()
        });
        prop_assert!(noticed.is_err() || bytes == sound, "unnoticed");
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn no_change_to_an_index_is_trusted() {
    let (place, _) = prepared();
    let folder = place.path("shards");
    let path = folder.join("index.json");
    let sound = fs::read(&path).unwrap();
    let outcome = proptest::test_runner::TestRunner::new(config()).run(&changes(), |change| {
        let mut bytes = sound.clone();
        change.apply(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        // A changed name or source goes unnoticed, but whatever can be opened can be read from end to end.
        if let Ok(corpus) = Corpus::open(&folder) {
            read_all(&corpus);
            let json = corpus.index().to_json();
            prop_assert_eq!(&Index::from_json(&json, &path).unwrap(), corpus.index());
        }
        Ok(())
    });
    outcome.unwrap();
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_header_over_any_ids_is_read_or_refused(
        width in prop_oneof![Just(Width::One), Just(Width::Two), Just(Width::Four)],
        (count, offset, checksum) in (prop_oneof![0_u64..40, any::<u64>()], any::<u64>(), any::<u64>()),
        ids in prop::collection::vec(any::<u8>(), 0..80),
        change in prop::option::of(changes()),
    ) {
        let header = Header { width, count, offset, vocabulary: 1, run: 2, checksum };
        let mut bytes = [&header.to_bytes()[..], &ids].concat();
        if let Some(change) = change {
            change.apply(&mut bytes);
        }
        if let Ok(shard) = Shard::parse(&bytes, Path::new("x")) {
            let count = shard.header().count as usize;
            prop_assert_eq!(count * shard.header().width.bytes() + HEADER_LENGTH, bytes.len());
            shard.read(0, &mut vec![0; count]);
        }
    }
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() }
}
