//! What earlier versions wrote, still read: see `tests/data/run-5d3690c/README.md`.

use std::fs;
use std::path::{Path, PathBuf};

use corpus::Split;
use trainer::runs::{self, State};
use trainer::{DeviceName, EvaluateConfig, Protocol, Resume, Silent, evaluate};

use crate::support::{Place, Recorder, go_on, lines};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/run-5d3690c")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_run_of_5d3690c_resumes_and_ends_as_it_ended_then() {
    let place = Place::new();
    let run = place.runs().join("old");
    copy(&fixture().join("run"), &run);
    assert_eq!(runs::list(&place.runs())[0].state, State::Stopped);

    let resume = Resume {
        run: run.clone(),
        shards: Some(fixture().join("shards")),
        device: DeviceName::Cpu,
        ..Resume::default()
    };
    assert!(runs::progress(&run).unwrap().is_empty(), "no samples were taken along the way then");
    let mut recorder = Recorder::default();
    let outcome = go_on(resume, &mut recorder).unwrap();
    assert_eq!(recorder.of("started")[0]["resumed_after"], 24);
    let (found, expected) = (lines(&run.join("metrics.jsonl")), lines(&fixture().join("expected-metrics.jsonl")));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        for field in ["epoch", "step", "characters", "learning_rate"] {
            assert_eq!(found[field], expected[field], "{field}");
        }
        for field in ["train_loss", "validation_loss"] {
            let [found, expected] = [found, expected].map(|line| line[field].as_f64().unwrap());
            // Instruction sets add up in different orders.
            assert!((found - expected).abs() < 1e-3, "{field}: {found}, and {expected} then");
        }
    }
    assert!(outcome.checkpoint.ends_with("checkpoints/00000048"), "{}", outcome.checkpoint.display());
    assert_eq!(runs::list(&place.runs())[0].state, State::Finished);
}

#[test]
fn a_checkpoint_of_5d3690c_is_measured() {
    let config = EvaluateConfig {
        checkpoint: fixture().join("run"),
        shards: fixture().join("shards"),
        split: Some(Split::Validation),
        protocol: Protocol::Streams(64),
        device: DeviceName::Cpu,
        allow_other_text: false,
    };
    let measured = evaluate(&config, &mut Silent).unwrap();
    // The line of step 24 in expected-metrics.jsonl.
    assert!((measured[0].score.nats - 2.998_272_657_394_409).abs() < 1e-4, "{}", measured[0].score.nats);
}
