//! Runs under a time budget: the budget becomes a number of steps, and from then on the clock decides nothing.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use serde_json::Value;
use trainer::recipe::Request;
use trainer::runs::{self, State};
use trainer::{Error, Event, Observer, Outcome, Repeat, Result, RunName, TrainConfig, train_by};

use crate::support::{Place, Recorder, Ticking, column, lines, results};

/// `modern` at a small size. A look at the clock between two steps would count as time of the next one.
const SMALL_MODERN: &[&str] = &[
    "model.hidden=6",
    "model.layers=2",
    "batch=4",
    "streams.time=10",
    "streams.rotate=true",
    "samples.length=4",
    "samples.every=1",
    "records.steps=1",
    "records.progress=0",
    "checkpoints.minutes=0",
    "checkpoints.keep=1000",
];

/// Seconds of a step by the test's clock.
const STEP: f64 = 0.1;

fn modern(minutes: f64) -> Request {
    let overrides = SMALL_MODERN.iter().map(ToString::to_string).collect();
    Request { minutes: Some(minutes), overrides, ..Request::default() }
}

fn begin(place: &Place, name: &str, minutes: f64) -> TrainConfig {
    TrainConfig::New(Box::new(place.new_run("tale", name, &modern(minutes))))
}

fn repeat(place: &Place, run: &str, name: &str) -> TrainConfig {
    let (run, runs) = (place.runs().join(run), place.runs());
    let device = trainer::DeviceName::Cpu;
    TrainConfig::Repeat(Box::new(Repeat { run, shards: None, runs, name: RunName::Exact(name.into()), device }))
}

/// Trains by a clock whose time of a step changes from `STEP` to another one at a step, and stops at another step.
struct Weather<'c> {
    clock: &'c Ticking,
    change: Option<(usize, f64)>,
    recorder: Recorder<'c>,
}

impl Observer for Weather<'_> {
    fn observe(&mut self, event: &Event<'_>) {
        if let (Event::Step(record), Some((step, seconds))) = (event, self.change)
            && record.step == step
        {
            self.clock.seconds.set(seconds);
        }
        self.recorder.observe(event);
    }
}

fn run(config: &TrainConfig, change: Option<(usize, f64)>, stop: Option<usize>) -> (Result<Outcome>, Vec<Value>) {
    let (clock, interrupted) = (Ticking::new(STEP), AtomicBool::new(false));
    let recorder = Recorder { interrupt: stop.map(|step| (step, &interrupted)), ..Recorder::default() };
    let mut observer = Weather { clock: &clock, change, recorder };
    let outcome = train_by(&clock, config, &mut observer, &interrupted);
    (outcome, observer.recorder.events)
}

fn of<'e>(events: &'e [Value], kind: &str) -> Vec<&'e Value> {
    events.iter().filter(|event| event["event"] == kind).collect()
}

/// The plans of a run, as its last checkpoint has them.
fn plans(run: &Path) -> Value {
    let last = runs::list(run.parent().unwrap()).into_iter().find(|summary| summary.path == run).unwrap().step;
    let text = fs::read_to_string(run.join(format!("checkpoints/{last:08}/training.json"))).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["plans"].clone()
}

fn assert_same(found: &Path, expected: &Path) {
    for (found, expected) in results(found).into_iter().zip(results(expected)) {
        assert_eq!(found.0, expected.0);
        assert!(found.1 == expected.1, "{} differs from that of the run that it has to be like", found.0);
    }
    let rates = |run: &Path| column(&run.join("steps.jsonl"), "learning_rate");
    assert_eq!(rates(found), rates(expected));
}

