//! The project's commands, as `cargo xtask`.
//!
//! One module a task; each spawns the workspace's own binaries and links none of them, so that this program is built in
//! seconds on a new machine. It knows where things are ([`project`]), which texts exist ([`datasets`]) and how to build
//! what a task needs; how anything is done is the binaries' business.

mod bench;
mod check;
mod datasets;
mod dist;
mod download;
mod evaluate;
mod export;
mod import;
mod inspect;
mod novelty;
mod packages;
mod prepare;
mod project;
mod protoc;
mod recipes;
mod runs;
mod test;
mod text;
mod train;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::project::{Failed, Project};

/// Carve a small text model out of any text, and ship it in one small file.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    after_help = "Examples:\n  cargo xtask train                                    the embedded sea story, start to finish\n  \
                  cargo xtask prepare --input letters.txt --name letters\n  \
                  cargo xtask train --dataset letters --epochs 20 --seed 7\n\n\
                  Environment:\n  SCRIMSHAW_DATASETS   folders to search for NAME.txt before anything is downloaded\n  \
                  SCRIMSHAW_ARTIFACTS  where results go instead of artifacts/"
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Turn a text into memory-mapped shards of token ids.
    Prepare(Box<prepare::Arguments>),
    /// Show what is in a prepared text: splits, frequencies, entropy, first lines, and whether the shards are sound.
    Inspect(inspect::Arguments),
    /// List the texts that the project knows: size, licence, recipe, and whether they are on this machine.
    Datasets(datasets::Arguments),
    /// Train on a prepared text (preparing it first), export, check the export, and print text from it.
    Train(train::Arguments),
    /// List the recipes, or print one in full.
    Recipes(recipes::Arguments),
    /// List what was trained: dataset, recipe, best validation loss, speed, state.
    Runs(runs::Arguments),
    /// Measure a run's best checkpoint on the splits of a text, in one of the ways that the field does.
    Evaluate(evaluate::Arguments),
    /// Say how much of what a model writes stands word for word in its training text.
    Novelty(novelty::Arguments),
    /// Make a run of a network that PyTorch trained.
    Import(import::Arguments),
    /// Write a run's best checkpoint as an ONNX file, checked in two engines.
    Export(export::Arguments),
    /// Build the sampler as one small static file, ready to copy.
    Dist(dist::Arguments),
    /// Measure training, sampling or preparing on this machine, beside the peers if their Python is named.
    #[command(subcommand)]
    Bench(bench::Task),
    /// Run every test of the workspace.
    Test(test::Arguments),
    /// Format, lints, documentation and the dependency firewall: what CI checks besides the tests.
    Check,
}

fn main() -> ExitCode {
    let task = Arguments::parse().task;
    match run(&task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A program that failed has already said why, on the same stderr.
            if let Some(failed) = error.downcast_ref::<Failed>() {
                return ExitCode::from(failed.code);
            }
            eprintln!("error: {error:#}");
            ExitCode::from(error.downcast_ref::<datasets::Unavailable>().map_or(1, |_| 3))
        }
    }
}

fn run(task: &Task) -> Result<()> {
    let project = Project::find()?;
    match task {
        Task::Prepare(arguments) => prepare::run(&project, arguments),
        Task::Inspect(arguments) => inspect::run(&project, arguments),
        Task::Datasets(arguments) => datasets::run(&project, arguments),
        Task::Train(arguments) => train::run(&project, arguments),
        Task::Recipes(arguments) => recipes::run(&project, arguments),
        Task::Runs(arguments) => runs::run(&project, arguments),
        Task::Evaluate(arguments) => evaluate::run(&project, arguments),
        Task::Novelty(arguments) => novelty::run(&project, arguments),
        Task::Import(arguments) => import::run(&project, arguments),
        Task::Export(arguments) => export::run(&project, arguments),
        Task::Dist(arguments) => dist::run(&project, arguments),
        Task::Bench(task) => bench::run(&project, task),
        Task::Test(arguments) => test::run(&project, arguments),
        Task::Check => check::run(&project),
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Arguments::command().debug_assert();
    }
}
