//! `corpus bench`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use corpus::prepare::{Options, prepare};
use corpus::{Corpus, Error, Permutation};
use serde_json::{Value, json};

use super::print;

/// Make a large text, prepare it, and print what that took as JSON.
#[derive(Args)]
pub struct Arguments {
    /// Megabytes of text (10^6 bytes).
    #[arg(long, value_name = "N", default_value_t = 1000)]
    megabytes: u64,
    /// Prepare this text rather than a made one.
    #[arg(long, value_name = "PATH")]
    input: Option<PathBuf>,
    /// Where to put the text and the shards while it lasts; the system's temporary folder unless given.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Cores to use; all unless given.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// Measures and prints.
pub fn run(arguments: &Arguments) -> Result<(), Error> {
    let parent = arguments.folder.clone().unwrap_or_else(std::env::temp_dir);
    let unwritable = |source| Error::Write { path: parent.clone(), source };
    let folder = tempfile::tempdir_in(&parent).map_err(unwritable)?;
    let input = arguments.input.clone().unwrap_or_else(|| folder.path().join("text.txt"));
    if arguments.input.is_none() {
        make_text(&input, arguments.megabytes * 1_000_000).map_err(unwritable)?;
    }
    let unreadable = |source| Error::Read { path: input.clone(), source };
    // The first read brings the file into the page cache, the second is the measure.
    read(&input).map_err(unreadable)?;
    let start = Instant::now();
    let bytes = read(&input).map_err(unreadable)?;
    let reading = start.elapsed();

    let options = Options {
        inputs: vec![input],
        output: folder.path().join("shards"),
        name: "bench".into(),
        threads: arguments.threads,
        ..Options::default()
    };
    let start = Instant::now();
    let (report, memory) = watch_memory(|| prepare(&options, &mut |_| (), &AtomicBool::new(false)));
    let preparing = start.elapsed();
    let report = report?;
    let start = Instant::now();
    Corpus::open(&options.output)?.verify()?;
    let verifying = start.elapsed();
    print(&figures(bytes, [reading, preparing, verifying], memory, report.index.vocabulary.len()).to_string());
    fs::remove_dir_all(&options.output).map_err(unwritable)
}

fn figures(
    bytes: u64,
    [reading, preparing, verifying]: [Duration; 3],
    memory: Option<u64>,
    vocabulary: usize,
) -> Value {
    let rate = |time: Duration| bytes as f64 / 1e6 / time.as_secs_f64();
    json!({
        "bytes": bytes,
        "vocabulary": vocabulary,
        "seconds": preparing.as_secs_f64(),
        "megabytes_per_second": rate(preparing),
        "plain_read_megabytes_per_second": rate(reading),
        "verify_megabytes_per_second": rate(verifying),
        "peak_anonymous_bytes": memory,
        "cores": thread::available_parallelism().map_or(1, usize::from),
    })
}

/// Lines of words of ASCII letters in no order that repeats: as many distinct characters as English prose has.
fn make_text(path: &Path, bytes: u64) -> io::Result<()> {
    const LETTERS: &[u8] = b"etaoinshrdlucmfwypvbgkjqxz,.;-'\"!?ETAOINSHRDLUCMFWYPVBGKJQXZ01234";
    let mut file = BufWriter::with_capacity(1 << 20, File::create_new(path)?);
    let order = Permutation::new(1 << 40, 1);
    let mut left = bytes;
    for place in 0.. {
        if left == 0 {
            break;
        }
        // Forty bits make a line of six words.
        let mut bits = order.get(place) as u64;
        let mut line = [b' '; 64];
        line[63] = b'\n';
        for (column, byte) in line[..63].iter_mut().enumerate().filter(|(column, _)| column % 9 != 8) {
            bits = bits.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(column as u64);
            *byte = LETTERS[(bits >> 58) as usize];
        }
        let length = line.len().min(left as usize);
        file.write_all(&line[line.len() - length..])?;
        left -= length as u64;
    }
    file.flush()
}

fn read(path: &Path) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(bytes),
            length => bytes += length as u64,
        }
    }
}

/// Runs something and says how much anonymous memory the process had at most meanwhile, where the system tells.
fn watch_memory<T>(work: impl FnOnce() -> T) -> (T, Option<u64>) {
    let (done, most) = (AtomicBool::new(false), AtomicU64::new(0));
    let result = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(anonymous_memory().unwrap_or(0), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(5));
            }
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        result
    });
    (result, Some(most.into_inner()).filter(|&most| most > 0))
}

/// Linux says it in `/proc/self/status`, in kibibytes.
fn anonymous_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}
