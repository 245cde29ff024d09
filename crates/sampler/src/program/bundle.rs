//! Writes a copy of this program that contains a model.

use std::path::Path;

use sampler::{Engine, Model, bundle as bundled};

use super::{failure::Failure, output::notice};

/// Opens the model first, so that no program is made with a model that does not work.
pub fn bundle(model: &[u8], output: &Path) -> Result<(), Failure> {
    Model::from_bytes(model, &Engine::default())?;
    let program = std::env::current_exe()
        .map_err(|error| Failure::Usage(format!("cannot find this program's own file: {error}")))?;
    bundled::write(&program, model, output)?;
    notice(&format!("wrote {}, which runs on its own", model_card::printable(&output.display().to_string())));
    Ok(())
}
