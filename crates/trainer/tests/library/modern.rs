//! What people run: the recipe `modern`, small, with everything that it has; and what any training must keep apart.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use corpus::Corpus;
use trainer::recipe::{OptimizerSettings, Precision, Recipe, Request, ScheduleSettings};
use trainer::{Silent, TrainConfig, train};

use crate::support::{Place, Recorder, go_on, request, results, start, tale, weights};

/// `modern` with a small network, bounded by epochs. States are reset and gradients clipped often enough to tell, and
/// operands are rounded to bfloat16 whatever the processor.
const MODERN: &[&str] = &[
    "model.hidden=10",
    "model.precision=bfloat16",
    "batch=3",
    "streams.time=20",
    "streams.reset=0.3",
    "clipping.norm=0.3",
    "schedule.warmup=0.1",
    "evaluation.steps=7",
    "samples.length=5",
    "records.progress=10",
];

/// Twelve steps an epoch over the training split of [`tale`].
fn modern(more: &[&str]) -> Request {
    let overrides = [MODERN, more].concat().iter().map(ToString::to_string).collect();
    Request { recipe: Some("modern".into()), overrides, epochs: Some(3), ..Request::default() }
}

#[test]
fn modern_has_what_is_tested_here() {
    let recipe = Recipe::named("modern").unwrap();
    assert!(recipe.streams.unwrap().reset > 0.0 && recipe.clipping.norm > 0.0 && recipe.average.is_some());
    assert!(recipe.dropout.between > 0.0 && recipe.dropout.output > 0.0);
    assert!(matches!(recipe.optimizer, OptimizerSettings::AdamW { .. }));
    assert!(matches!(recipe.schedule, ScheduleSettings::Cosine { .. }));
    assert_eq!(recipe.model.precision, Precision::Fastest);
}

#[test]
fn everything_in_modern_tells() {
    let place = Place::with_tale();
    let bytes = |name: &str, more: &[&str]| results(&place.train(name, &modern(more)).run);
    let model = |results: &[(String, Vec<u8>)]| {
        results.iter().find(|(name, _)| name.ends_with("model.safetensors")).unwrap().1.clone()
    };
    let whole = model(&bytes("whole", &[]));
    assert!(whole == model(&bytes("again", &[])), "the same seed gives the same weights");
    let without = [
        "streams.reset=0",
        "clipping.norm=0",
        "schedule.floor=1",
        "schedule.warmup=0",
        "model.precision=float32",
        "dropout.between=0",
        "dropout.output=0",
        "average.decay=0",
        "optimizer.weight_decay=0",
    ];
    for without in without {
        assert!(whole != model(&bytes(&without.replace('=', "-"), &[without])), "{without} changes nothing");
    }
}

#[test]
fn modern_ends_the_same_whether_it_is_stopped_killed_or_left_alone() {
    let place = Place::with_tale();
    place.train("undisturbed", &modern(&[]));
    let undisturbed = place.runs().join("undisturbed");

    let interrupted = AtomicBool::new(false);
    let mut recorder = Recorder { interrupt: Some((9, &interrupted)), ..Recorder::default() };
    let new = TrainConfig::New(Box::new(place.new_run("tale", "disturbed", &modern(&["checkpoints.steps=4"]))));
    train(&new, &mut recorder, &interrupted).unwrap_err();
    for kill in [16, 28] {
        let mut recorder = Recorder { die_after_checkpoint: Some(kill), ..Recorder::default() };
        let killed = catch_unwind(AssertUnwindSafe(|| go_on(place.resume("disturbed"), &mut recorder)));
        assert!(killed.is_err(), "it has to end right after the checkpoint of step {kill}");
    }
    go_on(place.resume("disturbed"), &mut Silent).unwrap();
    for (found, expected) in results(&place.runs().join("disturbed")).into_iter().zip(results(&undisturbed)) {
        assert_eq!(found.0, expected.0);
        assert!(found.1 == expected.1, "{} differs from that of a run that nothing disturbed", found.0);
    }
}

