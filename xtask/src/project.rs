//! The workspace on this machine: its folders, and how its programs are built and run.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

use crate::protoc;

/// Names a folder of programs that are already built; the tests set it, so that they test those.
const BINARIES: &str = "SCRIMSHAW_BINARIES";

/// A program failed and has said why itself.
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
        Ok(Self { root: root.into(), artifacts })
    }

    /// `cargo` in the workspace's root, with the environment that a build needs.
    pub fn cargo(&self) -> Result<Command> {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root);
        protoc::supply(&mut cargo)?;
        Ok(cargo)
    }

    /// Builds a package's program of the same name in the release profile.
    ///
    /// Cargo shows its progress on stderr: a first build takes minutes.
    pub fn build(&self, package: &str, features: &[&str]) -> Result<Command> {
        let folder = if let Some(folder) = env::var_os(BINARIES) {
            PathBuf::from(folder)
        } else {
            let mut cargo = self.cargo()?;
            cargo.args(["build", "--profile", "quick", "--bins", "--package", package]);
            if !features.is_empty() {
                cargo.args(["--features", &features.join(",")]);
            }
            run(&mut cargo)?;
            self.target().join("quick")
        };
        Ok(Command::new(folder.join(package).with_extension(env::consts::EXE_EXTENSION)))
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

    /// The target triple that rustc builds for by default.
    pub fn host(&self) -> Result<String> {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let version = output(Command::new(rustc).arg("-vV").current_dir(&self.root))?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        Ok(host.context("rustc names no host")?.into())
    }

    /// Whether rustc can compile for a target: whether it has the standard library for it.
    pub fn has_library_for(&self, target: &str) -> bool {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let mut folder = Command::new(rustc);
        folder.args(["--print", "target-libdir", "--target", target]).current_dir(&self.root);
        answer(&mut folder).is_some_and(|folder| Path::new(folder.trim()).is_dir())
    }

    /// Sees to it that rustc has the standard library for a target: rustup adds it, unless RUSTC names a compiler.
    pub fn ensure_library_for(&self, target: &str) -> Result<()> {
        if self.has_library_for(target) {
            return Ok(());
        }
        let advice = format!("install it with `rustup target add {target}`, or name a compiler that has it in RUSTC");
        if env::var_os("RUSTC").is_some() {
            bail!("the compiler that RUSTC names has no standard library for {target}; {advice}");
        }
        eprintln!("adding the target {target} to the compiler");
        let added = Command::new("rustup").args(["target", "add", target]).current_dir(&self.root).status();
        if !added.is_ok_and(|status| status.success()) {
            bail!("the compiler has no standard library for {target}, and rustup cannot add it; {advice}");
        }
        Ok(())
    }

    /// The user's flags for rustc, and those that keep the folders of this machine out of what is handed out: the same sources
    /// give the same bytes wherever they lie.
    pub fn flags(&self) -> Result<String> {
        let flags = env::var("RUSTFLAGS").unwrap_or_default();
        let home = env::var_os("CARGO_HOME").map(PathBuf::from);
        let home =
            home.or_else(|| env::home_dir().map(|home| home.join(".cargo"))).context("there is no home folder")?;
        let (home, root) = (home.display(), self.root.display());
        Ok(format!("{flags} --remap-path-prefix={root}=/scrimshaw --remap-path-prefix={home}=/cargo"))
    }

    /// cargo's folder of build results.
    pub fn target(&self) -> PathBuf {
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from)
    }
}

/// Puts a file in place: `fill` makes it beside its place, and it is renamed when it is whole.
pub fn replace<T>(path: &Path, fill: impl FnOnce(&Path) -> io::Result<T>) -> Result<()> {
    let name = path.file_name().context("a file has no name")?;
    let beside = path.with_file_name(format!(".{}.new", name.to_string_lossy()));
    fill(&beside).with_context(|| format!("cannot write {}", beside.display()))?;
    fs::rename(&beside, path).with_context(|| format!("cannot write {}", path.display()))
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
    String::from_utf8(output.stdout).with_context(|| format!("{} printed something that is not UTF-8", shown(command)))
}

/// What a program prints on stdout if it succeeds. What it complains about stays unseen: the caller says what that means.
pub fn answer(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether this machine can compile for NVIDIA GPUs.
pub fn has_cuda_toolkit() -> bool {
    answer(Command::new("nvcc").arg("--version")).is_some()
}

/// What [`Failed`] passes on.
pub fn code(status: ExitStatus) -> u8 {
    // Without a code, a signal ended it.
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
