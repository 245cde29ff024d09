//! Dynamic evaluation against PyTorch: see `dynamic.py` in the folder above.

use std::process::Command;

use corpus::{Corpus, Split};
use trainer::{DeviceName, EvaluateConfig, Protocol, Silent, dynamic, evaluate};

use crate::python::python;
use crate::support::{Place, request};

/// Largest difference allowed, in nats per character. Both compute in 32 bits, in different orders.
const TOLERANCE: f64 = 1e-4;

#[test]
fn dynamic_evaluation_gives_the_loss_that_pytorch_gives() {
    let Some(python) = python() else { return };
    let place = Place::with_tale();
    let sizes = ["model.hidden=12", "model.layers=2", "batch=4", "streams.time=30", "samples.length=0"];
    let outcome = place.train("run", &request(&[&sizes[..], &["optimizer.learning_rate=0.01"]].concat(), 4));
    let corpus = Corpus::open(&place.path("tale")).unwrap();
    let tokens = corpus.split(Split::Validation).unwrap();
    let ids = serde_json::to_string(&tokens.to_vec(0..tokens.len())).unwrap();
    // A high rate and a strong pull back, so that a mistake in either tells; and segments that do not fill the text.
    let settings = dynamic::Settings { segment: 25, learning_rate: 5e-3, decay: 0.02 };
    let measure = |protocol| {
        let config = EvaluateConfig {
            checkpoint: outcome.checkpoint.clone(),
            shards: place.path("tale"),
            split: Some(Split::Validation),
            protocol,
            device: DeviceName::Cpu,
            allow_other_text: false,
        };
        evaluate(&config, &mut Silent).unwrap()[0].score.nats
    };
    let (found, fixed) = (measure(Protocol::Dynamic(settings)), measure(Protocol::Carried));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dynamic.py");
    let numbers = [settings.segment as f64, settings.learning_rate, settings.decay].map(|number| number.to_string());
    let output = Command::new(python).arg(script).arg(&outcome.checkpoint).arg(ids).args(numbers).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected: f64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    assert!((found - expected).abs() < TOLERANCE, "{found} nats, and {expected} by PyTorch");
    assert!((found - fixed).abs() > 100.0 * TOLERANCE, "adapting has to tell: {found}, and {fixed} without");
}
