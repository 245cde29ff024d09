//! `scrimshaw` writes and scores text with an exported model. See `scrimshaw --help`.

mod program;

use std::process::ExitCode;

use clap::Parser as _;

use program::{Arguments, Failure};

fn main() -> ExitCode {
    match Arguments::parse().validate().and_then(program::run) {
        // A pipe breaks when whoever read the text has enough of it.
        Ok(()) | Err(Failure::BrokenPipe) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("scrimshaw: {failure}");
            failure.exit_code()
        }
    }
}
