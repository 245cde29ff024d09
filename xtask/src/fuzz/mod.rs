//! `cargo xtask fuzz`: builds the fuzz targets of `tests/fuzz` and runs them in turn.
//!
//! The targets are programs with libFuzzer in them, built with the flags that cargo-fuzz uses. They need the project's own
//! compiler and a C++ compiler, and nothing that has to be installed.

mod coverage;
mod progress;

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::project::{Failed, Project, run as run_program};
use crate::skips::Skips;
use progress::Stats;

/// A program of `tests/fuzz`.
struct Target {
    name: &'static str,
    /// Bytes of its longest input.
    longest: usize,
    /// What it fuzzes.
    about: &'static str,
}

const TARGETS: &[Target] = &[
    Target { name: "index", longest: 2048, about: "the index of a corpus" },
    Target { name: "shard", longest: 256, about: "shards of token ids" },
    Target { name: "input", longest: 512, about: "texts to prepare: plain, gzip, zstd, xz, zip" },
    Target { name: "recipe", longest: 2048, about: "recipes and changes to them" },
    Target { name: "records", longest: 2048, about: "what a run leaves behind, read to resume it" },
    Target { name: "checkpoint", longest: 1024, about: "checkpoints and safetensors files" },
    Target { name: "card", longest: 1024, about: "model cards" },
    Target { name: "bundle", longest: 128, about: "programs with a model appended" },
    Target { name: "onnx", longest: 4096, about: "ONNX files, by the validator alone" },
    Target { name: "engine", longest: 4096, about: "ONNX files, compiled, run, and compared with the naive twin" },
    Target { name: "graph", longest: 256, about: "generated graphs: the engine, its naive twin and rten" },
];

/// Options for a target that draws what it tests from its input: to look closely at each input would cost libFuzzer more
/// time than the target takes.
const QUICK: [&str; 4] = ["-entropic=0", "-reduce_inputs=0", "-use_cmp=0", "-use_counters=0"];
/// The target to which that applies.
const DRAWN: &str = "graph";

/// Seconds that one input may take.
const PATIENCE: u64 = 10;
/// Megabytes that a target may use.
const MEMORY: u64 = 2048;

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct Arguments {
    /// Minutes for all targets together, shared out equally.
    #[arg(long, default_value_t = 5.0, value_name = "N")]
    minutes: f64,
    /// Run this target only. May be given several times.
    #[arg(long, value_name = "NAME", value_parser = name_of_target)]
    target: Vec<String>,
    /// Stop each target after this many executions.
    #[arg(long, value_name = "N")]
    runs: Option<u64>,
    /// Build the targets and run nothing.
    #[arg(long)]
    build: bool,
    /// Print the line coverage of the validator (crate onnx-view) by the inputs found so far and its own tests. Runs
    /// nothing else.
    #[arg(long, conflicts_with_all = ["build", "runs", "target", "sanitizer"])]
    coverage: bool,
    /// Build with a sanitizer: slower, and finds faults of memory that do not crash.
    #[arg(long, value_enum, default_value_t = Sanitizer::None)]
    sanitizer: Sanitizer,
    /// Print one JSON object per target.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sanitizer {
    None,
    Address,
}

const AFTER_HELP: &str = "\
Targets:
  index       the index of a corpus
  shard       shards of token ids
  input       texts to prepare: plain, gzip, zstd, xz, zip
  recipe      recipes and changes to them
  records     what a run leaves behind, read to resume it
  checkpoint  checkpoints and safetensors files
  card        model cards
  bundle      programs with a model appended
  onnx        ONNX files, by the validator alone
  engine      ONNX files, compiled, run, and compared with the naive twin
  graph       generated graphs: the engine, its naive twin and rten

Seeds are in tests/fuzz/seeds. Inputs that reach new code are kept in target/fuzz/corpus, inputs that fail in
target/fuzz/found. The exit code is 1 if a target fails.

Examples:
  cargo xtask fuzz                                  every target, five minutes in all
  cargo xtask fuzz --target graph --minutes 60
  cargo xtask fuzz --target onnx --runs 100000000 --minutes 60 --json
  cargo xtask fuzz --build                          compile only, as CI does
  cargo xtask fuzz --coverage                       which lines of the validator are reached";

