//! `cargo xtask WORDS…`: builds `carve` and runs it with these words.

use std::env;
use std::ffi::OsString;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::project::Project;
use crate::web::{self, Kind};

/// Builds `carve` and becomes it: signals and the exit code are its own. Does not return where the system can do that.
pub fn run(project: &Project, words: &[OsString]) -> Result<()> {
    let device = device(words);
    let has_compiler = || runs("nvcc", "--version");
    let features: &[&str] = match device.as_deref() {
        Some("cuda") if !has_compiler() => bail!(
            "--device cuda needs the CUDA toolkit to build, and there is no nvcc on the path: install the toolkit, add its \
             bin folder to PATH, or use --device cpu"
        ),
        Some("cuda") => &["cuda"],
        None | Some("auto") if is_training(words) && runs("nvidia-smi", "--list-gpus") && has_compiler() => &["cuda"],
        _ => &[],
    };
    let mut carve = project.build("carve", features)?;
    carve.args(words).env("SCRIMSHAW_COMMAND", "cargo xtask");
    if env::var_os("SCRIMSHAW_ARTIFACTS").is_none() {
        carve.env("SCRIMSHAW_ARTIFACTS", &project.artifacts);
    }
    if needs_engine(words) {
        // Named, not embedded: a program that embeds it would be linked again for the next command.
        carve.arg("--engine").arg(web::build(project, Kind::NoModules)?);
    }
    become_program(carve)
}

#[cfg(unix)]
fn become_program(mut program: Command) -> Result<()> {
    use anyhow::Context;
    use std::os::unix::process::CommandExt;
    Err(program.exec()).with_context(|| format!("cannot start {}", program.get_program().display()))
}

#[cfg(not(unix))]
fn become_program(mut program: Command) -> Result<()> {
    crate::project::run(&mut program)
}

/// Whether the command makes a page, and names no sampler for browsers itself.
fn needs_engine(words: &[OsString]) -> bool {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let is_answered = |word: &str| ["--engine", "--help", "-h"].contains(&word) || word.starts_with("--engine=");
    words.first().is_some_and(|word| word == "page") && !words.iter().any(|word| is_answered(word))
}

/// The value of `--device`, if it is given.
fn device(words: &[OsString]) -> Option<String> {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let place = words.iter().position(|word| word == "--device" || word.starts_with("--device="))?;
    match words[place].strip_prefix("--device=") {
        Some(value) => Some(value.into()),
        None => words.get(place + 1).map(ToString::to_string),
    }
}

/// Whether the command computes anything on a device.
fn is_training(words: &[OsString]) -> bool {
    words.first().is_some_and(|word| ["train", "evaluate", "novelty"].contains(&word.to_string_lossy().as_ref()))
}

/// Whether a program is there and succeeds.
fn runs(program: &str, argument: &str) -> bool {
    let mut command = Command::new(program);
    let silent = command.arg(argument).stdout(Stdio::null()).stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::{device, needs_engine};

    #[test]
    fn a_page_gets_an_engine_unless_it_names_one() {
        let cases: [(&[&str], bool); 5] = [
            (&["page", "--model", "model.onnx"], true),
            (&["page", "--engine", "folder"], false),
            (&["page", "--engine=folder"], false),
            (&["page", "--help"], false),
            (&["export", "--dataset", "page"], false),
        ];
        for (words, expected) in cases {
            let words: Vec<_> = words.iter().map(Into::into).collect();
            assert_eq!(needs_engine(&words), expected, "{words:?}");
        }
    }

    #[test]
    fn the_device_is_read_in_both_forms() {
        let cases: [(&[&str], Option<&str>); 5] = [
            (&["train"], None),
            (&["train", "--device", "cuda", "--seed", "1"], Some("cuda")),
            (&["train", "--device=auto"], Some("auto")),
            (&["train", "--device"], None),
            (&["train", "--devices", "cuda"], None),
        ];
        for (words, expected) in cases {
            let words: Vec<_> = words.iter().map(Into::into).collect();
            assert_eq!(device(&words).as_deref(), expected, "{words:?}");
        }
    }
}
