//! Where things are, and how the workspace's binaries are built and run.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::protoc;

/// Names the folder that holds the binaries already built; the tests set it, so that they test those.
const BINARIES: &str = "SCRIMSHAW_BINARIES";

/// The packages that every command from training on builds, even if it needs one of them: cargo gives a package other
/// features in other company, and would compile candle once for each.
pub const WHOLE: &[&str] = &["corpus", "trainer", "onnx-export", "sampler"];

/// A program ended with a code other than zero, having said why itself.
#[derive(Debug)]
pub struct Failed {
    /// The code to pass on.
    pub code: u8,
}

impl fmt::Display for Failed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a program failed with exit code {}", self.code)
    }
}

impl std::error::Error for Failed {}

/// The workspace on this machine.
pub struct Project {
    /// The workspace's root.
    pub root: PathBuf,
    /// Where results go.
    pub artifacts: PathBuf,
}

impl Project {
    pub fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent folder")?;
        let artifacts = env::var_os("SCRIMSHAW_ARTIFACTS").map_or_else(|| root.join("artifacts"), PathBuf::from);
        // Ctrl-C reaches every process of the terminal: the one at work ends cleanly, and this one waits for it.
        ctrlc::set_handler(|| {}).context("cannot listen for Ctrl-C")?;
        Ok(Self { root: root.into(), artifacts })
    }

    /// The folder of one prepared text: its shards, runs and model.
    pub fn dataset(&self, name: &str) -> PathBuf {
        self.artifacts.join(name)
    }

    pub fn shards(&self, name: &str) -> PathBuf {
        self.dataset(name).join("shards")
    }

    /// `cargo` in the workspace's root, with what a build may need.
    pub fn cargo(&self) -> Result<Command> {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root);
        protoc::supply(&mut cargo)?;
        Ok(cargo)
    }

    /// Builds packages in the release profile, together, and returns where their binaries are.
    ///
    /// cargo's own progress goes to stderr: a first build takes minutes, a later one nothing.
    pub fn build(&self, packages: &[&str], features: &[&str]) -> Result<Binaries> {
        if let Some(folder) = env::var_os(BINARIES) {
            return Ok(Binaries { folder: folder.into() });
        }
        let mut cargo = self.cargo()?;
        cargo.args(["build", "--release", "--bins"]);
        for package in packages {
            cargo.args(["--package", package]);
        }
        if !features.is_empty() {
            cargo.args(["--features", &features.join(",")]);
        }
        run(&mut cargo)?;
        Ok(Binaries { folder: self.target().join("release") })
    }

    /// Builds an example of a package in the release profile and returns its program.
    pub fn example(&self, package: &str, name: &str, features: &[&str]) -> Result<PathBuf> {
        let binaries = if let Some(folder) = env::var_os(BINARIES) {
            PathBuf::from(folder)
        } else {
            let mut cargo = self.cargo()?;
            cargo.args(["build", "--release", "--package", package, "--example", name]);
            if !features.is_empty() {
                cargo.args(["--features", &features.join(",")]);
            }
            run(&mut cargo)?;
            self.target().join("release")
        };
        Ok(binaries.join("examples").join(name).with_extension(env::consts::EXE_EXTENSION))
    }

    /// The target triple that rustc builds for when it is not told.
    pub fn host(&self) -> Result<String> {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let version = output(Command::new(rustc).arg("-vV").current_dir(&self.root))?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        Ok(host.context("rustc names no host")?.into())
    }

    /// cargo's folder of build results.
    pub fn target(&self) -> PathBuf {
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from)
    }
}

/// A folder of built binaries.
pub struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    pub fn command(&self, name: &str) -> Command {
        Command::new(self.folder.join(name).with_extension(env::consts::EXE_EXTENSION))
    }
}

/// Runs a program to its end; one that fails has said why, so its code is passed on as [`Failed`].
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    if status.success() { Ok(()) } else { Err(Failed { code: code(status) }.into()) }
}

/// The same, and returns what the program printed on stdout.
pub fn output(command: &mut Command) -> Result<String> {
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start {}", shown(command)))?;
    if !output.status.success() {
        return Err(Failed { code: code(output.status) }.into());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} printed no UTF-8", shown(command)))
}

/// Fails if `name` would lead out of the folder that it names a part of.
pub fn check_name(name: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
        bail!("{name:?} cannot be the name of a folder here: use letters, digits, '-', '_' and '.'");
    }
    Ok(())
}

fn code(status: std::process::ExitStatus) -> u8 {
    // No code: a signal ended it, for which 1 says as much as any other.
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::check_name;

    #[test]
    fn names_stay_in_their_folder() {
        for name in ["sea-story", "a", "run_2.1"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "..", "a/b", ".hidden", "a b", "caf\u{e9}"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
