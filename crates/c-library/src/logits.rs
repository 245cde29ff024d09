//! What a model expects after a text.

use std::ffi::c_char;

use sampler::Sampler;

use crate::{
    failure::{Failure, Result, Status, guard},
    handle::{self, Model},
    pointer,
};

/// Computes the logits of what may follow a text of `length` bytes, one per entry of the model's vocabulary: see
/// scrimshaw_card_json(). There are `*count` of them. `capacity` is how many floats `logits` has room for; with fewer than
/// `*count` nothing is computed and the answer is SCRIMSHAW_STATUS_BAD_ARGUMENT. With a capacity of 0, `logits` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scrimshaw_logits(
    model: *const Model,
    text: *const c_char,
    length: usize,
    logits: *mut f32,
    capacity: usize,
    count: *mut usize,
) -> Status {
    guard(|| {
        let model = handle::get(model)?.for_one_call()?;
        if count.is_null() {
            return Err(Failure::null("count"));
        }
        let needed = model.card.size.vocabulary;
        // SAFETY: it is not null, and the header asks for a place for a number.
        unsafe { count.write(needed) };
        if capacity < needed {
            let message = format!("there is room for {capacity} logits, but the model has {needed}");
            return Err(Failure::new(Status::BadArgument, message));
        }
        if logits.is_null() {
            return Err(Failure::null("logits"));
        }
        // SAFETY: the header asks for a text of this length, or null.
        let text = unsafe { pointer::text("text", text, length) }?;
        let computed = compute(model, text)?;
        // SAFETY: there is room for as many, as the capacity says; our own numbers lie elsewhere.
        unsafe { logits.copy_from_nonoverlapping(computed.as_ptr(), computed.len()) };
        Ok(())
    })
}

fn compute(model: sampler::Model, text: &str) -> Result<Vec<f32>> {
    let mut sampler = Sampler::new(model);
    sampler.feed(text)?;
    Ok(sampler.logits()?.to_vec())
}
