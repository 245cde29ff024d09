//! The settings of a text.

use std::{
    ffi::{c_char, c_int},
    ptr, slice,
};

use sampler::{Plan, Request};

use crate::{
    failure::{Failure, Result},
    pointer,
};

/// The settings of a text. Start from scrimshaw_options_default(), and change what should be different.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The text to continue, ending in a zero byte. Null: a new document, or the model's own first text.
    pub prompt: *const c_char,
    /// Number of characters to write. Default: 400.
    pub length: usize,
    /// Sampling temperature: below 1 is more predictable, above 1 more random; 0 always takes the likeliest character.
    /// Default: 0.5.
    pub temperature: f32,
    /// Sample only from this many of the likeliest characters. 0, the default: from all.
    pub top_k: usize,
    /// Sample only from the fewest likeliest characters whose probabilities reach this sum; above 0, at most 1. 1, the
    /// default: from all.
    pub top_p: f32,
    /// Sample only from characters at least this many times as likely as the likeliest; 0 to 1. 0, the default: from all.
    pub min_p: f32,
    /// Divide the positive logits of the last 64 characters by this, and multiply the negative ones; above 0. 1, the
    /// default: no penalty.
    pub repetition_penalty: f32,
    /// The random seed. The same model, settings and seed give the same text. Default: 0.
    pub seed: u64,
    /// Texts, each ending in a zero byte: the text ends after any of them. May be null if there are none, the default.
    pub stops: *const *const c_char,
    /// Number of these texts.
    pub stop_count: usize,
    /// If not 0, finish the last word, even if the text becomes longer than `length`. Default: 0.
    pub words: c_int,
}

/// The default settings.
#[unsafe(no_mangle)]
pub extern "C" fn scrimshaw_options_default() -> Options {
    Options {
        prompt: ptr::null(),
        length: 400,
        temperature: 0.5,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        repetition_penalty: 1.0,
        seed: 0,
        stops: ptr::null(),
        stop_count: 0,
        words: 0,
    }
}

impl Options {
    /// The tokens to continue, and the plan of the text. Its numbers are checked where it is used.
    ///
    /// # Safety
    /// `prompt` is null or a C string; `stops` is null or points to `stop_count` C strings or nulls.
    pub(crate) unsafe fn resolve(&self, model: &sampler::Model) -> Result<(Vec<u32>, Plan)> {
        let stops = match (self.stops.is_null(), self.stop_count) {
            (_, 0) => &[],
            (true, _) => return Err(Failure::null("stops")),
            // SAFETY: it is not null, and the caller vouches for the rest. A count beyond memory is the caller's to avoid.
            (false, count) => unsafe { slice::from_raw_parts(self.stops, count) },
        };
        // SAFETY: the caller vouches for each of them.
        let stops = stops.iter().map(|&stop| unsafe { pointer::string("stops", stop) }.map(str::to_owned));
        let stops = stops.collect::<Result<Vec<_>>>()?;
        let prompt = if self.prompt.is_null() {
            None
        } else {
            // SAFETY: the caller vouches for it.
            Some(unsafe { pointer::string("prompt", self.prompt) }?)
        };
        let resolved = Request { prompt, stops: &stops, ..Request::default() }.resolve(&model.card)?;
        let plan = resolved.plan(Plan {
            options: decoding::Options {
                temperature: self.temperature,
                top_k: (self.top_k != 0).then_some(self.top_k),
                top_p: unless(self.top_p, 1.0),
                min_p: unless(self.min_p, 0.0),
                repetition_penalty: unless(self.repetition_penalty, 1.0),
                ..decoding::Options::default()
            },
            length: self.length,
            words: self.words != 0,
            seed: self.seed,
            ..Plan::default()
        });
        Ok((resolved.tokens, plan))
    }
}

/// A setting, unless it has the value that changes nothing.
fn unless(setting: f32, neutral: f32) -> Option<f32> {
    (setting.to_bits() != neutral.to_bits()).then_some(setting)
}
