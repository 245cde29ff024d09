//! `trainer`: trains on prepared shards into a run folder, and measures what it has trained.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;
use trainer::arguments::{Arguments, Command, TrainArguments, TrainConfig};
use trainer::command::evaluate::{Measured, evaluate};
use trainer::command::import::import;
use trainer::command::novelty::novelty;
use trainer::command::recipes::recipes;
use trainer::command::train::train;
use trainer::{Error, Result};

/// Keeps the tensors of a step for the next one. The system's gives their pages back and has them zeroed again at every
/// step, which is a third of a step's time where the network is large.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Train(arguments) => run_training(arguments),
        Command::Evaluate(arguments) => evaluate(&arguments, &mut |measured| {
            print_measured(measured, arguments.json);
            Ok(())
        }),
        Command::Novelty(arguments) => novelty(&arguments).map(|novelty| {
            if arguments.json { println!("{}", serde_json::json!(novelty)) } else { println!("{novelty}") }
        }),
        Command::Import(arguments) => import(&arguments).map(|card| {
            let (output, parameters) = (arguments.output.display(), card.size.parameters());
            eprintln!("{output}: {parameters} parameters, {} characters", card.vocabulary.len());
        }),
        Command::Recipes(arguments) => recipes(&arguments, &mut std::io::stdout()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run_training(arguments: TrainArguments) -> Result<()> {
    let json = arguments.json;
    let config = TrainConfig::try_from(arguments)?;
    let outcome = train(&config, &*interruption()?)?;
    if json {
        println!("{}", serde_json::json!(outcome));
    } else {
        if let Some(loss) = outcome.best_loss {
            eprintln!("best: {loss:.4} nats, {:.4} bits a character", loss / std::f64::consts::LN_2);
        }
        eprintln!("checkpoint: {}", outcome.checkpoint.display());
    }
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

fn print_measured(measured: &Measured, json: bool) {
    if json {
        println!("{}", serde_json::json!(measured));
    } else {
        let Measured { split, score } = measured;
        println!(
            "{split:<10} {:.4} nats  {:.4} bits a character  perplexity {:.3}  {} characters",
            score.nats, score.bits, score.perplexity, score.characters
        );
    }
}
