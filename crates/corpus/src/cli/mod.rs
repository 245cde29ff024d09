//! The command line: flags to options, reports to text.

use std::io::{self, Write};

use clap::{Parser, Subcommand};
use corpus::Error;

mod bench;
mod inspect;
mod prepare;

/// Prepare a text for training: from files to memory-mapped shards of token ids.
#[derive(Parser)]
#[command(name = "corpus", version, after_help = EXIT_CODES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Prepare(Box<prepare::Arguments>),
    Inspect(inspect::Arguments),
    Bench(bench::Arguments),
}

const EXIT_CODES: &str = "\
Exit codes: 0 done or nothing to do, 1 another failure, 2 wrong usage, 3 bad input, 4 damaged data, 5 cannot write, \
6 busy (another prepare holds the folder), 130 interrupted.";

/// Runs the command that the arguments name.
pub fn run(arguments: Arguments) -> Result<(), Error> {
    match arguments.command {
        Command::Prepare(arguments) => prepare::run(*arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
    }
}

/// Prints a line on standard output; a reader that has heard enough, such as `head`, is no fault.
fn print(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
