//! Writing text.

use std::ffi::{c_char, c_int, c_void};

use sampler::Sampler;

use crate::{
    failure::{Failure, Status, guard},
    handle::{self, Model},
    options::Options,
};

/// Receives the text piece by piece: usually one character, of `length` bytes, with a zero byte after them. `user` is what
/// the caller passed. Any other answer than 0 ends the text. The piece is valid until the callback returns.
pub type TextCallback = Option<unsafe extern "C" fn(text: *const c_char, length: usize, user: *mut c_void) -> c_int>;

/// Continues the prompt, and passes what it writes to the callback. Returns when the text has reached its length, ends in
/// a stop text or at the end of a document, or when the callback ends it: SCRIMSHAW_STATUS_OK for each of them.
///
/// Nothing is written if the settings cannot be used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scrimshaw_generate(
    model: *const Model,
    options: *const Options,
    callback: TextCallback,
    user: *mut c_void,
) -> Status {
    guard(|| {
        let model = handle::get(model)?.for_one_call()?;
        // SAFETY: the header asks for settings, or null.
        let options = unsafe { options.as_ref() }.ok_or_else(|| Failure::null("options"))?;
        let callback = callback.ok_or_else(|| Failure::null("callback"))?;
        // SAFETY: the header asks for C strings in the settings, or null.
        let (prompt, plan) = unsafe { options.resolve(&model) }?;
        let mut sampler = Sampler::new(model);
        let mut writer = sampler.start(&plan, &prompt, 0)?;
        let mut piece = String::new();
        while writer.end().is_none() {
            let text = sampler.write(&mut writer)?.text;
            // Inside a character of several bytes.
            if text.is_empty() {
                continue;
            }
            piece.clear();
            piece.push_str(text);
            piece.push('\0');
            // SAFETY: the callback is a function of this type, and the piece lives on until it has returned.
            if unsafe { callback(piece.as_ptr().cast(), text.len(), user) } != 0 {
                break;
            }
        }
        Ok(())
    })
}
