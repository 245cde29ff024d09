//! One HTML file that writes text offline: a model, and the sampler as WebAssembly.
//!
//! The file loads nothing and sends nothing: style, scripts, model and engine are in it, and a content security policy
//! forbids any connection. It works in light and dark, with a keyboard alone, and at the width of a phone.
//!
//! This crate knows a model's card, and takes model and engine as bytes. It does not know how either is made, and it
//! touches no file but the one it is told to write.
//!
//! Model and engine are compressed (raw deflate, then base64), and the page inflates them with `DecompressionStream`. That
//! keeps the engine's part of the file at less than half of its size as WebAssembly.

mod error;
mod facts;
mod markup;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use model_card::ModelCard;

pub use error::{Error, Result};

/// What the page is made from.
#[derive(Debug, Clone, Copy)]
pub struct Page<'p> {
    /// The model's card.
    pub card: &'p ModelCard,
    /// The ONNX file.
    pub model: &'p [u8],
    /// What runs it.
    pub engine: Engine<'p>,
    /// The program that makes the page, with its version.
    pub made_by: &'p str,
}

/// The sampler as `wasm-bindgen --target no-modules` leaves it: a script that declares `wasm_bindgen`, and its module.
#[derive(Debug, Clone, Copy)]
pub struct Engine<'e> {
    /// The JavaScript.
    pub script: &'e str,
    /// The WebAssembly.
    pub wasm: &'e [u8],
}

/// The page as HTML.
pub fn render(page: &Page<'_>) -> String {
    markup::html(page)
}

/// Writes the page, into a folder that is made if need be. A file that is there is replaced if it is a page of this kind.
///
/// # Errors
/// [`Error::NotAPage`] if another file is there; it is left as it is. [`Error::Write`] if the place is not writable.
pub fn write(page: &Page<'_>, path: &Path) -> Result<()> {
    check(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder
        .map_or(Ok(()), durable::create_dir_all)
        .and_then(|()| durable::write(path, render(page).as_bytes()))
        .map_err(|source| Error::Write { path: path.into(), source })
}

/// Checks, before anything is computed, that a page may be put there.
///
/// # Errors
/// As [`write()`].
pub fn check(path: &Path) -> Result<()> {
    let cannot_write = |source: io::Error| Error::Write { path: path.into(), source };
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(cannot_write(io::ErrorKind::IsADirectory.into())),
        Ok(_) if is_page(path).map_err(cannot_write)? => Ok(()),
        Ok(_) => Err(Error::NotAPage { path: path.into() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(cannot_write(source)),
    }
}

/// Whether a file begins as the pages of this crate do.
fn is_page(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(markup::START.len() as u64).read_to_end(&mut start)?;
    Ok(start == markup::START.as_bytes())
}
