//! Texts that are saved, to go on later.

use std::{fs::File, io::Read, path::Path};

use sampler::{Error, Plan, Sampler, Writer, largest_state};

use super::{
    failure::{Failure, hint},
    text::Text,
};

/// Saves where the text ends.
pub fn save(path: &Path, text: &mut Text, weights: &str) -> Result<(), Failure> {
    let state = text.sampler.save_state(&mut text.writer, weights)?;
    durable::write(path, &state).map_err(|source| Error::Write { path: path.into(), source }.into())
}

/// Goes on with a text that was saved.
pub fn load(path: &Path, sampler: &mut Sampler, plan: &Plan, weights: &str) -> Result<Writer, Failure> {
    let failed = |error| Failure::Input(format!("cannot read {}: {error}", path.display()));
    let mut state = Vec::new();
    // More is not read: this model's states are no larger.
    let most = largest_state(sampler.card()) + 1;
    File::open(path).and_then(|file| file.take(most).read_to_end(&mut state)).map_err(failed)?;
    sampler.load_state(&state, plan, weights).map_err(|error| match error {
        Error::NotAState | Error::StateVersion(_) | Error::StateDamaged | Error::StateModel => {
            Failure::Input(format!("{}: {error}{}", path.display(), hint(&error)))
        }
        error => error.into(),
    })
}
