//! Writes a copy of this program with a model in it.

use std::path::Path;

use sampler::{Engine, Model, bundle as bundled};

use super::Failure;

/// The model is opened first: a program with a model that it cannot use is of no use.
pub fn bundle(model: &[u8], output: &Path) -> Result<(), Failure> {
    Model::from_bytes(model, &Engine::default())?;
    let program = std::env::current_exe().map_err(|error| {
        Failure::Usage(format!("this system does not say where the program's own file is: {error}"))
    })?;
    bundled::write(&program, model, output)?;
    eprintln!("wrote {}: start it, it needs nothing else", output.display());
    Ok(())
}
