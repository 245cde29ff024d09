//! `cargo xtask dist`: the sampler as one small file that needs nothing beside it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::project::{Project, run as run_program};

#[derive(Args)]
#[command(
    after_help = "Example:\n  cargo xtask dist && cp artifacts/dist/scrimshaw artifacts/sea-story/model.onnx /mnt/stick/"
)]
pub struct Arguments {
    /// Print one JSON object on stdout: file, bytes.
    #[arg(long)]
    json: bool,
}

pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    let program = make(project)?;
    let bytes = fs::metadata(&program)?.len();
    if arguments.json {
        println!("{}", serde_json::json!({ "file": program, "bytes": bytes }));
    } else {
        eprintln!("{}: {:.2} MB, to be copied alone", program.display(), bytes as f64 / 1e6);
    }
    Ok(())
}

/// Builds the sampler and puts it into its place, which is returned.
pub fn make(project: &Project) -> Result<PathBuf> {
    let built = build(project)?;
    let folder = project.artifacts.join("dist");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let program = folder.join("scrimshaw").with_extension(env::consts::EXE_EXTENSION);
    let beside = folder.join(".scrimshaw.new");
    fs::copy(&built, &beside).with_context(|| format!("cannot write {}", beside.display()))?;
    fs::rename(&beside, &program).with_context(|| format!("cannot write {}", program.display()))?;
    Ok(program)
}

/// Builds the sampler in the profile `dist` for this machine; on Linux the C library is linked in.
fn build(project: &Project) -> Result<PathBuf> {
    let target = project.host()?;
    let mut cargo = project.cargo()?;
    cargo.args(["build", "--profile", "dist", "--package", "sampler", "--bins", "--target", &target]);
    if cfg!(target_os = "linux") {
        let flags = env::var("RUSTFLAGS").unwrap_or_default();
        cargo.env("RUSTFLAGS", format!("{flags} -C target-feature=+crt-static"));
    }
    run_program(&mut cargo)?;
    let folder = project.target().join(target).join("dist");
    let program = folder.join("scrimshaw").with_extension(env::consts::EXE_EXTENSION);
    if cfg!(target_os = "linux") && has_interpreter(&program)? {
        bail!("{} asks for a dynamic loader; is the static C library installed (libc.a)?", program.display());
    }
    Ok(program)
}

/// Whether a 64-bit little-endian ELF file has a `PT_INTERP` segment, that is, needs a dynamic loader to start.
fn has_interpreter(program: &Path) -> Result<bool> {
    const PT_INTERP: u32 = 3;
    let bytes = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let number = |place: usize, width: usize| -> Result<usize> {
        let bytes = bytes.get(place..place + width).context("the program is no ELF file")?;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    };
    if !bytes.starts_with(b"\x7fELF\x02\x01") {
        return Ok(false);
    }
    // Offset, size and count of the program headers stand at fixed places of the file header.
    let (offset, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    for header in 0..count {
        if number(offset + header * size, 4)? == PT_INTERP as usize {
            return Ok(true);
        }
    }
    Ok(false)
}
