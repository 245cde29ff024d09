//! The sampler for JavaScript: the package `web` in WebAssembly, and an npm package of it.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::check::tools::Tool;
use crate::project::{Project, answer, run as run_program};

/// What the package is compiled for.
const TARGET: &str = "wasm32-unknown-unknown";

/// Every browser and Node have had these instructions since 2021 to 2023. Written as cargo writes the variable.
const FLAGS: &str = "-C target-feature=+simd128";

/// How JavaScript loads the module: a target of wasm-bindgen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By a script without modules, which puts everything into one global object.
    NoModules,
    /// By Node's `require`.
    Node,
    /// By a bundler that loads `.wasm` files, such as webpack.
    Bundler,
    /// By a browser's `import`, and a call of the default export.
    Web,
}

impl Kind {
    /// wasm-bindgen's name of it.
    fn name(self) -> &'static str {
        match self {
            Self::NoModules => "no-modules",
            Self::Node => "nodejs",
            Self::Bundler => "bundler",
            Self::Web => "web",
        }
    }
}

/// Builds the package and returns the folder of `scrimshaw_web.js`, `scrimshaw_web_bg.wasm` and their types.
#[allow(dead_code, reason = "for what holds the module in a page")]
pub fn build(project: &Project, kind: Kind) -> Result<PathBuf> {
    bind(project, &compile(project)?, kind)
}

/// Compiles the package in the profile `dist`, and returns the module.
fn compile(project: &Project) -> Result<PathBuf> {
    ensure_target(project)?;
    let mut cargo = project.cargo()?;
    cargo.args(["build", "--profile", "dist", "--package", "web", "--lib", "--target", TARGET]);
    let flags = env::var("RUSTFLAGS").unwrap_or_default();
    cargo.env("RUSTFLAGS", format!("{flags} {FLAGS}"));
    // A page carries the module. Its arithmetic is in `kernels`, whose level Cargo.toml states.
    cargo.env("CARGO_PROFILE_DIST_OPT_LEVEL", "s");
    // wasm-bindgen reads which instructions the module needs, and removes the names itself.
    cargo.env("CARGO_PROFILE_DIST_STRIP", "debuginfo");
    run_program(&mut cargo)?;
    Ok(project.target().join(TARGET).join("dist/scrimshaw_web.wasm"))
}

/// Writes the JavaScript around a module.
fn bind(project: &Project, module: &Path, kind: Kind) -> Result<PathBuf> {
    let version = library_version(project)?;
    let tool = Tool { name: "wasm-bindgen", wheel: None, package: "wasm-bindgen-cli", version: &version };
    let program = tool.find(project).with_context(|| {
        format!("there is no wasm-bindgen {version}: cargo cannot install wasm-bindgen-cli, whose messages say why")
    })?;
    let folder = project.target().join("web").join(kind.name());
    let mut bindgen = Command::new(program);
    bindgen.args(["--remove-name-section", "--remove-producers-section", "--target", kind.name(), "--out-dir"]);
    run_program(bindgen.arg(&folder).arg(module))?;
    Ok(folder)
}

/// Sees to it that the compiler has the standard library for WebAssembly.
fn ensure_target(project: &Project) -> Result<()> {
    let named = env::var_os("RUSTC");
    let rustc = named.as_deref().unwrap_or(OsStr::new("rustc"));
    let mut folder = Command::new(rustc);
    folder.args(["--print", "target-libdir", "--target", TARGET]).current_dir(&project.root);
    if answer(&mut folder).is_some_and(|folder| Path::new(folder.trim()).is_dir()) {
        return Ok(());
    }
    let advice = format!("install it with `rustup target add {TARGET}`, or name a compiler that has it in RUSTC");
    if named.is_some() {
        bail!("the compiler that RUSTC names has no standard library for {TARGET}; {advice}");
    }
    eprintln!("adding the target {TARGET} to the compiler");
    let added = Command::new("rustup").args(["target", "add", TARGET]).current_dir(&project.root).status();
    if !added.is_ok_and(|status| status.success()) {
        bail!("the compiler has no standard library for {TARGET}, and rustup cannot add it; {advice}");
    }
    Ok(())
}

