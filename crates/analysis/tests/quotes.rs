//! A network that had to learn what is inside quotes, and everything that an analysis says of it.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use analysis::{AnalysisConfig, Error, Feature, Limits, SampleConfig, analyse};
use corpus::Split;
use corpus::prepare::{Options, prepare};
use tempfile::TempDir;
use trainer::recipe::Request;
use trainer::{DeviceName, EvaluateConfig, NewRun, Observer, Protocol, RunName, Silent, TrainConfig, evaluate, train};

/// Characters of the text.
const LENGTH: usize = 120_000;

/// Random letters with quotes of random length. After each letter inside, the quote ends with a chance of 1 in 8; after each
/// letter outside, the next one begins with a chance of 1 in 40. The letters and the marks are the same: only a network that
/// remembers where it is predicts the marks well.
fn quotes() -> String {
    let mut seed = 7_u64;
    let mut below = |limit: u64| {
        // Knuth's MMIX generator; the high bits are the random ones.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % limit
    };
    let mut text = String::new();
    while text.len() < LENGTH {
        for one_in in [40, 8] {
            loop {
                text.push(char::from(b'a' + below(4) as u8));
                if below(one_in) == 0 {
                    break;
                }
            }
            text.push('"');
        }
    }
    text.truncate(LENGTH);
    text
}

/// A folder with texts and runs.
struct Place(TempDir);

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn prepare(&self, name: &str, text: &str, split: &str) {
        let input = self.path(&format!("{name}.txt"));
        fs::write(&input, text).unwrap();
        let options = Options {
            inputs: vec![input],
            output: self.path(name),
            name: name.into(),
            split: split.parse().unwrap(),
            ..Options::default()
        };
        prepare(&options, &mut |_| (), &AtomicBool::new(false)).unwrap();
    }

    fn train(&self, name: &str, epochs: usize, overrides: &[&str]) {
        let common = ["model.layers=1", "batch=32", "optimizer.kind=adam", "samples.length=1"];
        let overrides = common.iter().chain(overrides).map(ToString::to_string).collect();
        let request =
            Request { recipe: Some("char-rnn".into()), overrides, epochs: Some(epochs), ..Request::default() };
        let new = NewRun {
            shards: self.path(name),
            runs: self.path("runs"),
            name: RunName::Exact(name.into()),
            recipe: request.resolve().unwrap(),
            fit: None,
            device: DeviceName::Cpu,
            seed: 1,
            init_from: None,
        };
        train(&TrainConfig::New(Box::new(new)), &mut Silent, &AtomicBool::new(false)).unwrap();
    }

    fn config(&self, name: &str) -> AnalysisConfig {
        AnalysisConfig {
            checkpoint: self.path("runs").join(name),
            shards: self.path(name),
            text: None,
            skip_unknown: false,
            limits: Limits { shown: 100, ..Limits::default() },
            seed: 1,
            sample: None,
        }
    }
}

/// Trained once for all tests.
fn place() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| {
        let place = Place(tempfile::tempdir().unwrap());
        place.prepare("quotes", &quotes(), "80/20");
        let recipe = ["model.hidden=16", "streams.time=64", "optimizer.learning_rate=0.02"];
        place.train("quotes", 12, &recipe);
        place
    })
}

#[test]
fn a_cell_that_follows_the_quotes_is_found() {
    let found = analyse(&place().config("quotes"), &mut Silent).unwrap();
    let quotes = &found.features[Feature::ALL.iter().position(|feature| *feature == Feature::InsideQuotes).unwrap()];
    assert_eq!(quotes.feature, Feature::InsideQuotes);
    assert!(quotes.best[0].score >= 0.95 && quotes.found, "{quotes:?}");
    assert!(quotes.untrained < 0.7 && quotes.random < 0.9, "{quotes:?}");
    // Nothing else is in this text.
    for other in found.features.iter().filter(|other| other.feature != Feature::InsideQuotes) {
        let is_possible = matches!(other.feature, Feature::PositionInWord | Feature::PositionInLine);
        assert!(other.absent.is_some() && other.best.is_empty() || is_possible, "{other:?}");
    }
}

