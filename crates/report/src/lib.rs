//! One HTML file about a run: how it went, what it wrote when, what its cells do, and where it errs.
//!
//! The file opens offline and loads nothing: style, script, plots and data are in it, and a content security policy
//! forbids any request. It works in light and dark, with a keyboard, and at the width of a phone.
//!
//! This crate knows what a run recorded ([`trainer::History`]) and what an analysis found ([`analysis::Analysis`]), both
//! plain data. It does not know tensors, command lines or terminals, and it touches no file but the one it is told to
//! write.
//!
//! **Plots** are inline SVG from the module `plot`. The loss curve of 330 points was drawn with the crates first: plotters 0.3.7
//! makes 18.0 KB with colours and fonts fixed in every element, so that a dark page cannot restyle it; poloto 19.1.2 makes
//! 9.5 KB with classes, but it has no logarithmic axis and no text alternative; charming 0.6 needs the script of Apache's `ECharts`, a
//! megabyte, or V8. Ours is 4 KB, follows the page's colours and carries its own description.
//!
//! **States** of all cells at all characters are in the file, each cell compressed on its own, so that the page unpacks only
//! the one that a reader picks. How finely they are rounded depends on the room: see the module `pack`.

mod cells;
mod error;
mod escape;
mod mistakes;
mod numbers;
mod pack;
mod page;
mod plot;
mod progress;
mod repeat;
mod training;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use analysis::Analysis;
use trainer::History;

pub use error::{Error, Result};

/// What the page is made from.
#[derive(Debug, Clone, Copy)]
pub struct Report<'r> {
    /// The run.
    pub run: &'r History,
    /// Other runs, drawn beside it.
    pub compared: &'r [History],
    /// What its network does with a text; or why that is not known.
    pub analysis: std::result::Result<&'r Analysis, &'r str>,
    /// The text's name.
    pub dataset: &'r str,
    /// The program that makes the page, with its version, and the machine that it runs on.
    pub made_by: &'r str,
    /// How the user calls the program that trains, such as `carve`.
    pub command: &'r str,
}

/// The page as HTML.
///
/// # Errors
/// [`Error::Data`] if the data has no JSON form.
pub fn html(report: &Report<'_>) -> Result<String> {
    page::html(report)
}

/// Writes the page. A file that is there is replaced if it is a page of this kind.
///
/// # Errors
/// [`Error::NotAReport`] if another file is there; it is left as it is. [`Error::Write`] if the place is not writable.
pub fn write(report: &Report<'_>, path: &Path) -> Result<()> {
    check(path)?;
    let html = html(report)?;
    durable::write(path, html.as_bytes()).map_err(|source| Error::Write { path: path.into(), source })
}

/// Checks, before anything is computed, that a page may be put there.
///
/// # Errors
/// As [`write()`].
pub fn check(path: &Path) -> Result<()> {
    let cannot_write = |source: io::Error| Error::Write { path: path.into(), source };
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(cannot_write(io::ErrorKind::IsADirectory.into())),
        Ok(_) if is_report(path).map_err(cannot_write)? => Ok(()),
        Ok(_) => Err(Error::NotAReport { path: path.into() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(cannot_write(source)),
    }
}

/// Whether a file begins as the pages of this crate do.
fn is_report(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(page::START.len() as u64).read_to_end(&mut start)?;
    Ok(start == page::START.as_bytes())
}
