//! `cargo xtask bench`: measures training, sampling and preparing on this machine, the peers in the same run, and the
//! losses that training comes to.

mod losses;
mod peers;
mod prepare;
mod process;
mod sample;
mod table;
mod train;

use std::env;
use std::fs;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde::de::DeserializeOwned;

use crate::project::{Project, output};

#[derive(Subcommand)]
pub enum Task {
    /// Time a training step: forward, loss, backward, update.
    Train(train::Arguments),
    /// Size, start, memory and speed of the sampler.
    Sample(sample::Arguments),
    /// Time preparing a large text.
    Prepare(prepare::Arguments),
    /// Train the texts of docs/losses.toml and write the tables of docs/expected-losses.md.
    Losses(losses::Arguments),
}

pub fn run(project: &Project, task: &Task) -> Result<()> {
    match task {
        Task::Train(arguments) => train::run(project, arguments),
        Task::Sample(arguments) => sample::run(project, arguments),
        Task::Prepare(arguments) => prepare::run(project, arguments),
        Task::Losses(arguments) => losses::run(project, arguments),
    }
}

/// Runs a program that prints one JSON object on stdout.
fn measure<T: DeserializeOwned>(command: &mut Command) -> Result<T> {
    let printed = output(command)?;
    serde_json::from_str(&printed)
        .with_context(|| format!("{} printed no figures: {printed:?}", command.get_program().display()))
}

/// The median: the lower one of two middle values, NaN if there are none.
fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// Number of cores and, if the system knows it, the processor's name.
fn machine() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let known = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = known.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let name = name.map_or(env::consts::ARCH, |(_, name)| name);
    format!("{cores} cores, {name}")
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        let check = |values: &[f64], expected: f64| {
            assert_eq!(median(values.iter().copied()).to_bits(), expected.to_bits(), "{values:?}");
        };
        check(&[3.0], 3.0);
        check(&[9.0, 1.0, 2.0], 2.0);
        check(&[4.0, 1.0, 9.0, 2.0], 2.0);
        check(&[], f64::NAN);
    }
}
