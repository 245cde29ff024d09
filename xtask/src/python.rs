//! `cargo xtask dist --python`: the wheel of the Python package.

use std::{
    env, fs,
    path::{self, Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::project::{Project, run as run_program};

/// The version of maturin, which builds the wheel.
const MATURIN: &str = "1.16.0";
/// The Python that installs maturin, if it is not `python3`.
const PYTHON: &str = "SCRIMSHAW_PYTHON";

/// Builds the wheel and returns its place. There is one for all versions of Python.
pub fn wheel(project: &Project) -> Result<PathBuf> {
    let maturin = maturin(project)?;
    let folder = project.artifacts.join("dist");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // Beside the finished wheels, so that the new one is put in its place in one step.
    let place = tempfile::Builder::new().prefix(".wheel-").tempdir_in(&folder);
    let place = place.with_context(|| format!("cannot create a folder in {}", folder.display()))?;
    let mut command = Command::new(maturin);
    command.args(["build", "--locked", "--profile", "library", "--manifest-path", "crates/python/Cargo.toml", "--out"]);
    command.arg(path::absolute(place.path())?).current_dir(&project.root);
    command.env("RUSTFLAGS", project.flags()?);
    if env::var_os("SOURCE_DATE_EPOCH").is_none() {
        // The time in the archive: the same files are the same wheel.
        command.env("SOURCE_DATE_EPOCH", "315532800");
    }
    run_program(&mut command)?;
    let wheel = only_wheel(place.path())?;
    let finished = folder.join(wheel.file_name().context("the wheel has no name")?);
    fs::rename(&wheel, &finished).with_context(|| format!("cannot write {}", finished.display()))?;
    Ok(finished)
}

/// The wheel in a folder of one.
fn only_wheel(folder: &Path) -> Result<PathBuf> {
    let mut wheels = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        wheels.push(entry?.path());
    }
    match <[PathBuf; 1]>::try_from(wheels) {
        Ok([wheel]) => Ok(wheel),
        Err(wheels) => bail!("maturin made {} files, where one wheel was expected", wheels.len()),
    }
}

/// maturin, which is installed into a Python environment of its own if need be.
fn maturin(project: &Project) -> Result<PathBuf> {
    let folder = project.target().join("tools").join(format!("maturin-{MATURIN}"));
    let binaries = folder.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let program = |name: &str| binaries.join(name).with_extension(env::consts::EXE_EXTENSION);
    if !program("maturin").is_file() {
        let default = if cfg!(windows) { "python" } else { "python3" };
        let python = env::var_os(PYTHON).unwrap_or_else(|| default.into());
        run_program(Command::new(&python).args(["-m", "venv"]).arg(&folder))
            .with_context(|| format!("the wheel takes Python with venv; {PYTHON} names another one"))?;
        let package = format!("maturin=={MATURIN}");
        let words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", &package];
        run_program(Command::new(program("python")).args(words))
            .with_context(|| format!("cannot install {package}"))?;
    }
    Ok(program("maturin"))
}
