//! Parts give what one prepare gives, whatever is cut where, and refuse what does not belong together.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use model_card::{Normalisation, Unit};

use super::super::prepare_in_blocks;
use super::*;
use crate::{Corpus, Documents, SplitBy};

static NEVER: AtomicBool = AtomicBool::new(false);

/// A folder of inputs.
struct Place(tempfile::TempDir);

impl Place {
    fn new(files: &[(&str, Vec<u8>)]) -> Self {
        // Every file is synced, and that costs nothing in memory.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let folder = folder.unwrap();
        for (name, bytes) in files {
            let path = folder.path().join("in").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        Self(folder)
    }

    /// These options, for its inputs and one of its folders.
    fn options(&self, inputs: &[&str], output: &str, options: &Options) -> Options {
        Options {
            inputs: inputs.iter().map(|name| self.0.path().join("in").join(name)).collect(),
            output: self.0.path().join(output),
            name: "test".into(),
            threads: Some(2),
            ..options.clone()
        }
    }

    fn contents(&self, name: &str) -> BTreeMap<String, Vec<u8>> {
        contents(&self.0.path().join(name))
    }
}

/// All files of a folder.
pub fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.unwrap();
        let bytes = if entry.path().is_dir() { b"a folder".to_vec() } else { fs::read(entry.path()).unwrap() };
        found.insert(entry.file_name().into_string().unwrap(), bytes);
    }
    found
}

fn part(options: &Options, number: u32, of: u32, block_bytes: usize) -> Result<PartReport> {
    part_in_blocks(options, Part { number, of }, &mut |_| (), &NEVER, block_bytes)
}

fn merge(options: &Options, block_bytes: usize) -> Result<Report> {
    merge_in_blocks(options, &mut |_| (), &NEVER, block_bytes)
}

