//! `cargo xtask dist --c`: the library for C, and its header.

use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::project::{Project, replace, run as run_program};

/// The crate's header.
const HEADER: &str = "crates/c-library/include/scrimshaw.h";

/// Builds both libraries and puts them and the header into `artifacts/dist/c`. Says what they weigh.
pub fn run(project: &Project, json: bool) -> Result<()> {
    let built = build(project)?;
    let folder = project.artifacts.join("dist").join("c");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let libraries = libraries(env::consts::OS).map(|name| built.join(name));
    for source in libraries.into_iter().chain([project.root.join(HEADER)]) {
        let name = source.file_name().context("a library has no name")?;
        let target = folder.join(name);
        replace(&target, |beside| fs::copy(&source, beside))?;
        let bytes = fs::metadata(&target)?.len();
        if json {
            println!("{}", serde_json::json!({ "file": target, "bytes": bytes }));
        } else {
            eprintln!("{}: {:.2} MB", target.display(), bytes as f64 / 1e6);
        }
    }
    Ok(())
}

/// The file names of the static and the shared library.
fn libraries(system: &str) -> [&'static str; 2] {
    match system {
        "windows" => ["scrimshaw.lib", "scrimshaw.dll"],
        "macos" => ["libscrimshaw.a", "libscrimshaw.dylib"],
        _ => ["libscrimshaw.a", "libscrimshaw.so"],
    }
}

/// Builds both libraries for this machine, and returns the folder where they are. rustc names the system libraries that the
/// static one needs.
fn build(project: &Project) -> Result<PathBuf> {
    let target = project.host()?;
    let mut cargo = project.cargo()?;
    cargo.args(["rustc", "--profile", "library", "--package", "c-library", "--lib", "--target", &target]);
    // Without the library for Rust, whose presence would switch off optimisation at link time.
    cargo.args(["--crate-type", "staticlib,cdylib", "--", "--print", "native-static-libs"]);
    cargo.env("RUSTFLAGS", project.flags()?);
    if cfg!(target_os = "linux") {
        // The name that programs remember, wherever the file lay when they were linked.
        cargo.args(["-C", "link-arg=-Wl,-soname,libscrimshaw.so"]);
    }
    run_program(&mut cargo)?;
    Ok(project.target().join(target).join("library"))
}
