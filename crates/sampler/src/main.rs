//! `scrimshaw` writes and scores text with an exported model. See `scrimshaw --help`.

mod program;

use std::process::ExitCode;

use program::{Arguments, Failure};

fn main() -> ExitCode {
    match program::run(Arguments::from_command_line()) {
        // The output is closed when its reader has seen enough, as `head` does.
        Ok(()) | Err(Failure::BrokenPipe) => ExitCode::SUCCESS,
        Err(failure) => {
            program::print_failure(&failure);
            failure.exit_code()
        }
    }
}
