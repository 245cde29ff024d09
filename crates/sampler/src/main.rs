//! `scrimshaw` writes and scores text with an exported model. See `scrimshaw --help`.

mod program;

use std::process::ExitCode;

use program::{Arguments, Failure};

fn main() -> ExitCode {
    // Without it a bundle beyond `ulimit -f` would end the program with a signal, and leave half a file.
    let _ = durable::refuse_oversized_writes();
    match program::run(Arguments::from_command_line()) {
        // The output is closed when its reader has seen enough, as `head` does.
        Ok(()) | Err(Failure::BrokenPipe) => ExitCode::SUCCESS,
        Err(failure) => {
            program::print_failure(&failure);
            failure.exit_code()
        }
    }
}
