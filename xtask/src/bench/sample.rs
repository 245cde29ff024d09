//! `cargo xtask bench sample`: measures the shipped sampler with weights in f32 and in int8, and one character in it and in
//! ONNX Runtime.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{fmt, fs};

use anyhow::Result;
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::table::Table;
use super::{machine, measure, median, peers, process};
use crate::dist;
use crate::project::{Project, run as run_program};

/// Layers and hidden units of the networks: the lecture's, what three minutes of training choose, and two that are large for a
/// character model.
const SIZES: [(usize, usize); 4] = [(1, 128), (2, 288), (2, 512), (3, 512)];

/// Texts that are written in parallel.
const COUNT: usize = 64;

/// A line of the text that is scored.
const LINE: &str = "To be, or not to be: that is the question, whether it be nobler.\n";

#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask bench sample\n  \
                        cargo xtask bench sample --peers peers/bin/python --rounds 5\n\n\
                        The networks are untrained ones, exported as trained ones are; size, start and memory are those \
                        of the program that cargo xtask dist builds.")]
pub struct Arguments {
    /// How many rounds to measure; the figures are medians over them.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    #[command(flatten)]
    peers: peers::Peers,
    /// Print one JSON object on stdout.
    #[arg(long)]
    json: bool,
}

/// The programs that are measured.
struct Programs {
    /// The shipped sampler.
    sampler: PathBuf,
    /// One character through `ort`, with either backend.
    character: PathBuf,
    /// ONNX Runtime's shared library, if peers are measured.
    library: Option<Library>,
}

#[derive(Deserialize)]
struct Library {
    version: String,
    library: PathBuf,
}

#[derive(Deserialize)]
struct Character {
    median_us: f64,
    load_ms: f64,
}

/// The measurements of one network, one value per round.
#[derive(Default)]
struct Measured {
    character: Vec<f64>,
    character_onnxruntime: Vec<f64>,
    load: Vec<f64>,
    load_onnxruntime: Vec<f64>,
    start: Vec<f64>,
    memory: Vec<f64>,
    alone: Vec<f64>,
    together: Vec<f64>,
    scored: Vec<f64>,
}

/// How a network's weights are stored.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Weights {
    F32,
    Int8,
}

/// A network that is measured.
struct Network {
    layers: usize,
    hidden: usize,
    weights: Weights,
    model: PathBuf,
    measured: Measured,
}

/// Medians of one network.
#[derive(Serialize)]
struct Row {
    layers: usize,
    hidden: usize,
    weights: Weights,
    /// One character through `ort`, on one thread, in microseconds.
    character_us: f64,
    /// The same in ONNX Runtime, with weights in f32.
    onnxruntime_character_us: Option<f64>,
    ratio: Option<f64>,
    load_ms: f64,
    onnxruntime_load_ms: Option<f64>,
    /// From the start of the process to its first character.
    first_character_ms: f64,
    peak_rss_mb: Option<f64>,
    /// Of the whole program.
    characters_per_second: f64,
    /// Of 64 texts at once, on all cores.
    characters_per_second_together: f64,
    /// Of `score`, on all cores.
    characters_per_second_scored: f64,
}

pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    let programs = build(project, arguments.peers.python()?)?;
    let folder = tempfile::tempdir()?;
    let mut networks = networks(project, folder.path())?;
    for round in 1..=arguments.rounds {
        for network in &mut networks {
            eprintln!("round {round}: {network}");
            network.measure(&programs, folder.path())?;
        }
    }
    let rows = rows(&networks);
    let bytes = fs::metadata(&programs.sampler)?.len();
    let version = programs.library.map(|library| library.version);
    if arguments.json {
        let figures = json!({
            "machine": machine(), "bytes": bytes, "onnxruntime": version, "count": COUNT, "networks": rows,
        });
        println!("{figures}");
    } else {
        show(&rows, bytes, version.as_deref());
    }
    Ok(())
}

fn build(project: &Project, python: Option<&Path>) -> Result<Programs> {
    let sampler = dist::sampler(project)?;
    let features: &[&str] = if python.is_some() { &["onnxruntime"] } else { &[] };
    let character = project.example("sampler", "character", features)?;
    let library = python.map(|python| measure(&mut peers::script(project, python, "onnxruntime_library.py")));
    Ok(Programs { sampler, character, library: library.transpose()? })
}

/// A network of each size with each kind of weights.
fn networks(project: &Project, folder: &Path) -> Result<Vec<Network>> {
    let program = project.example("onnx-export", "untrained", &[])?;
    let mut networks = Vec::new();
    for (layers, hidden) in SIZES {
        for weights in [Weights::F32, Weights::Int8] {
            let model = folder.join(format!("{layers}x{hidden}-{}.onnx", weights.name()));
            let mut command = Command::new(&program);
            command.args([layers.to_string(), hidden.to_string()]).arg(&model);
            if weights == Weights::Int8 {
                command.arg(weights.name());
            }
            run_program(&mut command)?;
            networks.push(Network { layers, hidden, weights, model, measured: Measured::default() });
        }
    }
    Ok(networks)
}

