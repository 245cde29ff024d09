//! Bad input, damaged data, and folders that cannot be written to: each failure has its message and exit code, and
//! leaves nothing behind.

mod common;

use std::fs;
use std::process::Output;

use common::{BINARY, Place, assert_fails};
use end_to_end::skip;

const TALE: &str = "The anchor was weighed before the tide turned, and nobody on the quay said farewell.\n";

const BAD_INPUT: i32 = 3;
const DAMAGED: i32 = 4;
const CANNOT_WRITE: i32 = 5;
const BUSY: i32 = 6;

fn prepare(place: &Place, arguments: &[&str]) -> Output {
    place.corpus(&[&["prepare", "-o", "out/shards", "-n", "test"], arguments].concat())
}

#[test]
fn bad_input_is_named_and_leaves_nothing() {
    let place = Place::new();
    place.file("empty.txt", "");
    place.file("short.txt", "x".repeat(40));
    place.file("latin1.txt", [TALE.as_bytes(), b"caf\xe9"].concat());
    place.file("utf16.txt", b"\xff\xfea\0b\0");
    place.file("cut.txt", [TALE.as_bytes(), b"\xf0\x9f\x90"].concat());
    place.file("folder/1.txt", TALE);
    place.file("folder/2.txt", TALE);
    place.file("folder/3.txt", [TALE.repeat(9000).as_bytes(), b"\x80", TALE.as_bytes()].concat());
    place.file("folder/4.txt", b"\xff");
    place.file("binary/a", b"\0\0");
    place.file("binary/b", b"");
    place.file("blank.txt", "\n".repeat(100));
    place.file("foreign.txt", "\u{6f22}".repeat(100));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, TALE.repeat(1000).as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    place.file("cut.gz", &gzip[..gzip.len() / 2]);
    let mut altered = gzip.clone();
    let in_checksum = altered.len() - 6;
    altered[in_checksum] ^= 1;
    place.file("altered.gz", altered);
    place.file("broken.zst", b"\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff");
    place.file("broken.xz", b"\xfd7zXZ\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
    place.file("broken.zip", b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff");
    let offset = format!("{}", TALE.len() * 9000);
    let cases: &[(&[&str], &[&str])] = &[
        (&["-i", "nowhere.txt"], &["nowhere.txt", "No such file"]),
        (&["-i", "empty.txt"], &["empty.txt is empty"]),
        (&["-i", "short.txt"], &["40 tokens", "a window of 40 with the character after it needs 41"]),
        (&["-i", "latin1.txt"], &["latin1.txt is not UTF-8 at byte 88", "--lossy"]),
        (&["-i", "utf16.txt"], &["utf16.txt is not UTF-8 at byte 0 (it looks like UTF-16)"]),
        (&["-i", "cut.txt"], &["cut.txt is not UTF-8 at byte 85"]),
        (&["-i", "folder"], &["3.txt is not UTF-8 at byte", &offset]),
        (&["-i", "folder/1.txt", "folder/2.txt", "folder/3.txt"], &["folder/3.txt is not UTF-8 at byte", &offset]),
        (&["-i", "folder", "--include", "*.c"], &["folder has no text file to prepare"]),
        (&["-i", "binary"], &["binary has no text file to prepare (1 binary and 1 empty files were skipped"]),
        (&["-i", "blank.txt", "--lines"], &["0 tokens"]),
        (&["-i", "foreign.txt", "--ascii"], &["0 tokens"]),
        (&["-i", "folder/1.txt", "--split", "50/50", "--window", "42"], &["the train split has 42 tokens"]),
        (&["-i", "folder/1.txt", "--split", "90/10"], &["the validation split has 9 tokens"]),
        (&["-i", "cut.gz"], &["cut.gz looks like gzip but cannot be decompressed"]),
        (&["-i", "altered.gz"], &["altered.gz looks like gzip but cannot be decompressed"]),
        (&["-i", "broken.zst"], &["broken.zst looks like zstd but cannot be decompressed"]),
        (&["-i", "broken.zip"], &["broken.zip looks like zip but cannot be decompressed"]),
        (&["-i", "broken.xz"], &["broken.xz looks like xz but cannot be decompressed"]),
    ];
    for (arguments, parts) in cases {
        assert_fails(&prepare(&place, arguments), BAD_INPUT, parts);
        assert!(!place.path("out").exists(), "{arguments:?} left something behind");
    }
}

#[test]
fn invalid_utf8_is_accepted_when_asked() {
    let place = Place::new();
    place.file("latin1.txt", [TALE.as_bytes(), b"caf\xe9"].concat());
    place.prepare(&["latin1.txt"], &["--lossy"]);
    assert_eq!(place.text(), format!("{TALE}caf\u{fffd}"));
    let report = place.prepare(&["latin1.txt"], &["--unit", "byte"]);
    assert_eq!(report["characters"], TALE.len() + 4);
}

#[test]
fn wrong_usage_is_told_apart_from_bad_input() {
    let place = Place::new();
    place.file("tale.txt", TALE);
    let cases: &[(&[&str], &str)] = &[
        (&["-i", "tale.txt", "--split", "90/5"], "`90/5` is not a split: its parts add up to 95 percent, not 100"),
        (&["-i", "tale.txt", "--split=-10/110"], "`-10/110` is not a split: -10 is negative"),
        (&["-i", "tale.txt", "--min-count", "1000"], "--min-count 1000 leaves no character in the vocabulary"),
        (&["-i", "tale.txt", "--split-by-document"], "no documents to split by"),
        (&["-i", "tale.txt", "--window", "0"], "0 is not in 1.."),
        (&["-i", "tale.txt", "--max-vocabulary", "2"], "2 is not in 3.."),
        (&["-i", "tale.txt", "--include", "a{"], "--include"),
        (&["-i", "tale.txt", "--lines", "--joined"], "cannot be used with"),
        (&["-i", "tale.txt", "--unit", "word"], "invalid value"),
    ];
    for (arguments, part) in cases {
        assert_fails(&prepare(&place, arguments), 2, &[part]);
        assert!(!place.path("out").exists(), "{arguments:?} left something behind");
    }
}

#[test]
fn a_failure_leaves_the_earlier_corpus() {
    let place = Place::new();
    place.file("tale.txt", TALE);
    assert!(prepare(&place, &["-i", "tale.txt"]).status.success());
    let before = place.contents("out");
    place.file("tale.txt", [TALE.as_bytes(), b"\xff"].concat());
    assert_fails(&prepare(&place, &["-i", "tale.txt"]), BAD_INPUT, &["not UTF-8"]);
    assert_eq!(place.contents("out"), before);
}

#[test]
fn an_index_that_cannot_be_put_in_place_leaves_no_shards() {
    let place = Place::new();
    place.file("tale.txt", TALE);
    // A folder of that name cannot be replaced by a file.
    place.file("out/shards/index.json/notes.txt", "here first");
    let before = place.contents("out");
    assert_fails(&prepare(&place, &["-i", "tale.txt"]), CANNOT_WRITE, &["cannot write out/shards/index.json"]);
    assert_eq!(place.contents("out"), before);
}

type Damage = fn(&Place);

fn flip(place: &Place, byte: usize) {
    let path = place.shard();
    let mut bytes = fs::read(&path).unwrap();
    bytes[byte] ^= 1;
    fs::write(&path, bytes).unwrap();
}

#[test]
fn every_damage_to_the_shards_has_its_message() {
    let cases: &[(Damage, &str)] = &[
        (|place| fs::remove_file(place.shard()).unwrap(), "is missing"),
        (|place| fs::write(place.shard(), "").unwrap(), "0 bytes, and a header takes 64"),
        (
            |place| {
                let bytes = fs::read(place.shard()).unwrap();
                fs::write(place.shard(), &bytes[..bytes.len() - 1]).unwrap();
            },
            "it was truncated",
        ),
        (
            |place| {
                let bytes = fs::read(place.shard()).unwrap();
                fs::write(place.shard(), [bytes, vec![0]].concat()).unwrap();
            },
            "it was appended to",
        ),
        (|place| flip(place, 0), "does not start with the magic bytes of a shard"),
        (|place| flip(place, 8), "format version 0"),
        (|place| flip(place, 29), "was written for vocabulary"),
        (|place| flip(place, 37), "belongs to another corpus"),
        (|place| flip(place, 45), "its header contradicts the index"),
        (|place| flip(place, 70), "checksum differs"),
        (|place| fs::write(place.path("shards/index.json"), "{").unwrap(), "index.json is damaged"),
    ];
    for (damage, part) in cases {
        let place = Place::new();
        place.file("tale.txt", TALE);
        place.prepare(&["tale.txt"], &[]);
        damage(&place);
        assert_fails(&place.corpus(&["inspect", "shards"]), DAMAGED, &[part, "prepare the text again"]);
        // Preparing again, as the message says, repairs it.
        place.prepare(&["tale.txt"], &[]);
        assert_eq!(place.text(), TALE, "{part}");
    }
    assert_fails(&Place::new().corpus(&["inspect", "shards"]), BAD_INPUT, &["nothing is prepared"]);
}

#[test]
fn a_shard_of_another_corpus_is_refused() {
    // They have the same vocabulary, length and position; only the identity differs.
    let (here, there) = (Place::new(), Place::new());
    here.file("tale.txt", "ab".repeat(50));
    there.file("tale.txt", "ba".repeat(50));
    here.prepare(&["tale.txt"], &[]);
    there.prepare(&["tale.txt"], &[]);
    fs::copy(there.shard(), here.shard()).unwrap();
    assert_fails(
        &here.corpus(&["inspect", "shards"]),
        DAMAGED,
        &["belongs to another corpus", "files of two corpora were mixed"],
    );
    // The vocabulary is compared too, if the identity is the same.
    let index = fs::read_to_string(here.path("shards/index.json")).unwrap();
    let mut index: serde_json::Value = serde_json::from_str(&index).unwrap();
    there.prepare(&["tale.txt"], &["--force"]);
    index["run"] = serde_json::from_slice::<serde_json::Value>(&fs::read(there.path("shards/index.json")).unwrap())
        .unwrap()["run"]
        .clone();
    index["vocabulary"]["characters"] = "ac".into();
    fs::write(here.path("shards/index.json"), index.to_string()).unwrap();
    assert_fails(&here.corpus(&["inspect", "shards"]), DAMAGED, &["was written for vocabulary"]);
}

#[test]
fn two_prepares_do_not_write_to_one_folder() {
    let place = Place::new();
    place.file("tale.txt", TALE);
    place.prepare(&["tale.txt"], &[]);
    let lock = fs::File::open(place.path("shards/.lock")).unwrap();
    lock.lock().unwrap();
    let output = place.corpus(&["prepare", "-o", "shards", "-n", "test", "-i", "tale.txt", "--force"]);
    assert_fails(&output, BUSY, &["another prepare is writing to shards"]);
    lock.unlock().unwrap();
    place.prepare(&["tale.txt"], &["--force"]);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let place = Place::new();
    place.file("tale.txt", TALE);
    place.file("out", "a file where the folder should be");
    assert_fails(&prepare(&place, &["-i", "tale.txt"]), CANNOT_WRITE, &["cannot write", "out"]);
}

#[cfg(unix)]
#[test]
fn a_read_only_folder_is_named_and_left_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.file("tale.txt", TALE);
    let folder = place.path("out");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    // Permissions do not bind the superuser.
    if fs::write(folder.join("probe"), "").is_ok() {
        return read_only_disk_is_named(&place);
    }
    assert_fails(
        &prepare(&place, &["-i", "tale.txt"]),
        CANNOT_WRITE,
        &["cannot write", "out/shards", "ermission denied"],
    );
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

/// A disk that is mounted read-only stops the superuser too.
#[cfg(unix)]
fn read_only_disk_is_named(place: &Place) {
    let script =
        format!("mount -t tmpfs -o ro tmpfs out || exit 98; '{BINARY}' prepare -i tale.txt -o out/shards -n test");
    let Some(output) = with_own_mounts(place, &script) else {
        return skip("this user may write anywhere and may not mount a read-only disk");
    };
    assert_fails(&output, CANNOT_WRITE, &["cannot write out/shards", "ead-only file system"]);
}

/// Runs a script that mounts disks for itself alone; `None` if this user may not.
#[cfg(unix)]
fn with_own_mounts(place: &Place, script: &str) -> Option<Output> {
    let arguments = ["--mount", "--map-root-user", "sh", "-c", script];
    let output = std::process::Command::new("unshare").args(arguments).current_dir(place.path(".")).output();
    output.ok().filter(|output| !matches!(output.status.code(), Some(1 | 98)))
}

/// A limit on the size of files acts like a full disk: the same call fails in the same way.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_what_was_there() {
    let place = Place::new();
    place.file("tale.txt", TALE);
    assert!(prepare(&place, &["-i", "tale.txt"]).status.success());
    let before = place.contents("out");
    place.file("tale.txt", TALE.repeat(10_000));
    let full = |output: &str| {
        let script = format!("trap '' XFSZ; ulimit -f 100; exec '{BINARY}' prepare -i tale.txt -o {output} -n test");
        std::process::Command::new("sh").args(["-c", &script]).current_dir(place.path(".")).output().unwrap()
    };
    assert_fails(&full("out/shards"), CANNOT_WRITE, &["cannot write out/shards", "free space"]);
    assert_eq!(place.contents("out"), before);
    assert_fails(&full("new/shards"), CANNOT_WRITE, &["cannot write new/shards"]);
    assert!(!place.path("new").exists());
}

/// A disk that is really full, if this user may mount a small one.
#[cfg(target_os = "linux")]
#[test]
fn a_small_disk_keeps_the_earlier_corpus() {
    let place = Place::new();
    place.file("tale.txt", TALE);
    place.file("long.txt", TALE.repeat(10_000));
    fs::create_dir(place.path("disk")).unwrap();
    let prepare = |name: &str| format!("'{BINARY}' prepare -i {name} -o disk/shards -n test");
    let full = format!("{}; [ $? = {CANNOT_WRITE} ] || exit 99", prepare("long.txt"));
    let (first, last) = (prepare("tale.txt"), format!("exec '{BINARY}' inspect disk/shards --json"));
    let mount = "mount -t tmpfs -o size=256k tmpfs disk || exit 98";
    let script =
        format!("{mount}; {first} || exit 97; find disk -type f | wc -l; {full}; find disk -type f | wc -l; {last}");
    let Some(output) = with_own_mounts(&place, &script) else {
        return skip("this user may not mount a small disk");
    };
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(stderr.contains("cannot write disk/shards") && stderr.contains("free space"), "{stderr}");
    let counts: Vec<&str> = stdout.lines().take(2).collect();
    assert_eq!(counts, ["3", "3"], "lock, index and shard: {stdout}");
    let report = stdout.lines().skip(2).collect::<String>();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["sound"], &report["characters"]), (&true.into(), &TALE.len().into()));
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_nothing() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let place = Place::new();
    let mut child = Command::new(BINARY)
        .args(["prepare", "-i", "-", "-o", "out/shards", "-n", "test"])
        .current_dir(place.path("."))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // More than fits into a pipe, so the work has begun once this is written.
    input.write_all(TALE.repeat(10_000).as_bytes()).unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    // The input never ends, so only the interrupt can end the work.
    while input.write_all(TALE.as_bytes()).is_ok() {}
    assert_fails(&child.wait_with_output().unwrap(), 130, &["interrupted"]);
    assert!(!place.path("out").exists());
}
