//! The shards hold the normalised text, however it is cut into blocks, split and encoded.

use std::fs;
use std::path::Path;

use model_card::{Newlines, Normalisation, Unit, Vocabulary};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::{Documents, Shares, Split, SplitBy, Tokens};

/// Prepares files with these contents, in blocks of a given size.
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

/// The ids of each document, which ends with a boundary.
fn documents(tokens: Tokens<'_>, vocabulary: &Vocabulary) -> Vec<Vec<u32>> {
    let ids = tokens.to_vec(0..tokens.len());
    let mut documents: Vec<Vec<u32>> =
        ids.split(|&id| Some(id) == vocabulary.boundary()).map(<[u32]>::to_vec).collect();
    // Every boundary ends a document, so nothing follows the last one.
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

#[test]
fn ids_of_every_width_round_trip() {
    // 200, 300 and 100,000 distinct characters from U+10000 on, each twice.
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
        // c and d are equally frequent, so the lower one stays.
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
fn settings_that_leave_nothing_to_predict_are_refused_with_advice() {
    // a 6, b 4, c 1.
    let text = b"aaaaaabbbbc".to_vec();
    let several = Some(Documents::Lines);
    let cases = [
        (
            Options { min_count: Some(1000), ..Options::default() },
            "leaves no character in the vocabulary",
            "--min-count 4 or",
        ),
        (
            Options { min_count: Some(5), ..Options::default() },
            "leaves only 1 character in",
            "use --min-count 4 or less",
        ),
        (
            Options { min_count: Some(5), unit: Unit::Byte, ..Options::default() },
            "leaves only 1 byte in",
            "use --min-count 4 or less",
        ),
        (
            Options { max_vocabulary: Some(3), documents: several, ..Options::default() },
            "leaves only 1 character beside the special tokens",
            "use a larger --max-vocabulary",
        ),
    ];
    for (options, what, advice) in cases {
        let options = Options { window: 1, ..options };
        let (folder, report) = prepare_files(std::slice::from_ref(&text), options, BLOCK_BYTES);
        let error = report.unwrap_err();
        let message = error.to_string();
        assert!(message.contains(what) && message.contains(advice), "{message:?} should say {what:?} and {advice:?}");
        assert_eq!(error.exit_code(), crate::exit::USAGE, "{message}");
        assert!(!folder.path().join("shards").exists(), "{message}");
    }
    // Two symbols are enough, and a text of one symbol is its author's business.
    let enough = Options { min_count: Some(4), window: 1, ..Options::default() };
    assert_eq!(prepare_files(&[text], enough, BLOCK_BYTES).1.unwrap().index.vocabulary.symbols().len(), 2);
    let single = Options { min_count: Some(2), window: 1, ..Options::default() };
    assert_eq!(prepare_files(&[b"aaaa".to_vec()], single, BLOCK_BYTES).1.unwrap().index.vocabulary.symbols().len(), 1);
}

#[test]
fn outcomes_have_the_names_that_programs_print() {
    let names = [Outcome::Written, Outcome::Unchanged, Outcome::SameText].map(|outcome| serde_json::json!(outcome));
    assert_eq!(names, ["written", "unchanged", "same-text"]);
}

#[test]
fn options_are_checked_before_anything_is_read() {
    let named = || Options { inputs: vec!["nowhere.txt".into()], name: "test".into(), ..Options::default() };
    named().check().unwrap();
    let cases = [
        (Options { inputs: Vec::new(), ..named() }, "no input"),
        (Options { name: String::new(), ..named() }, "no name"),
        (Options { window: 0, ..named() }, "--window 1 or more"),
        (Options { step: 0, ..named() }, "--step 1 or more"),
        (Options { shard_bytes: 3, ..named() }, "at least one id"),
        (Options { min_count: Some(0), ..named() }, "--min-count 1 or more"),
        (Options { max_vocabulary: Some(2), ..named() }, "--max-vocabulary 3 or more"),
        (Options { include: vec!["*.c".into(), "a{".into()], ..named() }, "--include pattern"),
        (
            Options { split_by: SplitBy::Document, documents: Some(Documents::Joined), ..named() },
            "no documents to split by",
        ),
    ];
    for (options, part) in cases {
        let error = options.check().unwrap_err();
        assert!(error.to_string().contains(part), "{error} should say {part:?}");
        assert_eq!(error.exit_code(), crate::exit::USAGE, "{error}");
    }
}

#[test]
fn a_byte_order_mark_at_the_start_of_a_file_is_no_character() {
    let mark = "\u{feff}";
    let gutenberg = format!("{mark}*** START OF THE PROJECT GUTENBERG EBOOK ***\nbook");
    let plain = || Options { documents: Some(Documents::Joined), window: 1, ..Options::default() };
    let cases = [
        ("characters", plain(), vec![format!("{mark}ab"), format!("{mark}cd")], "abcd".to_string()),
        ("inside the text", plain(), vec![format!("a{mark}b"), format!("{mark}{mark}cd")], format!("a{mark}b{mark}cd")),
        ("bytes", Options { unit: Unit::Byte, ..plain() }, vec![format!("{mark}ab")], format!("{mark}ab")),
        (
            "normalised bytes",
            Options {
                unit: Unit::Byte,
                normalisation: Normalisation { lowercase: true, ..Normalisation::default() },
                ..plain()
            },
            vec![format!("{mark}AB")],
            format!("{mark}ab"),
        ),
        ("before a start mark", Options { strip_gutenberg: true, ..plain() }, vec![gutenberg], "book".into()),
    ];
    for (what, options, files, expected) in cases {
        let files: Vec<Vec<u8>> = files.into_iter().map(String::into_bytes).collect();
        // In small blocks and large ones, so that the mark is in a block of its own too.
        for block_bytes in [4, BLOCK_BYTES] {
            let (folder, report) = prepare_files(&files, options.clone(), block_bytes);
            report.unwrap();
            let corpus = open(folder.path());
            assert_eq!(corpus.text(0..corpus.tokens().len()), expected, "{what}, blocks of {block_bytes}");
        }
    }
    let (_, report) = prepare_files(&[mark.into()], plain(), BLOCK_BYTES);
    assert!(matches!(report, Err(Error::Empty(_))), "{report:?}");
    // The position of an error counts the bytes of the file.
    let (_, report) = prepare_files(&[b"\xef\xbb\xbfab\xff".to_vec()], plain(), BLOCK_BYTES);
    assert!(matches!(report, Err(Error::InvalidUtf8 { offset: 5, .. })), "{report:?}");
}

#[test]
fn the_same_text_has_the_same_identity_and_another_text_has_not() {
    let run = |text: &str, options: Options| {
        prepare_files(&[text.repeat(50).into_bytes()], options, BLOCK_BYTES).1.unwrap().index.run
    };
    let plain = run("Ahoy there", Options::default());
    assert_eq!(plain, run("Ahoy there", Options { threads: Some(1), name: "other".into(), ..Options::default() }));
    assert_ne!(plain, run("Ahoy theer", Options::default()));
    assert_ne!(plain, run("Ahoy there", Options { unit: Unit::Byte, ..Options::default() }));
    assert_ne!(plain, run("Ahoy there", Options { split: "90/10".parse().unwrap(), window: 1, ..Options::default() }));
}

/// Prepares a text of ten blocks, and calls `watch` with its path at every progress.
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
fn a_text_that_changes_between_the_passes_is_noticed() {
    let (folder, error) = prepare_watched(|progress, path, _| {
        if progress.stage == Stage::Counting && Some(progress.bytes) == progress.total {
            fs::write(path, "ba".repeat(320)).unwrap();
        }
    });
    assert!(matches!(error, Error::InputChanged), "{error}");
    assert!(!folder.path().join("made").exists());
}

#[test]
fn work_can_be_cancelled_in_both_passes_and_leaves_nothing() {
    for stage in [Stage::Counting, Stage::Writing] {
        let (folder, error) = prepare_watched(|progress, _, cancelled| {
            cancelled.store(progress.stage == stage, Ordering::Relaxed);
        });
        assert!(matches!(error, Error::Interrupted), "{stage:?}: {error}");
        assert!(!folder.path().join("made").exists(), "{stage:?}");
    }
}

#[test]
fn work_can_be_cancelled_while_the_earlier_shards_are_verified() {
    let (folder, report) = prepare_files(&[b"a tale of some length".repeat(3)], Options::default(), BLOCK_BYTES);
    report.unwrap();
    let settings = open(folder.path()).index().settings.clone();
    let shards = folder.path().join("shards");
    let previous = |cancelled| previous(&shards, &settings, &AtomicBool::new(cancelled));
    assert!(matches!(previous(true), Err(Error::Interrupted)));
    assert!(previous(false).unwrap().is_some());
}

#[test]
fn what_a_killed_process_left_is_removed_and_nothing_else() {
    let (folder, _) = prepare_files(&[b"a tale of some length".repeat(3)], Options::default(), BLOCK_BYTES);
    let shards = folder.path().join("shards");
    let left = [".unfinished-aB3dE6", ".writing-aB3dE6", "train-00000-0000000000000000.shard"];
    let others = ["notes.txt", "mine.shard", ".unfinished-notes", "train-00000-0000000000000000.shard.bak"];
    for force in [false, true] {
        for name in left.iter().chain(&others) {
            fs::write(shards.join(name), "x").unwrap();
        }
        let options = Options {
            inputs: vec![folder.path().join("0.txt")],
            output: shards.clone(),
            name: "test".into(),
            force,
            ..Options::default()
        };
        prepare(&options, &mut |_| (), &AtomicBool::new(false)).unwrap();
        for name in left {
            assert!(!shards.join(name).exists(), "{name} is left, force: {force}");
        }
        for name in others {
            assert_eq!(fs::read(shards.join(name)).unwrap(), b"x", "{name}, force: {force}");
        }
        open(folder.path());
    }
}

#[test]
fn the_training_split_never_contains_what_is_held_out() {
    let text: Vec<u8> = (0..200).map(|place| if place < 180 { b'a' } else { b'b' }).collect();
    let options = Options { split: "90/10".parse().unwrap(), window: 1, ..Options::default() };
    let (folder, report) = prepare_files(&[text], options, BLOCK_BYTES);
    report.unwrap();
    let corpus = open(folder.path());
    for tokens in [corpus.training(), corpus.split(Split::Train).unwrap()] {
        assert_eq!(corpus.vocabulary().decode(&tokens.to_vec(0..tokens.len())), "a".repeat(180));
    }
    assert!(corpus.split(Split::Test).is_none());
    // An index without a training split is refused, rather than read as one in which everything is for training.
    let index = folder.path().join("shards/index.json");
    let json = fs::read_to_string(&index).unwrap().replace("\"train\"", "\"test\"");
    fs::write(&index, json).unwrap();
    let message = Corpus::open(&folder.path().join("shards")).unwrap_err().to_string();
    assert!(message.contains("out of order") || message.contains("no training split"), "{message}");
}
