//! What `carve prepare` reads, in which order, and what it writes.

mod common;

use std::fs;
use std::io::{Cursor, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use common::{BINARY, Place, assert_fails};

/// Longer than a window of 40.
const TALE: &str = "The anchor was weighed before the tide turned, and nobody on the quay said farewell.\n";

#[test]
fn the_figures_are_those_of_the_text() {
    let place = Place::new();
    // With characters that --ascii drops, the byte-order mark among them.
    place.file("tale.txt", format!("\u{feff}\u{e9}{}", TALE.repeat(10)));
    let report = place.prepare(&["tale.txt"], &["--lowercase", "--ascii", "--source", "a shelf", "--licence", "CC0"]);
    let text = TALE.repeat(10).to_lowercase();
    let distinct = text.chars().collect::<std::collections::BTreeSet<_>>().len();
    assert_eq!(report["characters"], text.len());
    assert_eq!(report["vocabulary"], distinct);
    assert_eq!(report["windows"], (0..text.len() - 40).step_by(3).count());
    assert_eq!(place.text(), text);
    let corpus = corpus::Corpus::open(&place.path("shards")).unwrap();
    assert_eq!((corpus.index().source.as_deref(), corpus.index().licence.as_deref()), (Some("a shelf"), Some("CC0")));
    assert!(corpus.normalisation().lowercase && corpus.normalisation().ascii);
}

#[test]
fn compressed_text_is_the_same_text() {
    let text = TALE.repeat(200);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&text.as_bytes()[..5000]).unwrap();
    let mut gzip_of_two = gzip.finish().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&text.as_bytes()[5000..]).unwrap();
    gzip_of_two.append(&mut gzip.finish().unwrap());
    let zstd = |bytes| ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
    let zstd_of_two = [zstd(&text.as_bytes()[..5000]), zstd(&text.as_bytes()[5000..])].concat();
    let mut xz = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::default()).unwrap();
    xz.write_all(text.as_bytes()).unwrap();
    let xz = xz.finish().unwrap();
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::STORE);
    for (name, contents) in [("__MACOSX/._a", "resources"), ("a", text.as_str()), (".DS_Store", "Bud1")] {
        zip.start_file(name, stored).unwrap();
        zip.write_all(contents.as_bytes()).unwrap();
    }
    let zip = zip.finish().unwrap().into_inner();

    let plain = Place::new();
    plain.file("a", &text);
    let expected = plain.prepare(&["a"], &[])["fingerprint"].clone();
    // The contents show the format; the names do not. The formats allow two members or frames.
    for (format, bytes) in [("gzip", gzip_of_two), ("zstd", zstd_of_two), ("xz", xz), ("zip", zip)] {
        let place = Place::new();
        place.file("a", &bytes);
        place.file("folder/a", &bytes);
        place.file("folder/b", &text);
        assert_eq!(place.prepare(&["a"], &[])["fingerprint"], expected, "{format}");
        assert!(place.text() == text, "{format}");
        // In a folder, a zip archive is usually a document or a program.
        let report = place.prepare(&["folder"], &[]);
        assert_eq!(report["skipped_binary"], u64::from(format == "zip"), "{format}");
    }
}

#[test]
fn standard_input_is_read_like_a_file() {
    let place = Place::new();
    let mut child = Command::new(BINARY)
        .args(["prepare", "-i", "-", "-o", "shards", "-n", "test"])
        .current_dir(place.path("."))
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(TALE.repeat(3).as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(place.text(), TALE.repeat(3));
    // The copy for the second pass is gone.
    assert_eq!(place.contents("shards").len(), 3, "lock, index and shard");
}

#[test]
fn a_file_in_a_zip_archive_can_be_chosen() {
    let place = Place::new();
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::STORE);
    for (name, contents) in [("books/a.txt", "ab".repeat(50)), ("books/b.txt", "cd".repeat(50))] {
        zip.start_file(name, stored).unwrap();
        zip.write_all(contents.as_bytes()).unwrap();
    }
    place.file("books.zip", zip.finish().unwrap().into_inner());
    let output = place.corpus(&["prepare", "-o", "shards", "-n", "test", "-i", "books.zip"]);
    let parts = ["2 text files: \"books/a.txt\", \"books/b.txt\"", "choose one with --include NAME"];
    assert_fails(&output, 3, &parts);
    // The choice is part of what is prepared: another one is not taken for the same text.
    for (name, text) in [("a.txt", "ab"), ("books/b.txt", "cd"), ("a.*", "ab")] {
        place.prepare(&["books.zip"], &["--include", name]);
        assert_eq!(place.text(), text.repeat(50), "{name}");
    }
}

