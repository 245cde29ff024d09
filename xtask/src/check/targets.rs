//! The tests of the arithmetic on other processors, where a cross toolchain is installed.

use std::process::Command;

use anyhow::Result;

use crate::project::{Project, answer, run as run_program};
use crate::skips::Skips;

/// A target that this machine can run, given a compiler and an emulator.
struct Target {
    triple: &'static str,
    /// Links C, if the target needs it.
    linker: Option<&'static str>,
    /// Runs programs of the target, with its words.
    runner: &'static [&'static str],
    /// What the runner needs in its environment.
    environment: &'static [(&'static str, &'static str)],
    /// What is tested there.
    packages: &'static [&'static str],
}

const TARGETS: &[Target] = &[
    Target {
        triple: "aarch64-unknown-linux-gnu",
        linker: Some("aarch64-linux-gnu-gcc"),
        runner: &["qemu-aarch64-static"],
        environment: &[("QEMU_LD_PREFIX", "/usr/aarch64-linux-gnu")],
        packages: &["kernels", "lstm-engine"],
    },
    Target {
        triple: "wasm32-wasip1",
        linker: None,
        runner: &["wasmtime", "run", "--dir=."],
        environment: &[],
        packages: &["decoding", "kernels"],
    },
];

/// Tests on each target, or says what it lacks.
pub fn test(project: &Project, skips: &mut Skips) -> Result<()> {
    for target in TARGETS {
        match missing(project, target) {
            Some(missing) => skips.say(&format!("tests on {}", target.triple), &format!("there is no {missing}")),
            None => run_program(&mut tests(project, target)?)?,
        }
    }
    Ok(())
}

/// What the target needs and this machine has not.
fn missing(project: &Project, target: &Target) -> Option<String> {
    let programs = target.linker.iter().chain(&target.runner[..1]);
    let lacking = programs.copied().find(|program| answer(Command::new(program).arg("--version")).is_none());
    if let Some(program) = lacking {
        return Some(program.into());
    }
    (!project.has_library_for(target.triple))
        .then(|| format!("standard library for it (rustup target add {})", target.triple))
}

fn tests(project: &Project, target: &Target) -> Result<Command> {
    let mut cargo = project.cargo()?;
    cargo.args(["test", "--locked", "--target", target.triple]);
    cargo.args(target.packages.iter().flat_map(|package| ["--package", package]));
    let variable = |what| format!("CARGO_TARGET_{}_{what}", target.triple.to_uppercase().replace('-', "_"));
    cargo.env(variable("RUNNER"), target.runner.join(" "));
    if let Some(linker) = target.linker {
        cargo.env(variable("LINKER"), linker);
    }
    cargo.envs(target.environment.iter().copied());
    Ok(cargo)
}