#[test]
fn the_passage_shows_each_token_with_what_the_network_made_of_it() {
    let passage = analyse(&place().config("quotes"), &mut Silent).unwrap().passage;
    assert_eq!(passage.source, "first 100 characters of the validation split");
    let shown: String = passage.tokens.iter().map(|&token| passage.symbols[token as usize].as_str()).collect();
    assert_eq!(shown, quotes()[LENGTH * 8 / 10..][..100]);
    assert_eq!([passage.surprise.len(), passage.guesses.len()], [100, 100]);
    assert_eq!((passage.layers[0].size, passage.layers[0].states.len()), (16, 1600));
    assert_eq!(passage.surprise[0].to_bits(), 0, "nothing predicts the first token");
    for (place, guesses) in passage.guesses.iter().enumerate() {
        assert_eq!(guesses.len(), 5);
        assert!(guesses.is_sorted_by(|one, other| one.probability >= other.probability));
        // The vocabulary has five tokens, so that the guesses are all of it, and the next token's surprise is one of theirs.
        assert!((guesses.iter().map(|guess| guess.probability).sum::<f32>() - 1.0).abs() < 1e-5);
        if let Some(next) = passage.tokens.get(place + 1) {
            let guess = guesses.iter().find(|guess| guess.token == *next).unwrap();
            assert!((passage.surprise[place + 1] + guess.probability.log2()).abs() < 1e-4);
        }
    }
}

#[test]
fn the_loss_is_the_one_that_evaluate_measures() {
    let place = place();
    for (streams, protocol) in [(64, Protocol::Streams(64)), (1, Protocol::Carried)] {
        let mut config = place.config("quotes");
        config.limits.streams = streams;
        let errors = analyse(&config, &mut Silent).unwrap().errors;
        let measured = EvaluateConfig {
            checkpoint: config.checkpoint,
            shards: config.shards,
            split: Some(Split::Validation),
            protocol,
            device: DeviceName::Cpu,
            allow_other_text: false,
        };
        let score = evaluate(&measured, &mut Silent).unwrap()[0].score;
        assert_eq!((errors.tokens as u64, errors.source.as_str()), (score.characters, "validation split"));
        let difference = (errors.nats - score.nats).abs() / score.nats;
        assert!(difference < 1e-6, "{protocol:?}: {} and not {}", errors.nats, score.nats);

        let breakdown = &errors.breakdown;
        let whole = score.nats * score.characters as f64;
        let sum = breakdown.causes.iter().map(|cause| cause.nats).sum::<f64>() + breakdown.right_nats;
        assert!((sum - whole).abs() < 1e-6 * whole, "the breakdown has {sum} nats of {whole}");
        let shares = breakdown.causes.iter().map(|cause| cause.share).sum::<f64>();
        assert!((shares - 1.0).abs() < 1e-9 && breakdown.errors + breakdown.right == errors.tokens, "{breakdown:?}");
        let kinds = errors.kinds.iter().map(|kind| kind.share).sum::<f64>();
        assert!((kinds - 1.0).abs() < 1e-9);
        let counted: u64 = errors.confusion.counts.iter().flatten().chain(&errors.confusion.other).sum();
        assert_eq!(counted, score.characters, "all five tokens are among the commonest");
    }
}

#[test]
fn gates_are_shut_and_open_for_shares_of_the_time() {
    let gates = analyse(&place().config("quotes"), &mut Silent).unwrap().gates;
    assert_eq!(gates.len(), 1);
    for of_cells in [&gates[0].input, &gates[0].forget, &gates[0].output] {
        assert_eq!(of_cells.len(), 16);
        assert!(of_cells.iter().all(|gate| gate.shut >= 0.0 && gate.open >= 0.0 && gate.shut + gate.open <= 1.0));
    }
    assert!(gates[0].forget.iter().any(|gate| gate.open > 0.5), "a cell that remembers keeps its forget gate open");
}

