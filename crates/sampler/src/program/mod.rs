//! The program: arguments become a validated command, and each command is one function.

mod arguments;
mod bundle;
mod candidates;
mod colour;
mod config;
mod encoder;
mod escapes;
mod explain;
mod failure;
mod info;
mod interactive;
mod interrupt;
mod json;
mod lines;
mod output;
mod prompt;
mod report;
mod score;
mod state;
mod text;
mod validate;
mod write;

use std::path::{Path, PathBuf};

use sampler::{Engine, Model, Network, Scorer, bundle as bundled, read_file};

pub use arguments::Arguments;
pub use failure::Failure;

use config::{Action, Command};
use validate::validate;

/// Does what the arguments say.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let Command { engine, threads, model, action } = validate(arguments)?;
    let bytes = model_bytes(model.as_deref())?;
    act(&engine, threads, &bytes, action).map_err(|failure| failure.about(model))
}

/// The most characters of a message: one that quotes a damaged file may be as long as the file.
const LONGEST_MESSAGE: usize = 2000;

/// Prints the message of a failure. It may quote a model's file, so control characters are escaped.
pub fn print_failure(failure: &Failure) {
    let message: String = failure.to_string().chars().take(LONGEST_MESSAGE).collect();
    output::notice(&format!("scrimshaw: {}", model_card::printable(&message)));
}

fn act(engine: &Engine, threads: usize, bytes: &[u8], action: Action) -> Result<(), Failure> {
    let networks = networks(&action, threads);
    match action {
        Action::Bundle(output) => bundle::bundle(bytes, &output),
        Action::Info { json } => info::info(bytes, engine, json),
        Action::Write(config) => engine.within(|| {
            let (model, helpers) = open(bytes, engine, config.stateful, networks)?;
            write::write(model, helpers, bytes, &config)
        }),
        Action::Score(config) => engine.within(|| {
            let (model, helpers) = open(bytes, engine, config.stateful, networks)?;
            score::score(model, helpers, &config)
        }),
    }
}

/// How many networks there is work for, one per thread.
fn networks(action: &Action, threads: usize) -> usize {
    match action {
        Action::Bundle(_) | Action::Info { .. } => 1,
        Action::Write(config) => threads.min(config.count),
        Action::Score(_) => threads.min(Scorer::MAX_NETWORKS),
    }
}

/// Opens a model, and the networks that help it.
fn open(bytes: &[u8], engine: &Engine, stateful: bool, networks: usize) -> Result<(Model, Vec<Network>), Failure> {
    let mut model = Model::from_bytes(bytes, engine)?;
    if stateful {
        model.carry_state();
    }
    let helpers = (1..networks).map(|_| model.network.another()).collect::<Result<_, _>>()?;
    Ok((model, helpers))
}

/// Reads the named model, or the one in this program.
fn model_bytes(path: Option<&Path>) -> Result<Vec<u8>, Failure> {
    if let Some(path) = path {
        return Ok(read_file(path)?);
    }
    let own = std::env::current_exe().ok().map(|program| bundled::read(&running(program))).transpose()?.flatten();
    own.ok_or_else(|| Failure::Usage("no model: name one with --model FILE".into()))
}

/// This program's own file, even if another one has just been put in its place, as `bundle` does.
fn running(program: PathBuf) -> PathBuf {
    let link = Path::new("/proc/self/exe");
    if !program.exists() && link.exists() { link.into() } else { program }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_no_more_networks_than_can_work() {
        let cases = [
            ("scrimshaw --threads 64", 1),
            ("scrimshaw --threads 64 --count 2", 2),
            ("scrimshaw --threads 3 --count 9", 3),
            ("scrimshaw --threads 64 --explain", 1),
            ("scrimshaw --threads 1000 score", Scorer::MAX_NETWORKS),
            ("scrimshaw --threads 2 score", 2),
            ("scrimshaw --threads 64 info", 1),
        ];
        for (line, expected) in cases {
            let command = validate(Arguments::parse_words(line.split(' ')).unwrap()).unwrap();
            assert_eq!(networks(&command.action, command.threads), expected, "{line}");
        }
    }
}
