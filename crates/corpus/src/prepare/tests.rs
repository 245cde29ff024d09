//! What prepare writes, refuses and leaves behind.

use std::fs;
use std::path::Path;

use model_card::{Normalisation, Unit, Vocabulary};

use super::*;
use crate::{Documents, Split, SplitBy, Tokens};

mod properties;

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
