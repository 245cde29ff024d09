//! `cargo xtask`: the developers' commands, and `carve` for everything else.
//!
//! `check`, `test`, `fuzz`, `dist` and `bench` are commands of this program. Any other word is a command of `carve`, which is
//! built and then runs in place of this program, with the user's words untouched. This program links no crate of the
//! project, so that it is built in seconds on a new machine.

mod bench;
mod c_library;
mod carve;
mod check;
mod checksums;
mod dist;
mod fuzz;
mod licences;
mod project;
mod protoc;
mod python;
mod skips;
mod test;
mod web;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::project::{Failed, Project};

/// Carve a small text model out of any text, and ship it in one small file.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build both programs, each as one static file: artifacts/dist/carve and artifacts/dist/scrimshaw. With
    /// --target, scrimshaw for another machine.
    Dist(dist::Arguments),
    /// Measure training, sampling or preparing on this machine, beside the peers if their Python is named.
    #[command(subcommand)]
    Bench(bench::Task),
    /// Run every test of the workspace.
    Test(test::Arguments),
    /// Check format, spelling, dependencies, lints and documentation, and build the fuzz targets, as CI does.
    Check(check::Arguments),
    /// Run the fuzz targets: whatever reads files from other people, and the engine beside its naive twin.
    Fuzz(fuzz::Arguments),
}

/// Commands of `carve`, for the help alone; a test compares them with what `carve --help` says.
const AFTER_HELP: &str = "\
Commands of carve, which is built first; cargo xtask COMMAND --help explains each:
  train        Prepare a text if needed, train on it, export the model, and print text from it
  prepare      Turn a text into memory-mapped shards of token ids
  inspect      Show what is in a prepared text
  datasets     List the texts that the program knows
  runs         List what was trained
  recipes      List the recipes, or print one in full
  evaluate     Measure a run on the splits of a text
  report       Make one HTML file about a run: how it went, what its cells do, where it errs
  novelty      Measure how much of what a model writes is copied from its training text
  neurons      Find the cells that follow a feature of the text, and where the network errs
  export       Write a run's best checkpoint as an ONNX file
  page         Make one HTML file that writes text with a model, offline
  import       Make a run of a network that PyTorch trained
  completions  Print completions for a shell
  man          Print the manual page, or write all pages into a folder

Examples:
  cargo xtask train                                    the embedded sea story, start to finish
  cargo xtask train letters.txt --time-budget 10m
  cargo xtask dist

Environment:
  SCRIMSHAW_DATASETS   folders to search for NAME.txt before a dataset is downloaded
  SCRIMSHAW_ARTIFACTS  where results go instead of artifacts/";

/// The words that this program answers itself.
const OWN: &[&str] = &["dist", "bench", "test", "check", "fuzz", "help", "-h", "--help", "-V", "--version"];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A program that failed has already said why, on the same stderr.
            if let Some(failed) = error.downcast_ref::<Failed>() {
                return ExitCode::from(failed.code);
            }
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let project = Project::find()?;
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    if words.first().is_some_and(|word| !OWN.iter().any(|own| word == own)) {
        return carve::run(&project, &words);
    }
    match Arguments::parse().task {
        Task::Dist(arguments) => dist::run(&project, &arguments),
        Task::Bench(task) => bench::run(&project, &task),
        Task::Test(arguments) => test::run(&project, &arguments),
        Task::Check(arguments) => check::run(&project, &arguments),
        Task::Fuzz(arguments) => fuzz::run(&project, &arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::{Arguments, OWN};
    use clap::CommandFactory;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_here_is_answered_here() {
        for command in Arguments::command().get_subcommands() {
            assert!(OWN.contains(&command.get_name()), "{}", command.get_name());
        }
    }
}
