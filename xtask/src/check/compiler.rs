//! The oldest compiler that the workspace supports: `rust-version` in Cargo.toml.

use std::env;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::workspace::{Package, packages};
use crate::project::{Project, answer, output, run as run_program};
use crate::protoc;
use crate::skips::Skips;

/// Builds with the compiler that `rust-version` names, unless every other check does.
pub fn check(project: &Project, skips: &mut Skips) -> Result<()> {
    let packages = packages(project)?;
    let oldest = common(&packages)?;
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = output(Command::new(rustc).arg("--version").current_dir(&project.root))?;
    if is_of(&version, oldest) {
        eprintln!("rust-version is {oldest}, and so is the compiler: every check and test is made with the oldest");
        return Ok(());
    }
    if answer(Command::new("rustup").args(["run", oldest, "rustc", "--version"])).is_none() {
        let reason = format!("rustup has no toolchain {oldest}, and the compiler here is {}", version.trim());
        skips.say("oldest compiler", &reason);
        return Ok(());
    }
    let mut cargo = Command::new("rustup");
    protoc::supply(&mut cargo)?;
    cargo.args(["run", oldest, "cargo", "check", "--locked", "--workspace", "--all-targets", "--target-dir"]);
    cargo.arg(project.target().join("oldest-compiler")).current_dir(&project.root);
    // Set by the cargo that runs this program, for the compiler of its own version.
    cargo.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO").env_remove("RUSTC");
    run_program(&mut cargo)
}

/// The `rust-version` of all packages.
fn common(packages: &[Package]) -> Result<&str> {
    let first = packages.first().and_then(|package| package.rust_version.as_deref());
    let oldest = first.context("cargo metadata names no rust-version")?;
    match packages.iter().find(|package| package.rust_version.as_deref() != Some(oldest)) {
        Some(package) => {
            bail!("{} has another rust-version than {oldest}; inherit it from the workspace", package.name)
        }
        None => Ok(oldest),
    }
}

/// Whether `rustc --version` is of a version such as 1.95, whatever its patch release.
fn is_of(version: &str, wanted: &str) -> bool {
    let number = version.split_whitespace().nth(1).unwrap_or_default();
    let mut parts = wanted.split('.').zip(number.split(['.', '-']));
    parts.all(|(wanted, found)| wanted == found)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_version_is_compared_as_far_as_it_is_wanted() {
        let cases = [
            ("rustc 1.95.0 (59807616e 2026-04-14)", "1.95", true),
            ("rustc 1.95.1", "1.95", true),
            ("rustc 1.95.1", "1.95.0", false),
            ("rustc 1.96.0-nightly (0123456789 2026-04-14)", "1.95", false),
            ("rustc 1.9.0", "1.95", false),
            ("", "1.95", false),
        ];
        for (version, wanted, expected) in cases {
            assert_eq!(is_of(version, wanted), expected, "{version:?} {wanted}");
        }
    }

    #[test]
    fn packages_have_one_rust_version() {
        let package = |name: &str, version: Option<&str>| Package {
            name: name.into(),
            rust_version: version.map(Into::into),
            features: BTreeMap::new(),
        };
        assert_eq!(common(&[package("a", Some("1.95")), package("b", Some("1.95"))]).unwrap(), "1.95");
        for other in [Some("1.90"), None] {
            let packages = [package("a", Some("1.95")), package("b", other)];
            assert!(common(&packages).unwrap_err().to_string().starts_with("b has another"), "{other:?}");
        }
        assert!(common(&[]).is_err());
    }
}
