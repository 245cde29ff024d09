//! `cargo xtask bench prepare`: times preparing a large text, and a loop over its characters in Python.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::table::Table;
use super::{machine, measure, median, peers};
use crate::project::Project;

#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask bench prepare\n  \
                        cargo xtask bench prepare --megabytes 4000 --rounds 1 --folder /mnt/scratch\n  \
                        cargo xtask bench prepare --peers peers/bin/python\n\n\
                        The temporary folder must have room for the text and its shards, twice the text's size.")]
pub struct Arguments {
    /// Megabytes (10^6 bytes) of text to generate.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    megabytes: u64,
    /// Folder for the text and its shards while they are needed [default: the system's temporary folder].
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// How many times to prepare the text; the figures are medians.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    #[command(flatten)]
    peers: peers::Peers,
    /// Print one JSON object on stdout.
    #[arg(long)]
    json: bool,
}

/// What the example `throughput` of `corpus` measured.
#[derive(Deserialize, Serialize)]
struct Ours {
    bytes: u64,
    megabytes_per_second: f64,
    plain_read_megabytes_per_second: f64,
    verify_megabytes_per_second: f64,
    #[serde(default)]
    peak_anonymous_bytes: Option<f64>,
}

/// What the loop in Python measured.
#[derive(Deserialize, Serialize)]
struct Loop {
    bytes: u64,
    megabytes_per_second: f64,
    version: String,
}

pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    let python = arguments.peers.python()?;
    let program = project.example("corpus", "throughput", &[])?;
    let (mut ours, mut loops) = (Vec::new(), Vec::new());
    for round in 1..=arguments.rounds {
        let found: Ours = measure(&mut throughput(&program, arguments))?;
        eprintln!("round {round}: {:.0} MB/s", found.megabytes_per_second);
        ours.push(found);
        if let Some(python) = python {
            let found: Loop = measure(&mut python_loop(project, python))?;
            eprintln!("round {round}: {:.1} MB/s in Python", found.megabytes_per_second);
            loops.push(found);
        }
    }
    let over = |get: fn(&Ours) -> f64| median(ours.iter().map(get));
    let memory = median(ours.iter().filter_map(|figures| figures.peak_anonymous_bytes));
    let ours = Ours {
        bytes: ours[0].bytes,
        megabytes_per_second: over(|figures| figures.megabytes_per_second),
        plain_read_megabytes_per_second: over(|figures| figures.plain_read_megabytes_per_second),
        verify_megabytes_per_second: over(|figures| figures.verify_megabytes_per_second),
        peak_anonymous_bytes: Some(memory).filter(|memory| memory.is_finite()),
    };
    let in_python = median(loops.iter().map(|figures| figures.megabytes_per_second));
    let in_python = loops.pop().map(|figures| Loop { megabytes_per_second: in_python, ..figures });
    let ratio = in_python.as_ref().map(|python| ours.megabytes_per_second / python.megabytes_per_second);
    if arguments.json {
        println!("{}", json!({ "machine": machine(), "ours": ours, "python_loop": in_python, "ratio": ratio }));
    } else {
        show(&ours, in_python.as_ref());
    }
    Ok(())
}

fn throughput(program: &Path, arguments: &Arguments) -> Command {
    let mut command = Command::new(program);
    command.arg(arguments.megabytes.to_string()).args(&arguments.folder);
    command
}

/// Reads the sea story repeatedly: the loop's speed does not depend on the text.
fn python_loop(project: &Project, python: &Path) -> Command {
    let mut command = peers::script(project, python, "prepare_text.py");
    command.arg(project.root.join("datasets/sea-story/sea-story.txt"));
    command
}

fn show(ours: &Ours, in_python: Option<&Loop>) {
    let mut table = Table::new(["", "text MB", "MB/s"]);
    let size = |bytes: u64| format!("{:.0}", bytes as f64 / 1e6);
    let mut add = |name: &str, bytes: u64, rate: f64, digits: usize| {
        table.add([name.into(), size(bytes), format!("{rate:.digits$}")]);
    };
    add("text to shards", ours.bytes, ours.megabytes_per_second, 0);
    add("the text read, and no more", ours.bytes, ours.plain_read_megabytes_per_second, 0);
    add("shards opened and verified", ours.bytes, ours.verify_megabytes_per_second, 0);
    if let Some(python) = in_python {
        add("a loop in Python, as torch-rnn's", python.bytes, python.megabytes_per_second, 1);
    }
    print!("{table}");
    let memory = ours.peak_anonymous_bytes.map(|bytes| format!("; at most {:.1} MB of anonymous memory", bytes / 1e6));
    println!("\n{}{}", machine(), memory.unwrap_or_default());
    if let Some(python) = in_python {
        let ratio = ours.megabytes_per_second / python.megabytes_per_second;
        println!("{ratio:.0} times the loop of Python {}", python.version);
    }
}
