//! `cargo xtask dist`: both programs, each as one file that needs nothing beside it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::c_library;
use crate::checksums;
use crate::licences;
use crate::project::{Project, replace, run as run_program};
use crate::python;
use crate::web::{self, Kind};

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(
    after_help = "Examples:\n  cargo xtask dist && cp artifacts/dist/scrimshaw artifacts/sea-story/model.onnx /mnt/stick/\n  \
                  cargo xtask dist --target aarch64-unknown-linux-gnu\n  cargo xtask dist --all"
)]
pub struct Arguments {
    /// Build scrimshaw alone, for another machine: artifacts/dist/TARGET/scrimshaw. rustup adds Rust's library for the target
    /// unless RUSTC is set; the target's C compiler links.
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Print one JSON object for each result on stdout: file, bytes.
    /// Build the wheel of the Python package instead: artifacts/dist/scrimshaw-VERSION-PLATFORM.whl. maturin, which builds it, is
    /// installed into target/tools.
    #[arg(long, conflicts_with = "target")]
    python: bool,
    #[arg(long)]
    json: bool,
    /// Make the npm package instead: the sampler in WebAssembly, as artifacts/dist/npm.
    #[arg(long, conflicts_with = "target")]
    npm: bool,
    /// Build the library for C instead: artifacts/dist/c/libscrimshaw.a, its shared twin, and scrimshaw.h.
    #[arg(long, conflicts_with_all = ["target", "npm", "python"])]
    c: bool,
    /// Make all of it, with the licences of what is linked (LICENCES-*.txt) and checksums (SHA256SUMS).
    #[arg(long, conflicts_with_all = ["target", "npm", "c", "python"])]
    all: bool,
}

/// Packages and their programs.
const PROGRAMS: [(&str, &str); 2] = [("sampler", "scrimshaw"), ("carve", "carve")];

/// Packages whose dependencies are linked into what is handed out, and the names of the lists of their licences.
const LICENSED: [(&str, &str); 4] = [("sampler", "scrimshaw"), ("carve", "carve"), ("web", "npm"), ("c-library", "c")];

/// Targets that rustc links at a fixed address if the C library is linked in, and the versions of gcc that link for them
/// on other machines, unless cargo's own variable names one.
const LINKERS: [(&str, &str); 1] = [("aarch64-unknown-linux-gnu", "aarch64-linux-gnu-gcc")];

/// What makes gcc begin and end a program so that it may be loaded anywhere, though rustc asks for a fixed address.
const STATIC_PIE: &str = "*startfile:\nrcrt1.o%s crti.o%s crtbeginS.o%s\n\n*endfile:\ncrtendS.o%s crtn.o%s\n\n";

/// Processors, and their numbers in ELF files.
const PROCESSORS: [(&str, usize); 2] = [("x86_64", 62), ("aarch64", 183)];

/// A program that aborts on a panic needs no unwind tables.
const SMALLER: &str = "-C force-unwind-tables=no";

/// A machine that programs are built for.
struct Machine {
    /// rustc's name of it, which decides what is built.
    target: String,
    /// Where finished programs go.
    folder: PathBuf,
}

impl Machine {
    /// The one at work.
    fn this(project: &Project) -> Result<Self> {
        Ok(Self { target: project.host()?, folder: project.artifacts.join("dist") })
    }

    /// Another one. What rustc lacks to compile for it is installed.
    fn other(project: &Project, target: &str) -> Result<Self> {
        project.ensure_library_for(target)?;
        Ok(Self { target: target.into(), folder: project.artifacts.join("dist").join(target) })
    }

    fn is_linux(&self) -> bool {
        self.target.contains("-linux-")
    }

    /// How an ELF file names the processor, where this program knows that.
    fn processor(&self) -> Option<usize> {
        let processor = self.target.split('-').next().unwrap_or_default();
        PROCESSORS.iter().find(|(name, _)| *name == processor).map(|(_, number)| *number)
    }

    /// The file of a program in a folder.
    fn file(&self, folder: &Path, name: &str) -> PathBuf {
        folder.join(name).with_extension(if self.target.contains("-windows-") { "exe" } else { "" })
    }
}

pub fn run(project: &Project, arguments: &Arguments) -> Result<()> {
    let json = arguments.json;
    if let Some(target) = &arguments.target {
        return programs(project, &Machine::other(project, target)?, &PROGRAMS[..1], json);
    }
    if arguments.npm {
        return npm(project, json);
    }
    if arguments.c {
        return c_library::run(project, json);
    }
    if arguments.python {
        return say(&python::wheel(project)?, json, "for Python 3.9 and later");
    }
    let machine = Machine::this(project)?;
    programs(project, &machine, &PROGRAMS, json)?;
    if arguments.all {
        npm(project, json)?;
        c_library::run(project, json)?;
        say(&python::wheel(project)?, json, "for Python 3.9 and later")?;
        for (package, name) in LICENSED {
            eprintln!("collecting the licences of {package}");
            let target = if package == "web" { web::TARGET } else { &machine.target };
            let file = machine.folder.join(format!("LICENCES-{name}.txt"));
            licences::write(project, package, target, &file)?;
            say(&file, json, "the licences of what is linked")?;
        }
        say(&checksums::write(&machine.folder)?, json, "sha256sum --check reads it")?;
    }
    Ok(())
}

