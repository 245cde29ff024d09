//! The class `Generator`.

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
    sampler: Sampler,
    writer: Writer,
    seed: u64,
    /// How many of the likeliest tokens a step tells.
    likeliest: usize,
    logits: Vec<f32>,
    tokens: Vec<usize>,
}

impl Generator {
    /// Reads the prompt.
    pub(crate) fn new(model: sampler::Model, options: Options) -> Result<Self> {
        let prompt = options.prompt(&model)?;
        let plan = options.plan(&model)?;
        let mut sampler = Sampler::new(model);
        let mut writer = Writer::new(&plan, &sampler.card().vocabulary, 0)?;
        for token in sampler.card().vocabulary.encode(&prompt)? {
            writer.remember(token);
        }
        sampler.feed(&prompt)?;
        // Fails if there is nothing to continue: an empty prompt without a boundary.
        sampler.logits()?;
        let (seed, likeliest) = (plan.seed, options.likeliest);
        Ok(Self { sampler, writer, seed, likeliest, logits: Vec::new(), tokens: Vec::new() })
    }
}

#[wasm_bindgen]
impl Generator {
    /// Writes the next token.
    #[wasm_bindgen(unchecked_return_type = "{ done: false; value: Step } | { done: true; value: undefined }")]
    pub fn next(&mut self) -> Result<JsValue> {
        if self.writer.end().is_some() {
            return Ok(object([("done", true.into()), ("value", JsValue::UNDEFINED)]));
        }
        self.logits.clear();
        self.logits.extend_from_slice(self.sampler.logits()?);
        let likeliest = self.likeliest()?;
        let step = self.sampler.write(&mut self.writer)?;
        let nats = -decoding::log_probability(&self.logits, step.token as usize);
        let value = [("text", step.text.into()), ("nats", nats.into()), ("likeliest", likeliest)];
        let value = match step.end.map(End::name) {
            Some(end) => {
                let [text, nats, likeliest] = value;
                object([text, nats, likeliest, ("end", end.into())])
            }
            None => object(value),
        };
        Ok(object([("done", false.into()), ("value", value)]))
    }

    /// The seed: the one that was given, or the one that was drawn.
    #[wasm_bindgen(getter)]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Makes a `for` loop over the steps possible.
    #[wasm_bindgen(js_name = "[Symbol.iterator]", unchecked_return_type = "IterableIterator<Step>")]
    pub fn iterator(this: JsValue) -> JsValue {
        this
    }
}

impl Generator {
    /// The likeliest next tokens, most likely first.
    fn likeliest(&mut self) -> Result<JsValue> {
        self.tokens.clear();
        if self.likeliest > 0 {
            let probabilities = self.sampler.probabilities()?;
            decoding::top(probabilities, self.likeliest, &mut self.tokens);
        }
        let probabilities: Vec<f32> = if self.tokens.is_empty() {
            Vec::new()
        } else {
            let probabilities = self.sampler.probabilities()?;
            self.tokens.iter().map(|&token| probabilities[token]).collect()
        };
        let vocabulary = &self.sampler.card().vocabulary;
        Ok(array(self.tokens.iter().zip(probabilities).map(|(&token, probability)| {
            let text = vocabulary.shown(token as u32);
            object([("text", text.into()), ("probability", probability.into())])
        })))
    }
}
