//! `carve page`: one HTML file that writes text.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use page::{Engine, Page};
use sampler::{Model, read_file};

use crate::artifacts::check_writable;
use crate::failure::Failure;
use crate::session::Session;
use crate::{datasets, name, names, output};

/// Make one HTML file that writes text with a model, offline, in any browser.
///
/// The file holds the model and the sampler. It opens without a network, and can be mailed. Its path is printed on stdout.
#[derive(Args)]
#[command(after_help = "Examples:\n  carve page\n  \
                        carve page --dataset letters\n  \
                        carve page --model letters/model-int8.onnx --output letters.html")]
pub struct Arguments {
    /// The text that was trained on: its best model is used.
    #[arg(long, value_name = "NAME", value_parser = names::text, default_value = datasets::DEFAULT)]
    dataset: String,
    /// The exported model (.onnx) [default: NAME/model.onnx in the folder for results].
    #[arg(long, value_name = "FILE", conflicts_with = "dataset")]
    model: Option<PathBuf>,
    /// The file to write; only a page of this kind is replaced [default: page.html beside the model].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Folder with the sampler for browsers: a script and a module of WebAssembly [default: those in this program].
    #[arg(long, value_name = "FOLDER")]
    engine: Option<PathBuf>,
}

/// The sampler for browsers that was put into this program when it was built.
const EMBEDDED: Option<(&str, &[u8])> = include!(concat!(env!("OUT_DIR"), "/engine.rs"));

/// Makes the file, and prints its path.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let Arguments { dataset, model, output, engine } = arguments;
    let path = model.clone().unwrap_or_else(|| session.artifacts.model(dataset));
    if model.is_none() && !path.exists() {
        let (name, place) = (name::name(), path.display());
        return Err(Failure::Input(format!(
            "there is no {place}: run {name} train first, or {name} export --dataset {dataset}, or name a file with --model"
        ))
        .into());
    }
    let output = output.clone().unwrap_or_else(|| path.with_file_name("page.html"));
    page::check(&output)?;
    check_writable(output.parent().unwrap_or(Path::new("")))?;

    let bytes = read_file(&path)?;
    // Opened as the sampler opens it: what does not write here would not write there.
    let card = Model::from_bytes(&bytes, &sampler::Engine::default()).with_context(|| path.display().to_string())?.card;
    let read;
    let (script, wasm) = match (engine, EMBEDDED) {
        (Some(folder), _) => {
            read = read_engine(folder)?;
            (&*read.0, &*read.1)
        }
        (None, Some(embedded)) => embedded,
        (None, None) => {
            let message = "this program was built without the sampler for browsers: run cargo xtask page instead, or name \
                           the folder of scrimshaw_web.js and scrimshaw_web_bg.wasm with --engine";
            return Err(Failure::Usage(message.into()).into());
        }
    };
    let made_by = format!("carve {}", env!("CARGO_PKG_VERSION"));
    let page = Page { card: &card, model: &bytes, engine: Engine { script, wasm }, made_by: &made_by };
    page::write(&page, &output)?;
    output::line(&output.display().to_string())
}

/// The two files of an engine.
fn read_engine(folder: &Path) -> Result<(String, Vec<u8>)> {
    let refuse = |path: &Path, why: &str| {
        let path = path.display();
        Failure::Input(format!("cannot use {path} as the sampler for browsers: {why}; cargo xtask page builds it"))
    };
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read(&path).map_err(|error| refuse(&path, &error.to_string()))
    };
    let (script, wasm) = (read("scrimshaw_web.js")?, read("scrimshaw_web_bg.wasm")?);
    let script = String::from_utf8(script).map_err(|_| refuse(&folder.join("scrimshaw_web.js"), "it is not UTF-8"))?;
    if !script.contains("wasm_bindgen") || !wasm.starts_with(b"\0asm") {
        return Err(refuse(folder, "it holds no engine of wasm-bindgen's kind no-modules").into());
    }
    Ok((script, wasm))
}
