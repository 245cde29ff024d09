//! `cargo xtask check`: format, lints, documentation, and who may know whom.

use anyhow::{Context, Result, bail};

use crate::project::{Project, output, run as run_program};

/// A package, and what must not be among the packages that it is built from.
struct Rule {
    package: &'static str,
    never: &'static [&'static str],
    /// A package that it is surely built from: proof that the tree was read.
    surely: &'static str,
}

const FIREWALL: &[Rule] = &[
    Rule {
        package: "sampler",
        never: &["candle-core", "candle-nn", "candle-onnx", "prost-build", "bincode", "corpus", "lstm", "trainer"],
        surely: "ort",
    },
    Rule { package: "lstm", never: &["clap", "corpus"], surely: "candle-core" },
    Rule { package: "corpus", never: &["candle-core", "candle-nn", "ort"], surely: "memmap2" },
    Rule { package: "model-card", never: &["candle-core", "ort", "memmap2", "clap"], surely: "serde" },
    Rule { package: "decoding", never: &["candle-core", "ort", "corpus", "clap"], surely: "rand_chacha" },
    Rule { package: "ort-rten", never: &["candle-core", "model-card", "clap"], surely: "rten" },
    Rule {
        package: "xtask",
        never: &["model-card", "decoding", "corpus", "lstm", "trainer", "onnx-export", "ort-rten", "sampler"],
        surely: "clap",
    },
];

pub fn run(project: &Project) -> Result<()> {
    run_program(project.cargo()?.args(["fmt", "--all", "--check"]))?;
    let warnings = ["--", "-D", "warnings"];
    run_program(project.cargo()?.args(["clippy", "--workspace", "--all-targets"]).args(warnings))?;
    run_program(project.cargo()?.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    for rule in FIREWALL {
        enforce(project, rule)?;
    }
    eprintln!("format, lints, documentation and dependencies are as they should be");
    Ok(())
}

fn enforce(project: &Project, rule: &Rule) -> Result<()> {
    let arguments = ["tree", "--edges", "normal,build", "--prefix", "none", "--package", rule.package];
    let tree = output(project.cargo()?.args(arguments))?;
    let packages: Vec<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let first = packages.first().with_context(|| format!("cargo tree knows no package {}", rule.package))?;
    if *first != rule.package || !packages.contains(&rule.surely) {
        bail!("cargo tree of {} does not show {}: the rule checks nothing", rule.package, rule.surely);
    }
    match rule.never.iter().find(|never| packages.contains(never)) {
        Some(never) => bail!("{} must not depend on {never}; see ARCHITECTURE.md", rule.package),
        None => Ok(()),
    }
}
