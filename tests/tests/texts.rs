//! Any text, through `carve prepare` and `carve inspect`: every flag, every declared dataset, and the project's own
//! sources of text.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use end_to_end::{Finished, Workplace, binary, skip};
use serde_json::{Value, json};

/// Longer than a window of 40, in every case of the alphabet.
const LINE: &str = "The anchor was weighed before the tide turned, and NOBODY said a word.\n";

/// Prepares inputs under the name `text` and returns the summary.
fn prepare(place: &Workplace, inputs: &[&Path], flags: &[&str]) -> Value {
    let inputs: Vec<&str> = inputs.iter().map(|path| path.to_str().unwrap()).collect();
    place.carve(&[&["prepare", "--name", "text", "--json", "--input"], &inputs[..], flags].concat()).success().json()
}

fn distinct(text: &str) -> usize {
    text.chars().collect::<BTreeSet<_>>().len()
}

#[test]
fn flags_do_to_the_text_what_they_say() {
    let many = |text: &str| text.repeat(100);
    let plain = many(LINE);
    let crlf = many(LINE).replace('\n', "\r\n");
    let accents = many("Caf\u{e9} and cafe\u{301}, one as good as the other.\n");
    let book = format!(
        "A licence\n*** START OF THE PROJECT GUTENBERG EBOOK A TALE ***\n{plain}*** END OF THE PROJECT GUTENBERG EBOOK A \
         TALE ***\nMore licence\n"
    );
    // Ten of one character and one of another, beside the rest.
    let rare = format!("{plain}{}@", "#".repeat(10));
    let (characters, vocabulary) = (plain.len(), distinct(&plain));
    let lower = plain.to_lowercase();
    let cases: [(&str, &str, &[&str], usize, usize); 13] = [
        ("nothing", &plain, &[], characters, vocabulary),
        ("lower case", &plain, &["--lowercase"], characters, distinct(&lower)),
        ("CR LF kept", &crlf, &["--newlines", "keep"], characters + 100, vocabulary + 1),
        ("CR LF turned into LF", &crlf, &["--newlines", "lf"], characters, vocabulary),
        ("accents", &accents, &[], accents.chars().count(), distinct(&accents)),
        ("accents as bytes", &accents, &["--unit", "byte"], accents.len(), distinct(&accents) - 2 + 4),
        ("accents composed", &accents, &["--nfc"], accents.chars().count() - 100, distinct(&accents) - 1),
        ("accents dropped", &accents, &["--ascii"], accents.chars().count() - 200, distinct(&accents) - 2),
        ("a book", &book, &["--strip-gutenberg"], characters, vocabulary),
        ("rare characters", &rare, &[], characters + 11, vocabulary + 2),
        ("rare characters folded", &rare, &["--min-count", "10"], characters + 11, vocabulary + 2),
        ("rarer characters folded", &rare, &["--min-count", "11"], characters + 11, vocabulary + 1),
        ("a small vocabulary", &plain, &["--max-vocabulary", "12"], characters, 12),
    ];
    for (what, text, flags, characters, vocabulary) in cases {
        let place = Workplace::new();
        let input = place.write("a text.txt", text);
        let prepared = prepare(&place, &[&input], flags);
        let found = (&prepared["characters"], &prepared["vocabulary"]);
        assert_eq!(found, (&json!(characters), &json!(vocabulary)), "{what}");
    }
}

/// What it is, inputs, flags, and the files and documents that come of them.
type Folders<'c> = (&'c str, &'c [&'c Path], &'c [&'c str], u64, u64);

