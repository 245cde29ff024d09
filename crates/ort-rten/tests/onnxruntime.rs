//! The same `ort` calls over ONNX Runtime's library and over this crate, held together.
//!
//! ```text
//! ORT_DYLIB_PATH=libonnxruntime.so cargo test -p ort-rten --features onnxruntime --test onnxruntime
//! ```

#![cfg(feature = "onnxruntime")]

mod common;
#[path = "../../../tests/src/skip.rs"]
mod skip;

use std::{env, fs, process::Command};

use common::{Inputs, Results, assert_close, environment_over, fixture, results};
use ort::session::Session;
use skip::skip;

/// Set in the second process, to the file that takes its results.
const PEER: &str = "ORT_RTEN_PEER_RESULTS";

/// `ort` has one backend a process, so the peer runs in another: this test binary again, with the variable set.
#[test]
fn results_and_descriptions_are_those_of_onnx_runtime() {
    if env::var_os("ORT_DYLIB_PATH").is_none() {
        return skip("ORT_DYLIB_PATH names no library of ONNX Runtime to hold this crate against");
    }
    if let Some(file) = env::var_os(PEER) {
        let library = env::var_os("ORT_DYLIB_PATH").unwrap();
        environment_over(|| ort_backend::library_api(library.as_ref()).unwrap());
        fs::write(file, serde_json::to_vec(&run()).unwrap()).unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.json");
    let mut command = Command::new(env::current_exe().unwrap());
    command.arg("results_and_descriptions_are_those_of_onnx_runtime").arg("--exact").env(PEER, &file);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let (their_description, theirs): (Vec<String>, Results) = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();

    environment_over(ort_rten::api);
    let (description, ours) = run();
    assert_eq!(description, their_description);
    assert_close(&ours, &theirs, 1e-5);
}

fn run() -> (Vec<String>, Results) {
    let environment = environment_over(|| unreachable!("set by the caller"));
    let builder = Session::builder(environment).unwrap();
    let mut session = builder.with_intra_threads(1).unwrap().commit_from_file(fixture("character.onnx")).unwrap();
    let mut description: Vec<String> = session
        .inputs()
        .iter()
        .chain(session.outputs())
        .map(|outlet| format!("{} {:?}", outlet.name(), outlet.dtype()))
        .collect();
    {
        let metadata = session.metadata().unwrap();
        let custom = metadata.custom("scrimshaw.card");
        let (name, producer, version) = (metadata.name(), metadata.producer(), metadata.version());
        let (domain, description_) = (metadata.domain(), metadata.description());
        let graph = metadata.graph_description();
        description.push(format!("{custom:?} {name:?} {producer:?} {version:?} {domain:?} {description_:?} {graph:?}"));
        description.push(format!("{:?} {:?}", metadata.custom_keys().unwrap(), metadata.custom("absent")));
    }
    let results = results(&Inputs::new().run(&mut session).unwrap());
    (description, results)
}
