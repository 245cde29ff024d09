//! The options of a text: an object of JavaScript becomes a plan.

use js_sys::{Array, BigInt, Object, Reflect};
use sampler::{Model, Plan, Request};
use wasm_bindgen::{JsCast, JsError, JsValue};

use crate::Result;

/// Options as they were given.
#[derive(Debug)]
pub(crate) struct Options {
    prompt: Option<String>,
    plan: Plan,
    /// How many of the likeliest tokens a step tells.
    pub(crate) likeliest: usize,
}

/// All names, for the message about another one.
const NAMES: &str = "prompt, length, temperature, topK, topP, minP, repetitionPenalty, seed, stop, words, likeliest";

/// The largest whole number that a JavaScript number holds exactly.
const MOST: f64 = 9_007_199_254_740_991.0;

impl Options {
    /// Reads an object, or nothing. What is undefined has been left out.
    pub(crate) fn read(value: &JsValue) -> Result<Self> {
        let mut plan = Plan { seed: drawn_seed(), ..Plan::default() };
        plan.options.temperature = 0.5;
        let mut options = Self { prompt: None, plan, likeliest: 0 };
        if value.is_undefined() || value.is_null() {
            return Ok(options);
        }
        let object =
            value.dyn_ref::<Object>().ok_or_else(|| JsError::new("options are an object, such as {seed: 7}"))?;
        for name in Object::keys(object).iter().filter_map(|name| name.as_string()) {
            let value = Reflect::get(object, &name.as_str().into()).unwrap_or_default();
            if !value.is_undefined() {
                options.set(&name, &value)?;
            }
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &JsValue) -> Result<()> {
        let decoding = &mut self.plan.options;
        match name {
            "prompt" => self.prompt = Some(text(name, value)?),
            "length" => self.plan.length = whole(name, value)?,
            "temperature" => match value.dyn_ref::<Array>() {
                Some(several) => {
                    self.plan.cycle =
                        several.iter().map(|temperature| number(name, &temperature)).collect::<Result<_>>()?;
                    decoding.temperature =
                        *self.plan.cycle.first().ok_or_else(|| wrong(name, "a number, or several"))?;
                }
                None => decoding.temperature = number(name, value)?,
            },
            "topK" => decoding.top_k = Some(whole(name, value)?),
            "topP" => decoding.top_p = Some(number(name, value)?),
            "minP" => decoding.min_p = Some(number(name, value)?),
            "repetitionPenalty" => decoding.repetition_penalty = Some(number(name, value)?),
            "seed" => self.plan.seed = seed(name, value)?,
            "stop" => {
                let stops = value.dyn_ref::<Array>().ok_or_else(|| wrong(name, "an array of texts"))?;
                self.plan.stops = stops.iter().map(|stop| text(name, &stop)).collect::<Result<_>>()?;
            }
            "words" => self.plan.words = value.as_bool().ok_or_else(|| wrong(name, "true or false"))?,
            "likeliest" => self.likeliest = whole(name, value)?,
            _ => return Err(JsError::new(&format!("there is no option `{name}`; use one of {NAMES}"))),
        }
        Ok(())
    }

    /// The prompt and the plan of a text, in the model's characters.
    pub(crate) fn resolve(&self, model: &Model) -> Result<(Vec<u32>, Plan)> {
        let request = Request { prompt: self.prompt.as_deref(), stops: &self.plan.stops, ..Request::default() };
        let resolved = request.resolve(&model.card)?;
        let plan = resolved.plan(self.plan.clone());
        Ok((resolved.tokens, plan))
    }
}

/// 32 bits are enough to choose from, easy to type, and exact as a number.
fn drawn_seed() -> u64 {
    (js_sys::Math::random() * 4_294_967_296.0) as u64
}

fn wrong(name: &str, expected: &str) -> JsError {
    JsError::new(&format!("the option `{name}` has to be {expected}"))
}

fn text(name: &str, value: &JsValue) -> Result<String> {
    value.as_string().ok_or_else(|| wrong(name, "text"))
}

fn number(name: &str, value: &JsValue) -> Result<f32> {
    value.as_f64().map(|number| number as f32).ok_or_else(|| wrong(name, "a number"))
}

fn whole(name: &str, value: &JsValue) -> Result<usize> {
    let number = value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..=MOST).contains(number));
    let number = number.and_then(|number| usize::try_from(number as u64).ok());
    number.ok_or_else(|| wrong(name, "a whole number of 0 or more, below 2^32"))
}

fn seed(name: &str, value: &JsValue) -> Result<u64> {
    let expected = || wrong(name, "a whole number of 0 or more; above 2^53 a bigint, such as 7n, below 2^64");
    if let Some(number) = value.dyn_ref::<BigInt>() {
        return u64::try_from(number.clone()).map_err(|_| expected());
    }
    let number = value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..=MOST).contains(number));
    number.map(|number| number as u64).ok_or_else(expected)
}
