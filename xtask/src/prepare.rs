//! `cargo xtask prepare`: a text becomes shards.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::datasets::{self, Dataset, Figures};
use crate::project::{Binaries, Project, check_name, output};
use crate::text::{Flags, TextArguments};

#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask prepare --dataset treasure-island\n  \
                        cargo xtask prepare --input letters.txt diary.txt --name letters --lowercase\n  \
                        cargo xtask prepare --input ~/linux/kernel --include '*.c' --include '*.h' --split 90/5/5\n  \
                        cargo xtask prepare --input towns.txt --lines --split 90/10 --split-by-document\n  \
                        zcat mail.gz | cargo xtask prepare --input - --name mail --min-count 10")]
pub struct Arguments {
    /// A declared dataset; the embedded sea story when neither this nor --input is given.
    #[arg(long, value_name = "NAME", conflicts_with = "input")]
    dataset: Option<String>,
    /// Files, folders, or - for standard input, in this order; gzip, zstd, xz and zip are unpacked.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    input: Vec<PathBuf>,
    /// Name of the folder under artifacts/; the dataset's or the first input's when not given.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    text: TextArguments,
    /// Print one JSON object on stdout: characters, vocabulary, windows, and more.
    #[arg(long)]
    json: bool,
}

/// The path that stands for standard input.
const STANDARD_INPUT: &str = "-";

pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    let Arguments { dataset, input, name, text, json } = arguments;
    let name = name.as_deref();
    let summary = if input.is_empty() {
        let binaries = project.build(&["corpus"], &[])?;
        let dataset = dataset.as_deref().unwrap_or(datasets::DEFAULT);
        prepare_dataset(project, &binaries, dataset, name, text)?
    } else {
        let name = name.map_or_else(|| name_of(input), |name| Ok(name.into()))?;
        let binaries = project.build(&["corpus"], &[])?;
        prepare_inputs(project, &binaries, &name, input, &Flags::of(text))?
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
    let inputs = datasets::locate(project, dataset, &declared)?;
    let Dataset { origin, licence, prepare, expected, .. } = declared;
    let as_declared = TextArguments { source: Some(origin), licence: Some(licence), ..prepare };
    let flags = text.over(&as_declared);
    let name = name.unwrap_or(dataset);
    let summary = prepare_inputs(project, binaries, name, &inputs, &flags)?;
    let found: Figures = serde_json::from_str(&summary).context("corpus printed no summary")?;
    match expected {
        // Other flags than the declared ones give other figures.
        Some(expected) if flags.same_text(&Flags::of(&as_declared)) && !found.agree_with(&expected) => {
            // Without an index nothing is prepared: what is not the declared text is not trained on unnoticed.
            let index = project.shards(name).join("index.json");
            fs::remove_file(&index).with_context(|| format!("cannot remove {}", index.display()))?;
            bail!("{dataset} is not the declared text: it has {found}, and the declaration says {expected}")
        }
        _ => Ok(summary),
    }
}

fn prepare_inputs(
    project: &Project,
    binaries: &Binaries,
    name: &str,
    inputs: &[PathBuf],
    flags: &Flags,
) -> Result<String> {
    check_name(name)?;
    let mut command = binaries.command("corpus");
    command.args(["prepare", "--json", "--name", name]).arg("--output").arg(project.shards(name));
    command.args(flags.words()).arg("--input").args(inputs).stdin(Stdio::inherit());
    output(&mut command)
}

/// The name of the first input.
fn name_of(inputs: &[PathBuf]) -> Result<String> {
    if inputs.iter().any(|input| input == Path::new(STANDARD_INPUT)) {
        bail!("standard input has no name of its own: give the prepared text one with --name");
    }
    let stem =
        inputs.first().and_then(|input| input.file_stem()).context("give the prepared text a name with --name")?;
    let name = stem.to_string_lossy().into_owned();
    check_name(&name).context("give the prepared text another name with --name")?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn a_text_is_called_what_its_first_input_is_called() {
        let cases: [(&[&str], Option<&str>); 6] = [
            (&["a/letters.txt", "diary.txt"], Some("letters")),
            (&["sources/"], Some("sources")),
            (&["-"], None),
            (&["letters.txt", "-"], None),
            (&["."], None),
            (&["my letters.txt"], None),
        ];
        for (inputs, expected) in cases {
            let inputs: Vec<_> = inputs.iter().map(Into::into).collect();
            match (name_of(&inputs), expected) {
                (Ok(name), Some(expected)) => assert_eq!(name, expected),
                (Err(error), None) => assert!(error.to_string().contains("--name"), "{inputs:?}: {error}"),
                (found, _) => panic!("{inputs:?}: {found:?}"),
            }
        }
    }
}
