//! The sources of the crates that Cargo.lock pins: code that every machine has that has built the project.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::datasets::Unavailable;
use crate::project::Project;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    /// Where it came from; none for the workspace's own.
    source: Option<String>,
    manifest_path: PathBuf,
}

/// The folders of the registry's packages of these names, ordered by name and version.
pub fn folders(project: &Project, names: &[String]) -> Result<Vec<PathBuf>> {
    let mut cargo = project.cargo()?;
    // For this machine alone: the packages of other systems are not here, and none of those named is one.
    cargo.args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &project.host()?]);
    let output = cargo.output().context("cannot start cargo")?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        let reason = message.lines().find_map(|line| line.strip_prefix("error: ")).unwrap_or(message.trim());
        return Err(Unavailable(format!(
            "the sources of the pinned crates are not all on this machine ({reason}): cargo fetch --locked brings them"
        ))
        .into());
    }
    let metadata = serde_json::from_slice(&output.stdout).context("cargo metadata printed something else")?;
    ordered(metadata, names)
}

fn ordered(metadata: Metadata, names: &[String]) -> Result<Vec<PathBuf>> {
    let from_registry = |package: &Package| {
        package.source.as_deref().is_some_and(|source| source.starts_with("registry+") || source.starts_with("sparse+"))
    };
    let mut packages: Vec<Package> = metadata.packages;
    packages.retain(|package| names.contains(&package.name) && from_registry(package));
    packages.sort_by(|one, other| (&one.name, &one.version).cmp(&(&other.name, &other.version)));
    if let Some(missing) = names.iter().find(|&name| packages.iter().all(|package| package.name != *name)) {
        bail!("Cargo.lock pins no package {missing} from a registry: take it out of the dataset's declaration");
    }
    let folder = |package: Package| package.manifest_path.parent().map(Path::to_path_buf).context("no folder");
    packages.into_iter().map(folder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> Metadata {
        let package = |name: &str, version: &str, source: Option<&str>| Package {
            name: name.into(),
            version: version.into(),
            source: source.map(Into::into),
            manifest_path: format!("/{name}-{version}/Cargo.toml").into(),
        };
        let registry = Some("registry+https://an.index");
        let packages = vec![
            package("rope", "2.0.0", registry),
            package("anchor", "0.3.1", registry),
            package("rope", "1.4.0", registry),
            package("rope", "3.0.0", Some("git+https://a.repository")),
            package("keel", "0.1.0", None),
            package("mast", "1.0.0", registry),
        ];
        Metadata { packages }
    }

    #[test]
    fn pinned_packages_come_in_a_fixed_order() {
        let folders = ordered(metadata(), &["rope".into(), "anchor".into()]).unwrap();
        let expected = ["/anchor-0.3.1", "/rope-1.4.0", "/rope-2.0.0"].map(PathBuf::from);
        assert_eq!(folders, expected, "by name, then version, and only from a registry");
    }

    #[test]
    fn packages_that_are_not_pinned_are_named() {
        for name in ["keel", "rudder"] {
            let message = ordered(metadata(), &[name.into(), "mast".into()]).unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
    }
}
