//! Makes a large text, prepares it, and prints what that took as one line of JSON.
//!
//!     cargo run --release -p corpus --example throughput -- 1000 /mnt/scratch
//!     cargo run --release -p corpus --example throughput -- 4000 /mnt/scratch 2 8
//!
//! The first argument is the megabytes (10^6 bytes) of text, the second the folder for the text and its shards while it
//! lasts: the system's temporary one unless given. The third is the number of threads, and the fourth in how many parts the
//! text is prepared, one after another, and merged; the memory is then the most that any of them took.

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use corpus::prepare::parts::{Part, merge_parts, prepare_part};
use corpus::prepare::{Options, Report, prepare};
use corpus::{Corpus, Permutation};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    let megabytes: u64 = arguments.next().map_or(Ok(1000), |number| number.to_string_lossy().parse())?;
    let folder = tempfile::tempdir_in(arguments.next().map_or_else(env::temp_dir, PathBuf::from))?;
    let mut number = || arguments.next().map(|number| number.to_string_lossy().parse::<u32>()).transpose();
    let (threads, parts) = (number()?, number()?);
    let input = folder.path().join("text.txt");
    make_text(&input, megabytes * 1_000_000)?;
    // The first read brings the file into the page cache, the second is measured.
    read(&input)?;
    let start = Instant::now();
    let bytes = read(&input)?;
    let reading = start.elapsed();

    let output = folder.path().join("shards");
    let threads = threads.map(|threads| threads as usize);
    let options = Options { inputs: vec![input], output, name: "throughput".into(), threads, ..Options::default() };
    let start = Instant::now();
    let (report, memory) = watch_memory(|| match parts {
        Some(of) => prepare_in_parts(&options, of),
        None => prepare(&options, &mut |_| (), &AtomicBool::new(false)),
    });
    let preparing = start.elapsed();
    let report = report?;
    let start = Instant::now();
    Corpus::open(&options.output)?.verify()?;
    let verifying = start.elapsed();
    println!("{}", figures(bytes, [reading, preparing, verifying], memory, report.index.vocabulary.len()));
    Ok(())
}

fn prepare_in_parts(options: &Options, of: u32) -> corpus::Result<Report> {
    for _ in ["count", "write"] {
        for part in Part::all(of) {
            prepare_part(options, part, &mut |_| (), &AtomicBool::new(false))?;
        }
    }
    merge_parts(options, &mut |_| (), &AtomicBool::new(false))
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
