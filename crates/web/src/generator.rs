//! The class `Generator`.

use std::{cell::RefCell, rc::Rc};

use sampler::{End, Sampler, Writer};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

use crate::{
    Result,
    objects::{array, object},
    options::Options,
};

/// A text that is being written: an iterator over its steps.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Generator {
    /// Shared with the iterators of `for` loops, which go on where the last step was.
    text: Rc<RefCell<Text>>,
    seed: u64,
}

#[wasm_bindgen]
impl Generator {
    /// Writes the next token.
    #[wasm_bindgen(unchecked_return_type = "{ done: false; value: Step } | { done: true; value: undefined }")]
    pub fn next(&self) -> Result<JsValue> {
        let value = self.text.borrow_mut().step()?;
        let done = value.is_none().into();
        Ok(object([("done", done), ("value", value.unwrap_or(JsValue::UNDEFINED))]))
    }

    /// The seed: the one that was given, or the one that was drawn.
    #[wasm_bindgen(getter)]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Makes a `for` loop over the steps possible.
    #[wasm_bindgen(js_name = "[Symbol.iterator]")]
    #[must_use]
    pub fn iterator(&self) -> Generator {
        Self { text: Rc::clone(&self.text), seed: self.seed }
    }
}

impl Generator {
    /// Reads the prompt.
    pub(crate) fn new(model: sampler::Model, options: &Options) -> Result<Self> {
        let (prompt, plan) = options.resolve(&model)?;
        let mut sampler = Sampler::new(model);
        let writer = sampler.start(&plan, &prompt, 0)?;
        let likeliest = options.likeliest;
        let text =
            Text { sampler, writer, likeliest, logits: Vec::new(), probabilities: Vec::new(), tokens: Vec::new() };
        Ok(Self { text: Rc::new(RefCell::new(text)), seed: plan.seed })
    }
}

/// A text and what writes it.
#[derive(Debug)]
struct Text {
    sampler: Sampler,
    writer: Writer,
    /// How many of the likeliest tokens a step tells.
    likeliest: usize,
    logits: Vec<f32>,
    probabilities: Vec<f32>,
    tokens: Vec<usize>,
}

impl Text {
    /// The next step, or none after the end.
    fn step(&mut self) -> Result<Option<JsValue>> {
        if self.writer.end().is_some() {
            return Ok(None);
        }
        self.logits.clear();
        self.logits.extend_from_slice(self.sampler.logits()?);
        let likeliest = self.likeliest();
        let step = self.sampler.write(&mut self.writer)?;
        let nats = -decoding::log_probability(&self.logits, step.token as usize);
        let [text, nats] = [("text", step.text.into()), ("nats", nats.into())];
        let likeliest = ("likeliest", likeliest);
        Ok(Some(match step.end.map(End::name) {
            Some(end) => object([text, nats, likeliest, ("end", end.into())]),
            None => object([text, nats, likeliest]),
        }))
    }

    /// The likeliest next tokens, most likely first.
    fn likeliest(&mut self) -> JsValue {
        self.tokens.clear();
        if self.likeliest > 0 {
            self.probabilities.resize(self.logits.len(), 0.0);
            decoding::softmax(&self.logits, &mut self.probabilities);
            decoding::top(&self.probabilities, self.likeliest, &mut self.tokens);
        }
        let vocabulary = &self.sampler.card().vocabulary;
        array(self.tokens.iter().map(|&token| {
            let (text, probability) = (vocabulary.shown(token as u32), self.probabilities[token]);
            object([("text", text.into()), ("probability", probability.into())])
        }))
    }
}