/// The version of the library `wasm-bindgen` in Cargo.lock: the program has to be the same.
fn library_version(project: &Project) -> Result<String> {
    let lock = project.root.join("Cargo.lock");
    let lock = fs::read_to_string(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    version_in(&lock, "wasm-bindgen").context("Cargo.lock has no wasm-bindgen")
}

/// The version of a package in the text of a Cargo.lock.
fn version_in(lock: &str, package: &str) -> Option<String> {
    let rest = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?.1;
    Some(rest.split_once('"')?.0.into())
}

/// Makes the npm package and returns its folder, `artifacts/dist/npm`.
pub fn npm(project: &Project) -> Result<PathBuf> {
    let module = compile(project)?;
    let dist = project.artifacts.join("dist");
    fs::create_dir_all(&dist).with_context(|| format!("cannot create {}", dist.display()))?;
    // Made beside its place, which it takes when it is whole.
    let (folder, beside) = (dist.join("npm"), dist.join(".npm.new"));
    remove(&beside)?;
    for (kind, name) in [(Kind::Node, "node"), (Kind::Bundler, "bundler"), (Kind::Web, "web")] {
        copy_folder(&bind(project, &module, kind)?, &beside.join(name))?;
    }
    let write = |name: &str, text: &str| {
        let path = beside.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    // Node reads a .js file as a script or a module as the nearest package.json says; ours are modules but for Node's own.
    write("node/package.json", "{ \"type\": \"commonjs\" }\n")?;
    write("package.json", &format!("{:#}\n", manifest()))?;
    for (from, name) in
        [("crates/web/README.md", "README.md"), ("LICENSE-MIT", "LICENSE-MIT"), ("LICENSE-APACHE", "LICENSE-APACHE")]
    {
        let from = project.root.join(from);
        write(name, &fs::read_to_string(&from).with_context(|| format!("cannot read {}", from.display()))?)?;
    }
    remove(&folder)?;
    fs::rename(&beside, &folder).with_context(|| format!("cannot write {}", folder.display()))?;
    Ok(folder)
}

/// package.json: Node, bundlers and browsers each find the files that they load.
fn manifest() -> serde_json::Value {
    let entry = |folder: &str| json!({ "types": format!("./{folder}/scrimshaw_web.d.ts"), "default": format!("./{folder}/scrimshaw_web.js") });
    json!({
        "name": "scrimshaw",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Writes text with a small model that Scrimshaw made, in WebAssembly",
        "license": "MIT OR Apache-2.0",
        "type": "module",
        "exports": {
            ".": { "node": entry("node"), "default": entry("bundler") },
            "./web": entry("web"),
            "./*": "./*",
        },
        "main": "./node/scrimshaw_web.js",
        "module": "./bundler/scrimshaw_web.js",
        "types": "./bundler/scrimshaw_web.d.ts",
        "sideEffects": ["./bundler/scrimshaw_web.js"],
        "engines": { "node": ">=18" },
    })
}

/// Removes a folder that an earlier call made, if there is one.
fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot replace {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Copies the files of a folder.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        fs::copy(entry.path(), &target).with_context(|| format!("cannot write {}", target.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_library() {
        let lock = "[[package]]\nname = \"wasm-bindgen-macro\"\nversion = \"1.0\"\n\n[[package]]\n\
                    name = \"wasm-bindgen\"\nversion = \"0.2.1\"\n";
        assert_eq!(version_in(lock, "wasm-bindgen").unwrap(), "0.2.1");
        assert_eq!(version_in(lock, "wasm"), None);
        assert!(library_version(&Project::find().unwrap()).unwrap().starts_with("0.2."));
    }

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        let names = [Kind::NoModules, Kind::Node, Kind::Bundler, Kind::Web].map(Kind::name);
        assert_eq!(names, ["no-modules", "nodejs", "bundler", "web"]);
    }
}
