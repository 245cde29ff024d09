//! `carve report`: one HTML file about a run.

use std::path::{Path, PathBuf};

use analysis::{Analysis, AnalysisConfig, Limits, SampleConfig, analyse};
use anyhow::Result;
use clap::Args;
use report::Report;
use trainer::{History, runs};

use crate::artifacts::check_writable;
use crate::session::Session;
use crate::{datasets, failure, names, output};

/// Make one HTML file about a run: how it went, what it wrote when, what its cells do, where it errs.
///
/// The file opens in a browser without a network, and can be mailed. Its path is printed on stdout.
#[derive(Args)]
#[command(after_help = "Examples:\n  carve report\n  \
                        carve report --dataset letters --run modern-2 --compare modern lecture\n  \
                        carve report --dataset letters --text unseen.txt --output letters.html")]
pub struct Arguments {
    /// The text that was trained on.
    #[arg(long, value_name = "NAME", value_parser = names::text, default_value = datasets::DEFAULT)]
    dataset: String,
    /// The run [default: the run with the newest checkpoint].
    #[arg(long, value_name = "NAME", value_parser = names::run)]
    run: Option<String>,
    /// Other runs on the same text, drawn in the same plots.
    #[arg(long, value_name = "RUN", value_parser = names::run, num_args = 1..)]
    compare: Vec<String>,
    /// Show this text instead of held-out text.
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Leave out characters of that text that the model does not know, instead of refusing it.
    #[arg(long, requires = "text")]
    skip_unknown: bool,
    /// Characters to show at most.
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(2..))]
    length: u32,
    /// The file to write; only a report is replaced [default: report.html in the run's folder].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What is sampled, to say how much of it is copied: as `carve novelty` does.
const SAMPLE: SampleConfig = SampleConfig { length: 10_000, temperature: 1.0, seed: 1 };

/// Makes the file, and prints its path.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let Arguments { dataset, run, compare, output, .. } = arguments;
    let folder = session.artifacts.runs(dataset);
    let run = match run {
        Some(run) => folder.join(run),
        None => runs::latest(&folder)?,
    };
    let history = History::read(&run)?;
    let compared: Vec<History> =
        compare.iter().map(|name| History::read(&folder.join(name))).collect::<trainer::Result<_>>()?;
    let output = output.clone().unwrap_or_else(|| run.join("report.html"));
    report::check(&output)?;
    check_writable(output.parent().unwrap_or(Path::new("")))?;

    let analysis = analysed(session, arguments, &run)?;
    let report = Report {
        run: &history,
        compared: &compared,
        analysis: analysis.as_ref().map_err(String::as_str),
        dataset,
        made_by: &made_by(),
        command: &crate::name::name(),
    };
    report::write(&report, &output)?;
    output::line(&output.display().to_string())
}

/// What the run's network does with a text; or why that cannot be said. What a user asks for and cannot have is an error.
fn analysed(session: &Session, arguments: &Arguments, run: &Path) -> Result<Result<Analysis, String>> {
    let Arguments { dataset, text, skip_unknown, length, .. } = arguments;
    let mut progress = session.progress();
    let is_trained = runs::best_checkpoint(run).map(drop).map_err(Into::into);
    if let Err(error) = is_trained.and_then(|()| session.artifacts.check_prepared(dataset)) {
        if text.is_some() {
            return Err(error);
        }
        let why = format!("This needs a checkpoint and its text: {}", failure::message(&error));
        progress.say(&why);
        return Ok(Err(why));
    }
    let config = AnalysisConfig {
        checkpoint: run.into(),
        shards: session.artifacts.shards(dataset),
        text: text.clone(),
        skip_unknown: *skip_unknown,
        limits: Limits { shown: *length as usize, ..Limits::default() },
        seed: 1,
        sample: Some(SAMPLE),
    };
    let analysis = analyse(&config, &mut progress)?;
    progress.clear();
    Ok(Ok(analysis))
}

/// This program, and the machine that it runs on.
fn made_by() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let processor = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let processor = processor.unwrap_or_else(|| std::env::consts::ARCH.into());
    format!("carve {} on {cores} threads of {processor}", env!("CARGO_PKG_VERSION"))
}