/// Builds programs and puts them in their places.
fn programs(project: &Project, machine: &Machine, programs: &[(&str, &str)], json: bool) -> Result<()> {
    for (package, name) in programs {
        say(&make(project, machine, package, name)?, json, "needs no other file")?;
    }
    Ok(())
}

/// Says what was made.
fn say(file: &Path, json: bool, remark: &str) -> Result<()> {
    let bytes = fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?.len();
    if json {
        println!("{}", serde_json::json!({ "file": file, "bytes": bytes }));
    } else {
        eprintln!("{}: {:.2} MB; {remark}", file.display(), bytes as f64 / 1e6);
    }
    Ok(())
}

/// Makes the npm package.
fn npm(project: &Project, json: bool) -> Result<()> {
    let folder = web::npm(project)?;
    let bytes = fs::metadata(folder.join("node/scrimshaw_web_bg.wasm"))?.len();
    if json {
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
    make(project, &Machine::this(project)?, package, name)
}

/// Builds a program and puts it in its place, which is returned.
fn make(project: &Project, machine: &Machine, package: &str, name: &str) -> Result<PathBuf> {
    let built = build(project, machine, package, name)?;
    let folder = &machine.folder;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let program = machine.file(folder, name);
    replace(&program, |beside| fs::copy(&built, beside))?;
    Ok(program)
}

/// Builds a package in the profile `dist` for a machine; on Linux the C library is linked in. Each package by itself:
/// in company, cargo would give the sampler features of its libraries that only the other needs.
fn build(project: &Project, machine: &Machine, package: &str, name: &str) -> Result<PathBuf> {
    let target = &machine.target;
    let mut cargo = project.cargo()?;
    cargo.args(["rustc", "--profile", "dist", "--package", package, "--bin", name, "--target", target]);
    if name == "carve" {
        cargo.env("SCRIMSHAW_WEB", web::build(project, Kind::NoModules)?);
    }
    let mut flags = project.flags()?;
    if machine.is_linux() {
        flags = format!("{flags} -C target-feature=+crt-static {SMALLER}");
    }
    cargo.env("RUSTFLAGS", flags);
    if let Some((_, linker)) = LINKERS.iter().find(|(other, _)| other == target) {
        let variable = format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_"));
        if env::var_os(&variable).is_none() && *target != project.host()? {
            cargo.env(variable, linker);
        }
        let specs = project.target().join(target).join("static-pie.specs");
        fs::create_dir_all(specs.parent().context("no folder")?)
            .and_then(|()| fs::write(&specs, STATIC_PIE))
            .with_context(|| format!("cannot write {}", specs.display()))?;
        cargo.args(["--", "-C", "link-arg=-Wl,-pie,--no-dynamic-linker,-z,text", "-C"]);
        cargo.arg(format!("link-arg=-specs={}", specs.display()));
    }
    run_program(&mut cargo)?;
    let program = machine.file(&project.target().join(target).join("dist"), name);
    if machine.is_linux() {
        let elf = fs::read(&program).with_context(|| format!("cannot read {}", program.display()))?;
        let Header { processor, interpreter, relocatable } = Header::read(&elf)?;
        if machine.processor().is_some_and(|expected| expected != processor) {
            bail!("{} is for another processor than {target}", program.display());
        }
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
    /// The processor's number (`e_machine`).
    processor: usize,
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
        // Type, processor, and offset, size and count of the program headers, at fixed places of the file header.
        let (kind, processor) = (number(16, 2)?, number(18, 2)?);
        let (offset, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        let mut interpreter = false;
        for header in 0..count {
            interpreter |= number(offset + header * size, 4)? == PT_INTERP;
        }
        Ok(Self { processor, interpreter, relocatable: kind == ET_DYN })
    }
}

#[cfg(all(test, target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
mod tests {
    use super::{Header, PROCESSORS};

    #[test]
    fn programs_say_how_they_are_loaded() {
        // This test itself is an ordinary program: loaded anywhere, by the dynamic loader.
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let own_processor = PROCESSORS.iter().find(|(name, _)| *name == std::env::consts::ARCH);
        let Some(&(_, processor)) = own_processor else { return };
        assert_eq!(Header::read(&own).unwrap(), Header { processor, interpreter: true, relocatable: true });
        let mut fixed = own.clone();
        fixed[16] = 2; // ET_EXEC
        assert_eq!(Header::read(&fixed).unwrap(), Header { processor, interpreter: true, relocatable: false });
        assert!(Header::read(&own[..60]).is_err());
        assert!(Header::read(b"#!/bin/sh").is_err());
    }
}