#[test]
fn folders_and_several_files_are_documents_unless_joined() {
    let place = Workplace::new();
    for name in ["source/b.c", "source/a.c", "source/notes.txt", "source/deep/c.h"] {
        place.write(name, LINE);
    }
    place.write("source/picture.c", b"\0\0\0");
    let (folder, file) = (place.path("source"), place.path("source/a.c"));
    let cases: [Folders; 5] = [
        ("a folder", &[&folder], &[], 4, 4),
        ("some files of a folder", &[&folder], &["--include", "*.c", "--include", "*.h"], 3, 3),
        ("a folder and a file", &[&folder, &file], &["--include", "*.txt"], 2, 2),
        ("files as one text", &[&folder, &file], &["--joined"], 5, 0),
        ("one file", &[&file], &[], 1, 0),
    ];
    for (what, inputs, flags, files, documents) in cases {
        let prepared = prepare(&place, inputs, flags);
        assert_eq!((&prepared["files"], &prepared["documents"]), (&json!(files), &json!(documents)), "{what}");
        assert_eq!(prepared["characters"], files * LINE.len() as u64, "{what}");
    }
    let nothing = place.carve(&["prepare", "--input", folder.to_str().unwrap(), "--include", "*.tex"]);
    assert_eq!((nothing.code, nothing.stderr.contains("--include")), (3, true), "{}", nothing.stderr);
}

#[test]
fn names_are_documents_and_splits_keep_them_whole() {
    let place = Workplace::new();
    let names: Vec<String> = (0..200).map(|number| format!("name{number:03}\n")).collect();
    let input = place.write("names.txt", names.concat());
    let split = ["--lines", "--split", "90/5/5", "--split-by-document"];
    let prepared = prepare(&place, &[&input], &[&split[..], &["--source=- a list", "--licence", "CC0"]].concat());
    assert_eq!((&prepared["documents"], &prepared["characters"]), (&json!(200), &json!(200 * 7)));
    // Seven characters and a boundary each; of a hundred names, 90, 5 and 5.
    assert_eq!(prepared["splits"], json!({ "train": 180 * 8, "validation": 10 * 8, "test": 10 * 8 }));

    let inspected = place.carve(&["inspect", "text", "--json"]).success().json();
    assert_eq!((&inspected["sound"], &inspected["documents"]), (&json!(true), &json!(200)));
    assert_eq!((&inspected["source"], &inspected["licence"]), (&json!("- a list"), &json!("CC0")));
    let mut first = BTreeSet::new();
    for split in inspected["splits"].as_array().unwrap() {
        let name = split["first_lines"][0].as_str().unwrap();
        assert!(name.starts_with("name") && first.insert(name), "{split}");
    }

    let cut = prepare(&place, &[&input], &["--split", "80/10/10"]);
    assert_eq!(cut["splits"], json!({ "train": 1280, "validation": 160, "test": 160 }), "contiguous parts of one text");
}

#[test]
fn shards_have_the_size_that_was_asked_for() {
    let place = Workplace::new();
    let input = place.write("text.txt", LINE.repeat(35_000)); // 2.4 MiB
    assert_eq!(prepare(&place, &[&input], &[])["shards"].as_array().unwrap().len(), 1);
    let prepared = prepare(&place, &[&input], &["--shard-size", "1", "--threads", "1"]);
    let shards = prepared["shards"].as_array().unwrap();
    assert_eq!((shards.len(), &shards[0]["count"]), (3, &json!(1 << 20)));
}

#[test]
fn what_has_not_changed_is_prepared_again_only_by_force() {
    let place = Workplace::new();
    let input = place.write("text.txt", LINE.repeat(3));
    let outcome = |flags: &[&str]| prepare(&place, &[&input], flags)["outcome"].clone();
    assert_eq!([outcome(&[]), outcome(&[]), outcome(&["--force"])], ["written", "unchanged", "written"]);
    assert_eq!(outcome(&["--lowercase"]), "written");
}

#[test]
fn standard_input_needs_a_name() {
    let place = Workplace::new();
    let text = place.write("text.txt", LINE);
    let run = |words: &[&str]| place.run(binary("carve").args(words).stdin(File::open(&text).unwrap()));
    let piped = run(&["prepare", "--input", "-", "--name", "text", "--json"]).success().json();
    assert_eq!(piped["characters"], LINE.len());
    assert_eq!(piped["fingerprint"], prepare(&place, &[&text], &["--force"])["fingerprint"]);
    let nameless = run(&["prepare", "--input", "-"]);
    assert_eq!((nameless.code, nameless.stderr.contains("--name")), (2, true), "{}", nameless.stderr);
}

