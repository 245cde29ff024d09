//! The program: arguments, then a validated command, then one function a command.

mod arguments;
mod bundle;
mod colour;
mod explain;
mod failure;
mod info;
mod interactive;
mod json;
mod lines;
mod output;
mod prompt;
mod score;
mod write;

use std::path::Path;

use sampler::{Engine, Model, Network, bundle as bundled, read_file};

pub use arguments::Arguments;
pub use failure::Failure;

use arguments::{Action, Command};

/// Does what the arguments ask for.
pub fn run(command: Command) -> Result<(), Failure> {
    let Command { engine, threads, model, action } = command;
    let bytes = model_bytes(model.as_deref())?;
    act(&engine, threads, &bytes, action).map_err(|failure| failure.about(model))
}

fn act(engine: &Engine, threads: usize, bytes: &[u8], action: Action) -> Result<(), Failure> {
    match action {
        Action::Bundle(output) => bundle::bundle(bytes, &output),
        Action::Info { json } => info::info(bytes, engine, json),
        Action::Write(config) => engine.within(|| {
            let model = open(bytes, engine, config.stateful)?;
            let helpers = helpers(bytes, &model, if config.count > 1 { threads } else { 1 })?;
            write::write(model, helpers, &config)
        }),
        Action::Score(config) => engine.within(|| {
            let model = open(bytes, engine, config.stateful)?;
            let helpers = helpers(bytes, &model, threads)?;
            score::score(model, helpers, &config)
        }),
    }
}

fn open(bytes: &[u8], engine: &Engine, stateful: bool) -> Result<Model, Failure> {
    let mut model = Model::from_bytes(bytes, engine)?;
    if stateful {
        model.carry_state();
    }
    Ok(model)
}

/// Networks that share the work of a model, one a thread.
fn helpers(bytes: &[u8], model: &Model, threads: usize) -> Result<Vec<Network>, Failure> {
    let open = |_| Network::open(bytes, model.card.size, model.network.engine());
    Ok((1..threads).map(open).collect::<Result<_, _>>()?)
}

/// The named model, or the one that this program carries.
fn model_bytes(path: Option<&Path>) -> Result<Vec<u8>, Failure> {
    if let Some(path) = path {
        return Ok(read_file(path)?);
    }
    let carried = std::env::current_exe().ok().map(|program| bundled::read(&program)).transpose()?.flatten();
    carried.ok_or_else(|| Failure::Usage("no model: name one with --model FILE".into()))
}
