//! How surprising a text is to a model.

use std::ffi::{c_char, c_int, c_void};

use model_card::Unit;
use sampler::Scorer;

use crate::{
    failure::{Failure, Status, guard},
    handle::{self, Model},
    pointer,
};

/// Receives one character of the text, of `length` bytes, with a zero byte after them, and how surprising it is: minus the
/// natural logarithm of its probability. NaN: the first character has no score, unless the model was trained on documents.
/// Any other answer than 0 ends the scores. The character is valid until the callback returns.
pub type ScoreCallback =
    Option<unsafe extern "C" fn(text: *const c_char, length: usize, nats: f32, user: *mut c_void) -> c_int>;

/// Scores a text of `length` bytes, and passes each of its characters to the callback with its surprise in nats. The text is
/// normalised as the model was trained: it may be in lower case then, for example.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scrimshaw_score(
    model: *const Model,
    text: *const c_char,
    length: usize,
    callback: ScoreCallback,
    user: *mut c_void,
) -> Status {
    guard(|| {
        let model = handle::get(model)?.for_one_call()?;
        // SAFETY: the header asks for a text of this length, or null.
        let text = unsafe { pointer::text("text", text, length) }?;
        let callback = callback.ok_or_else(|| Failure::null("callback"))?;
        let tokens = model.encode(text)?;
        let text = model.card.normalisation.apply(text);
        let unit = model.card.vocabulary.unit();
        let mut scorer = Scorer::new(model, Vec::new());
        let mut characters = text.chars();
        let mut character = Character::default();
        let mut is_ended = false;
        let mut receive = |nats: f32| {
            if is_ended {
                return;
            }
            if character.tokens_left == 0 {
                character.begin(characters.next().unwrap_or_default(), unit);
            }
            if character.add(nats) {
                let length = character.text.len() - 1;
                // SAFETY: the callback is a function of this type, and the text lives on until it has returned.
                is_ended = unsafe { callback(character.text.as_ptr().cast(), length, character.nats, user) } != 0;
            }
        };
        scorer.push(&tokens, &mut receive)?;
        Ok(scorer.finish(&mut receive)?)
    })
}

/// A character, of which a model of bytes scores each byte.
#[derive(Default)]
struct Character {
    /// The character and a zero byte.
    text: String,
    tokens_left: usize,
    nats: f32,
}

impl Character {
    fn begin(&mut self, character: char, unit: Unit) {
        self.text.clear();
        self.text.extend([character, '\0']);
        self.tokens_left = if unit == Unit::Byte { character.len_utf8() } else { 1 };
        self.nats = 0.0;
    }

    /// Adds the score of a token, and says whether the character is complete.
    fn add(&mut self, nats: f32) -> bool {
        self.nats += nats;
        self.tokens_left -= 1;
        self.tokens_left == 0
    }
}