#[test]
fn a_text_of_ones_own_is_shown_and_the_rest_stays() {
    let place = place();
    let text = place.path("own.txt");
    fs::write(&text, "ab\"cd\"e\u{e9}\u{e9}a\u{1f40b}").unwrap();
    let mut config = AnalysisConfig { text: Some(text.clone()), ..place.config("quotes") };
    let error = analyse(&config, &mut Silent).unwrap_err();
    assert!(matches!(error, Error::UnknownCharacters { count: 4, .. }), "{error}");
    let message = error.to_string();
    for part in ["own.txt has 4 characters", "'e' (U+0065), 'é' (U+00E9), '🐋' (U+1F40B)", "--skip-unknown"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(error.exit_code(), 3);

    config.skip_unknown = true;
    let own = analyse(&config, &mut Silent).unwrap();
    let shown: String = own.passage.tokens.iter().map(|&token| own.passage.symbols[token as usize].as_str()).collect();
    assert_eq!((own.passage.source.as_str(), shown.as_str()), ("own.txt", "ab\"cd\"a"));
    let inside = own.passage.features.iter().find(|values| values.feature == Feature::InsideQuotes).unwrap();
    assert_eq!(inside.values, [0, 0, 1, 1, 1, 0, 0]);
    let held_out = analyse(&place.config("quotes"), &mut Silent).unwrap();
    assert_eq!(own.errors.nats.to_bits(), held_out.errors.nats.to_bits());
    assert_eq!(own.features[0].best, held_out.features[0].best);
}

#[test]
fn files_without_a_text_are_refused() {
    let place = place();
    fs::write(place.path("empty.txt"), "").unwrap();
    fs::write(place.path("bytes.txt"), b"ab\xff").unwrap();
    for (name, part) in
        [("empty.txt", "empty.txt has 0 characters"), ("bytes.txt", "cannot read"), ("no.txt", "no.txt")]
    {
        let config = AnalysisConfig { text: Some(place.path(name)), ..place.config("quotes") };
        let error = analyse(&config, &mut Silent).unwrap_err();
        assert!(error.to_string().contains(part) && error.exit_code() == 3, "{error}");
    }
}

#[test]
fn a_text_of_which_nothing_is_held_out_is_said_to_be() {
    let place = Place(tempfile::tempdir().unwrap());
    place.prepare("small", &quotes()[..3000], "100");
    place.train("small", 1, &["model.hidden=4", "streams.time=20", "batch=4", "optimizer.learning_rate=0.01"]);
    let mut config = place.config("small");
    config.limits.measured = 2500;
    config.sample = Some(SampleConfig { length: 50, temperature: 1.0, seed: 1 });
    let mut tasks = Tasks::default();
    let found = analyse(&config, &mut tasks).unwrap();
    let source = "first 2500 characters of the training split (nothing is held out)";
    assert_eq!([&found.errors.source, &found.scoring.source], [source, source]);
    let copied = found.copied.unwrap();
    assert_eq!(copied.novelty.sample.length, 56, "eight samples of seven characters");
    assert!(copied.novelty.sample.longest.unwrap().length <= 7, "no passage goes from one sample to the next");
    assert!(copied.novelty.validation.is_none());
    for task in ["reading the held-out text", "reading it with untrained networks", "sampling"] {
        assert!(tasks.0.iter().any(|seen| seen == task), "{:?}", tasks.0);
    }
}

/// The tasks that an analysis tells of.
#[derive(Default)]
struct Tasks(Vec<String>);

impl Observer for Tasks {
    fn observe(&mut self, event: &trainer::Event<'_>) {
        if let trainer::Event::Progress { task, .. } = event {
            self.0.push((*task).into());
        }
    }
}
