//! Properties of prepare: for any text and any settings, the shards hold the normalised text.

use std::fs;

use model_card::{Newlines, Normalisation, Unit};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{documents, open, prepare_files};
use crate::prepare::parts::tests::{contents, in_parts};
use crate::prepare::{BLOCK_BYTES, Options};
use crate::{Documents, Error, Shares, Split, SplitBy};

/// The naive twin: the documents of whole texts, as symbols.
fn expected(files: &[Vec<u8>], options: &Options, documents: Documents) -> Vec<Vec<u32>> {
    let symbols = |bytes: &[u8]| -> Vec<u32> {
        match options.unit {
            Unit::Byte => bytes.iter().copied().map(u32::from).collect(),
            Unit::Char => std::str::from_utf8(bytes).unwrap().chars().map(u32::from).collect(),
        }
    };
    let texts = files.iter().map(|file| {
        let is_marked = options.unit == Unit::Char && file.starts_with("\u{feff}".as_bytes());
        let file = if is_marked { file[3..].to_vec() } else { file.clone() };
        if options.unit == Unit::Byte && options.normalisation.is_identity() {
            return file;
        }
        let text = String::from_utf8_lossy(&file);
        let text = if documents == Documents::Lines { text.replace("\r\n", "\n") } else { text.into_owned() };
        options.normalisation.apply(&text).into_owned().into_bytes()
    });
    match documents {
        Documents::Joined => vec![symbols(&texts.collect::<Vec<_>>().concat())],
        Documents::Files => texts.filter(|text| !text.is_empty()).map(|text| symbols(&text)).collect(),
        Documents::Lines => texts
            .flat_map(|text| {
                let mut lines: Vec<Vec<u8>> = text.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
                if options.unit == Unit::Byte && options.normalisation.is_identity() {
                    // A CR before a line feed belongs to the line end; one at the end of the text does not.
                    let last = lines.len() - 1;
                    for line in &mut lines[..last] {
                        line.pop_if(|byte| *byte == b'\r');
                    }
                }
                lines
            })
            .filter(|line| !line.is_empty())
            .map(|line| symbols(&line))
            .collect(),
    }
}

/// Characters that are hard to cut: line ends, compositions, long and invalid sequences, special casings.
fn clusters() -> impl Strategy<Value = Vec<u8>> {
    let text = [
        "a",
        "B",
        "z",
        " ",
        "\n",
        "\r",
        "\r\n",
        "\0",
        "\u{e9}",
        "e\u{301}",
        "E\u{323}\u{301}",
        "\u{130}",
        "\u{212a}",
        "\u{1100}\u{1161}\u{11a8}",
        "\u{6f22}",
        "\u{1f40b}",
        "\u{feff}",
        "\u{10ffff}",
    ];
    let known = proptest::sample::select(text.map(|text| text.as_bytes().to_vec()).to_vec());
    prop_oneof![4 => known, 1 => any::<char>().prop_map(|character| character.to_string().into_bytes())]
}

fn invalid() -> impl Strategy<Value = Vec<u8>> {
    let bytes: [&[u8]; 6] = [b"\xff", b"\x80\x80\x80\x80\x80", b"\xf0\x9f\x90", b"\xc3", b"\xed\xa0\x80", b"\xe6\xbc"];
    proptest::sample::select(bytes.map(<[u8]>::to_vec).to_vec())
}

fn text(lossy: bool) -> impl Strategy<Value = Vec<u8>> {
    let cluster = if lossy { prop_oneof![5 => clusters(), 1 => invalid()].boxed() } else { clusters().boxed() };
    vec(cluster, 1..300).prop_map(|clusters| clusters.concat())
}