/// Runs all parts twice, in an order of their own, and merges them.
pub fn in_parts(options: &Options, of: u32, block_bytes: usize) -> Result<Report> {
    for round in 0..2 {
        for number in (1..=of).rev() {
            let report = part(options, number, of, block_bytes)?;
            let waits = matches!(report, PartReport::Counted(_));
            assert_eq!(waits, round == 0 && number > 1, "{number}/{of}: {report:?}");
        }
    }
    merge(options, block_bytes)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn text(words: usize) -> Vec<u8> {
    // Every word is another one, so that tokens that move are noticed.
    (0..words).flat_map(|word| format!("{word:x}{}", if word % 7 == 0 { ".\n" } else { " " }).into_bytes()).collect()
}

#[test]
fn parts_give_what_one_prepare_gives() {
    let plain = Options { window: 2, shard_bytes: 100, split: "80/10/10".parse().unwrap(), ..Options::default() };
    let lines = || Options { documents: Some(Documents::Lines), ..plain.clone() };
    let composed = "e\u{301}a\u{323}\u{307}\r\n\u{1100}\u{1161}\u{11a8} \u{1f40b}x\r\ny\n\n\n".repeat(40);
    let nfc = Normalisation { nfc: true, ..Normalisation::default() };
    let marked = "\u{feff}".to_owned() + &composed;
    let book = "preface\n*** START OF THE PROJECT GUTENBERG EBOOK ***\nbook ".to_owned()
        + &"and more of it ".repeat(20)
        + "\n*** END OF THE PROJECT GUTENBERG EBOOK ***\nlicence";
    let mut invalid = text(200);
    invalid.iter_mut().step_by(11).for_each(|byte| *byte = 0x9f);
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("text", text(400)),
        ("composed", composed.clone().into_bytes()),
        ("marked", marked.into_bytes()),
        ("empty-lines", b"\n\na\n\n\n\n\nb\n\n\n\n\n\n\n\n\n\nccc\n\n".repeat(30)),
        ("no-cuts", "\u{301}".repeat(300).into_bytes()),
        ("invalid", invalid),
        ("book", book.into_bytes()),
        ("packed.gz", gzip(&text(300))),
        ("folder/a", text(50)),
        ("folder/b", b"\0\x01\x02".repeat(60)),
        ("folder/c", Vec::new()),
        ("folder/d.gz", gzip(&text(90))),
        ("folder/e/f", text(3)),
        ("folder/g", composed.into_bytes()),
    ];
    let place = Place::new(&files);
    let cases: Vec<(&[&str], Options)> = vec![
        (&["text"], plain.clone()),
        (&["text"], Options { shard_bytes: 1 << 20, ..plain.clone() }),
        (&["text"], lines()),
        (&["text"], Options { split_by: SplitBy::Document, ..lines() }),
        (&["text", "marked", "text"], Options { split_by: SplitBy::Document, shard_bytes: 33, ..lines() }),
        (&["composed"], plain.clone()),
        (&["composed", "text"], Options { normalisation: nfc, min_count: Some(50), ..lines() }),
        (&["marked"], Options { normalisation: nfc, max_vocabulary: Some(6), ..plain.clone() }),
        (&["empty-lines", "empty-lines"], lines()),
        (&["empty-lines"], Options { split_by: SplitBy::Document, ..lines() }),
        (&["no-cuts", "text"], Options { normalisation: nfc, ..plain.clone() }),
        (&["invalid", "text"], Options { lossy: true, ..plain.clone() }),
        (&["invalid", "marked"], Options { unit: Unit::Byte, ..plain.clone() }),
        (&["book", "text"], Options { strip_gutenberg: true, ..plain.clone() }),
        (&["packed.gz", "text", "packed.gz"], plain.clone()),
        (&["folder"], plain.clone()),
        (&["folder", "text"], Options { documents: Some(Documents::Joined), ..plain.clone() }),
        (&["folder"], Options { split: "60/20/20".parse().unwrap(), split_by: SplitBy::Document, ..lines() }),
    ];
    let mut compared = 0;
    for (case, (inputs, options)) in cases.iter().enumerate() {
        // Every case in two ways, so that all ways are tried and the test stays short.
        let ways = [(2, 7), (8, 64), (3, 30), (5, 2000), (1, 64), (12, BLOCK_BYTES)];
        for (of, block_bytes) in [ways[case % 3], ways[3 + case % 3]] {
            let name = |what: &str| format!("{what}-{case}-{of}");
            let whole = place.options(inputs, &name("whole"), options);
            let report = prepare_in_blocks(&whole, &mut |_| (), &NEVER, block_bytes).unwrap();
            let parts = place.options(inputs, &name("parts"), options);
            let merged = in_parts(&parts, of, block_bytes).unwrap_or_else(|error| panic!("{case}, {of}: {error}"));
            assert_eq!((merged.outcome, &merged.index), (report.outcome, &report.index), "{inputs:?} in {of}");
            assert_eq!(merged.warnings, report.warnings);
            assert!(place.contents(&name("parts")) == place.contents(&name("whole")), "{inputs:?} in {of}");
            compared += report.index.shards.len();
        }
        Corpus::open(&place.0.path().join(format!("parts-{case}-{}", ways[case % 3].0))).unwrap().verify().unwrap();
    }
    assert!(compared > 300, "{compared} shards are too few to say anything");
}

/// A place with a text, and options for it that give several shards.
fn text_place() -> (Place, Options) {
    let place = Place::new(&[("text", text(400)), ("other", text(100))]);
    let options = Options { window: 2, shard_bytes: 100, ..Options::default() };
    let options = place.options(&["text", "other"], "out", &options);
    (place, options)
}

fn refused<T: fmt::Debug>(result: Result<T>, code: u8, parts: &[&str]) {
    let error = result.unwrap_err();
    let message = error.to_string();
    assert_eq!(error.exit_code(), code, "{message}");
    for part in parts {
        assert!(message.contains(part), "{message:?} should say {part:?}");
    }
}

