//! The model in Python.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use model_card::{ModelCard, Unit};
use pyo3::{
    exceptions::{PyImportError, PyTypeError},
    prelude::*,
    types::{PyByteArray, PyBytes, PyDict, PyMemoryView},
};
use sampler::{Engine, Network, Sampler, Scorer, read_file};

use crate::{
    error::{Error, exception, exception_of_file},
    settings::{Settings, Stops, whole},
    stream::{Stream, read},
    work::{detached, repeat},
};

/// The most threads: each holds buffers of its own.
const MAX_THREADS: usize = 1024;
/// Tokens that are scored at a time. Signals are answered in between.
const SCORED: usize = 1 << 14;

/// An exported model: an ONNX file with its model card.
///
/// Model(path_or_bytes, *, threads=1) opens a file, or the bytes of one. threads is how many score works on; one text is
/// written on one. Several Python threads may use one model at the same time: each call has a state of its own, and the
/// weights are shared.
///
/// Raises Error if the model cannot be used, and OSError if the file cannot be read.
#[pyclass(frozen, module = "scrimshaw")]
pub struct Model {
    card: ModelCard,
    /// Where each call's own network comes from. It stays in its first state.
    network: Mutex<Network>,
    threads: usize,
}

impl Model {
    /// The model for one call, and the networks beside it that share its work: `networks` in all.
    fn own(&self, py: Python<'_>, networks: usize) -> PyResult<(sampler::Model, Vec<Network>)> {
        detached(py, || {
            // Opening another network changes nothing in this one.
            let network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
            let helpers = (1..networks).map(|_| network.another()).collect::<sampler::Result<_>>()?;
            Ok((sampler::Model { card: self.card.clone(), network: network.another()? }, helpers))
        })
    }
}

#[pymethods]
impl Model {
    #[new]
    #[pyo3(signature = (path_or_bytes, *, threads = 1), text_signature = "(path_or_bytes, *, threads=1)")]
    fn new(py: Python<'_>, path_or_bytes: &Bound<'_, PyAny>, threads: i128) -> PyResult<Self> {
        let threads: usize = whole("threads", threads)?;
        if !(1..=MAX_THREADS).contains(&threads) {
            let message = format!("threads={threads}: give 1 to {MAX_THREADS}; more than one per core gains nothing");
            return Err(Error::new_err(message));
        }
        let is_view = path_or_bytes.is_instance_of::<PyByteArray>() || path_or_bytes.is_instance_of::<PyMemoryView>();
        let open = |bytes: &[u8]| sampler::Model::from_bytes(bytes, &Engine::default());
        let opened = if path_or_bytes.is_instance_of::<PyBytes>() || is_view {
            // Of a view a copy: other threads may change what it shows.
            let bytes = py.get_type::<PyBytes>().call1((path_or_bytes,))?.cast_into::<PyBytes>()?;
            let bytes = bytes.as_bytes();
            py.detach(|| open(bytes)).map_err(|error| exception(py, &error))
        } else {
            let path: PathBuf = path_or_bytes.extract().map_err(|_| {
                let kind = path_or_bytes.get_type();
                PyTypeError::new_err(format!("a model is a path or the bytes of an ONNX file, not {kind}"))
            })?;
            let opened = py.detach(|| read_file(&path).and_then(|bytes| open(&bytes)));
            opened.map_err(|error| exception_of_file(py, &error, &path))
        };
        let sampler::Model { card, network } = opened?;
        Ok(Self { card, network: Mutex::new(network), threads })
    }

