//! Who must not know whom, checked against what `cargo tree` prints.

use anyhow::{Context, Result, bail};

use crate::project::{Project, output};

/// A package, and what must not be among the packages that it is built from.
struct Rule {
    package: &'static str,
    never: &'static [&'static [&'static str]],
    /// A package that it is surely built from: proof that the tree was read.
    surely: &'static str,
}

/// Tensors and what is built on them. candle-onnx takes protoc (prost-build) to build.
const CANDLE: &[&str] = &["candle-core", "candle-nn", "candle-onnx", "prost-build"];
/// What reads or runs ONNX.
const ONNX: &[&str] = &[
    "ort",
    "ort-sys",
    "rten",
    "candle-onnx",
    "prost",
    "onnx-view",
    "ort-backend",
    "ort-rten",
    "lstm-engine",
    "onnx-export",
];
/// What talks to a terminal.
const TERMINAL: &[&str] = &["clap", "indicatif", "ctrlc"];
/// The packages of the workspace that train, export and drive both.
const TRAINING: &[&str] = &["corpus", "lstm", "trainer", "onnx-export", "carve"];
/// The packages of the workspace that sample.
const SAMPLING: &[&str] = &["onnx-view", "lstm-engine", "ort-backend", "ort-rten", "sampler", "web", "c-library"];
/// The packages of the workspace that all others may know.
const FOUNDATION: &[&str] = &["model-card", "decoding", "durable"];

/// Who must not know whom: a line for each row of the table in ARCHITECTURE.md.
const FIREWALL: &[Rule] = &[
    Rule {
        package: "model-card",
        never: &[CANDLE, ONNX, TERMINAL, TRAINING, SAMPLING, &["decoding", "durable", "memmap2", "bincode"]],
        surely: "serde",
    },
    Rule {
        package: "decoding",
        never: &[CANDLE, ONNX, TERMINAL, TRAINING, SAMPLING, &["model-card", "durable"]],
        surely: "rand_chacha",
    },
    Rule {
        package: "durable",
        never: &[CANDLE, ONNX, TERMINAL, TRAINING, SAMPLING, &["model-card", "decoding", "serde"]],
        surely: "tempfile",
    },
    Rule {
        package: "corpus",
        never: &[CANDLE, ONNX, TERMINAL, SAMPLING, &["decoding", "lstm", "trainer", "carve"]],
        surely: "memmap2",
    },
    Rule {
        package: "lstm",
        never: &[ONNX, TERMINAL, SAMPLING, &["corpus", "decoding", "trainer", "carve", "bincode"]],
        surely: "candle-core",
    },
    Rule { package: "trainer", never: &[ONNX, TERMINAL, SAMPLING, &["carve", "analysis"]], surely: "candle-core" },
    Rule { package: "analysis", never: &[ONNX, TERMINAL, SAMPLING, &["carve"]], surely: "trainer" },
    Rule { package: "page", never: &[CANDLE, ONNX, TERMINAL, TRAINING, SAMPLING, &["report"]], surely: "maud" },
    Rule { package: "report", never: &[ONNX, TERMINAL, SAMPLING, &["carve"]], surely: "maud" },
    Rule {
        package: "onnx-export",
        never: &[&["corpus", "trainer", "carve", "indicatif", "ctrlc", "bincode"]],
        surely: "candle-onnx",
    },
    Rule {
        package: "kernels",
        never: &[CANDLE, ONNX, TERMINAL, TRAINING, SAMPLING, FOUNDATION, &["serde"]],
        surely: "kernels",
    },
    Rule {
        package: "onnx-view",
        never: &[CANDLE, TERMINAL, TRAINING, FOUNDATION, &["ort", "kernels", "sampler"]],
        surely: "onnx-view",
    },
    Rule {
        package: "lstm-engine",
        never: &[CANDLE, TERMINAL, TRAINING, &["ort", "ort-backend", "rten", "sampler"]],
        surely: "kernels",
    },
    Rule {
        package: "ort-backend",
        never: &[CANDLE, TERMINAL, TRAINING, FOUNDATION, &["rten", "lstm-engine", "kernels", "sampler"]],
        surely: "ort-sys",
    },
    Rule { package: "ort-rten", never: &[CANDLE, TERMINAL, TRAINING, FOUNDATION, &["sampler"]], surely: "rten" },
    Rule {
        package: "sampler",
        never: &[CANDLE, TRAINING, &["indicatif", "ctrlc", "bincode", "prost", "rten"]],
        surely: "ort",
    },
    Rule {
        package: "web",
        never: &[CANDLE, TERMINAL, TRAINING, &["durable", "bincode", "prost", "rten"]],
        surely: "wasm-bindgen",
    },
    Rule {
        package: "c-library",
        never: &[CANDLE, TERMINAL, TRAINING, &["durable", "bincode", "prost", "rten"]],
        surely: "sampler",
    },
    Rule {
        package: "python",
        never: &[CANDLE, TERMINAL, TRAINING, &["durable", "bincode", "prost", "rten"]],
        surely: "pyo3",
    },
    Rule {
        package: "event-files",
        never: &[CANDLE, TERMINAL, TRAINING, SAMPLING, &["ort", "rten", "model-card", "decoding", "serde"]],
        surely: "prost",
    },
    Rule { package: "carve", never: &[&["xtask"]], surely: "trainer" },
    Rule { package: "xtask", never: &[CANDLE, ONNX, TRAINING, SAMPLING, FOUNDATION], surely: "clap" },
];

/// Checks every rule.
pub fn check(project: &Project) -> Result<()> {
    FIREWALL.iter().try_for_each(|rule| enforce(project, rule))
}

fn enforce(project: &Project, rule: &Rule) -> Result<()> {
    let arguments = ["tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--package", rule.package];
    breach(rule, &output(project.cargo()?.args(arguments))?)
}

/// Checks a rule against what `cargo tree` prints.
fn breach(rule: &Rule, tree: &str) -> Result<()> {
    let packages: Vec<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let first = packages.first().with_context(|| format!("cargo tree knows no package {}", rule.package))?;
    if *first != rule.package || !packages.contains(&rule.surely) {
        bail!("cargo tree of {} does not show {}: the rule checks nothing", rule.package, rule.surely);
    }
    match rule.never.iter().copied().flatten().find(|never| packages.contains(never)) {
        Some(never) => bail!("{} must not depend on {never}; see ARCHITECTURE.md", rule.package),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaches_and_empty_trees_are_noticed() {
        let rule = Rule { package: "sampler", never: &[CANDLE, &["corpus"]], surely: "ort" };
        let cases = [
            ("sampler v0.1.0\nort v2.0.0\nserde v1.0.0", None),
            ("sampler v0.1.0\nort v2.0.0\ncorpus v0.1.0", Some("must not depend on corpus")),
            ("sampler v0.1.0\nort v2.0.0\nprost-build v0.14.0", Some("must not depend on prost-build")),
            ("sampler v0.1.0\nserde v1.0.0", Some("checks nothing")),
            ("trainer v0.1.0\nort v2.0.0", Some("checks nothing")),
            ("", Some("knows no package")),
        ];
        for (tree, message) in cases {
            match (breach(&rule, tree), message) {
                (Ok(()), None) => {}
                (Err(error), Some(part)) => assert!(error.to_string().contains(part), "{error}"),
                (found, _) => panic!("{tree:?}: {found:?}"),
            }
        }
    }
}
