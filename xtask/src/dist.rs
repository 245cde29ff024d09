//! `cargo xtask dist`: both programs, each as one file that needs nothing beside it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::project::{Project, run as run_program};
use crate::python;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  cargo xtask dist && cp artifacts/dist/scrimshaw artifacts/sea-story/model.onnx /mnt/stick/\n  \
                  cargo xtask dist --target aarch64-unknown-linux-gnu\n  cargo xtask dist --python"
)]
pub struct Arguments {
    /// Build scrimshaw alone, for another machine: artifacts/dist/TARGET/scrimshaw. rustup adds Rust's library for the target
    /// unless RUSTC is set; the target's C compiler links.
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Build the wheel of the Python package alone: artifacts/dist/scrimshaw-VERSION-PLATFORM.whl. maturin, which builds it, is
    /// installed into target/tools.
    #[arg(long, conflicts_with = "target")]
    python: bool,
    /// Print one JSON object per program on stdout: file, bytes.
    #[arg(long)]
    json: bool,
}

/// Packages and their programs.
const PROGRAMS: [(&str, &str); 2] = [("sampler", "scrimshaw"), ("carve", "carve")];

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
        if !project.has_library_for(target) {
            if env::var_os("RUSTC").is_some() {
                bail!("the compiler that RUSTC names has no standard library for {target}");
            }
            run_program(Command::new("rustup").args(["target", "add", target]).current_dir(&project.root))
                .with_context(|| format!("cannot add the standard library for {target}"))?;
        }
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
    if arguments.python {
        return tell(&python::wheel(project)?, "for Python 3.9 and later", arguments.json);
    }
    let (machine, programs) = match &arguments.target {
        Some(target) => (Machine::other(project, target)?, &PROGRAMS[..1]),
        None => (Machine::this(project)?, &PROGRAMS[..]),
    };
    for (package, name) in programs {
        let program = make(project, &machine, package, name)?;
        tell(&program, "needs no other file", arguments.json)?;
    }
    Ok(())
}

/// Says what was made.
fn tell(file: &Path, remark: &str, json: bool) -> Result<()> {
    let bytes = fs::metadata(file)?.len();
    if json {
        println!("{}", serde_json::json!({ "file": file, "bytes": bytes }));
    } else {
        eprintln!("{}: {:.2} MB, {remark}", file.display(), bytes as f64 / 1e6);
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
    let beside = folder.join(format!(".{name}.new"));
    fs::copy(&built, &beside).with_context(|| format!("cannot write {}", beside.display()))?;
    fs::rename(&beside, &program).with_context(|| format!("cannot write {}", program.display()))?;
    Ok(program)
}

/// Builds a package in the profile `dist` for a machine; on Linux the C library is linked in. Each package by itself:
/// in company, cargo would give the sampler features of its libraries that only the other needs.
fn build(project: &Project, machine: &Machine, package: &str, name: &str) -> Result<PathBuf> {
    let target = &machine.target;
    let mut cargo = project.cargo()?;
    cargo.args(["rustc", "--profile", "dist", "--package", package, "--bin", name, "--target", target]);
    if machine.is_linux() {
        let flags = env::var("RUSTFLAGS").unwrap_or_default();
        cargo.env("RUSTFLAGS", format!("{flags} -C target-feature=+crt-static {SMALLER}"));
    }
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
