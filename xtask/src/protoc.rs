//! candle-onnx needs protoc to build. It comes from a crate, unless the user has one.

use std::env;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// Sets `PROTOC` for a build, unless it is set or `protoc` is on the path.
pub fn supply(cargo: &mut Command) -> Result<()> {
    if env::var_os("PROTOC").is_none() && !installed() {
        let path = protoc_bin_vendored::protoc_bin_path()
            .context("there is no protoc for this platform: install protobuf's compiler and set PROTOC to its path")?;
        cargo.env("PROTOC", path);
    }
    Ok(())
}

fn installed() -> bool {
    Command::new("protoc").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}
