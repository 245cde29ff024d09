//! Lints, with every set of features that compiles here.

use std::collections::BTreeSet;

use anyhow::Result;

use super::workspace::{Package, packages};
use crate::project::{Project, has_cuda_toolkit, run as run_program};
use crate::skips::Skips;

/// The feature that takes NVIDIA's compiler to build.
const CUDA: &str = "cuda";

/// Runs clippy without features, with each one alone, and with all together.
///
/// Always over the whole workspace: over one package, cargo would choose other features of the dependencies and build
/// them anew.
pub fn lint(project: &Project, skips: &mut Skips) -> Result<()> {
    let with_cuda = has_cuda_toolkit();
    let features = features(&packages(project)?, with_cuda);
    if !with_cuda {
        skips.say("lints of the feature cuda", "there is no CUDA toolkit (nvcc)");
    }
    for set in sets(&features) {
        let mut cargo = project.cargo()?;
        cargo.args(["clippy", "--locked", "--workspace", "--all-targets"]);
        if !set.is_empty() {
            eprintln!("with {}", set.join(", "));
            cargo.args(["--features", &set.join(",")]);
        }
        run_program(cargo.args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}

/// Every feature as `package/feature`.
fn features(packages: &[Package], with_cuda: bool) -> Vec<String> {
    let all = packages.iter().flat_map(|package| package.features.keys().map(move |feature| (&package.name, feature)));
    let wanted = all.filter(|(_, feature)| *feature != "default" && (with_cuda || *feature != CUDA));
    wanted.map(|(package, feature)| format!("{package}/{feature}")).collect()
}

/// None, each alone, all together.
fn sets(features: &[String]) -> BTreeSet<Vec<&str>> {
    let all: Vec<&str> = features.iter().map(String::as_str).collect();
    let alone = all.iter().map(|&feature| vec![feature]);
    [Vec::new(), all.clone()].into_iter().chain(alone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_is_linted_alone_and_with_the_others() {
        let package = |name: &str, features: &[&str]| Package {
            name: name.into(),
            rust_version: None,
            features: features.iter().map(|&feature| (feature.into(), Vec::new())).collect(),
        };
        let packages = [package("a", &["default", "x", "cuda"]), package("b", &[]), package("c", &["y"])];
        let without = features(&packages, false);
        let expected = [vec![], vec!["a/x"], vec!["a/x", "c/y"], vec!["c/y"]];
        assert_eq!(sets(&without).into_iter().collect::<Vec<_>>(), expected);
        assert_eq!(features(&packages, true), ["a/cuda", "a/x", "c/y"]);
        assert_eq!(sets(&[]).len(), 1);
    }
}