#[test]
fn a_folder_is_walked_in_order_and_by_its_rules() {
    let place = Place::new();
    place.file("code/b.c", "b");
    place.file("code/a.c", "a");
    place.file("code/a/z.c", "z");
    place.file("code/B.c", "B");
    place.file("code/a/notes.md", "m");
    place.file("code/empty.c", "");
    place.file("code/image.c", b"\x89PNG\0\0");
    place.file("code/.hidden.c", "h");
    place.file("code/.gitignore", "build\n");
    place.file("code/build/out.c", "o");
    let cases: [(&[&str], &str, u64); 4] = [
        (&[], "B|m|z|a|b|", 5),
        (&["--include", "*.c"], "B|z|a|b|", 4),
        (&["--include", "a/*"], "m|z|", 2),
        (&["--include", "*.md", "--include", "b.c"], "m|b|", 2),
    ];
    for (flags, text, documents) in cases {
        let report = place.prepare(&["code"], &[flags, &["--window", "1"]].concat());
        assert_eq!(place.text(), text, "{flags:?}");
        assert_eq!(report["documents"], documents, "{flags:?}");
        let all = flags.is_empty();
        let skipped = (report["skipped_binary"].as_u64(), report["skipped_empty"].as_u64());
        if all {
            assert_eq!(skipped, (Some(1), Some(1)));
        }
    }
    assert_eq!(place.prepare(&["code", "code/b.c"], &["--joined", "--window", "1"])["documents"], 0);
    assert_eq!(place.text(), "Bmzabb");
}

#[test]
fn lines_are_documents_when_asked() {
    let place = Place::new();
    place.file("names.txt", "anne\r\nbo\n\n\nmay\rlou");
    let cases: [(&[&str], &str); 3] = [
        (&["--lines"], "anne|bo|may\rlou|"),
        (&["--lines", "--newlines", "lf"], "anne|bo|may|lou|"),
        (&["--newlines", "lf"], "anne\nbo\n\n\nmay\nlou"),
    ];
    for (flags, text) in cases {
        place.prepare(&["names.txt"], &[flags, &["--window", "1"]].concat());
        assert_eq!(place.text(), text, "{flags:?}");
    }
}

#[test]
fn text_is_normalised_as_asked() {
    let book = "Licence\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\nCAFE\u{301}\n*** END OF THE PROJECT GUTENBERG EBOOK X ***\n";
    let cases: [(&str, &[&str], &str); 6] = [
        ("CAFE\u{301}", &["--nfc"], "CAF\u{c9}"),
        ("CAFE\u{301}", &["--nfc", "--lowercase"], "caf\u{e9}"),
        ("CAFE\u{301}", &["--ascii"], "CAFE"),
        (book, &["--strip-gutenberg", "--nfc"], "CAF\u{c9}\n"),
        ("a\0b", &[], "a\0b"),
        ("a\rb", &[], "a\rb"),
    ];
    for (text, flags, expected) in cases {
        let place = Place::new();
        place.file("a.txt", text);
        let report = place.prepare(&["a.txt"], &[flags, &["--window", "1"]].concat());
        assert_eq!(place.text(), expected, "{text:?} {flags:?}");
        let nul = text.contains('\0');
        assert_eq!(report["warnings"].to_string().contains("contains 1 NUL character (U+0000)"), nul, "{text:?}");
    }
}