#[test]
fn a_time_budget_becomes_steps() {
    let place = Place::with_tale();
    // 6 s; an evaluation takes one look of 0.1 s and the time of a checkpoint, so there are two of them.
    let (outcome, events) = run(&begin(&place, "run", 0.1), None, None);
    let run = outcome.unwrap().run;
    let planned = of(&events, "planned");
    assert_eq!(planned.len(), 1, "the clock went as measured: {planned:?}");
    let plan = &planned[0]["plan"];
    let (steps, every) = (plan["steps"].as_u64().unwrap(), plan["evaluation"].as_u64().unwrap());
    assert!((56..=58).contains(&steps) && (28..=29).contains(&every), "{plan}");
    assert_eq!(planned[0]["characters_per_step"], 40);
    assert_eq!(of(&events, "step").len() as u64, steps);
    assert_eq!(of(&events, "step").last().unwrap()["done"], 1.0);
    assert_eq!(column(&run.join("metrics.jsonl"), "step"), [every, steps], "not at the ends of epochs");
    let config: Value = serde_json::from_str(&fs::read_to_string(run.join("config.json")).unwrap()).unwrap();
    assert_eq!((&config["plans"][0], &config["plans"]), (plan, &plans(&run)));
    assert_eq!(runs::list(&place.runs())[0].state, State::Finished);
}

#[test]
fn a_run_under_a_time_budget_is_resumed_and_repeated_to_the_bit() {
    let place = Place::with_tale();
    let undisturbed = run(&begin(&place, "undisturbed", 0.1), None, None).0.unwrap().run;
    run(&begin(&place, "stopped", 0.1), None, Some(17)).0.unwrap_err();
    // The clock of the second session goes a little faster: within the margin.
    let resume = TrainConfig::Resume(Box::new(place.resume("stopped")));
    let (outcome, events) = run(&resume, Some((18, 0.09)), None);
    assert_eq!(of(&events, "started")[0]["resumed_after"], 17);
    assert_same(&outcome.unwrap().run, &undisturbed);

    // A repetition does not look at the clock: on a machine that is ten times as slow it is the same run.
    let (outcome, events) = run(&repeat(&place, "undisturbed", "repeated"), Some((1, 1.0)), None);
    assert_eq!(of(&events, "planned").len(), 1);
    assert_same(&outcome.unwrap().run, &undisturbed);
}

#[test]
fn a_machine_that_slows_down_gets_a_new_plan_that_can_be_repeated() {
    let place = Place::with_tale();
    let (outcome, events) = run(&begin(&place, "slowed", 0.2), Some((30, 0.25)), None);
    let outcome = outcome.unwrap();
    let planned = of(&events, "planned");
    assert!(planned.len() >= 2, "{planned:?}");
    assert!((0.8 * 12.0..1.25 * 12.0).contains(&outcome.elapsed), "{} s of 12", outcome.elapsed);
    let (from, before) = (planned[1]["plan"]["from"].as_u64().unwrap(), planned[0]["plan"]["steps"].as_u64().unwrap());
    let last = planned.last().unwrap()["plan"]["steps"].as_u64().unwrap();
    assert!((31..60).contains(&from) && last < before, "{planned:?}");
    assert!(of(&events, "checkpoint").iter().any(|event| event["step"] == from), "a new plan is made at a checkpoint");
    assert_eq!(plans(&outcome.run).as_array().unwrap().len(), planned.len());

    // The learning rate makes no jump there, and ends near its floor of 0.02.
    let steps = lines(&outcome.run.join("steps.jsonl"));
    let rates: Vec<f64> = steps.iter().map(|step| step["learning_rate"].as_f64().unwrap()).collect();
    let highest = rates.iter().copied().fold(0.0, f64::max);
    let falls = rates.windows(2).skip(5).map(|pair| (pair[1] - pair[0]).abs() / highest);
    assert!(falls.fold(0.0, f64::max) < 0.1, "{rates:?}");
    assert!(rates[rates.len() - 1] < 0.05 * highest, "{rates:?}");

    // Repeated by a steady clock, undisturbed; stopped before the new plan holds and resumed; stopped after it.
    run(&repeat(&place, "slowed", "repeated"), None, None).0.unwrap();
    assert_same(&place.runs().join("repeated"), &outcome.run);
    let from = usize::try_from(from).unwrap();
    for (name, stop) in [("before", from - 3), ("at", from), ("after", from + 3)] {
        run(&repeat(&place, "slowed", name), None, Some(stop)).0.unwrap_err();
        assert_eq!(runs::list(&place.runs()).iter().find(|run| run.run == name).unwrap().state, State::Stopped);
        let resumed = run(&TrainConfig::Resume(Box::new(place.resume(name))), Some((stop + 2, 5.0)), None).0.unwrap();
        assert_same(&resumed.run, &outcome.run);
    }
    // The first session of the run itself, stopped after its new plan and resumed on the machine as it is now.
    run(&begin(&place, "stopped", 0.2), Some((30, 0.25)), Some(from + 3)).0.unwrap_err();
    let (clock, mut recorder) = (Ticking::new(0.25), Recorder::default());
    let resume = TrainConfig::Resume(Box::new(place.resume("stopped")));
    let resumed = train_by(&clock, &resume, &mut recorder, &AtomicBool::new(false)).unwrap();
    let made: Vec<&Value> = recorder.of("planned").into_iter().skip(1).collect();
    if planned.len() == 2 && made.is_empty() {
        assert_same(&resumed.run, &outcome.run);
    }
    // Whatever was planned then, the run can be repeated.
    run(&repeat(&place, "stopped", "again"), None, None).0.unwrap();
    assert_same(&place.runs().join("again"), &resumed.run);
}

