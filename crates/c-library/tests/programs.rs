//! C programs, compiled with every warning an error, linked with both libraries and run.

#![cfg(unix)]

#[path = "../../../tests/src/skip.rs"]
mod skip;

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use sampler::{Engine, Model, Plan, Sampler, Writer};
use skip::skip;

/// What the static library needs of the system: `rustc --print native-static-libs`.
const SYSTEM: &[&str] = if cfg!(target_os = "linux") {
    &["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"]
} else {
    &["-lSystem", "-lc", "-lm"]
};

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

fn models() -> PathBuf {
    Path::new(FOLDER).join("../sampler/tests/data")
}

/// Where cargo has put the libraries: beside this test.
fn libraries() -> PathBuf {
    env::current_exe().unwrap().parent().unwrap().into()
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// The compiler that the variable names, or else this one; none if it is not there.
fn compiler(variable: &str, default: &str) -> Option<String> {
    let name = env::var(variable).unwrap_or_else(|_| default.into());
    if is_there(&name) {
        return Some(name);
    }
    skip(&format!("there is no {name} to compile with"));
    None
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// A C program linked with the static library, and one linked with the shared one.
fn programs(compiler: &str, source: &str, target: &Path) -> [PathBuf; 2] {
    let libraries = libraries();
    let program = |name: &str, link: &[&str]| {
        let program = target.join(name);
        let mut command = Command::new(compiler);
        command.args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g", "-pthread"]);
        command.arg("-I").arg(Path::new(FOLDER).join("include")).arg(Path::new(FOLDER).join(source));
        succeed(command.arg("-o").arg(&program).args(link).args(SYSTEM));
        program
    };
    let archive = libraries.join("libscrimshaw.a");
    let folder = libraries.to_str().unwrap();
    [
        program("static", &[archive.to_str().unwrap()]),
        program("shared", &["-L", folder, "-lscrimshaw", &format!("-Wl,-rpath,{folder}")]),
    ]
}

/// The text that the library in Rust writes.
fn expected(model: &str, prompt: Option<&str>, length: usize, temperature: f32, seed: u64) -> String {
    let model = Model::open(models().join(model).with_extension("onnx"), &Engine::default()).unwrap();
    let card = model.card.clone();
    let own = if card.vocabulary.boundary().is_some() { "" } else { &*card.seed_text };
    let options = decoding::Options { temperature, ..decoding::Options::default() };
    let plan = Plan { options, length, seed, ..Plan::default() };
    let mut writer = Writer::new(&plan, &card.vocabulary, 0).unwrap();
    let mut sampler = Sampler::new(model);
    sampler.feed(prompt.unwrap_or(own)).unwrap();
    let mut text = String::new();
    while writer.end().is_none() {
        text.push_str(sampler.write(&mut writer).unwrap().text);
    }
    text
}

#[test]
fn the_example_writes_the_same_text_as_the_library_in_rust() {
    let Some(compiler) = compiler("CC", "cc") else { return };
    let target = tempfile::tempdir().unwrap();
    for program in programs(&compiler, "examples/write.c", target.path()) {
        let cases: [(&str, Option<&str>, usize, f32, u64); 6] = [
            ("stateful", None, 400, 0.5, 0),
            ("stateful", Some("The sea"), 300, 1.0, 7),
            ("stateful", Some("The sea"), 0, 1.0, 7),
            ("window", Some("abc"), 100, 1.5, u64::MAX),
            ("bytes", None, 200, 1.0, 3),
            ("names", None, 200, 1.0, 5),
        ];
        for (model, prompt, length, temperature, seed) in cases {
            let mut command = Command::new(&program);
            command.arg(models().join(model).with_extension("onnx"));
            if let Some(prompt) = prompt {
                command.args([prompt, &length.to_string(), &temperature.to_string(), &seed.to_string()]);
            }
            // Without words the example has the library's defaults.
            let expected = match prompt {
                Some(_) => expected(model, prompt, length, temperature, seed),
                None => expected(model, None, 400, 0.5, 0),
            };
            assert_eq!(String::from_utf8(succeed(&mut command).stdout).unwrap(), expected, "{model} {prompt:?}");
        }
        let refused = Command::new(&program).arg("no/such/file.onnx").output().unwrap();
        assert_eq!(refused.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("no/such/file.onnx"));
    }
}

#[test]
fn bad_input_callbacks_and_threads_are_answered_as_the_header_says() {
    let Some(compiler) = compiler("CC", "cc") else { return };
    let target = tempfile::tempdir().unwrap();
    let programs = programs(&compiler, "tests/c/behaviour.c", target.path());
    let words = [models(), Path::new(FOLDER).join("Cargo.toml")];
    for program in &programs {
        succeed(Command::new(program).args(&words));
    }
    if !is_there("valgrind") {
        return skip("there is no valgrind to look for leaks and invalid reads");
    }
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite,possible"]);
    succeed(valgrind.arg(&programs[0]).args(&words));
}

#[test]
fn the_header_is_cpp_too() {
    let Some(compiler) = compiler("CXX", "c++") else { return };
    let mut command = Command::new(compiler);
    command.args(["-x", "c++", "-std=c++11", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]);
    command.arg("-I").arg(Path::new(FOLDER).join("include"));
    let source = tempfile::Builder::new().suffix(".cc").tempfile().unwrap();
    let text = "#include <scrimshaw.h>\n\
                static int print(const char *, size_t, void *) { return 0; }\n\
                scrimshaw_status write(scrimshaw_model *model) {\n\
                scrimshaw_options options = scrimshaw_options_default();\n\
                return scrimshaw_generate(model, &options, print, nullptr); }\n";
    std::fs::write(source.path(), text).unwrap();
    succeed(command.arg(source.path()));
}
