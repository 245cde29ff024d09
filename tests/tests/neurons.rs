//! `carve neurons` on a small trained run.

use end_to_end::{Workplace, story};

/// A run of a few steps on the start of the story, a fifth of it held out.
fn trained() -> Workplace {
    let place = Workplace::new();
    let text = place.write("tale.txt", &story()[..30_000]);
    let words = ["train", text.to_str().unwrap(), "--split", "80/20", "--recipe", "char-rnn", "--epochs", "1"];
    let small =
        ["--set", "model.hidden=8", "--set", "streams.time=25", "--sample-length", "0", "--device", "cpu", "--json"];
    place.carve(&[&words[..], &small].concat()).success();
    place
}

#[test]
fn a_run_is_analysed_for_people_and_for_programs() {
    let place = trained();
    let table = place.carve(&["neurons", "--dataset", "tale", "--quiet"]).success();
    for part in ["inside quotes", "untrained", "dynamic long memory", "letters", "loss on the validation split"] {
        assert!(table.stdout.contains(part), "{part} in {}", table.stdout);
    }
    assert_eq!(table.stderr, "");

    let page = place.write("page.txt", "\"I have it,\" said he. \"The purse.\"\n");
    let words = ["neurons", "--dataset", "tale", "--text", page.to_str().unwrap(), "--json", "--length", "20"];
    let found = place.carve(&words).success().json();
    let passage = &found["passage"];
    assert_eq!(passage["source"], "page.txt");
    let length = |value: &serde_json::Value| value.as_array().unwrap().len();
    assert_eq!([length(&passage["tokens"]), length(&passage["surprise"]), length(&passage["guesses"])], [20; 3]);
    assert_eq!(passage["layers"][1]["size"], 8);
    assert_eq!(length(&passage["layers"][1]["states"]), 160);
    assert_eq!(length(&found["features"]), 13);
    assert_eq!(found["features"][0]["name"], "inside quotes");

    // The same loss as `evaluate` measures, and shares of all of it.
    let words = ["evaluate", "--dataset", "tale", "--split", "validation", "--protocol", "streams", "--json"];
    let measured = place.carve(&words).success().json()["nats"].as_f64().unwrap();
    let errors = &found["errors"];
    assert!((errors["nats"].as_f64().unwrap() - measured).abs() < 1e-6 * measured);
    let causes = errors["breakdown"]["causes"].as_array().unwrap();
    let sum = |field: &str| causes.iter().map(|cause| cause[field].as_f64().unwrap()).sum::<f64>();
    assert!((sum("share") - 1.0).abs() < 1e-9, "{causes:?}");
    let nats = sum("nats") + errors["breakdown"]["right_nats"].as_f64().unwrap();
    assert!((nats / errors["tokens"].as_f64().unwrap() - measured).abs() < 1e-6 * measured);
}

#[test]
fn what_cannot_be_analysed_is_refused_with_the_reason() {
    let place = trained();
    let page = place.write("page.txt", "na\u{ef}ve \u{1f40b}\n");
    let page = page.to_str().unwrap();
    let cases: [(&[&str], i32, &[&str]); 5] = [
        (
            &["--dataset", "tale", "--text", page, "--json"],
            3,
            &["page.txt", "'ï' (U+00EF), '🐋' (U+1F40B)", "--skip-unknown"],
        ),
        (&["--dataset", "tale", "--text", "no.txt", "--json"], 3, &["cannot read no.txt"]),
        (&["--dataset", "tale", "--text", page], 2, &["--json"]),
        (&["--dataset", "tale", "--run", "no-such-run"], 4, &["no-such-run"]),
        (&["--dataset", "nothing"], 3, &["nothing"]),
    ];
    for (words, code, said) in cases {
        let finished = place.carve(&[&["neurons"], words].concat());
        assert_eq!((finished.code, finished.stdout.as_str()), (code, ""), "{words:?}: {}", finished.stderr);
        for part in said {
            assert!(finished.stderr.contains(part), "{part} in {}", finished.stderr);
        }
    }
    let words = ["neurons", "--dataset", "tale", "--text", page, "--json", "--skip-unknown"];
    let found = place.carve(&words).success().json();
    assert_eq!(found["passage"]["tokens"].as_array().unwrap().len(), 6, "nave, a space and a line end");
}
