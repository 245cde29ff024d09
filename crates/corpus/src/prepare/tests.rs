//! What goes in comes out: the shards hold the normalised text, however it is cut, dealt out and encoded.

use std::fs;
use std::path::Path;

use model_card::{Newlines, Vocabulary};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::{Split, Tokens};

/// Prepares files of the given contents, in blocks of a given size.
fn prepare_files(files: &[Vec<u8>], mut options: Options, block_bytes: usize) -> (tempfile::TempDir, Result<Report>) {
    let folder = tempfile::tempdir().unwrap();
    for (number, contents) in files.iter().enumerate() {
        let path = folder.path().join(format!("{number}.txt"));
        fs::write(&path, contents).unwrap();
        options.inputs.push(path);
    }
    options.name = "test".into();
    options.output = folder.path().join("shards");
    let report = prepare_in_blocks(&options, &mut |_| (), &AtomicBool::new(false), block_bytes);
    (folder, report)
}

fn open(folder: &Path) -> Corpus {
    let corpus = Corpus::open(&folder.join("shards")).unwrap();
    corpus.verify().unwrap();
    corpus
}

/// The ids of each document: what stands before each boundary, and what stands after the last.
fn documents(tokens: Tokens<'_>, vocabulary: &Vocabulary) -> Vec<Vec<u32>> {
    let ids = tokens.to_vec(0..tokens.len());
    let mut documents: Vec<Vec<u32>> =
        ids.split(|&id| Some(id) == vocabulary.boundary()).map(<[u32]>::to_vec).collect();
    // Every boundary ends a document, so nothing follows the last.
    if vocabulary.boundary().is_some() {
        assert_eq!(documents.pop(), Some(vec![]));
    }
    documents
}

