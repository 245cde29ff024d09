//! A Python with torch and safetensors: the one that the variable `SCRIMSHAW_PYTHON` names, or `python3`.

use std::env;
use std::process::{Command, Stdio};

use crate::skip::skip;

/// Exits with 0 where both packages are there; it does not load them.
const FINDS_BOTH: &str =
    "import importlib.util as u, sys; sys.exit(not (u.find_spec('torch') and u.find_spec('safetensors')))";

/// A Python that has torch and safetensors. Without one this says that the test is skipped; with `SCRIMSHAW_STRICT=1` that
/// is a failure.
pub fn python() -> Option<String> {
    let named = env::var("SCRIMSHAW_PYTHON").ok();
    let python = named.clone().unwrap_or_else(|| "python3".into());
    let tried = Command::new(&python).args(["-c", FINDS_BOTH]).stderr(Stdio::null()).status();
    let fits = tried.is_ok_and(|status| status.success());
    assert!(fits || named.is_none(), "SCRIMSHAW_PYTHON is {python:?}, which has no torch and safetensors");
    if !fits {
        skip(&format!("{python} has no torch and safetensors; SCRIMSHAW_PYTHON may name a Python that has"));
    }
    fits.then_some(python)
}
