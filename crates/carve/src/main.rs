//! `carve` makes small text models: it prepares text, trains, evaluates and exports.
//!
//! Each command is one file in [`command`]: a struct of flags, and one call of a library (`corpus`, `trainer`,
//! `onnx_export`, `sampler`). What is told of the work is shown by [`progress`]; where results go is in [`artifacts`];
//! the texts that it knows are in [`datasets`]. How anything is computed is the libraries' business.

mod artifacts;
mod command;
mod datasets;
mod failure;
mod interrupt;
mod name;
mod names;
mod output;
mod plot;
mod progress;
mod session;
mod text;
mod values;

use std::process::ExitCode;

/// Keeps the tensors of a step for the next one. The system's allocator gives their pages back and has them zeroed again
/// at every step, which is a third of a step's time where the network is large.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let ready = interrupt::listen().and_then(|()| Ok(durable::refuse_oversized_writes()?));
    match ready.and_then(|()| command::run(command::Arguments::read())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = failure::exit_code(&error);
            // Nothing is wrong with what has to wait.
            let what = if code == corpus::exit::UNFINISHED { "" } else { "error: " };
            failure::notice(&format!("{what}{}", model_card::printable_lines(&failure::message(&error))));
            ExitCode::from(code)
        }
    }
}