/// The figures of all networks. ONNX Runtime is measured with weights in f32, which it computes fastest.
fn rows(networks: &[Network]) -> Vec<Row> {
    let theirs = |of: &Network| {
        let same =
            |other: &&Network| (other.layers, other.hidden, other.weights) == (of.layers, of.hidden, Weights::F32);
        networks.iter().find(same).map(|network| &network.measured)
    };
    networks.iter().map(|network| network.row(theirs(network))).collect()
}

impl Weights {
    fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int8 => "int8",
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}×{} {}", self.layers, self.hidden, self.weights.name())
    }
}

impl Network {
    /// Measures one round.
    fn measure(&mut self, programs: &Programs, folder: &Path) -> Result<()> {
        let Self { model, measured, .. } = self;
        let ours: Character = measure(Command::new(&programs.character).arg(&*model))?;
        measured.character.push(ours.median_us);
        measured.load.push(ours.load_ms);
        if let (Some(Library { library, .. }), Weights::F32) = (&programs.library, self.weights) {
            let mut command = Command::new(&programs.character);
            command.arg(&*model).arg("--onnxruntime").env("ORT_DYLIB_PATH", library);
            let theirs: Character = measure(&mut command)?;
            measured.character_onnxruntime.push(theirs.median_us);
            measured.load_onnxruntime.push(theirs.load_ms);
        }

        let start = process::start(&mut sampler(programs, model, 1, 1_000_000_000))?;
        measured.start.push(milliseconds(start.until_first_byte));
        measured.memory.extend(start.peak_bytes.map(|bytes| bytes / 1e6));
        // About half a second of text; parallel texts are shorter because there are many.
        let length = ((5e5 / ours.median_us) as usize).max(COUNT);
        for (count, length, rates) in [(1, length, &mut measured.alone), (COUNT, length / 4, &mut measured.together)] {
            let (time, _) = process::whole(&mut sampler(programs, model, count, length))?;
            let writing = time.saturating_sub(start.until_first_byte);
            rates.push((count * length) as f64 / writing.as_secs_f64());
        }
        let text = LINE.repeat((length * 16).div_ceil(LINE.len()));
        let file = folder.join("scored.txt");
        fs::write(&file, &text)?;
        let mut command = Command::new(&programs.sampler);
        command.args(["score", "--total", "--model"]).arg(&*model).arg(&file);
        let (time, _) = process::whole(&mut command)?;
        let scoring = time.saturating_sub(start.until_first_byte);
        measured.scored.push(text.len() as f64 / scoring.as_secs_f64());
        Ok(())
    }

    fn row(&self, theirs: Option<&Measured>) -> Row {
        let Self { layers, hidden, weights, measured, .. } = self;
        let median = |values: &[f64]| median(values.iter().copied());
        let maybe = |values: &[f64]| (!values.is_empty()).then(|| median(values));
        let (ours, theirs_us) =
            (median(&measured.character), theirs.and_then(|theirs| maybe(&theirs.character_onnxruntime)));
        Row {
            layers: *layers,
            hidden: *hidden,
            weights: *weights,
            character_us: ours,
            onnxruntime_character_us: theirs_us,
            ratio: theirs_us.map(|theirs| ours / theirs),
            load_ms: median(&measured.load),
            onnxruntime_load_ms: theirs.and_then(|theirs| maybe(&theirs.load_onnxruntime)),
            first_character_ms: median(&measured.start),
            peak_rss_mb: maybe(&measured.memory),
            characters_per_second: median(&measured.alone),
            characters_per_second_together: median(&measured.together),
            characters_per_second_scored: median(&measured.scored),
        }
    }
}

/// The shipped program, told to write `count` texts of `length` characters.
fn sampler(programs: &Programs, model: &Path, count: usize, length: usize) -> Command {
    let mut command = Command::new(&programs.sampler);
    command.arg("--model").arg(model).args(["--hide-prompt", "--seed", "1"]);
    command.args(["--count", &count.to_string(), "--length", &length.to_string()]);
    command
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn show(rows: &[Row], bytes: u64, version: Option<&str>) {
    let together = format!("{COUNT} texts at once");
    let mut table = Table::new([
        "network",
        "one character, µs",
        "ONNX Runtime in f32, µs",
        "ratio",
        "load, ms",
        "ONNX Runtime, ms",
        "start to first character, ms",
        "peak memory, MB",
        "one text, characters/s",
        &together,
        "ratio",
        "score",
    ]);
    let maybe = |value: Option<f64>, digits: usize| value.map_or("–".into(), |value| format!("{value:.digits$}"));
    for row in rows {
        table.add([
            format!("{}×{} {}", row.layers, row.hidden, row.weights.name()),
            format!("{:.1}", row.character_us),
            maybe(row.onnxruntime_character_us, 1),
            maybe(row.ratio, 2),
            format!("{:.1}", row.load_ms),
            maybe(row.onnxruntime_load_ms, 1),
            format!("{:.1}", row.first_character_ms),
            maybe(row.peak_rss_mb, 1),
            format!("{:.0}", row.characters_per_second),
            format!("{:.0}", row.characters_per_second_together),
            format!("{:.1}", row.characters_per_second_together / row.characters_per_second),
            format!("{:.0}", row.characters_per_second_scored),
        ]);
    }
    print!("{table}");
    println!("\nthe program: {:.2} MB, alone; {}", bytes as f64 / 1e6, machine());
    if let Some(version) = version {
        println!("ONNX Runtime {version}, through the same calls of ort, one thread");
    }
}