#[test]
fn accumulated_batches_train_like_batches_twice_as_large() {
    let place = Place::new();
    place.prepare("tale", &tale()[..300], |_| ());
    let windows = ["windows.length=4", "windows.step=1", "model.hidden=5", "model.layers=2", "samples.length=0"];
    let descent = ["optimizer.kind=sgd", "optimizer.learning_rate=0.5", "clipping.norm=0.2"];
    let train = |name: &str, batches: &[&str]| {
        let outcome = place.train(name, &request(&[&windows[..], &descent, batches].concat(), 2));
        (outcome.metrics.unwrap(), weights(&outcome.checkpoint))
    };
    // 296 windows: nine batches of 32 and a short one, in each of two epochs.
    let (one, large) = train("large", &["batch=32"]);
    let (two, accumulated) = train("accumulated", &["batch=16", "accumulate=2"]);
    assert_eq!((one.step, two.step), (20, 20));
    assert!((one.train_loss - two.train_loss).abs() < 1e-6, "{} and {}", one.train_loss, two.train_loss);
    for (name, numbers) in large {
        for (one, two) in numbers.iter().zip(&accumulated[&name]) {
            assert!((one - two).abs() < 1e-5, "{name}: {one} in large batches, {two} accumulated");
        }
    }
}

/// The id of a character.
fn id(shards: &Path, character: char) -> usize {
    let corpus = Corpus::open(shards).unwrap();
    let vocabulary = corpus.vocabulary();
    (0..vocabulary.len()).find(|id| vocabulary.decode(&[*id as u32]) == character.to_string()).unwrap()
}

/// `Y` and `Z` are in the validation and the test split alone, so training must never see them: no gradient reaches their
/// input weights, and as outputs they only become less likely.
#[test]
fn held_out_text_is_never_trained_on() {
    let place = Place::new();
    let text = tale()[..700].to_owned() + &"the sea Y was ".repeat(7) + &"the tide Z and".repeat(7);
    place.prepare("tale", &text, |options| options.split = "78/11/11".parse().unwrap());
    let [unseen, other, seen] = ['Y', 'Z', 't'].map(|character| id(&place.path("tale"), character));
    let descent = ["optimizer.kind=sgd", "optimizer.learning_rate=0.3", "checkpoints.keep=100", "samples.length=3"];
    let cuts = [
        &["batch=4", "streams.time=25", "model.hidden=6", "model.layers=1"][..],
        &["windows.length=8", "windows.step=3", "batch=20", "model.hidden=6", "model.layers=1"],
    ];
    for (name, cut) in ["streams", "windows"].into_iter().zip(cuts) {
        let steps = ["checkpoints.steps=1", "evaluation.steps=2"];
        let run = start(place.new_run("tale", name, &request(&[&descent[..], &steps, cut].concat(), 2)), &mut Silent);
        let checkpoints = trainer::checkpoint::all(&run.unwrap().run.join("checkpoints")).unwrap();
        assert!(checkpoints.len() > 8, "{name}: the first, and one for every step");
        let weights: Vec<_> = checkpoints.iter().map(|checkpoint| weights(checkpoint)).collect();
        // (4H, V)
        let column = |at: usize, id: usize| {
            let (input, vocabulary) = (&weights[at]["lstm.weight_ih_l0"], weights[at]["output.bias"].len());
            input.iter().skip(id).step_by(vocabulary).map(|number| number.to_bits()).collect::<Vec<_>>()
        };
        let last = checkpoints.len() - 1;
        for id in [unseen, other] {
            assert_eq!(column(0, id), column(last, id), "{name}: it was never an input");
            for pair in weights.windows(2) {
                let [before, after] = [0, 1].map(|at| pair[at]["output.bias"][id]);
                assert!(after < before, "{name}: as a target it would become likelier: {before}, then {after}");
            }
        }
        assert_ne!(column(0, seen), column(last, seen), "{name}: what is trained on changes");
        let bias = |at: usize| weights[at]["output.bias"][seen];
        assert!((1..=last).any(|at| bias(at) > bias(at - 1)), "{name}: a target becomes likelier");
    }
}
