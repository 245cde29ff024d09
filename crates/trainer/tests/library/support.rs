//! A fresh folder with prepared texts and runs, and an observer that records.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{Device, Tensor};
use corpus::prepare::{Options, prepare};
use serde_json::Value;
use tempfile::TempDir;
use trainer::recipe::Request;
use trainer::{DeviceName, Event, NewRun, Observer, Outcome, Result, Resume, RunName, Silent, TrainConfig, train};

/// A small recipe with everything that a checkpoint has to hold: carried states, dropout, two optimizer moments,
/// averages, accumulated gradients, and a schedule that depends on the evaluations.
pub const EVERYTHING: &[&str] = &[
    "model.hidden=6",
    "model.layers=2",
    "batch=3",
    "accumulate=2",
    "streams.time=10",
    "optimizer.kind=adamw",
    "optimizer.learning_rate=0.02",
    "optimizer.weight_decay=0.01",
    "schedule.kind=plateau",
    "schedule.patience=0",
    "schedule.factor=0.5",
    "dropout.output=0.2",
    "dropout.recurrent=0.1",
    "average.decay=0.9",
    "samples.length=4",
    "samples.every=1",
];

/// The smallest recipe over streams: three steps per epoch over [`tale`].
pub const SMALL: &[&str] =
    &["model.hidden=5", "model.layers=1", "batch=4", "streams.time=50", "samples.length=3", "records.steps=1"];

/// 900 characters of a few words in a fixed order that does not repeat soon.
pub fn tale() -> String {
    let words = ["the ", "sea ", "was ", "a ", "ship ", "and ", "tide ", "of ", "salt ", "wind "];
    let text: String = (0..400_usize).map(|place| words[(place * place + place / 7) % words.len()]).collect();
    text[..900].to_owned()
}

pub fn request(assignments: &[&str], epochs: usize) -> Request {
    let overrides = assignments.iter().map(ToString::to_string).collect();
    Request { recipe: Some("char-rnn".into()), overrides, epochs: Some(epochs), ..Request::default() }
}

/// A fresh folder.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A place with [`tale`] prepared, a fifth of it held out.
    pub fn with_tale() -> Self {
        let place = Self::new();
        place.prepare("tale", &tale(), |options| options.split = "80/20".parse().unwrap());
        place
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn runs(&self) -> PathBuf {
        self.path("runs")
    }

    /// Prepares a text under a name, in a folder of that name, again if it is there.
    pub fn prepare(&self, name: &str, text: &str, change: impl FnOnce(&mut Options)) {
        let input = self.path(&format!("{name}.txt"));
        fs::write(&input, text).unwrap();
        let mut options = Options {
            inputs: vec![input],
            output: self.path(name),
            name: name.into(),
            window: 4,
            step: 1,
            force: true,
            ..Options::default()
        };
        change(&mut options);
        prepare(&options, &mut |_| (), &AtomicBool::new(false)).unwrap();
    }

    pub fn new_run(&self, text: &str, name: &str, request: &Request) -> NewRun {
        NewRun {
            shards: self.path(text),
            runs: self.runs(),
            name: RunName::Exact(name.into()),
            recipe: request.resolve().unwrap(),
            device: DeviceName::Cpu,
            seed: 7,
            init_from: None,
        }
    }

    /// Trains a new run on `tale`.
    pub fn train(&self, name: &str, request: &Request) -> Outcome {
        start(self.new_run("tale", name, request), &mut Silent).unwrap()
    }

    pub fn resume(&self, name: &str) -> Resume {
        Resume { run: self.runs().join(name), device: DeviceName::Cpu, ..Resume::default() }
    }
}

pub fn start(new: NewRun, observer: &mut dyn Observer) -> Result<Outcome> {
    train(&TrainConfig::New(Box::new(new)), observer, &AtomicBool::new(false))
}

pub fn go_on(resume: Resume, observer: &mut dyn Observer) -> Result<Outcome> {
    train(&TrainConfig::Resume(Box::new(resume)), observer, &AtomicBool::new(false))
}

/// Records every event in its JSON form, and may do something at one.
#[derive(Default)]
pub struct Recorder<'r> {
    pub events: Vec<Value>,
    /// Set at this step.
    pub interrupt: Option<(usize, &'r AtomicBool)>,
    /// Panic when the checkpoint of this step has been written, as if the process were killed there.
    pub die_after_checkpoint: Option<usize>,
}

impl Observer for Recorder<'_> {
    fn observe(&mut self, event: &Event<'_>) {
        self.events.push(serde_json::to_value(event).unwrap());
        match (event, self.interrupt, self.die_after_checkpoint) {
            (Event::Step(step), Some((at, flag)), _) if step.step == at => flag.store(true, Ordering::Relaxed),
            (Event::Checkpoint { step, .. }, _, Some(at)) if *step == at => panic!("killed on purpose"),
            _ => {}
        }
    }
}

impl Recorder<'_> {
    /// The events of one kind.
    pub fn of(&self, kind: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["event"] == kind).collect()
    }

    /// The kinds of all events in order (progress with its task), each once where several follow each other.
    pub fn order(&self) -> Vec<String> {
        let mut kinds: Vec<String> = vec![];
        for event in &self.events {
            let kind = match event["task"].as_str() {
                Some(task) => task.to_owned(),
                None => event["event"].as_str().unwrap().to_owned(),
            };
            if kinds.last() != Some(&kind) {
                kinds.push(kind);
            }
        }
        kinds
    }

    /// All that was sampled.
    pub fn sampled(&self) -> String {
        self.of("sample").iter().map(|event| event["text"].as_str().unwrap()).collect()
    }
}

/// The lines of a file of JSON lines.
pub fn lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// One field of every line.
pub fn column(path: &Path, field: &str) -> Vec<Value> {
    lines(path).into_iter().map(|line| line[field].clone()).collect()
}

/// The weights of a checkpoint by name.
pub fn weights(checkpoint: &Path) -> HashMap<String, Vec<f32>> {
    let tensors = candle_core::safetensors::load(checkpoint.join("model.safetensors"), &Device::Cpu).unwrap();
    let numbers = |tensor: Tensor| tensor.flatten_all().unwrap().to_vec1().unwrap();
    tensors.into_iter().map(|(name, tensor)| (name, numbers(tensor))).collect()
}

/// Everything in a run that has to be the same whatever disturbed it, by name.
pub fn results(run: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = vec!["metrics.jsonl".to_owned(), "best.json".to_owned()];
    for folder in ["samples", "checkpoints"] {
        let mut names: Vec<String> = fs::read_dir(run.join(folder))
            .unwrap()
            .map(|entry| format!("{folder}/{}", entry.unwrap().file_name().into_string().unwrap()))
            .collect();
        names.sort();
        files.extend(names);
    }
    let last = files.pop().unwrap();
    files.retain(|file| !file.starts_with("checkpoints"));
    files.extend(["model.safetensors", "training.safetensors", "card.json"].map(|file| format!("{last}/{file}")));
    let mut results: Vec<_> = files.into_iter().map(|file| (file.clone(), fs::read(run.join(file)).unwrap())).collect();
    let mut progress = lines(&run.join("progress.jsonl"));
    for sample in &mut progress {
        sample.as_object_mut().unwrap().remove("elapsed").expect("all else is the same");
    }
    results.push(("progress.jsonl".into(), serde_json::to_vec(&progress).unwrap()));
    results
}