/// What became of a target.
#[derive(Serialize)]
struct Report<'t> {
    target: &'t str,
    #[serde(flatten)]
    stats: Stats,
    /// The input that failed.
    found: Option<PathBuf>,
}

pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    if arguments.coverage {
        return coverage::run(project, arguments.json);
    }
    if !(arguments.minutes > 0.0 && arguments.minutes < 1e6) {
        bail!("--minutes has to be above 0");
    }
    let is_wanted =
        |target: &&Target| arguments.target.is_empty() || arguments.target.iter().any(|name| name == target.name);
    let targets: Vec<&Target> = TARGETS.iter().filter(is_wanted).collect();
    let programs = build(project, &targets, arguments.sanitizer)?;
    if arguments.build {
        eprintln!("{} fuzz targets are built", targets.len());
        return Ok(());
    }
    let seconds = (arguments.minutes * 60.0 / targets.len() as f64).ceil() as u64;
    let mut failures = 0;
    for target in targets {
        eprintln!("{}: {} ({seconds} s)", target.name, target.about);
        let (mut fuzzer, found) = command(project, &programs, target, seconds, arguments.runs)?;
        // Files that a target reads lie in memory, where the system has a file system for that.
        let memory = Path::new("/dev/shm");
        let scratch = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }?;
        fuzzer.env("SCRIMSHAW_FUZZ_SCRATCH", scratch.path());
        let (stats, failed) = progress::follow(&mut fuzzer, target.name)?;
        let report = Report { target: target.name, stats, found: failed.then(|| newest(&found)).flatten() };
        if arguments.json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            println!("{}", line(&report));
        }
        if failed {
            failures += 1;
            let input = report.found.as_deref().map_or_else(|| "INPUT".into(), Path::to_string_lossy);
            eprintln!(
                "{} failed; repeat it with:\n  {} {input}\nThen write a test beside the code that failed.",
                target.name,
                programs.join(target.name).display()
            );
        }
    }
    if failures > 0 { Err(Failed { code: 1 }.into()) } else { Ok(()) }
}

/// Lints every target, which compiles it without generating code; or says that there is no compiler for libFuzzer.
pub fn check(project: &Project, skips: &mut Skips) -> Result<()> {
    if !has_compiler(&compiler()) {
        skips.say("fuzz targets", "there is no C++ compiler, which libFuzzer takes to build");
        return Ok(());
    }
    let mut cargo = cargo(project, &folder(project).join("check"), &project.host()?, &["--cfg", "fuzzing"])?;
    run_program(cargo.args(["clippy", "--locked", "--quiet", "--bins", "--", "-D", "warnings"]))
}

fn name_of_target(name: &str) -> std::result::Result<String, String> {
    let names = || TARGETS.iter().map(|target| target.name);
    if names().any(|known| known == name) {
        return Ok(name.into());
    }
    Err(format!("there is no such target; the targets are {}", names().collect::<Vec<_>>().join(", ")))
}