prop_compose! {
    fn cases()(lossy in any::<bool>())(
        files in vec(text(lossy), 1..4),
        byte in any::<bool>(),
        (lf, nfc, lowercase, ascii) in any::<(bool, bool, bool, bool)>(),
        documents in proptest::sample::select(vec![Documents::Joined, Documents::Files, Documents::Lines]),
        split in proptest::sample::select(vec!["100", "60/30/10", "50/50"]),
        by_document in any::<bool>(),
        (shard_bytes, threads, block_bytes) in (40_u64..2000, 1_usize..4, 64_usize..200),
        lossy in Just(lossy),
    ) -> (Vec<Vec<u8>>, Options, usize) {
        let newlines = if lf { Newlines::Lf } else { Newlines::Keep };
        let by_document = by_document && documents != Documents::Joined;
        let options = Options {
            unit: if byte { Unit::Byte } else { Unit::Char },
            normalisation: Normalisation { newlines, nfc, lowercase, ascii },
            lossy,
            documents: Some(documents),
            split: split.parse().unwrap(),
            split_by: if by_document { SplitBy::Document } else { SplitBy::Position },
            shard_bytes,
            threads: Some(threads),
            window: 1,
            ..Options::default()
        };
        (files, options, block_bytes)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shards_hold_the_normalised_text((files, options, block_bytes) in cases()) {
        let expected = expected(&files, &options, options.documents.unwrap());
        let by_document = options.split_by == SplitBy::Document;
        let shares = options.split;
        let (folder, report) = prepare_files(&files, options, block_bytes);
        let report = match report {
            Ok(report) => report,
            Err(Error::Empty(_)) => {
                let is_empty = |file: &Vec<u8>| file == "\u{feff}".as_bytes();
                prop_assert!(files.iter().any(is_empty));
                return Ok(());
            }
            // If nothing was held out, the whole text must be too short. If something was, a split may be.
            Err(Error::TooShort { tokens, .. }) => {
                prop_assume!(shares == Shares::default());
                prop_assert!(tokens < 2 && expected.concat().len() < 2);
                return Ok(());
            }
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        let corpus = open(folder.path());
        let vocabulary = corpus.vocabulary();
        prop_assert_eq!(report.index.tokens as usize, corpus.tokens().len());
        prop_assert_eq!(report.index.documents as usize, if vocabulary.boundary().is_some() { expected.len() } else { 0 });
        let symbols = |document: &Vec<u32>| document.iter().map(|&id| vocabulary.symbol(id).unwrap()).collect::<Vec<_>>();
        if by_document {
            let mut wanted = [vec![], vec![], vec![]];
            for (number, document) in expected.into_iter().enumerate() {
                wanted[shares.of_hundred(&Shares::order(), number as u64 / 100)[number % 100] as usize].push(document);
            }
            for split in Split::ALL {
                let found = corpus.split(split).map_or(vec![], |tokens| documents(tokens, vocabulary));
                prop_assert_eq!(found.iter().map(symbols).collect::<Vec<_>>(), &wanted[split as usize][..]);
            }
        } else {
            let found = documents(corpus.tokens(), vocabulary);
            prop_assert_eq!(found.iter().map(symbols).collect::<Vec<_>>(), expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parts_give_what_one_prepare_gives((files, options, block_bytes) in cases(), of in 1_u32..6) {
        let (folder, report) = prepare_files(&files, options.clone(), block_bytes);
        let inputs = (0..files.len()).map(|number| folder.path().join(format!("{number}.txt"))).collect();
        let options = Options { inputs, output: folder.path().join("parts"), name: "test".into(), ..options };
        match (report, in_parts(&options, of, block_bytes)) {
            (Err(whole), Err(parts)) => prop_assert_eq!(whole.to_string(), parts.to_string()),
            (whole, parts) => {
                prop_assert_eq!(whole.unwrap().index, parts.unwrap().index);
                prop_assert!(contents(&folder.path().join("parts")) == contents(&folder.path().join("shards")));
            }
        }
    }
}

/// Enough distinct characters for every width of ids, with any normalisation.
fn alphabets() -> impl Strategy<Value = (Vec<char>, Normalisation)> {
    let normalisation = any::<(bool, bool, bool, bool)>().prop_map(|(lf, nfc, lowercase, ascii)| {
        let newlines = if lf { Newlines::Lf } else { Newlines::Keep };
        Normalisation { newlines, nfc, lowercase, ascii }
    });
    let distinct = prop_oneof![1_u32..200, 300_u32..3_000, 70_000_u32..80_000];
    let characters = (any::<u32>(), distinct).prop_map(|(start, distinct)| {
        (0..distinct).filter_map(|place| char::from_u32((start % 0x11_0000 + place) % 0x11_0000)).collect()
    });
    (characters, normalisation)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shards_of_every_width_hold_the_normalised_text(
        (alphabet, normalisation) in alphabets(),
        tail in text(false),
        shard_bytes in prop_oneof![Just(1_u64 << 16), Just(1 << 30)],
    ) {
        // The alphabet forwards and backwards, and a text that is hard to cut.
        let text: String = alphabet.iter().chain(alphabet.iter().rev()).collect();
        // A space first, so that no alphabet starts with a byte-order mark.
        let text = String::from(" ") + &text + std::str::from_utf8(&tail).unwrap() + "ab";
        let expected = normalisation.apply(&text).into_owned();
        let options = Options { normalisation, shard_bytes, window: 1, ..Options::default() };
        let (folder, report) = prepare_files(&[text.into_bytes()], options, BLOCK_BYTES / 64);
        let report = report.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let corpus = open(folder.path());
        prop_assert!(corpus.text(0..corpus.tokens().len()) == expected);
        let distinct = expected.chars().collect::<std::collections::BTreeSet<_>>().len();
        let width = match distinct { 0..=256 => 1, 257..=65_536 => 2, _ => 4 };
        let shards = &report.index.shards;
        let bytes: u64 = shards
            .iter()
            .map(|shard| fs::metadata(folder.path().join("shards").join(&shard.file)).unwrap().len() - 64)
            .sum();
        prop_assert_eq!(bytes, expected.chars().count() as u64 * width, "{} distinct", distinct);
    }
}
