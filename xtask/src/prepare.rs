//! `cargo xtask prepare`: a text becomes shards.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::datasets::{self, Dataset, Figures};
use crate::project::{Binaries, Project, check_name, output};

#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask prepare --dataset treasure-island\n  \
                        cargo xtask prepare --input letters.txt diary.txt --name letters --lowercase")]
pub struct Arguments {
    /// A declared dataset; the embedded sea story when neither this nor --input is given.
    #[arg(long, value_name = "NAME", conflicts_with = "input")]
    dataset: Option<String>,
    /// Text files, in this order.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    input: Vec<PathBuf>,
    /// Name of the folder under artifacts/; the dataset's or the first file's when not given.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    text: TextArguments,
    /// Print one JSON object on stdout: characters, vocabulary, windows, and more.
    #[arg(long)]
    json: bool,
}

/// What is done to the text; passed on as it is.
#[derive(Args, Default)]
struct TextArguments {
    /// What a token stands for: a Unicode character or a byte.
    #[arg(long, value_parser = ["char", "byte"])]
    unit: Option<String>,
    /// Turn every character into lower case.
    #[arg(long)]
    lowercase: bool,
    /// Drop every character outside ASCII.
    #[arg(long)]
    ascii: bool,
    /// Accept invalid UTF-8, each broken sequence as U+FFFD.
    #[arg(long)]
    lossy: bool,
    /// Characters in a window, for the count of windows.
    #[arg(long, value_name = "N")]
    window: Option<usize>,
    /// Characters from one window to the next, for the count of windows.
    #[arg(long, value_name = "N")]
    step: Option<usize>,
}

pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    let binaries = project.build(&["corpus"], &[])?;
    let Arguments { dataset, input, name, text, json } = arguments;
    let summary = if input.is_empty() {
        let dataset = dataset.as_deref().unwrap_or(datasets::DEFAULT);
        prepare_dataset(project, &binaries, dataset, name.as_deref(), text)?
    } else {
        let name = match (name, input[0].file_stem()) {
            (Some(name), _) => name.clone(),
            (None, Some(stem)) => stem.to_string_lossy().into_owned(),
            (None, None) => bail!("give the prepared text a name with --name"),
        };
        prepare_files(project, &binaries, &name, input, text)?
    };
    if *json {
        print!("{summary}");
    }
    Ok(())
}

/// Prepares a declared dataset under its own name.
pub fn dataset(project: &Project, binaries: &Binaries, name: &str) -> Result<()> {
    prepare_dataset(project, binaries, name, None, &TextArguments::default()).map(drop)
}

fn prepare_dataset(
    project: &Project,
    binaries: &Binaries,
    dataset: &str,
    name: Option<&str>,
    text: &TextArguments,
) -> Result<String> {
    check_name(dataset)?;
    let Some(declared) = datasets::declared(project, dataset)? else {
        let known = datasets::names(project)?.join(", ");
        bail!(
            "there is no dataset {dataset:?}; there is: {known}; for a text of your own, use --input PATH --name NAME"
        );
    };
    let path = datasets::locate(project, dataset, &declared)?;
    let name = name.unwrap_or(dataset);
    let Dataset { origin, licence, normalisation, expected, .. } = &declared;
    let mut command = command(project, binaries, name, text)?;
    command.arg("--input").arg(path).args(["--source", origin, "--licence", licence]);
    for (flag, declared, given) in
        [("--lowercase", normalisation.lowercase, text.lowercase), ("--ascii", normalisation.ascii, text.ascii)]
    {
        if declared && !given {
            command.arg(flag);
        }
    }
    let summary = output(&mut command)?;
    let found = figures(&summary)?;
    // Other flags than the declared ones give other figures.
    let as_declared = text.unit.is_none() && text.window.is_none() && text.step.is_none();
    match expected {
        Some(expected) if as_declared && found != *expected && !text.lowercase && !text.ascii => {
            bail!("the text is not the declared one: it has {found:?}, and the declaration says {expected:?}")
        }
        _ => Ok(summary),
    }
}

fn prepare_files(
    project: &Project,
    binaries: &Binaries,
    name: &str,
    input: &[PathBuf],
    text: &TextArguments,
) -> Result<String> {
    let mut command = command(project, binaries, name, text)?;
    command.arg("--input").args(input);
    output(&mut command)
}

fn command(project: &Project, binaries: &Binaries, name: &str, text: &TextArguments) -> Result<Command> {
    check_name(name)?;
    let mut command = binaries.command("corpus");
    command.args(["prepare", "--json", "--name", name]).arg("--output").arg(project.shards(name));
    if let Some(unit) = &text.unit {
        command.args(["--unit", unit]);
    }
    for (flag, set) in [("--lowercase", text.lowercase), ("--ascii", text.ascii), ("--lossy", text.lossy)] {
        if set {
            command.arg(flag);
        }
    }
    for (flag, value) in [("--window", text.window), ("--step", text.step)] {
        if let Some(value) = value {
            command.args([flag, &value.to_string()]);
        }
    }
    Ok(command)
}

fn figures(json: &str) -> Result<Figures> {
    serde_json::from_str(json).context("corpus printed no summary")
}
