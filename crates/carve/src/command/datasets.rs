//! `carve datasets`: the texts that the program knows.

use anyhow::Result;
use clap::Args;

use crate::datasets::{declared, names, on_this_machine, size};
use crate::output;
use crate::session::Session;

/// List the texts that the program knows: size, licence, recipe, and whether they are on this machine.
#[derive(Args)]
#[command(after_help = "Examples:\n  carve datasets\n  carve datasets --json")]
pub struct Arguments {
    /// Print one JSON array on stdout.
    #[arg(long)]
    json: bool,
}

/// Lists them.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let mut rows = Vec::new();
    for name in names() {
        let dataset = declared(name)?;
        let here = on_this_machine(&session.artifacts, name, &dataset);
        let bytes = here.as_deref().ok().map(|paths| size(name, paths, &dataset));
        if arguments.json {
            rows.push(serde_json::json!({
                "name": name, "title": dataset.title, "licence": dataset.licence, "url": dataset.url,
                "sha256": dataset.sha256, "recipe": dataset.recipe, "expected": dataset.expected,
                "embedded": dataset.file.is_some(), "here": here.ok(), "bytes": bytes,
            }));
            continue;
        }
        output::line(&format!("{name}\n  {}\n  licence: {}", dataset.title, dataset.licence))?;
        if let Some(expected) = dataset.expected {
            output::line(&format!("  {expected}"))?;
        }
        if let Some(recipe) = &dataset.recipe {
            output::line(&format!("  recipe {recipe}"))?;
        }
        let megabytes = bytes.map_or(0.0, |bytes| bytes as f64 / 1e6);
        output::line(&match here.as_deref() {
            Ok([]) => format!("  part of this program, {megabytes:.1} MB"),
            Ok([path]) => format!("  here, {megabytes:.1} MB: {}", path.display()),
            Ok(paths) => format!("  here, {megabytes:.1} MB: {} folders", paths.len()),
            Err(_) if dataset.url.is_some() => "  not here: prepare and train download it".into(),
            Err(missing) => format!("  not here: {missing}"),
        })?;
        if dataset.url.is_some() && dataset.sha256.is_none() {
            output::line("  not verified: its SHA-256 is not known, only its figures are checked")?;
        }
    }
    if arguments.json {
        output::line(&serde_json::Value::from(rows).to_string())?;
    }
    Ok(())
}
