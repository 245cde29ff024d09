//! The class `Model`.

use model_card::Unit;
use sampler::{Engine, Sampler, Scorer};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

use crate::{
    Generator, Result,
    objects::{array, object},
    options::Options,
};

/// A model: what writes and scores.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Model(sampler::Model);

#[wasm_bindgen]
impl Model {
    /// Opens an ONNX file that Scrimshaw exported, given as its bytes. Throws what is wrong with another file.
    #[wasm_bindgen(constructor)]
    pub fn new(bytes: &[u8]) -> Result<Self> {
        Ok(Self(sampler::Model::from_bytes(bytes, &Engine::default())?))
    }

    /// The model card: what the model was trained on, its characters and its sizes.
    #[wasm_bindgen(getter, unchecked_return_type = "any")]
    pub fn card(&self) -> JsValue {
        js_sys::JSON::parse(&self.0.card.to_json()).unwrap_or_default()
    }

    /// Begins a text. Throws if an option is unknown or out of range, or a character is unknown to the model.
    #[allow(clippy::needless_pass_by_value, reason = "JavaScript hands over values")]
    pub fn generate(
        &self,
        #[wasm_bindgen(unchecked_optional_param_type = "Options")] options: JsValue,
    ) -> Result<Generator> {
        Generator::new(self.another()?, &Options::read(&options)?)
    }

    /// The surprise of each character of a text, in nats. Throws if a character is unknown to the model.
    #[wasm_bindgen(unchecked_return_type = "Score[]")]
    pub fn score(&self, text: &str) -> Result<JsValue> {
        let tokens = self.0.encode(text)?;
        let mut nats = Vec::with_capacity(tokens.len());
        let mut scorer = Scorer::new(self.another()?, Vec::new());
        scorer.push(&tokens, |token| nats.push(token))?;
        scorer.finish(|token| nats.push(token))?;
        let mut nats = nats.into_iter();
        let text = self.0.card.normalisation.apply(text);
        Ok(array(text.chars().map(|character| {
            let tokens = if self.0.card.vocabulary.unit() == Unit::Char { 1 } else { character.len_utf8() };
            let sum: f32 = nats.by_ref().take(tokens).sum();
            let nats = if sum.is_nan() { JsValue::NULL } else { sum.into() };
            object([("text", character.to_string().into()), ("nats", nats)])
        })))
    }

    /// The logits (V) of the token after a text.
    pub fn logits(&self, text: &str) -> Result<Vec<f32>> {
        let mut sampler = Sampler::new(self.another()?);
        sampler.feed(text)?;
        Ok(sampler.logits()?.to_vec())
    }
}

impl Model {
    /// The same model with a state of its own.
    fn another(&self) -> Result<sampler::Model> {
        Ok(sampler::Model { card: self.0.card.clone(), network: self.0.network.another()? })
    }
}
