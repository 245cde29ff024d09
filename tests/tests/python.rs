//! The Python package: its wheel is built, installed into a fresh environment, and tested there by pytest.
//!
//! Python is the interpreter that `SCRIMSHAW_PYTHON` names, or `python3`. What the tests are is in `crates/python/tests`.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use end_to_end::{Workplace, binary, finish, root, skip};

/// What the environment holds: what builds the wheel, and what tests it.
const PACKAGES: [&str; 3] = ["maturin==1.16.0", "pytest>=8,<10", "numpy"];

#[test]
fn the_wheel_passes_its_tests_in_a_fresh_environment() {
    let place = Workplace::new();
    let python = env::var_os("SCRIMSHAW_PYTHON").unwrap_or_else(|| "python3".into());
    let Some(environment) = environment(&place, &python) else { return };
    let wheels = place.path("wheels");
    let mut maturin = Command::new(program(&environment, "maturin"));
    // The profile of these tests: what it compiles is what cargo has compiled, in large part.
    maturin.args(["build", "--locked", "--profile", "dev", "--manifest-path", "crates/python/Cargo.toml", "--out"]);
    place.run(maturin.arg(&wheels).current_dir(root())).success();
    let made = place.files("wheels");
    let [wheel] = &made[..] else { panic!("one wheel, not {made:?}") };
    assert!(wheel.starts_with("scrimshaw-") && wheel.contains("-cp39-abi3-"), "{wheel}");
    let mut pip = Command::new(program(&environment, "python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check"]).arg(wheels.join(wheel));
    place.run(&mut pip).success();
    let mut pytest = Command::new(program(&environment, "python"));
    pytest.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]).arg(root().join("crates/python/tests"));
    let scrimshaw = binary("scrimshaw");
    pytest.env("SCRIMSHAW_PROGRAM", scrimshaw.get_program()).env("PYTHONDONTWRITEBYTECODE", "1");
    let finished = place.run(pytest.current_dir(place.path("")));
    assert_eq!(finished.code, 0, "{}{}", finished.stdout, finished.stderr);
    assert!(finished.stdout.contains(" passed") && !finished.stdout.contains(" skipped"), "{}", finished.stdout);
}

/// A fresh environment with [`PACKAGES`], unless Python, venv or a package cannot be had, which is said.
fn environment(place: &Workplace, python: &OsString) -> Option<PathBuf> {
    let environment = place.path("environment");
    if Command::new(python).arg("--version").output().is_err() {
        skip(&format!("there is no {}", python.display()));
        return None;
    }
    if finish(Command::new(python).args(["-m", "venv"]).arg(&environment)).code != 0 {
        skip(&format!("{} has no venv with pip", python.display()));
        return None;
    }
    let mut pip = Command::new(program(&environment, "python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES);
    if finish(&mut pip).code != 0 {
        skip(&format!("pip cannot install {}", PACKAGES.join(", ")));
        return None;
    }
    Some(environment)
}

/// A program of an environment.
fn program(environment: &Path, name: &str) -> PathBuf {
    let folder = environment.join(if cfg!(windows) { "Scripts" } else { "bin" });
    folder.join(name).with_extension(env::consts::EXE_EXTENSION)
}
