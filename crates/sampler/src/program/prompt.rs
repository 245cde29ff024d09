//! The prompt: from the arguments, from standard input, or out of the card.

use std::io::Read;

use sampler::{Model, Sampler};

use super::{Failure, arguments::Prompt};

/// The prompt as the model will read it.
pub fn resolve(model: &Model, prompt: Option<&Prompt>) -> Result<String, Failure> {
    let text = match prompt {
        Some(Prompt::Text(text)) => text.clone(),
        Some(Prompt::StandardInput) => read_standard_input()?,
        // A model of documents begins one.
        None if model.card.vocabulary.boundary().is_some() => String::new(),
        None => model.card.seed_text.clone(),
    };
    let text = model.card.normalisation.apply(&text).into_owned();
    // The first unknown character is named before anything is written.
    model.encode(&text)?;
    Ok(text)
}

/// Begins a text anew with the prompt.
pub fn begin(sampler: &mut Sampler, prompt: &str) -> Result<(), Failure> {
    sampler.reset()?;
    sampler.feed(prompt)?;
    // An empty text without a boundary has nothing to continue, and says so here.
    sampler.logits()?;
    Ok(())
}

fn read_standard_input() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().read_to_end(&mut bytes);
    read.map_err(|error| Failure::Input(format!("cannot read the prompt from standard input: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        Failure::Input(format!("the prompt on standard input is not UTF-8 at byte {place}"))
    })
}