#[test]
fn what_is_no_part_is_refused() {
    let cases = [
        ("0/8", "counted from 1"),
        ("9/8", "only 8 parts"),
        ("0/0", "at least one part"),
        ("1/0", "at least one part"),
        ("3", "no slash"),
        ("a/8", "whole numbers"),
        ("-1/8", "whole numbers"),
        ("1/10000", "at most 9999"),
    ];
    for (value, what) in cases {
        refused(value.parse::<Part>(), crate::exit::USAGE, &[what, "3/8", value]);
    }
    assert_eq!("3/8".parse::<Part>().unwrap(), Part { number: 3, of: 8 });
    // Every byte is in one share.
    for (bytes, of) in [(0, 3), (1, 3), (100, 7), (u64::MAX, 9999)] {
        let ends = Part::all(of).fold(0, |end, part| {
            assert_eq!(part.share(bytes).start, end, "{part}");
            part.share(bytes).end
        });
        assert_eq!(ends, bytes);
    }
}

#[test]
fn parts_that_do_not_belong_together_are_named() {
    let (place, options) = text_place();
    assert!(matches!(part(&options, 2, 3, 64).unwrap(), PartReport::Counted(missing) if missing.len() == 2));
    let usage = crate::exit::USAGE;
    refused(part(&options, 1, 4, 64), usage, &["part 2/3", "number of parts: 3 there, 4 here", ".parts"]);
    let other = Options { min_count: Some(3), name: "b".into(), ..options.clone() };
    for result in [part(&other, 1, 3, 64), part(&other, 2, 3, 64)] {
        refused(result, usage, &["part 2/3", "min count: null there, 3 here", "name: \"test\" there, \"b\" here"]);
    }
    refused(merge(&other, 64), usage, &["part 2/3", "min count"]);
    let inputs = place.options(&["text"], "out", &options);
    refused(part(&inputs, 1, 3, 64), usage, &["inputs:", "other"]);
    refused(part(&Options { inputs: vec!["-".into()], ..options }, 1, 3, 64), usage, &["standard input", "only once"]);
}

#[test]
fn what_is_missing_for_a_merge_is_named_and_a_rerun_makes_only_that() {
    let (place, options) = text_place();
    let bad_input = crate::exit::BAD_INPUT;
    refused(merge(&options, 64), bad_input, &["no part has been counted", "--part 1/N"]);
    assert!(!place.0.path().join("out").exists());
    for number in [1, 3] {
        part(&options, number, 4, 64).unwrap();
    }
    refused(merge(&options, 64), bad_input, &["parts 2/4, 4/4 have not counted", "--part 2/4, --part 4/4"]);
    for number in [2, 4] {
        part(&options, number, 4, 64).unwrap();
    }
    let missing = ["parts 1/4, 2/4, 3/4 have not written all shards", "--part 1/4, --part 2/4, --part 3/4"];
    refused(merge(&options, 64), bad_input, &missing);
    for number in [1, 2, 3] {
        part(&options, number, 4, 64).unwrap();
    }
    // One shard in the middle of a part's is lost, and another one cut off.
    let PartReport::Written { shards, new: 0 } = part(&options, 2, 4, 64).unwrap() else { panic!("written again") };
    assert!(shards.len() > 3, "{shards:?}");
    fs::remove_file(&shards[2]).unwrap();
    let bytes = fs::read(&shards[3]).unwrap();
    fs::write(&shards[3], &bytes[..80]).unwrap();
    refused(merge(&options, 64), bad_input, &["part 2/4 has not written all shards", "run prepare with --part 2/4"]);
    assert!(!place.0.path().join("out/index.json").exists());
    let again = part(&options, 2, 4, 64).unwrap();
    assert!(matches!(again, PartReport::Written { new, .. } if new == shards.len() - 2), "{again:?}");
    assert_eq!(fs::read(&shards[3]).unwrap(), bytes);
    merge(&options, 64).unwrap();
    // Afterwards there is nothing to do for anybody.
    let before = place.contents("out");
    assert!(matches!(part(&options, 2, 4, 64).unwrap(), PartReport::Unchanged(_)));
    assert_eq!(merge(&options, 64).unwrap().outcome, Outcome::Unchanged);
    assert!(place.contents("out") == before && !before.contains_key(".parts"));
}

