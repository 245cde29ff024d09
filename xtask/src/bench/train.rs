//! `cargo xtask bench train`: times a training step, and the same step in PyTorch and Keras.

use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::table::Table;
use super::{machine, measure, median, peers};
use crate::project::Project;

#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask bench train\n  \
                        cargo xtask bench train --peers peers/bin/python --rounds 5\n  \
                        cargo xtask bench train --batch 50 --time 50 --hidden 256 --layers 2 --targets all --json\n\n\
                        Without a flag of the shape, three steps are timed: the lecture's (batch 128, time 40, 1x128,\n\
                        last) and char-rnn's (batch 50, time 50, all) at 2x128 and 2x512.")]
pub struct Arguments {
    /// Sequences in a batch [default: 128].
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Characters in a sequence [default: 40].
    #[arg(long, value_name = "N")]
    time: Option<usize>,
    /// Hidden units of a layer [default: 128].
    #[arg(long, value_name = "N")]
    hidden: Option<usize>,
    /// Layers [default: 1].
    #[arg(long, value_name = "N")]
    layers: Option<usize>,
    /// Predict only the character after each sequence, or every character [default: last].
    #[arg(long, value_parser = ["last", "all"])]
    targets: Option<String>,
    /// How many times to run each program, in turns; the figures are medians over them.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    #[command(flatten)]
    peers: peers::Peers,
    /// Print one JSON object on stdout.
    #[arg(long)]
    json: bool,
}

/// The shape of a training step.
#[derive(Serialize)]
struct Shape {
    batch: usize,
    time: usize,
    hidden: usize,
    layers: usize,
    targets: String,
}

impl Shape {
    fn new([batch, time, layers, hidden]: [usize; 4], targets: &str) -> Self {
        Self { batch, time, hidden, layers, targets: targets.into() }
    }

    /// Timed steps per process: enough for a median.
    fn steps(&self) -> usize {
        if self.hidden * self.layers > 512 { 12 } else { 40 }
    }

    fn give(&self, command: &mut Command) {
        let numbers = [
            ("--batch", self.batch),
            ("--time", self.time),
            ("--hidden", self.hidden),
            ("--layers", self.layers),
            ("--steps", self.steps()),
        ];
        for (flag, number) in numbers {
            command.args([flag, &number.to_string()]);
        }
        command.args(["--targets", &self.targets]);
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { batch, time, hidden, layers, targets } = self;
        write!(formatter, "batch {batch}, time {time}, {layers}×{hidden}, {targets}")
    }
}

/// One process's figures, or their medians.
#[derive(Clone, Deserialize, Serialize)]
struct Figures {
    framework: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    median_ms: f64,
    /// Of the whole process.
    peak_rss_mb: f64,
    /// Memory that the steps added to that of the libraries and the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    steps_rss_mb: Option<f64>,
    /// Of the matrix products alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gflops: Option<f64>,
}

#[derive(Serialize)]
struct Step {
    #[serde(flatten)]
    shape: Shape,
    ours: Figures,
    peers: Vec<Figures>,
    /// Our time over the faster peer's.
    ratio: Option<f64>,
}

#[derive(Deserialize)]
struct Peak {
    gflops: f64,
}

pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    let python = arguments.peers.python()?;
    let program = project.example("lstm", "step", &[])?;
    let peak = project.example("lstm", "gemm_peak", &[])?;
    let peak: Peak = measure(&mut Command::new(peak))?;
    let mut steps = Vec::new();
    for shape in shapes(arguments) {
        eprintln!("{shape}");
        steps.push(time(project, &program, python, arguments.rounds, shape)?);
    }
    if arguments.json {
        println!("{}", json!({ "machine": machine(), "gemm_gflops": peak.gflops, "steps": steps }));
    } else {
        show(&steps, peak.gflops);
    }
    Ok(())
}