/// Builds the targets and returns the folder of the programs.
fn build(project: &Project, targets: &[&Target], sanitizer: Sanitizer) -> Result<PathBuf> {
    let compiler = compiler();
    if !has_compiler(&compiler) {
        bail!(
            "libFuzzer needs a C++ compiler to build, and {} is not there: install one (on Debian: apt-get install g++), \
             or set CXX to its path",
            compiler.display()
        );
    }
    let mut flags = vec![
        "--cfg",
        "fuzzing",
        "-Cpasses=sancov-module",
        "-Cllvm-args=-sanitizer-coverage-level=4",
        "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
        "-Cllvm-args=-sanitizer-coverage-pc-table",
        "-Cllvm-args=-sanitizer-coverage-trace-compares",
        "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    ];
    let folder = match sanitizer {
        Sanitizer::None => folder(project),
        Sanitizer::Address => {
            flags.push("-Zsanitizer=address");
            folder(project).join("address")
        }
    };
    let host = project.host()?;
    let mut cargo = cargo(project, &folder, &host, &flags)?;
    if sanitizer != Sanitizer::None {
        // Their flags are not stable; this makes the stable compiler take them.
        cargo.env("RUSTC_BOOTSTRAP", "1");
    }
    cargo.arg("build");
    // With a target named, build scripts and macros get none of the flags.
    cargo.args(["--release", "--locked", "--target", &host]);
    cargo.args(targets.iter().flat_map(|target| ["--bin", target.name]));
    run_program(&mut cargo)?;
    Ok(folder.join(host).join("release"))
}

fn compiler() -> OsString {
    env::var_os("CXX").unwrap_or_else(|| "c++".into())
}

fn has_compiler(compiler: &OsStr) -> bool {
    Command::new(compiler).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// `cargo` in the workspace of the targets, with flags for the compiler.
fn cargo(project: &Project, folder: &Path, host: &str, flags: &[&str]) -> Result<Command> {
    let mut cargo = project.cargo()?;
    cargo.current_dir(project.root.join("tests/fuzz"));
    cargo.env("CARGO_TARGET_DIR", folder).env_remove("RUSTFLAGS");
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    cargo.env("CARGO_BUILD_TARGET", host).env("CARGO_INCREMENTAL", "0");
    Ok(cargo)
}

/// Where everything lies that fuzzing makes.
fn folder(project: &Project) -> PathBuf {
    project.target().join("fuzz")
}

fn seeds(project: &Project, target: &str) -> PathBuf {
    project.root.join("tests/fuzz/seeds").join(target)
}

fn corpus(project: &Project, target: &str) -> PathBuf {
    folder(project).join("corpus").join(target)
}

/// The command that runs a target, and the folder that takes inputs that fail.
fn command(
    project: &Project,
    programs: &Path,
    target: &Target,
    seconds: u64,
    runs: Option<u64>,
) -> Result<(Command, PathBuf)> {
    let corpus = corpus(project, target.name);
    let found = folder(project).join("found").join(target.name);
    for folder in [&corpus, &found] {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut fuzzer = Command::new(programs.join(target.name));
    fuzzer.arg(&corpus).arg(seeds(project, target.name));
    fuzzer.arg(format!("-artifact_prefix={}/", found.display()));
    for (option, value) in [
        ("max_total_time", seconds),
        ("max_len", target.longest as u64),
        ("timeout", PATIENCE),
        ("rss_limit_mb", MEMORY),
        ("print_final_stats", 1),
    ] {
        fuzzer.arg(format!("-{option}={value}"));
    }
    if target.name == DRAWN {
        fuzzer.args(QUICK);
    }
    if let Some(runs) = runs {
        fuzzer.arg(format!("-runs={runs}"));
    }
    Ok((fuzzer, found))
}

/// The newest file in a folder.
fn newest(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let dated = entries.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())));
    dated.max().map(|(_, path)| path)
}

fn line(report: &Report<'_>) -> String {
    let Stats { executions, per_second, coverage, features } = report.stats;
    let verdict =
        report.found.as_ref().map_or_else(|| "nothing found".into(), |path| format!("FAILED: {}", path.display()));
    format!(
        "{:<10} {executions:>12} executions {per_second:>8}/s   coverage {coverage:>6}, features {features:>6}   {verdict}",
        report.target
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_source_seeds_and_a_line_of_help() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut sources: Vec<_> = std::fs::read_dir(root.join("tests/fuzz/targets"))
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        let mut names: Vec<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
        sources.sort();
        names.sort();
        assert_eq!(sources, names);
        for Target { name, about, longest } in TARGETS {
            assert!(AFTER_HELP.contains(&format!("  {name:<10}  {about}\n")), "{name}");
            let seeds = std::fs::read_dir(root.join("tests/fuzz/seeds").join(name)).unwrap();
            let sizes: Vec<_> = seeds.map(|seed| seed.unwrap().metadata().unwrap().len()).collect();
            assert!(!sizes.is_empty(), "{name} has no seeds");
            assert!(sizes.iter().all(|&size| size <= *longest as u64), "{name} cuts its seeds: {sizes:?}");
        }
    }
}