/// The naive twin: the documents of whole texts, as symbols.
fn expected(files: &[Vec<u8>], options: &Options, documents: Documents) -> Vec<Vec<u32>> {
    let symbols = |bytes: &[u8]| -> Vec<u32> {
        match options.unit {
            Unit::Byte => bytes.iter().copied().map(u32::from).collect(),
            Unit::Char => std::str::from_utf8(bytes).unwrap().chars().map(u32::from).collect(),
        }
    };
    let texts = files.iter().map(|file| {
        if options.unit == Unit::Byte && options.normalisation.is_identity() {
            return file.clone();
        }
        let text = String::from_utf8_lossy(file);
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
                    // A CR before a line end belongs to it; one at the end of the text does not.
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

/// Characters that are hard on cutting: line ends, compositions, long and broken sequences, special casings.
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

fn broken() -> impl Strategy<Value = Vec<u8>> {
    let bytes: [&[u8]; 6] = [b"\xff", b"\x80\x80\x80\x80\x80", b"\xf0\x9f\x90", b"\xc3", b"\xed\xa0\x80", b"\xe6\xbc"];
    proptest::sample::select(bytes.map(<[u8]>::to_vec).to_vec())
}

fn text(lossy: bool) -> impl Strategy<Value = Vec<u8>> {
    let cluster = if lossy { prop_oneof![5 => clusters(), 1 => broken()].boxed() } else { clusters().boxed() };
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
            // What was not split must be too short as a whole; a split of a short text may be.
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

/// So many distinct characters that each width of ids is needed, whatever the normalisation leaves of them.
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
        // Two readings of the alphabet, the second backwards, and a text that is hard on cutting.
        let text: String = alphabet.iter().chain(alphabet.iter().rev()).collect();
        let text = text + std::str::from_utf8(&tail).unwrap() + "ab";
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

#[test]
fn every_width_holds_what_was_written() {
    // 200, 300 and 100,000 distinct characters from U+4E00 on, each twice.
    for (distinct, width) in [(200, 1), (300, 2), (100_000, 4)] {
        let text: String = (0..2).flat_map(|_| (0x1_0000..0x1_0000 + distinct).filter_map(char::from_u32)).collect();
        let (folder, report) = prepare_files(&[text.clone().into_bytes()], Options::default(), BLOCK_BYTES);
        let corpus = open(folder.path());
        let length =
            fs::metadata(folder.path().join("shards").join(&report.unwrap().index.shards[0].file)).unwrap().len();
        assert_eq!(length, 64 + u64::from(2 * distinct) * width, "{distinct}");
        assert!(corpus.text(0..corpus.tokens().len()) == text, "{distinct}");
    }
}

#[test]
fn rare_characters_become_the_unknown_token() {
    // a 6, b 4, c 3, d 3, e 1.
    let text = b"aaaaaabbbbcccddde".to_vec();
    let cases = [
        (None, None, "abcde", 0),
        (Some(3), None, "abcd", 1),
        (Some(4), None, "ab", 7),
        (None, Some(5), "abcd", 1),
        // Of c and d, equally frequent, the first in order stays.
        (None, Some(4), "abc", 4),
        (Some(4), Some(5), "ab", 7),
    ];
    for (min_count, max_vocabulary, symbols, unknown) in cases {
        let options = Options { min_count, max_vocabulary, window: 2, ..Options::default() };
        let (folder, report) = prepare_files(std::slice::from_ref(&text), options, BLOCK_BYTES);
        let corpus = open(folder.path());
        let vocabulary = corpus.vocabulary();
        let kept: String = vocabulary.symbols().iter().filter_map(|&symbol| char::from_u32(symbol)).collect();
        let case = format!("{min_count:?} {max_vocabulary:?}");
        assert_eq!((kept.as_str(), report.unwrap().index.unknown), (symbols, unknown), "{case}");
        let ids = corpus.tokens().to_vec(0..text.len());
        let found = ids.iter().filter(|&&id| Some(id) == vocabulary.unknown()).count();
        assert_eq!(found as u64, unknown, "{case}");
        assert!(max_vocabulary.is_none_or(|most| vocabulary.len() <= most), "{case}");
    }
}

#[test]
fn the_same_text_has_the_same_identity_and_another_has_not() {
    let run = |text: &str, options: Options| {
        prepare_files(&[text.repeat(50).into_bytes()], options, BLOCK_BYTES).1.unwrap().index.run
    };
    let plain = run("Ahoy there", Options::default());
    assert_eq!(plain, run("Ahoy there", Options { threads: Some(1), name: "other".into(), ..Options::default() }));
    assert_ne!(plain, run("Ahoy theer", Options::default()));
    assert_ne!(plain, run("Ahoy there", Options { unit: Unit::Byte, ..Options::default() }));
    assert_ne!(plain, run("Ahoy there", Options { split: "90/10".parse().unwrap(), window: 1, ..Options::default() }));
}

/// Prepares a text of ten blocks and calls back with its path at every progress.
fn prepare_watched(watch: impl Fn(Progress, &Path, &AtomicBool) + Sync) -> (tempfile::TempDir, Error) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.txt");
    fs::write(&path, "ab".repeat(320)).unwrap();
    let output = folder.path().join("made/shards");
    let options = Options { inputs: vec![path.clone()], output, name: "test".into(), ..Options::default() };
    let cancelled = AtomicBool::new(false);
    let report = prepare_in_blocks(&options, &mut |progress| watch(progress, &path, &cancelled), &cancelled, 64);
    (folder, report.unwrap_err())
}

#[test]
fn a_text_that_changes_between_its_readings_is_noticed() {
    let (folder, error) = prepare_watched(|progress, path, _| {
        if progress.stage == Stage::Counting && Some(progress.bytes) == progress.total {
            fs::write(path, "ba".repeat(320)).unwrap();
        }
    });
    assert!(matches!(error, Error::InputChanged), "{error}");
    assert!(!folder.path().join("made").exists());
}

#[test]
fn work_is_cancelled_at_any_stage_and_leaves_nothing() {
    for stage in [Stage::Counting, Stage::Writing] {
        let (folder, error) = prepare_watched(|progress, _, cancelled| {
            cancelled.store(progress.stage == stage, std::sync::atomic::Ordering::Relaxed);
        });
        assert!(matches!(error, Error::Interrupted), "{stage:?}: {error}");
        assert!(!folder.path().join("made").exists(), "{stage:?}");
    }
}

#[test]
fn what_a_killed_process_left_is_swept() {
    let (folder, _) = prepare_files(&[b"a tale of some length".repeat(3)], Options::default(), BLOCK_BYTES);
    let shards = folder.path().join("shards");
    let orphan = shards.join(".unfinished-x");
    let stale = shards.join("train-00000-0000000000000000.shard");
    let other = shards.join("notes.txt");
    for path in [&orphan, &stale, &other] {
        fs::write(path, "x").unwrap();
    }
    let options = Options {
        inputs: vec![folder.path().join("0.txt")],
        output: shards,
        name: "test".into(),
        ..Options::default()
    };
    prepare(&options, &mut |_| (), &AtomicBool::new(false)).unwrap();
    assert_eq!([&orphan, &stale, &other].map(|path| path.exists()), [false, false, true]);
    open(folder.path());
}
