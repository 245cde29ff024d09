//! Which text a command is about, and how it gets prepared: the flags that `prepare` and `train` share.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use corpus::prepare::{Options, Report, STANDARD_INPUT, Stage, prepare};

use crate::datasets::{self, Dataset, Figures};
use crate::failure::Failure;
use crate::interrupt::Watch;
use crate::names;
use crate::progress::Progress;
use crate::session::Session;
use crate::text::TextArguments;

/// Which text, and what is done to it.
#[derive(Args)]
pub struct Source {
    /// Files, folders, or - for standard input, in this order; gzip, zstd, xz and zip are unpacked. Several files become
    /// documents with a boundary between them.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The same as PATH.
    #[arg(long, short, value_name = "PATH", num_args = 1.., conflicts_with = "paths")]
    input: Vec<PathBuf>,
    /// A dataset that the program knows (see `carve datasets`), or for `train` any prepared text [default: sea-story].
    #[arg(long, value_name = "NAME", value_parser = names::text, conflicts_with_all = ["paths", "input"])]
    pub dataset: Option<String>,
    /// Name for the prepared text [default: the dataset's name, or the first file's].
    #[arg(long, short, value_name = "NAME", value_parser = names::text)]
    name: Option<String>,
    #[command(flatten)]
    pub text: TextArguments,
}

/// A text that can be prepared.
pub struct Text {
    /// The name that it is prepared under.
    pub name: String,
    origin: Origin,
    arguments: TextArguments,
}

enum Origin {
    Paths(Vec<PathBuf>),
    Dataset(String, Box<Dataset>),
}

impl Source {
    /// Whether anything is said about how the text is prepared.
    pub fn has_text_arguments(&self) -> bool {
        self.text != TextArguments::default()
    }

    /// The name of the prepared text that the flags name.
    pub fn name(&self) -> Result<String> {
        let paths = self.paths();
        match (&self.name, paths.first(), &self.dataset) {
            (Some(name), ..) => Ok(name.clone()),
            (None, Some(_), _) if paths.iter().any(|path| path == Path::new(STANDARD_INPUT)) => {
                Err(Failure::Usage("standard input has no name: give the text one with --name NAME".into()).into())
            }
            (None, Some(path), _) => names::of_path(path).ok_or_else(|| {
                let message = format!("{} gives the text no usable name: give it one with --name NAME", path.display());
                Failure::Usage(message).into()
            }),
            (None, None, dataset) => Ok(dataset.as_deref().unwrap_or(datasets::DEFAULT).into()),
        }
    }

    /// The text to prepare. Checks everything that can be checked without reading it.
    pub fn resolve(&self) -> Result<Text> {
        let (name, paths) = (self.name()?, self.paths());
        if paths.is_empty() {
            let dataset = self.dataset.as_deref().unwrap_or(datasets::DEFAULT);
            let declared = Box::new(datasets::declared(dataset)?);
            return Ok(Text { name, origin: Origin::Dataset(dataset.into(), declared), arguments: self.text.clone() });
        }
        for path in paths.iter().filter(|path| *path != Path::new(STANDARD_INPUT)) {
            fs::metadata(path).map_err(|source| corpus::Error::Read { path: path.clone(), source })?;
        }
        Ok(Text { name, origin: Origin::Paths(paths.to_vec()), arguments: self.text.clone() })
    }

    /// The files and folders that the flags name.
    pub fn paths(&self) -> &[PathBuf] {
        if self.paths.is_empty() { &self.input } else { &self.paths }
    }
}

impl Text {
    /// Prepares it into a folder, and says on stderr what came of it.
    pub fn prepare(
        &self,
        session: &Session,
        output: PathBuf,
        progress: &mut Progress,
        watch: &Watch,
    ) -> Result<(Report, Options)> {
        crate::artifacts::check_writable(&output)?;
        let (dataset, declared) = match &self.origin {
            Origin::Dataset(dataset, declared) => (dataset, declared),
            Origin::Paths(paths) => {
                let options = self.arguments.clone().options(paths.clone(), output, self.name.clone());
                return Ok((run(&options, progress, watch)?, options));
            }
        };
        let inputs = datasets::locate(&session.artifacts, dataset, declared, progress, watch)?;
        watch.check()?;
        let as_declared = TextArguments {
            source: Some(declared.origin.clone()),
            licence: Some(declared.licence.clone()),
            ..declared.prepare.clone()
        };
        let arguments = self.arguments.over(&as_declared);
        // With other flags than the declared ones the figures differ.
        let expected = declared.expected.filter(|_| arguments.same_text(&as_declared));
        let options = arguments.options(inputs, output, self.name.clone());
        let report = run(&options, progress, watch)?;
        let found = Figures::of(&report.index);
        match expected {
            Some(expected) if !found.agree_with(&expected) => {
                // Without an index nothing is prepared, so nobody trains on another text unnoticed.
                let index = options.output.join(corpus::INDEX_FILE);
                fs::remove_file(&index)
                    .map_err(|error| Failure::CannotWrite(format!("cannot remove {}: {error}", index.display())))?;
                let message =
                    format!("{dataset} is not the declared text: it has {found}, and {expected} are declared");
                Err(Failure::Input(message).into())
            }
            _ => Ok((report, options)),
        }
    }
}

fn run(options: &Options, progress: &mut Progress, watch: &Watch) -> Result<Report> {
    let start = Instant::now();
    let mut show = |made: corpus::prepare::Progress| {
        let task = match made.stage {
            Stage::Copying => "copying standard input",
            Stage::Counting => "counting characters",
            Stage::Writing => "writing shards",
        };
        progress.bytes(task, made.bytes, made.total);
    };
    let report = prepare(options, &mut show, watch.flag());
    progress.clear();
    let report = report?;
    for line in super::prepare::describe(&report, options, start.elapsed()) {
        progress.say(&line);
    }
    Ok(report)
}