#[test]
fn a_budget_that_is_too_short_for_a_step_is_refused() {
    let place = Place::with_tale();
    let error = run(&begin(&place, "run", 0.09 / 60.0), None, None).0.unwrap_err();
    assert!(matches!(error, Error::BudgetTooShort { .. }), "{error}");
    for part in ["0.09 s", "0.10 s", "--time-budget"] {
        assert!(error.to_string().contains(part), "{error} should say {part}");
    }
    assert_eq!(error.exit_code(), corpus::exit::USAGE);
    assert!(!place.runs().join("run").exists());
}

#[test]
fn a_run_of_earlier_versions_goes_on_by_the_clock() {
    let place = Place::with_tale();
    run(&begin(&place, "old", 0.1), None, Some(17)).0.unwrap_err();
    let folder = place.runs().join("old");
    for file in ["config.json", "checkpoints/00000017/training.json"] {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        let mut object: Value = serde_json::from_str(&text).unwrap();
        object.as_object_mut().unwrap().remove("plans").unwrap();
        fs::write(folder.join(file), object.to_string()).unwrap();
    }
    let error = run(&repeat(&place, "old", "repeated"), None, None).0.unwrap_err();
    assert!(matches!(error, Error::NoPlan { .. }), "{error}");
    let (outcome, events) = run(&TrainConfig::Resume(Box::new(place.resume("old"))), None, None);
    assert!(outcome.unwrap().elapsed >= 6.0);
    assert!(of(&events, "planned").is_empty());
    // 720 characters are 18 steps of 4 streams of 10.
    assert_eq!(column(&folder.join("metrics.jsonl"), "step")[0], 18, "evaluated at the ends of epochs");

    run(&begin(&place, "new", 0.1), None, Some(17)).0.unwrap_err();
    let file = place.runs().join("new/checkpoints/00000017/training.json");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"from\": 0", "\"from\": 3")).unwrap();
    let error = run(&TrainConfig::Resume(Box::new(place.resume("new"))), None, None).0.unwrap_err();
    assert!(matches!(error, Error::DamagedCheckpoint { .. }) && error.to_string().contains("plans"), "{error}");
}

#[test]
fn a_text_that_is_shorter_than_a_batch_is_trained_on_all_the_same() {
    let place = Place::new();
    place.prepare("short", &crate::support::tale()[..90], |_| ());
    let words = ["model.hidden=5", "model.layers=1", "samples.length=0"];
    let train = |name: &str, more: &[&str]| {
        let overrides = [&words[..], more].concat().iter().map(ToString::to_string).collect();
        let request = Request { overrides, epochs: Some(2), ..Request::default() };
        run(&TrainConfig::New(Box::new(place.new_run("short", name, &request))), None, None).0
    };
    assert_eq!(train("fitted", &[]).unwrap().metrics.unwrap().step, 2);
    let error = train("refused", &["batch=16"]).unwrap_err();
    assert!(matches!(error, Error::TooShortForStreams { batch: 16, .. }), "what is set is named: {error}");
}
