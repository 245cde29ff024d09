//! Which text a command is about, and how it gets prepared: the flags that `prepare` and `train` share.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use corpus::prepare::parts::{Part, PartReport, merge_parts, prepare_part};
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

/// The figures that a dataset declares of its text.
struct Declared {
    dataset: String,
    figures: Figures,
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
        let (options, declared) = self.options(session, output, progress, watch)?;
        let start = Instant::now();
        let report = shown(progress, watch, |show, flag| prepare(&options, show, flag))?;
        finish(&report, &options, declared, Some(start.elapsed()), progress)?;
        Ok((report, options))
    }

    /// Prepares one part of it.
    pub fn prepare_part(
        &self,
        session: &Session,
        output: PathBuf,
        part: Part,
        progress: &mut Progress,
        watch: &Watch,
    ) -> Result<(PartReport, Options)> {
        let (options, _) = self.options(session, output, progress, watch)?;
        Ok((run_part(&options, part, progress, watch)?, options))
    }

    /// Merges its parts, and says on stderr what came of it.
    pub fn merge(
        &self,
        session: &Session,
        output: PathBuf,
        progress: &mut Progress,
        watch: &Watch,
    ) -> Result<(Report, Options)> {
        let (options, declared) = self.options(session, output, progress, watch)?;
        let report = shown(progress, watch, |show, flag| merge_parts(&options, show, flag))?;
        finish(&report, &options, declared, None, progress)?;
        Ok((report, options))
    }

    /// What the library is told. Finds the files of a dataset.
    fn options(
        &self,
        session: &Session,
        output: PathBuf,
        progress: &mut Progress,
        watch: &Watch,
    ) -> Result<(Options, Option<Declared>)> {
        crate::artifacts::check_writable(&output)?;
        let (dataset, declared) = match &self.origin {
            Origin::Dataset(dataset, declared) => (dataset, declared),
            Origin::Paths(paths) => {
                return Ok((self.arguments.clone().options(paths.clone(), output, self.name.clone()), None));
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
        let declared = expected.map(|figures| Declared { dataset: dataset.clone(), figures });
        Ok((arguments.options(inputs, output, self.name.clone()), declared))
    }
}

/// Prepares one part.
pub fn run_part(options: &Options, part: Part, progress: &mut Progress, watch: &Watch) -> Result<PartReport> {
    shown(progress, watch, |show, flag| prepare_part(options, part, show, flag))
}

/// Shows the progress of some work.
fn shown<T>(
    progress: &mut Progress,
    watch: &Watch,
    work: impl FnOnce(&mut (dyn FnMut(corpus::prepare::Progress) + Send), &AtomicBool) -> corpus::Result<T>,
) -> Result<T> {
    let mut show = |made: corpus::prepare::Progress| {
        let task = match made.stage {
            Stage::Copying => "copying standard input",
            Stage::Counting => "counting characters",
            Stage::Writing => "writing shards",
        };
        progress.bytes(task, made.bytes, made.total);
    };
    let result = work(&mut show, watch.flag());
    progress.clear();
    Ok(result?)
}

/// Says what came of it, and compares it with what a dataset declares.
fn finish(
    report: &Report,
    options: &Options,
    declared: Option<Declared>,
    time: Option<Duration>,
    progress: &mut Progress,
) -> Result<()> {
    for line in super::prepare::describe(report, options, time) {
        progress.say(&line);
    }
    let found = Figures::of(&report.index);
    match declared {
        Some(Declared { dataset, figures }) if !found.agree_with(&figures) => {
            // Without an index nothing is prepared, so nobody trains on another text unnoticed.
            let index = options.output.join(corpus::INDEX_FILE);
            fs::remove_file(&index)
                .map_err(|error| Failure::CannotWrite(format!("cannot remove {}: {error}", index.display())))?;
            let message = format!("{dataset} is not the declared text: it has {found}, and {figures} are declared");
            Err(Failure::Input(message).into())
        }
        _ => Ok(()),
    }
}