#[test]
fn inspect_tells_sound_shards_from_others() {
    let place = Workplace::new();
    let unknown = place.carve(&["inspect", "text"]);
    assert_eq!((unknown.code, unknown.stderr.contains("carve prepare")), (3, true), "{}", unknown.stderr);

    let input = place.write("text.txt", LINE.repeat(9));
    prepare(&place, &[&input], &[]);
    let report = place.carve(&["inspect", "text", "--top", "1"]).success().stdout;
    for part in ["' ' U+0020", "The anchor was weighed", "sound", "entropy"] {
        assert!(report.contains(part), "{part:?} in {report}");
    }
    let shard = place.files("text/shards").into_iter().find(|file| file.starts_with("train")).unwrap();
    let shard = place.path("text/shards").join(shard);
    let mut bytes = fs::read(&shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&shard, bytes).unwrap();
    let damaged = place.carve(&["inspect", "text", "--json"]);
    assert_eq!((damaged.code, &damaged.json()["sound"]), (4, &json!(false)), "{}", damaged.stderr);
}

#[test]
fn rust_source_is_the_same_text_every_time() {
    let prepare = |place: &Workplace, flags: &[&str]| {
        place.carve(&[&["prepare", "--dataset", "rust-source", "--json"], flags].concat()).success().json()
    };
    let (first, second) = (Workplace::new(), Workplace::new());
    let whole = prepare(&first, &[]);
    assert_eq!(whole["fingerprint"], prepare(&second, &[])["fingerprint"]);
    assert!(whole["characters"].as_u64().unwrap() > 4_000_000, "several megabytes: {whole}");
    assert_eq!(whole["documents"], whole["files"], "a file is a document");

    // Little enough to train on for a moment: a hundredth of the crates' roots.
    let roots = prepare(&first, &["--name", "roots", "--include", "src/lib.rs", "--joined", "--split", "1/1/98"]);
    let listed = first.carve(&["datasets", "--json"]).success().json();
    let declared = listed.as_array().unwrap().iter().find(|dataset| dataset["name"] == "rust-source").unwrap();
    let crates = declared["here"].as_array().unwrap().len();
    assert_eq!((&roots["files"], &roots["documents"]), (&json!(crates), &json!(0)), "one root a crate");
    let train = ["train", "--dataset", "roots", "--recipe", "lecture", "--epochs", "1", "--sample-length", "0"];
    first.carve(&[&train[..], &["--run", "moment", "--device", "cpu"]].concat()).success();
    assert!(first.path("roots/runs/moment/metrics.jsonl").exists());
}

#[test]
fn datasets_say_what_they_are() {
    let listed = Workplace::new().carve(&["datasets", "--json"]).success().json();
    let listed = listed.as_array().unwrap();
    let names: Vec<_> = listed.iter().map(|dataset| dataset["name"].as_str().unwrap()).collect();
    let expected = [
        "enwik8",
        "names",
        "nietzsche",
        "rust-source",
        "sea-story",
        "text8",
        "tiny-shakespeare",
        "treasure-island",
        "war-and-peace",
    ];
    assert_eq!(names, expected);
    for dataset in listed {
        for field in ["title", "licence", "recipe"] {
            assert!(dataset[field].as_str().is_some_and(|text| !text.is_empty()), "{field} of {dataset}");
        }
        let at_hand = ["sea-story", "rust-source"].contains(&dataset["name"].as_str().unwrap());
        assert!(!at_hand || dataset["bytes"].as_u64().unwrap() > 100_000, "here without a download: {dataset}");
    }
}

/// Runs carve with a folder of texts of our own making.
fn with_texts(place: &Workplace, words: &[&str]) -> Finished {
    place.run(binary("carve").args(words).env("SCRIMSHAW_DATASETS", place.path("texts")))
}

