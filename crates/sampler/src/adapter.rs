//! `lstm-engine` behind `ort`.
//!
//! `ort` runs a session for one caller at a time, so every network opens its own. Sessions over the same weights share
//! them: the program names the weights by an entry of the session's options ([`WEIGHTS`]), and a session that names
//! weights which another still holds uses those and needs no bytes.

use std::{
    collections::BTreeMap,
    env,
    ffi::{CStr, CString},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use lstm_engine::{Input, Instructions, Numbers, Plan, Session};
use ort_backend::{
    Elements, Engine, Error, Metadata, Model, ModelSource, Options, Output, Outputs, Port, Result, View,
};
use smallvec::SmallVec;

/// The entry of a session's options that names its weights.
pub(crate) const WEIGHTS: &CStr = c"scrimshaw.weights";

/// Names the instructions to compute with, so that those of another machine can be tried.
const INSTRUCTIONS: &str = "SCRIMSHAW_INSTRUCTIONS";

/// The engine.
pub(crate) struct LstmEngine;

/// A compiled file.
struct Compiled {
    plan: Arc<Plan>,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    metadata: Metadata,
}

/// A session, and the file that it shares with others.
pub(crate) struct LstmModel {
    compiled: Arc<Compiled>,
    /// Its memory, which one run at a time uses.
    session: Mutex<Session>,
}

impl Engine for LstmEngine {
    const NAME: &'static CStr = c"lstm-engine";
    type Model = LstmModel;

    fn open(source: ModelSource<'_>, options: &Options) -> Result<LstmModel> {
        static NAMED: Mutex<BTreeMap<CString, Weak<Compiled>>> = Mutex::new(BTreeMap::new());
        let compiled = if let Some(name) = options.entry(WEIGHTS) {
            // An entry is written in one step, so a panic leaves none half-made.
            let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
            let known = named.get(name).and_then(Weak::upgrade);
            let compiled = known.map_or_else(|| Compiled::new(source).map(Arc::new), Ok)?;
            named.retain(|_, compiled| compiled.strong_count() > 0);
            named.insert(name.to_owned(), Arc::downgrade(&compiled));
            compiled
        } else {
            Arc::new(Compiled::new(source)?)
        };
        let session = Mutex::new(Session::new(Arc::clone(&compiled.plan), options.threads));
        Ok(LstmModel { compiled, session })
    }
}

impl Compiled {
    fn new(source: ModelSource<'_>) -> Result<Self> {
        let bytes = source.read()?;
        let view = onnx_view::Model::read(&bytes)?;
        let plan = Plan::compile_for(&view, instructions()?).map_err(|error| match error {
            lstm_engine::Error::Operator { .. } | lstm_engine::Error::Graph(_) => {
                let advice = "a build with `--features rten`, or ONNX Runtime, runs other graphs";
                Error::Model(format!("{error}; {advice}").into())
            }
            error => failed(error),
        })?;
        let (inputs, outputs) = (Port::all(&view.graph.inputs)?, Port::all(&view.graph.outputs)?);
        Ok(Self { plan: Arc::new(plan), inputs, outputs, metadata: Metadata::from(&view) })
    }
}

/// The fastest instructions of this processor, unless the environment names others.
pub(crate) fn instructions() -> Result<Instructions> {
    let Some(wanted) = env::var_os(INSTRUCTIONS) else { return Ok(Instructions::detect()) };
    let available = Instructions::available();
    available.iter().find(|set| wanted == set.key()).copied().ok_or_else(|| {
        let keys: Vec<_> = available.iter().map(|set| set.key()).collect();
        let message =
            format!("{INSTRUCTIONS} is {}, which this processor has not; it has {}", wanted.display(), keys.join(", "));
        Error::Model(message.into())
    })
}

impl Model for LstmModel {
    type Outputs<'m> = Results<'m>;

    fn inputs(&self) -> &[Port] {
        &self.compiled.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.compiled.outputs
    }

    fn metadata(&self) -> &Metadata {
        &self.compiled.metadata
    }

    fn run(&self, inputs: &[View<'_>], wanted: &[usize]) -> Result<Results<'_>> {
        // Every run writes all memory that it reads, so one that panicked leaves nothing behind.
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let inputs = inputs.iter().map(|view| {
            let numbers = match view.elements {
                Elements::Float32(floats) => Numbers::Floats(floats),
                Elements::Int64(ids) => Numbers::Longs(ids),
                Elements::Int32(ids) => Numbers::Integers(ids),
                _ => return Err(Error::UnsupportedElement(format!("{} as inputs", view.element()))),
            };
            Ok(Input { shape: view.shape, numbers })
        });
        let inputs = inputs.collect::<Result<SmallVec<[_; 4]>>>()?;
        session.run(&inputs).map_err(failed)?;
        Ok(Results { session, wanted: wanted.into() })
    }
}

fn failed(error: lstm_engine::Error) -> Error {
    match error {
        lstm_engine::Error::Memory { bytes } => Error::Memory { bytes },
        lstm_engine::Error::Inputs(message) => Error::Inputs(message),
        error => Error::Model(error.into()),
    }
}

/// The results of a run, which lie in the session until the next one.
pub(crate) struct Results<'m> {
    session: MutexGuard<'m, Session>,
    wanted: SmallVec<[usize; 4]>,
}

impl Outputs for Results<'_> {
    fn take(&mut self, position: usize) -> Result<Output<'_>> {
        let (shape, numbers) = self.session.output(self.wanted[position]);
        Ok(Output::Borrowed(View { shape, elements: Elements::Float32(numbers) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &[u8] = include_bytes!("../tests/data/stateful.onnx");

    fn open(bytes: &[u8], name: Option<&CStr>) -> Result<LstmModel> {
        let options = Options::default();
        let options = name.map_or(options.clone(), |name| options.with_entry(WEIGHTS, name));
        LstmEngine::open(ModelSource::Memory(bytes), &options)
    }

    #[test]
    fn sessions_of_the_same_name_share_their_weights() {
        let first = open(MODEL, Some(c"one")).unwrap();
        // Shared weights need no bytes.
        let second = open(&[], Some(c"one")).unwrap();
        assert!(Arc::ptr_eq(&first.compiled, &second.compiled));
        for other in [open(MODEL, Some(c"two")).unwrap(), open(MODEL, None).unwrap()] {
            assert!(!Arc::ptr_eq(&first.compiled, &other.compiled));
        }
        drop(first);
        assert!(Arc::ptr_eq(&open(&[], Some(c"one")).unwrap().compiled, &second.compiled));
        drop(second);
        // Nobody holds them any more.
        assert!(open(&[], Some(c"one")).is_err());
    }

    #[test]
    fn an_operator_that_is_not_known_is_named_with_what_runs_it() {
        let unknown = include_bytes!("../tests/data/unknown-operator.onnx");
        let error = open(unknown, None).map(drop).unwrap_err().to_string();
        assert!(error.contains("operator Carve") && error.contains("--features rten"), "{error}");
    }
}
