//! What `cargo metadata` says of the workspace's packages.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::project::{Project, output};

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// A package of the workspace.
#[derive(Deserialize)]
pub struct Package {
    pub name: String,
    /// The oldest compiler that it supports.
    pub rust_version: Option<String>,
    /// Its features, and what each enables.
    pub features: BTreeMap<String, Vec<String>>,
}

/// All packages of the workspace.
pub fn packages(project: &Project) -> Result<Vec<Package>> {
    let words = ["metadata", "--locked", "--no-deps", "--format-version", "1"];
    let metadata = output(project.cargo()?.args(words))?;
    let Metadata { packages } = serde_json::from_str(&metadata).context("cargo metadata cannot be understood")?;
    Ok(packages)
}