#[test]
fn a_text_that_is_not_the_declared_one_is_refused() {
    let place = Workplace::new();
    // No checksum of this text is known: its figures speak for it.
    place.write("texts/nietzsche.txt", LINE);
    let other = with_texts(&place, &["prepare", "--dataset", "nietzsche"]);
    assert_eq!(other.code, 3, "{}", other.stderr);
    for part in ["nietzsche is not the declared text", "71 characters", "600893 characters"] {
        assert!(other.stderr.contains(part), "{part:?} in {}", other.stderr);
    }
    assert!(!place.path("nietzsche/shards/index.json").exists(), "nobody trains on it");
    with_texts(&place, &["prepare", "--dataset", "nietzsche", "--ascii"]).success();

    // The checksum of this one is known.
    place.write("texts/names.txt", LINE);
    let other = with_texts(&place, &["prepare", "--dataset", "names"]);
    assert_eq!((other.code, other.stderr.contains("SHA-256")), (3, true), "{}", other.stderr);
}

#[test]
fn a_dataset_in_a_zip_archive_is_read_as_it_is() {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::STORE);
    archive.start_file("text8", stored).unwrap();
    archive.write_all(&b"ahoy ".repeat(8)).unwrap();
    let archive = archive.finish().unwrap().into_inner();
    let place = Workplace::new();
    place.write("texts/text8.zip", archive);
    let short = with_texts(&place, &["prepare", "--dataset", "text8"]);
    assert_eq!((short.code, short.stderr.contains("36 tokens")), (3, true), "90 percent of 40: {}", short.stderr);
}

/// The folders of texts that the environment names, or a word that the case is skipped.
fn real_texts() -> Option<Vec<PathBuf>> {
    let folders = env::var_os("SCRIMSHAW_DATASETS");
    if folders.is_none() {
        skip("SCRIMSHAW_DATASETS names no folder of texts");
    }
    Some(env::split_paths(&folders?).collect())
}

#[test]
fn declared_datasets_have_their_figures() {
    let Some(folders) = real_texts() else { return };
    let place = Workplace::new();
    for dataset in place.carve(&["datasets", "--json"]).success().json().as_array().unwrap() {
        let name = dataset["name"].as_str().unwrap();
        let file = dataset["here"][0].as_str().map(Path::new);
        if !file.is_some_and(|file| folders.iter().any(|folder| file.starts_with(folder))) {
            skip(&format!("{name} is in none of the folders"));
            continue;
        }
        let prepared = place.carve(&["prepare", "--dataset", name, "--json"]).success().json();
        for figure in ["characters", "vocabulary"] {
            assert_eq!(prepared[figure], dataset["expected"][figure], "{figure} of {name}");
        }
    }
}

#[test]
fn texts_have_the_figures_of_their_manifest() {
    let Some(folders) = real_texts() else { return };
    for folder in folders {
        let Ok(manifest) = fs::read_to_string(folder.join("MANIFEST.toml")) else {
            skip(&format!("{} has no MANIFEST.toml", folder.display()));
            continue;
        };
        let manifest: toml::Table = manifest.parse().unwrap();
        for file in manifest["file"].as_array().unwrap() {
            let path = folder.join(file["name"].as_str().unwrap());
            let units = [("char", "characters", "distinct_characters"), ("byte", "bytes", "distinct_bytes")];
            for (unit, characters, distinct) in units {
                let prepared = prepare(&Workplace::new(), &[&path], &["--unit", unit]);
                let found = [&prepared["characters"], &prepared["vocabulary"]].map(Value::as_i64);
                // The manifest counts a byte-order mark, which is no character of the text.
                let mark = i64::from(unit == "char" && fs::read(&path).unwrap().starts_with(b"\xef\xbb\xbf"));
                let expected = [&file[characters], &file[distinct]].map(|figure| Some(figure.as_integer()? - mark));
                assert_eq!(found, expected, "{} by {unit}", path.display());
            }
        }
    }
}
