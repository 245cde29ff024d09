//! `cargo xtask dist`: both programs, each as one file that needs nothing beside it.

use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::project::{Project, run as run_program};
use crate::web::{self, Kind};

#[derive(Args)]
#[command(
    after_help = "Example:\n  cargo xtask dist && cp artifacts/dist/scrimshaw artifacts/sea-story/model.onnx /mnt/stick/"
)]
pub struct Arguments {
    /// Print one JSON object for each result on stdout: file, bytes.
    #[arg(long)]
    json: bool,
    /// Make the npm package instead: the sampler in WebAssembly, as artifacts/dist/npm.
    #[arg(long)]
    npm: bool,
}

/// Packages and their programs.
const PROGRAMS: [(&str, &str); 2] = [("sampler", "scrimshaw"), ("carve", "carve")];

/// A program that aborts on a panic needs no unwind tables.
const SMALLER: &str = "-C force-unwind-tables=no";

pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    if arguments.npm {
        return npm(project, arguments);
    }
    for (package, name) in PROGRAMS {
        let program = make(project, package, name)?;
        let bytes = fs::metadata(&program)?.len();
        if arguments.json {
            println!("{}", serde_json::json!({ "file": program, "bytes": bytes }));
        } else {
            eprintln!("{}: {:.2} MB, needs no other file", program.display(), bytes as f64 / 1e6);
        }
    }
    Ok(())
}

/// Makes the npm package.
fn npm(project: &Project, arguments: &Arguments) -> Result<()> {
    let folder = web::npm(project)?;
    let bytes = fs::metadata(folder.join("node/scrimshaw_web_bg.wasm"))?.len();
    if arguments.json {
        println!("{}", serde_json::json!({ "file": folder, "bytes": bytes }));
    } else {
        eprintln!(
            "{}: {:.2} MB of WebAssembly; npm publish it, or npm install it",
            folder.display(),
            bytes as f64 / 1e6
        );
    }
    Ok(())
}

/// Builds the sampler and puts it in its place, which is returned.
pub fn sampler(project: &Project) -> Result<PathBuf> {
    let [(package, name), _] = PROGRAMS;
    make(project, package, name)
}

/// Builds a program and puts it in its place, which is returned.
fn make(project: &Project, package: &str, name: &str) -> Result<PathBuf> {
    let built = build(project, package, name)?;
    let folder = project.artifacts.join("dist");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let program = folder.join(name).with_extension(env::consts::EXE_EXTENSION);
    let beside = folder.join(format!(".{name}.new"));
    fs::copy(&built, &beside).with_context(|| format!("cannot write {}", beside.display()))?;
    fs::rename(&beside, &program).with_context(|| format!("cannot write {}", program.display()))?;
    Ok(program)
}

/// Builds a package in the profile `dist` for this machine; on Linux the C library is linked in. Each package by itself:
/// in company, cargo would give the sampler features of its libraries that only the other needs.
fn build(project: &Project, package: &str, name: &str) -> Result<PathBuf> {
    let target = project.host()?;
    let mut cargo = project.cargo()?;
    cargo.args(["build", "--profile", "dist", "--package", package, "--bins", "--target", &target]);
    if name == "carve" {
        cargo.env("SCRIMSHAW_WEB", web::build(project, Kind::NoModules)?);
    }
    if cfg!(target_os = "linux") {
        let flags = env::var("RUSTFLAGS").unwrap_or_default();
        cargo.env("RUSTFLAGS", format!("{flags} -C target-feature=+crt-static {SMALLER}"));
    }
    run_program(&mut cargo)?;
    let folder = project.target().join(target).join("dist");
    let program = folder.join(name).with_extension(env::consts::EXE_EXTENSION);
    if cfg!(target_os = "linux") {
        let elf = fs::read(&program).with_context(|| format!("cannot read {}", program.display()))?;
        let Header { interpreter, relocatable } = Header::read(&elf)?;
        if interpreter {
            bail!("{} asks for a dynamic loader; is the static C library installed (libc.a)?", program.display());
        }
        if !relocatable {
            bail!("{} is loaded at a fixed address: build it as a static-pie", program.display());
        }
    }
    Ok(program)
}

/// What the head of an ELF file says about how the program is loaded.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    /// Whether it needs a dynamic loader (a `PT_INTERP` segment).
    interpreter: bool,
    /// Whether the system may load it anywhere (`ET_DYN`), which address-space randomisation needs.
    relocatable: bool,
}

impl Header {
    /// Of a 64-bit little-endian ELF file.
    fn read(bytes: &[u8]) -> Result<Self> {
        const ET_DYN: usize = 3;
        const PT_INTERP: usize = 3;
        let number = |place: usize, width: usize| -> Result<usize> {
            let bytes = bytes.get(place..place + width).context("the program's ELF header is cut short")?;
            Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
        };
        if !bytes.starts_with(b"\x7fELF\x02\x01") {
            bail!("the program is not a 64-bit little-endian ELF file");
        }
        // Type, and offset, size and count of the program headers, at fixed places of the file header.
        let (kind, offset, size, count) = (number(16, 2)?, number(32, 8)?, number(54, 2)?, number(56, 2)?);
        let mut interpreter = false;
        for header in 0..count {
            interpreter |= number(offset + header * size, 4)? == PT_INTERP;
        }
        Ok(Self { interpreter, relocatable: kind == ET_DYN })
    }
}

#[cfg(all(test, target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
mod tests {
    use super::Header;

    #[test]
    fn programs_say_how_they_are_loaded() {
        // This test itself is an ordinary program: loaded anywhere, by the dynamic loader.
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(Header::read(&own).unwrap(), Header { interpreter: true, relocatable: true });
        let mut fixed = own.clone();
        fixed[16] = 2; // ET_EXEC
        assert_eq!(Header::read(&fixed).unwrap(), Header { interpreter: true, relocatable: false });
        assert!(Header::read(&own[..60]).is_err());
        assert!(Header::read(b"#!/bin/sh").is_err());
    }
}
