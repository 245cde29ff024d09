//! The sources of the crates that this program's Cargo.lock pins: every machine that has built it has them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::failure::Failure;

const LOCK: &str = include_str!("../../../../Cargo.lock");

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    /// Where it comes from; none for the workspace's own.
    source: Option<String>,
}

/// The folders of the sources of crates of these names, ordered by name and version.
pub fn folders(names: &[String]) -> Result<Vec<PathBuf>> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")));
    let registry = home.context("neither CARGO_HOME nor a home folder is set")?.join("registry/src");
    pinned(LOCK, names)?.iter().map(|package| unpacked(&registry, package)).collect()
}

/// `NAME-VERSION` of each crate that the lock file takes from a registry.
fn pinned(lock: &str, names: &[String]) -> Result<Vec<String>> {
    let mut packages = toml::from_str::<Lock>(lock).context("Cargo.lock is damaged")?.package;
    packages.retain(|package| {
        let source = package.source.as_deref().unwrap_or_default();
        names.contains(&package.name) && (source.starts_with("registry+") || source.starts_with("sparse+"))
    });
    packages.sort_by(|one, other| (&one.name, &one.version).cmp(&(&other.name, &other.version)));
    if let Some(missing) = names.iter().find(|&name| packages.iter().all(|package| package.name != *name)) {
        return Err(Failure::Input(format!("Cargo.lock pins no crate {missing} from a registry")).into());
    }
    Ok(packages.iter().map(|Package { name, version, .. }| format!("{name}-{version}")).collect())
}

/// Cargo keeps the sources of each registry in a folder of its own.
fn unpacked(registry: &Path, package: &str) -> Result<PathBuf> {
    let registries = fs::read_dir(registry).into_iter().flatten().flatten();
    let found = registries.map(|entry| entry.path().join(package)).find(|folder| folder.is_dir());
    found.ok_or_else(|| {
        Failure::Input(format!(
            "the sources of {package} are not in {}: this dataset needs cargo; run cargo fetch --locked in a checkout \
             of the project",
            registry.display()
        ))
        .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pinned_crates_come_in_a_fixed_order() {
        let package = |name: &str, version: &str, source: &str| {
            format!("[[package]]\nname = {name:?}\nversion = {version:?}\n{source}\n")
        };
        let registry = "source = \"registry+https://an.index\"";
        let lock = [
            package("rope", "2.0.0", registry),
            package("anchor", "0.3.1", registry),
            package("rope", "1.4.0", registry),
            package("rope", "3.0.0", "source = \"git+https://a.repository\""),
            package("keel", "0.1.0", ""),
            package("mast", "1.0.0", registry),
        ]
        .concat();
        let found = pinned(&lock, &["rope".into(), "anchor".into()]).unwrap();
        assert_eq!(found, ["anchor-0.3.1", "rope-1.4.0", "rope-2.0.0"], "by name, then version, from a registry only");
        for name in ["keel", "rudder"] {
            let message = pinned(&lock, &[name.into(), "mast".into()]).unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
    }

    #[test]
    fn missing_sources_ask_for_cargo() {
        let folder = tempfile::tempdir().unwrap();
        let message = unpacked(folder.path(), "rope-1.0.0").unwrap_err().to_string();
        assert!(message.contains("rope-1.0.0") && message.contains("cargo fetch --locked"), "{message}");
        fs::create_dir_all(folder.path().join("an.index-0123/rope-1.0.0")).unwrap();
        assert!(unpacked(folder.path(), "rope-1.0.0").unwrap().ends_with("rope-1.0.0"));
    }
}