#[test]
fn splits_are_recorded_and_disjoint() {
    let place = Place::new();
    let names = (0..200).map(|number| format!("n{number}")).collect::<Vec<_>>().join("\n") + "\n";
    place.file("names.txt", &names);
    let report = place.prepare(&["names.txt"], &["--split", "80/10/10", "--window", "1"]);
    assert_eq!(report["splits"], serde_json::json!({ "train": 712, "validation": 89, "test": 89 }));
    assert_eq!(place.text(), names);

    let flags = ["--lines", "--split", "80/10/10", "--split-by-document", "--window", "1"];
    let report = place.prepare(&["names.txt"], &flags);
    let corpus = corpus::Corpus::open(&place.path("shards")).unwrap();
    assert_eq!(report["documents"], 200);
    let mut all = Vec::new();
    for (split, documents) in corpus::Split::ALL.into_iter().zip([160, 20, 20]) {
        let tokens = corpus.split(split).unwrap();
        let ids = tokens.to_vec(0..tokens.len());
        let mut names: Vec<String> = ids
            .split(|&id| Some(id) == corpus.vocabulary().boundary())
            .map(|ids| corpus.vocabulary().decode(ids))
            .collect();
        assert_eq!(names.pop().as_deref(), Some(""), "{split} ends with a boundary");
        assert_eq!(names.len(), documents, "{split}");
        all.append(&mut names);
    }
    all.sort();
    let mut expected: Vec<&str> = names.lines().collect();
    expected.sort_unstable();
    assert_eq!(all, expected);
}

#[test]
fn an_unchanged_text_is_left_alone_and_a_change_is_noticed() {
    let place = Place::new();
    let path = place.file("tale.txt", TALE);
    assert_eq!(place.prepare(&["tale.txt"], &[])["outcome"], "written");
    let before = place.contents("shards");
    assert_eq!(place.prepare(&["tale.txt"], &[])["outcome"], "unchanged");
    assert_eq!(place.contents("shards"), before);

    // Another time, the same text.
    let later = SystemTime::now() + Duration::from_mins(1);
    fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    assert_eq!(place.prepare(&["tale.txt"], &[])["outcome"], "same-text");
    assert_eq!(place.prepare(&["tale.txt"], &[])["outcome"], "unchanged");

    // Other settings; another text of the same length; a damaged shard; by force.
    assert_eq!(place.prepare(&["tale.txt"], &["--lowercase"])["outcome"], "written");
    assert_eq!(place.prepare(&["tale.txt"], &[])["outcome"], "written");
    place.file("tale.txt", TALE.replace("anchor", "schooner").replace("weighed", "gone"));
    assert_eq!(place.prepare(&["tale.txt"], &[])["outcome"], "written");
    let shard = place.shard();
    let mut bytes = fs::read(&shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&shard, bytes).unwrap();
    assert_eq!(place.prepare(&["tale.txt"], &[])["outcome"], "written");
    assert_eq!(place.prepare(&["tale.txt"], &["--force"])["outcome"], "written");
    // Of all those runs, one index and one shard are left.
    assert_eq!(place.contents("shards").len(), 3);

    // A folder with one file more.
    place.file("folder/a", TALE);
    assert_eq!(place.prepare(&["folder"], &[])["outcome"], "written");
    assert_eq!(place.prepare(&["folder"], &[])["outcome"], "unchanged");
    place.file("folder/b", TALE);
    assert_eq!(place.prepare(&["folder"], &[])["documents"], 2);
}

#[test]
fn inspect_shows_what_is_in_the_shards() {
    let place = Place::new();
    place.file("text.txt", "ab".repeat(500) + "c");
    place.prepare(&["text.txt"], &["--split", "90/10"]);
    let output = place.corpus(&["inspect", "shards", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["characters"], 1001);
    assert_eq!(report["most_frequent"][0]["symbol"], "'a' U+0061");
    assert_eq!(report["most_frequent"][0]["count"], 500);
    assert_eq!(report["least_frequent"][2]["code_point"], 99);
    let bits = report["unigram_bits"].as_f64().unwrap();
    // -2 (500/1001) log2(500/1001) - (1/1001) log2(1/1001)
    assert!((bits - 1.010_399).abs() < 1e-6, "{bits}");
    assert!(report["context_bits"].as_f64().unwrap() < 1e-9);
    assert_eq!(report["splits"][1]["first_lines"][0].as_str().unwrap().len(), 101);
    assert_eq!(report["sound"], true);
    let people = String::from_utf8(place.corpus(&["inspect", "shards"]).stdout).unwrap();
    assert!(people.contains("'c' U+0063") && people.contains("sound"), "{people}");
}
