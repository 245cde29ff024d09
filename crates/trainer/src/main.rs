//! `trainer`: trains on prepared shards into a run folder.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;
use trainer::arguments::{Arguments, Config};
use trainer::command::{Outcome, train};
use trainer::{Error, Result};

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let config = Config::try_from(arguments)?;
    let outcome = train(&config, &*interruption()?)?;
    report(&config, &outcome);
    Ok(())
}

/// Set by Ctrl-C or a request to end; a second one ends the program at once.
fn interruption() -> Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("\nstopping after this step; press Ctrl-C again to stop without a checkpoint");
    })
    .map_err(|error| Error::Print(std::io::Error::other(error)))?;
    Ok(interrupted)
}

fn report(config: &Config, outcome: &Outcome) {
    if config.json {
        println!("{}", serde_json::json!(outcome));
    } else {
        eprintln!("checkpoint: {}", outcome.checkpoint.display());
    }
}