#[test]
fn an_input_that_changes_between_parts_is_named() {
    let (place, options) = text_place();
    let path = place.0.path().join("in/text");
    let bad_input = crate::exit::BAD_INPUT;
    for number in 1..=3 {
        part(&options, number, 3, 64).unwrap();
    }
    let old = fs::metadata(&path).unwrap().modified().unwrap();
    // With another time.
    let mut bytes = text(400);
    bytes[9] = b'#';
    fs::write(&path, &bytes).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(old + std::time::Duration::from_secs(5)).unwrap();
    refused(part(&options, 2, 3, 64), bad_input, &["in/text changed after part 1/3 was counted", ".parts"]);
    refused(merge(&options, 64), bad_input, &["in/text changed after part 1/3 was counted"]);
    // With the same time and size.
    file.set_modified(old).unwrap();
    let results = (1..=3).map(|number| part(&options, number, 3, 64));
    let failed: Vec<Error> = results.filter_map(std::result::Result::err).collect();
    assert!(!failed.is_empty());
    for error in failed {
        refused::<()>(Err(error), bad_input, &["in/text changed after part"]);
    }
    // Another list of files.
    let folder = place.options(&["."], "out-folder", &options);
    part(&folder, 1, 2, 64).unwrap();
    fs::write(place.0.path().join("in/third"), "more").unwrap();
    refused(part(&folder, 2, 2, 64), bad_input, &["list of inputs (2 files then, 3 files now)"]);
}

#[test]
fn a_part_or_a_merge_that_runs_twice_is_refused() {
    let (place, options) = text_place();
    let lock = OutputFolder::lock(&WorkFolder::of(&options.output).part(Part { number: 2, of: 3 })).unwrap();
    let path = place.0.path().join("out/.parts/2-of-3").display().to_string();
    refused(part(&options, 2, 3, 64), crate::exit::BUSY, &["another prepare", &path]);
    part(&options, 1, 3, 64).unwrap();
    drop(lock);
    in_parts(&place.options(&["text"], "done", &options), 3, 64).unwrap();
    let lock = OutputFolder::lock(&options.output).unwrap();
    refused(merge(&options, 64), crate::exit::BUSY, &["another prepare"]);
    drop(lock);
}

#[test]
fn what_fails_leaves_nothing_and_the_old_corpus_stays() {
    let place = Place::new(&[("text", text(400)), ("broken", [text(100), vec![0xff]].concat())]);
    let plain = Options { window: 2, shard_bytes: 100, ..Options::default() };
    let broken = place.options(&["broken"], "new/out", &plain);
    refused(part(&broken, 2, 2, 64), crate::exit::BAD_INPUT, &["broken is not UTF-8"]);
    assert!(!place.0.path().join("new").exists());
    // The old corpus is there until the merge.
    let old = place.options(&["broken"], "out", &Options { lossy: true, ..plain.clone() });
    prepare_in_blocks(&old, &mut |_| (), &NEVER, 64).unwrap();
    let before = place.contents("out");
    let new = place.options(&["text"], "out", &plain);
    for number in [1, 2, 1, 2] {
        part(&new, number, 2, 64).unwrap();
        let mut now = place.contents("out");
        assert!(now.remove(".parts").is_some() && now == before);
    }
    merge(&new, 64).unwrap();
    let names: Vec<String> = place.contents("out").into_keys().collect();
    let index = Index::read(&new.output).unwrap();
    assert_eq!(names.len(), index.shards.len() + 2, "{names:?}");
    // The same again by force: the shards are there already, and altered ones are not taken.
    let shard = new.output.join(&index.shards[0].file);
    let bytes = fs::read(&shard).unwrap();
    let mut altered = bytes.clone();
    altered[70] ^= 1;
    fs::write(&shard, altered).unwrap();
    let force = Options { force: true, ..new.clone() };
    part(&force, 1, 2, 64).unwrap();
    let PartReport::Written { new: written, .. } = part(&force, 2, 2, 64).unwrap() else { panic!() };
    assert_eq!(written, 0);
    let PartReport::Written { new: written, shards } = part(&force, 1, 2, 64).unwrap() else { panic!() };
    assert_eq!(written, shards.len());
    merge(&force, 64).unwrap();
    assert_eq!(fs::read(&shard).unwrap(), bytes);
}

