//! Which lines of the validator are reached: by the inputs that fuzzing has kept, and by the crate's own tests.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::{cargo, corpus, folder, seeds};
use crate::project::{Project, output, run as run_program};

/// The crate whose lines are counted.
const CRATE: &str = "onnx-view";
/// Targets whose inputs the validator reads.
const TARGETS: [&str; 2] = ["onnx", "engine"];

pub fn run(project: &Project, is_json: bool) -> Result<()> {
    let tools = Tools::find(project)?;
    let host = project.host()?;
    let folder = folder(project).join("coverage");
    let profiles = folder.join("profiles");
    if profiles.exists() {
        std::fs::remove_dir_all(&profiles)?;
    }
    let flags = ["-Cinstrument-coverage"];
    // A name for each process: %p. The profiler makes the folders.
    let profile = profiles.join("%p-%m.profraw");
    let mut objects = Vec::new();

    let mut build = cargo(project, &folder, &host, &flags)?;
    build.args(["build", "--release", "--locked"]);
    build.args(TARGETS.iter().flat_map(|target| ["--bin", target]));
    run_program(&mut build)?;
    for target in TARGETS {
        let program = folder.join(&host).join("release").join(target);
        let mut fuzzer = Command::new(&program);
        // Runs each input once, and looks for no others.
        fuzzer.arg("-runs=0").arg(seeds(project, target));
        fuzzer.args(Some(corpus(project, target)).filter(|folder| folder.is_dir()));
        fuzzer.env("LLVM_PROFILE_FILE", &profile).stderr(Stdio::null());
        run_program(&mut fuzzer).with_context(|| format!("{target} fails on an input: run it again with --target"))?;
        objects.push(program);
    }

    let mut tests = project.cargo()?;
    tests.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}")).env("CARGO_TARGET_DIR", folder.join("tests"));
    tests.args(["test", "--package", CRATE, "--lib", "--no-run", "--message-format", "json"]);
    for message in output(&mut tests)?.lines() {
        #[derive(Deserialize)]
        struct Artifact {
            executable: Option<PathBuf>,
        }
        let Ok(Artifact { executable: Some(program) }) = serde_json::from_str(message) else { continue };
        let mut test = Command::new(&program);
        test.env("LLVM_PROFILE_FILE", &profile).current_dir(project.root.join("crates").join(CRATE));
        output(&mut test)?;
        objects.push(program);
    }
    report(project, &tools, &profiles, &objects, is_json)
}

/// LLVM's programs that read the compiler's profiles.
struct Tools {
    profdata: PathBuf,
    cov: PathBuf,
}

impl Tools {
    /// The compiler's own, or those of the same version of LLVM on the path.
    fn find(project: &Project) -> Result<Self> {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let sysroot = output(Command::new(&rustc).args(["--print", "sysroot"]))?;
        let version = output(Command::new(rustc).arg("-vV"))?;
        let version = version.lines().find_map(|line| line.strip_prefix("LLVM version: ")).unwrap_or_default();
        let major = version.split('.').next().unwrap_or_default();
        let own = Path::new(sysroot.trim()).join("lib/rustlib").join(project.host()?).join("bin");
        let find = |name: &str| {
            let candidates = [own.join(name), format!("{name}-{major}").into()];
            candidates.into_iter().find(|program| {
                let mut command = Command::new(program);
                command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
                command.status().is_ok_and(|status| status.success())
            })
        };
        match (find("llvm-profdata"), find("llvm-cov")) {
            (Some(profdata), Some(cov)) => Ok(Self { profdata, cov }),
            _ => bail!(
                "coverage needs llvm-profdata and llvm-cov of LLVM {major}: run `rustup component add llvm-tools`, or \
                 install Debian's package llvm-{major}"
            ),
        }
    }
}

/// What `llvm-cov export` says of each file.
#[derive(Deserialize)]
struct Export {
    data: Vec<Files>,
}

#[derive(Deserialize)]
struct Files {
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    filename: PathBuf,
    summary: Summary,
}

#[derive(Deserialize)]
struct Summary {
    lines: Lines,
}

#[derive(Deserialize)]
struct Lines {
    count: u64,
    covered: u64,
}

fn report(project: &Project, tools: &Tools, profiles: &Path, objects: &[PathBuf], is_json: bool) -> Result<()> {
    let merged = profiles.with_extension("profdata");
    let raw = std::fs::read_dir(profiles)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    run_program(Command::new(&tools.profdata).args(["merge", "--sparse", "-o"]).arg(&merged).args(raw))?;
    let cov = |command: &str| {
        let mut cov = Command::new(&tools.cov);
        cov.arg(command).arg("--instr-profile").arg(&merged).arg(&objects[0]);
        for object in &objects[1..] {
            cov.arg("--object").arg(object);
        }
        cov
    };
    let sources = project.root.join("crates").join(CRATE).join("src");
    let export = output(cov("export").arg("--summary-only").arg("--sources").arg(&sources))?;
    let export: Export = serde_json::from_str(&export)?;
    let is_counted = |file: &&File| file.filename.file_name().is_none_or(|name| name != "tests.rs");
    let files: Vec<File> = export.data.into_iter().flat_map(|files| files.files).collect();
    let (mut count, mut covered) = (0, 0);
    for File { filename, summary: Summary { lines } } in files.iter().filter(is_counted) {
        (count, covered) = (count + lines.count, covered + lines.covered);
        let name = filename.strip_prefix(&project.root).unwrap_or(filename);
        eprintln!("{:>4} of {:>4} lines  {}", lines.covered, lines.count, name.display());
    }
    // The lines themselves, as `NUMBER|COUNT|TEXT`.
    let shown = output(cov("show").arg("--sources").arg(&sources))?;
    let mut file = "";
    for line in shown.lines() {
        if line.ends_with(':') && !line.contains('|') {
            file = line.trim_end_matches(':');
        } else if line.split('|').nth(1).is_some_and(|count| count.trim() == "0") && !file.ends_with("tests.rs") {
            eprintln!("not reached: {}:{}", file.rsplit('/').next().unwrap_or(file), line.trim());
        }
    }
    let share = covered as f64 / (count.max(1)) as f64;
    if is_json {
        println!("{}", serde_json::json!({ "crate": CRATE, "lines": count, "covered": covered, "share": share }));
    } else {
        println!("{CRATE}: {covered} of {count} lines, {:.1} %", 100.0 * share);
    }
    Ok(())
}