    /// Continues a prompt, and returns what was written, without the prompt.
    ///
    /// prompt: the text to continue. Without one, a model of documents begins a new one, and any other model continues an
    ///     excerpt of its training text.
    /// length: characters to write. The text ends earlier at a stop text, or where the model ends a document.
    /// temperature: below 1 is more predictable, above 1 more random; 0 always takes the most likely character.
    /// top_k: draw only from this many of the most likely characters.
    /// top_p: draw only from the most likely characters whose probabilities add up to this.
    /// min_p: draw only from characters at least this many times as likely as the most likely one.
    /// repetition_penalty: make the last 64 characters less likely: 1 has no effect, 1.2 a little.
    /// seed: the same seed writes the same text, here and in the program scrimshaw. Without one, each text is another.
    /// stop: a text, or several, after any of which the text ends.
    /// words: finish the last word, even beyond length.
    ///
    /// Raises Error if a setting is out of range or the model does not know a character of the prompt.
    #[pyo3(
        signature = (prompt = None, *, length = 400, temperature = 0.5, top_k = None, top_p = None, min_p = None,
                     repetition_penalty = None, seed = None, stop = Stops::default(), words = false),
        text_signature = "($self, prompt=None, *, length=400, temperature=0.5, top_k=None, top_p=None, min_p=None, \
                          repetition_penalty=None, seed=None, stop=(), words=False)"
    )]
    #[expect(clippy::too_many_arguments, reason = "Python names them")]
    fn generate(
        &self,
        py: Python<'_>,
        prompt: Option<String>,
        length: i128,
        temperature: f32,
        top_k: Option<i128>,
        top_p: Option<f32>,
        min_p: Option<f32>,
        repetition_penalty: Option<f32>,
        seed: Option<i128>,
        stop: Stops,
        words: bool,
    ) -> PyResult<String> {
        let stream =
            self.stream(py, prompt, length, temperature, top_k, top_p, min_p, repetition_penalty, seed, stop, words)?;
        stream.finish(py)
    }

    /// Continues a prompt piece by piece: an iterator of texts, whose attribute seed is the random seed.
    ///
    /// The arguments are those of generate, and so is the text that the pieces make.
    #[pyo3(
        signature = (prompt = None, *, length = 400, temperature = 0.5, top_k = None, top_p = None, min_p = None,
                     repetition_penalty = None, seed = None, stop = Stops::default(), words = false),
        text_signature = "($self, prompt=None, *, length=400, temperature=0.5, top_k=None, top_p=None, min_p=None, \
                          repetition_penalty=None, seed=None, stop=(), words=False)"
    )]
    #[expect(clippy::too_many_arguments, reason = "Python names them")]
    fn stream(
        &self,
        py: Python<'_>,
        prompt: Option<String>,
        length: i128,
        temperature: f32,
        top_k: Option<i128>,
        top_p: Option<f32>,
        min_p: Option<f32>,
        repetition_penalty: Option<f32>,
        seed: Option<i128>,
        stop: Stops,
        words: bool,
    ) -> PyResult<Stream> {
        let settings = Settings { length, temperature, top_k, top_p, min_p, repetition_penalty, seed, stop, words };
        let plan = settings.plan(py)?;
        let (model, _) = self.own(py, 1)?;
        Stream::start(py, model, prompt, &plan)
    }

    /// How surprising each character of a text is: a list of (character, nats).
    ///
    /// The text is normalised as the card says. The first character has None, unless the model has a boundary between
    /// documents, which then precedes it. The mean of the nats is the loss that training reports.
    ///
    /// Raises Error if the model does not know a character.
    #[pyo3(signature = (text), text_signature = "($self, text)")]
    fn score(&self, py: Python<'_>, text: String) -> PyResult<Vec<(char, Option<f32>)>> {
        let (model, helpers) = self.own(py, self.threads.min(Scorer::MAX_NETWORKS))?;
        let unit = model.card.vocabulary.unit();
        let (model, text, tokens) = detached(py, move || {
            let tokens = model.encode(&text)?;
            let text = model.card.normalisation.apply(&text).into_owned();
            Ok((model, text, tokens))
        })?;
        let mut scorer = Scorer::new(model, helpers);
        let mut nats = Vec::with_capacity(tokens.len());
        let mut pieces = tokens.chunks(SCORED);
        repeat(py, || {
            let piece = pieces.next();
            match piece {
                Some(tokens) => scorer.push(tokens, |score| nats.push(score))?,
                None => scorer.finish(|score| nats.push(score))?,
            }
            Ok(piece.is_none())
        })?;
        let mut nats = nats.into_iter();
        let score = |character: char| {
            // A character of a model of bytes is as surprising as its bytes together.
            let tokens = if unit == Unit::Byte { character.len_utf8() } else { 1 };
            let sum: f32 = nats.by_ref().take(tokens).sum();
            (character, (!sum.is_nan()).then_some(sum))
        };
        Ok(text.chars().map(score).collect())
    }

    /// The logits of the next character after a text, in the order of the vocabulary's symbols: an array of float32 if numpy
    /// can be imported, a list otherwise.
    ///
    /// Raises Error if the model does not know a character, or if the text is empty and the model has no boundary.
    #[pyo3(signature = (text), text_signature = "($self, text)")]
    fn logits<'py>(&self, py: Python<'py>, text: String) -> PyResult<Bound<'py, PyAny>> {
        let (model, _) = self.own(py, 1)?;
        let (model, tokens) = detached(py, move || model.encode(&text).map(|tokens| (model, tokens)))?;
        let mut sampler = Sampler::new(model);
        read(py, &mut sampler, tokens)?;
        let logits = sampler.logits().map_err(|error| exception(py, &error))?;
        match py.import("numpy") {
            Ok(numpy) => {
                let bytes: Vec<u8> = logits.iter().flat_map(|logit| logit.to_ne_bytes()).collect();
                numpy.call_method1("frombuffer", (PyByteArray::new(py, &bytes), "float32"))
            }
            Err(error) if error.is_instance_of::<PyImportError>(py) => Ok(logits.into_pyobject(py)?.into_any()),
            Err(error) => Err(error),
        }
    }

    /// What the model is: its sizes, its vocabulary and what it was trained on, as `scrimshaw info --json` shows it.
    #[getter]
    fn card<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let card = py.import("json")?.call_method1("loads", (self.card.to_json(),))?;
        Ok(card.cast_into::<PyDict>()?)
    }

    fn __repr__(&self) -> String {
        let size = self.card.size;
        format!("<scrimshaw.Model, {} \u{d7} {} LSTM, {} tokens>", size.layers, size.hidden, size.vocabulary)
    }
}