#[test]
fn damage_to_what_a_part_left_is_named() {
    let (place, options) = text_place();
    for number in 1..=3 {
        part(&options, number, 3, 64).unwrap();
    }
    let folder = place.0.path().join("out/.parts/2-of-3");
    for name in ["blocks", "symbols.json", "counted.json"] {
        let path = folder.join(name);
        let bytes = fs::read(&path).unwrap();
        let damages: [fn(&mut Vec<u8>); 4] =
            [|bytes| bytes.truncate(bytes.len() / 2), |bytes| bytes.fill(0xff), |bytes| bytes.push(b'x'), Vec::clear];
        for damage in damages {
            let mut damaged = bytes.clone();
            damage(&mut damaged);
            fs::write(&path, &damaged).unwrap();
            refused(merge(&options, 64), crate::exit::DAMAGED, &[name, "2-of-3", "damaged"]);
        }
        fs::write(&path, &bytes).unwrap();
    }
    for number in 1..=3 {
        part(&options, number, 3, 64).unwrap();
    }
    merge(&options, 64).unwrap();
}

#[test]
fn a_merge_that_was_killed_goes_on() {
    let (place, options) = text_place();
    let whole = Options { output: place.0.path().join("whole"), ..options.clone() };
    prepare_in_blocks(&whole, &mut |_| (), &NEVER, 64).unwrap();
    let expected = place.contents("whole");
    let shards: Vec<String> =
        expected.keys().filter(|name| crate::shard::writer::is_shard_name(name)).cloned().collect();
    for moved in 0..=shards.len() + 1 {
        let options = Options { output: place.0.path().join(format!("out-{moved}")), ..options.clone() };
        for number in [1, 2, 1] {
            part(&options, number, 2, 64).unwrap();
        }
        // What a merge does, as far as it came.
        for name in shards.iter().take(moved) {
            let from = ["1-of-2", "2-of-2"].map(|part| options.output.join(".parts").join(part).join(name));
            let from = from.iter().find(|from| from.exists()).unwrap();
            fs::rename(from, options.output.join(name)).unwrap();
        }
        if moved > shards.len() {
            fs::write(options.output.join("index.json"), &expected["index.json"]).unwrap();
            fs::create_dir(options.output.join(".removing-.parts")).unwrap();
        }
        // A part that runs once more in between finds its shards.
        if moved <= shards.len() {
            assert!(matches!(part(&options, 1, 2, 64).unwrap(), PartReport::Written { new: 0, .. }));
        }
        merge(&options, 64).unwrap();
        assert!(place.contents(&format!("out-{moved}")) == expected, "{moved}");
    }
}

#[test]
fn work_can_be_cancelled() {
    let (place, options) = text_place();
    let cancelled = AtomicBool::new(false);
    let mut cancel = |_: Progress| cancelled.store(true, Ordering::Relaxed);
    let first = Part { number: 1, of: 2 };
    refused(part_in_blocks(&options, first, &mut cancel, &cancelled, 64), crate::exit::INTERRUPTED, &["interrupted"]);
    assert!(!place.0.path().join("out").exists());
    for number in [1, 2] {
        part(&options, number, 2, 64).unwrap();
    }
    cancelled.store(false, Ordering::Relaxed);
    refused(part_in_blocks(&options, first, &mut cancel, &cancelled, 64), crate::exit::INTERRUPTED, &["interrupted"]);
    let left = WorkFolder::of(&options.output).part(first);
    let unfinished = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with(".unfinished");
    assert!(!fs::read_dir(Path::new(&left)).unwrap().any(|entry| unfinished(entry.unwrap())));
    part(&options, 1, 2, 64).unwrap();
    merge(&options, 64).unwrap();
}
