//! Measuring a checkpoint: on the text that it was trained on, and on no other unless that is wanted.

use corpus::Split;
use corpus::prepare::Options;
use trainer::{DeviceName, Error, EvaluateConfig, Protocol, Silent, evaluate};

use crate::support::{Place, Recorder, SMALL, request, tale};

fn config(place: &Place, text: &str) -> EvaluateConfig {
    EvaluateConfig {
        checkpoint: place.runs().join("run"),
        shards: place.path(text),
        split: None,
        protocol: Protocol::Carried,
        device: DeviceName::Cpu,
        allow_other_text: false,
    }
}

#[test]
fn every_split_is_measured_and_told() {
    let place = Place::with_tale();
    let outcome = place.train("run", &request(SMALL, 2));
    let mut recorder = Recorder::default();
    let protocol = Protocol::Streams(64);
    let measured = evaluate(&EvaluateConfig { protocol, ..config(&place, "tale") }, &mut recorder).unwrap();
    assert_eq!(measured.iter().map(|measured| measured.split).collect::<Vec<_>>(), [Split::Train, Split::Validation]);
    assert_eq!(Some(measured[1].score.nats), outcome.best_loss, "a run's folder stands for its best checkpoint");
    let told: Vec<f64> = recorder.of("measured").iter().map(|event| event["nats"].as_f64().unwrap()).collect();
    assert_eq!(told, [measured[0].score.nats, measured[1].score.nats]);
    assert_eq!(recorder.of("measured")[1]["split"], "validation");
    let progress = recorder.of("progress");
    assert_eq!(
        (&progress[0]["task"], &progress[1]["task"]),
        (&"verifying the text".into(), &"verifying the text".into())
    );
    assert_eq!(progress.last().unwrap()["done"], 179);

    let test = EvaluateConfig { split: Some(Split::Test), ..config(&place, "tale") };
    assert!(matches!(evaluate(&test, &mut Silent), Err(Error::NoSplit { split: "test", .. })));
}

/// A change of how a text is prepared.
type Change = fn(&mut Options);

#[test]
fn a_text_that_was_prepared_anew_is_refused_with_the_reason() {
    let place = Place::with_tale();
    let outcome = place.train("run", &request(SMALL, 1));
    let prepared: [(Change, &str); 3] = [
        (|options| options.split = "50/50".parse().unwrap(), "preparation"),
        (|options| (options.split, options.normalisation.lowercase) = ("80/20".parse().unwrap(), true), "normalised"),
        (|options| (options.split, options.min_count) = ("80/20".parse().unwrap(), Some(20)), "vocabulary"),
    ];
    for (change, reason) in prepared {
        place.prepare("tale", &tale(), change);
        for checkpoint in [outcome.run.clone(), outcome.checkpoint.clone()] {
            let config = EvaluateConfig { checkpoint, ..config(&place, "tale") };
            let error = evaluate(&config, &mut Silent).unwrap_err();
            assert!(matches!(error, Error::PreparedAnew { .. }), "{reason}: {error}");
            assert!(error.to_string().contains(reason), "{error} should say {reason}");
            let allowed = EvaluateConfig { allow_other_text: true, ..config };
            match evaluate(&allowed, &mut Silent) {
                Ok(measured) => assert_eq!(measured.len(), 2),
                Err(error) => assert!(matches!(error, Error::UnknownCharacter { .. }), "{error}"),
            }
        }
    }
    // A text of another name is another text, on purpose.
    place.prepare("other", &tale(), |options| options.split = "50/50".parse().unwrap());
    assert_eq!(evaluate(&config(&place, "other"), &mut Silent).unwrap().len(), 2);
}
