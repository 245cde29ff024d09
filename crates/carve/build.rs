//! Embeds the browser engine for `carve page`, if `SCRIMSHAW_WEB` names the folder that it was built into.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// What `wasm-bindgen --target no-modules` makes of the crate `web`.
const FILES: [&str; 2] = ["scrimshaw_web.js", "scrimshaw_web_bg.wasm"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SCRIMSHAW_WEB");
    let folder = env::var_os("SCRIMSHAW_WEB").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let engine = folder.map_or_else(|| "None".into(), |folder| embed(&folder));
    let output = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(output.join("engine.rs"), engine).expect("the build's own folder is writable");
}

/// An expression with both files in it.
fn embed(folder: &Path) -> String {
    let [script, wasm] = FILES.map(|name| {
        let path = folder.join(name);
        println!("cargo::rerun-if-changed={}", path.display());
        let path = path.canonicalize().unwrap_or_else(|error| {
            panic!("SCRIMSHAW_WEB names a folder without {name} ({error}): build it with cargo xtask page, or unset it")
        });
        format!("{:?}", path.display().to_string())
    });
    format!("Some((include_str!({script}), include_bytes!({wasm})))")
}
