//! Measures what files take that were made to take much: time and peak memory against their size.
//!
//! ```text
//! cargo run --release --package sampler --example hostile               1 KB to 100 MB, a few minutes and 2 GB
//! cargo run --release --package sampler --example hostile -- 1000000    up to 1 MB
//! ```
//!
//! Each file is answered twice by a process of its own: the card is shown, as `scrimshaw info` does, and 20 characters are
//! written. A cell is the processor time of both in milliseconds, so that other programs on the machine matter little, and the
//! peak memory of the process in megabytes.

#[path = "../tests/common/hostile.rs"]
mod hostile;

use std::{env, fs, path::Path, process::Command, time::Instant};

use decoding::Options;
use hostile::{KINDS, empty_weights, split, with_graph};
use sampler::{Engine, Error, Model, Sampler, read_card, read_file};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Characters that are written.
const CHARACTERS: usize = 20;
/// The word that makes this program answer one file.
const ANSWER: &str = "answer";

fn main() -> Result<(), Failure> {
    let words: Vec<String> = env::args().skip(1).collect();
    match &*words {
        [word, file] if word == ANSWER => {
            println!("{}", answer(Path::new(file)));
            Ok(())
        }
        [] => tables(100_000_000),
        [most] => tables(most.parse()?),
        _ => Err("usage: hostile [BYTES]".into()),
    }
}

fn tables(most: usize) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("hostile.onnx");
    println!("two files that once aborted the program, and kept it busy for a minute:");
    for (name, bytes) in
        [("MatMul with weights [0, 21]", empty_weights()), ("Split into 1,000,000", with_graph(&split(1_000_000)))]
    {
        fs::write(&file, bytes)?;
        println!("  {name:40} {}", ask(&file)?.describe());
    }
    let sizes: Vec<usize> = (3..=9).map(|digits| 10_usize.pow(digits)).filter(|&size| size <= most).collect();
    println!("\nmilliseconds of processor time / megabytes at peak, by size of the file in bytes");
    print!("{:40}", "kind");
    for size in &sizes {
        print!("{size:>18}");
    }
    println!("  answer to the last");
    for (name, make) in KINDS {
        print!("{name:40}");
        let mut last = String::new();
        for &size in &sizes {
            fs::write(&file, make(size))?;
            let answer = ask(&file)?;
            print!("{:>10.1} /{:>6.1}", answer.milliseconds, answer.megabytes);
            last = answer.outcome;
        }
        println!("  {last}");
    }
    Ok(())
}

/// What a file took.
struct Answer {
    milliseconds: f64,
    megabytes: f64,
    outcome: String,
}

impl Answer {
    fn describe(&self) -> String {
        format!("{:.1} ms of processor time, {:.1} MB at peak: {}", self.milliseconds, self.megabytes, self.outcome)
    }
}

/// Has a file answered by another process.
fn ask(file: &Path) -> Result<Answer, Failure> {
    let output = Command::new(env::current_exe()?).arg(ANSWER).arg(file).output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut parts = text.trim_end().splitn(3, '\t');
    let mut part = || parts.next().ok_or_else(|| format!("no answer: {}", String::from_utf8_lossy(&output.stderr)));
    Ok(Answer { milliseconds: part()?.parse()?, megabytes: part()?.parse()?, outcome: part()?.into() })
}

/// Answers a file, and says what that took.
fn answer(file: &Path) -> String {
    let start = Instant::now();
    let outcome = match write(file) {
        Ok(text) => format!("writes {text:?}"),
        Err(error) => error.to_string(),
    };
    let outcome: String = outcome.chars().take(100).collect();
    format!("{}\t{}\t{outcome}", milliseconds(start), peak())
}

fn write(file: &Path) -> Result<String, Error> {
    let bytes = read_file(file)?;
    read_card(&bytes)?;
    let mut sampler = Sampler::new(Model::from_bytes(&bytes, &Engine::default())?);
    sampler.characters(Options::default(), 1)?.take(CHARACTERS).collect()
}

/// Processor time of this process's only thread since it began, where the system tells, or else since `start`.
fn milliseconds(start: Instant) -> f64 {
    let statistics = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = statistics.split_whitespace().next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok());
    nanoseconds.map_or(start.elapsed().as_secs_f64() * 1e3, |nanoseconds| nanoseconds / 1e6)
}

/// Peak memory of this process in megabytes, where the system tells.
fn peak() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kibibytes.map_or(f64::NAN, |kibibytes| kibibytes * 1024.0 / 1e6)
}
