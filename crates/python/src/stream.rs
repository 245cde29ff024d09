//! A text that is being written.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use sampler::{Model, Plan, Request, Sampler, Writer};

use crate::work::{detached, repeat};

/// A text that is written while it is read: an iterator of pieces, mostly single characters.
///
/// Model.stream makes it.
#[pyclass(frozen, module = "scrimshaw")]
pub struct Stream {
    /// The random seed: Model.generate with it writes the same text.
    #[pyo3(get)]
    seed: u64,
    state: Mutex<State>,
}

struct State {
    sampler: Sampler,
    writer: Writer,
}

impl Stream {
    /// Reads the prompt. Without one, a model of documents begins a new one, and others continue an excerpt of their training
    /// text.
    pub fn start(py: Python<'_>, model: Model, prompt: Option<String>, plan: &Plan) -> PyResult<Self> {
        let (model, tokens, writer) = detached(py, move || {
            let request = Request { prompt: prompt.as_deref(), stops: &plan.stops, ..Request::default() };
            let resolved = request.resolve(&model.card)?;
            let mut writer = Writer::new(&resolved.plan(plan.clone()), &model.card.vocabulary, 0)?;
            resolved.tokens.iter().for_each(|&token| writer.remember(token));
            Ok((model, resolved.tokens, writer))
        })?;
        let mut sampler = Sampler::new(model);
        read(py, &mut sampler, tokens)?;
        Ok(Self { seed: plan.seed, state: Mutex::new(State { sampler, writer }) })
    }

    /// Writes the text to its end.
    pub fn finish(self, py: Python<'_>) -> PyResult<String> {
        let State { mut sampler, mut writer } = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        repeat(py, || {
            if writer.end().is_none() {
                text.push_str(sampler.write(&mut writer)?.text);
            }
            Ok(writer.end().is_some())
        })?;
        Ok(text)
    }
}

/// Has the network read tokens. Fails if there is nothing to continue: an empty text without a boundary.
pub fn read(py: Python<'_>, sampler: &mut Sampler, tokens: Vec<u32>) -> PyResult<()> {
    let mut tokens = tokens.into_iter();
    repeat(py, || {
        if let Some(token) = tokens.next() {
            sampler.feed_token(token)?;
            return Ok(false);
        }
        sampler.logits()?;
        Ok(true)
    })
}

#[pymethods]
impl Stream {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<String>> {
        detached(py, || {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let State { sampler, writer } = &mut *state;
            while writer.end().is_none() {
                let text = sampler.write(writer)?.text;
                if !text.is_empty() {
                    return Ok(Some(text.to_owned()));
                }
            }
            Ok(None)
        })
    }

    fn __repr__(&self) -> String {
        format!("<scrimshaw.Stream, seed {}>", self.seed)
    }
}