fn shapes(arguments: &Arguments) -> Vec<Shape> {
    let Arguments { batch, time, hidden, layers, targets, .. } = arguments;
    let numbers = [batch, time, layers, hidden];
    if numbers.iter().all(|number| number.is_none()) && targets.is_none() {
        return vec![
            Shape::new([128, 40, 1, 128], "last"),
            Shape::new([50, 50, 2, 128], "all"),
            Shape::new([50, 50, 2, 512], "all"),
        ];
    }
    let given = |number: Option<usize>, default| number.unwrap_or(default);
    let numbers = [given(*batch, 128), given(*time, 40), given(*layers, 1), given(*hidden, 128)];
    vec![Shape::new(numbers, targets.as_deref().unwrap_or("last"))]
}

/// Runs all programs in turns, so that other load on the machine affects them alike.
fn time(project: &Project, program: &Path, python: Option<&Path>, rounds: u64, shape: Shape) -> Result<Step> {
    let mut measured: Vec<Vec<Figures>> = Vec::new();
    for round in 0..rounds {
        let mut commands = vec![Command::new(program)];
        for framework in ["torch", "keras"] {
            if let Some(python) = python {
                let mut command = peers::script(project, python, "train_step.py");
                command.arg(framework);
                commands.push(command);
            }
        }
        measured.resize_with(commands.len(), Vec::new);
        for (command, figures) in commands.iter_mut().zip(&mut measured) {
            shape.give(command);
            let found: Figures = measure(command)?;
            eprintln!("  round {}: {} {:.2} ms", round + 1, found.framework, found.median_ms);
            figures.push(found);
        }
    }
    let mut medians = measured.iter().map(|figures| over(figures));
    let ours = medians.next().expect("our own program is always measured");
    let peers: Vec<Figures> = medians.collect();
    let faster = peers.iter().map(|peer| peer.median_ms).min_by(f64::total_cmp);
    let ratio = faster.map(|faster| ours.median_ms / faster);
    Ok(Step { shape, ours, peers, ratio })
}

fn over(figures: &[Figures]) -> Figures {
    let over = |get: fn(&Figures) -> Option<f64>| median(figures.iter().filter_map(get));
    Figures {
        median_ms: over(|figures| Some(figures.median_ms)),
        peak_rss_mb: over(|figures| Some(figures.peak_rss_mb)),
        steps_rss_mb: figures[0].steps_rss_mb.map(|_| over(|figures| figures.steps_rss_mb)),
        // Every step has the same number of operations, so the rate follows from the median time.
        gflops: figures[0].gflops.map(|rate| rate * figures[0].median_ms / over(|figures| Some(figures.median_ms))),
        ..figures[0].clone()
    }
}

fn show(steps: &[Step], peak: f64) {
    let mut table = Table::new([
        "step",
        "ours ms",
        "PyTorch ms",
        "Keras ms",
        "ratio to the faster",
        "GFLOP/s",
        "ours MB",
        "PyTorch MB",
        "of it the steps",
    ]);
    for Step { shape, ours, peers, ratio } in steps {
        let peer = |name: &str, get: fn(&Figures) -> f64, digits: usize| {
            let found = peers.iter().find(|peer| peer.framework == name);
            found.map_or("–".into(), |peer| format!("{:.digits$}", get(peer)))
        };
        table.add([
            shape.to_string(),
            format!("{:.1}", ours.median_ms),
            peer("torch", |peer| peer.median_ms, 1),
            peer("keras", |peer| peer.median_ms, 1),
            ratio.map_or("–".into(), |ratio| format!("{ratio:.2}")),
            ours.gflops.map_or("–".into(), |gflops| format!("{gflops:.0}")),
            format!("{:.0}", ours.peak_rss_mb),
            peer("torch", |peer| peer.peak_rss_mb, 0),
            peer("torch", |peer| peer.steps_rss_mb.unwrap_or(f64::NAN), 0),
        ]);
    }
    print!("{table}");
    println!("\n{}; a product of 1024³ in the gemm crate: {peak:.0} GFLOP/s", machine());
    let versions = steps.first().into_iter().flat_map(|step| &step.peers);
    for Figures { framework, version, .. } in versions {
        println!("{framework} {}", version.as_deref().unwrap_or_default());
    }
}
