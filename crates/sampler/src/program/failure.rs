//! Errors of the program, each with a message and an exit code.

use std::{io, path::PathBuf, process::ExitCode};

use sampler::Error;

/// Why the program failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The arguments are invalid. Exit code 2, which clap uses too.
    #[error("{0}")]
    Usage(String),
    /// The input text cannot be used. Exit code 3.
    #[error("{0}")]
    Input(String),
    /// An error of the library, with the option that helps.
    #[error("{}{}", .0, hint(.0))]
    Sampler(#[from] Error),
    /// The model's file cannot be used. Exit code 4.
    #[error("{}: {source}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Error,
    },
    /// The output cannot be written. Exit code 5.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
    /// The reader of the output has closed it. That is not an error: exit code 0.
    #[error("the output was closed")]
    BrokenPipe,
}

impl From<io::Error> for Failure {
    /// An error of the output. Errors of an input name it: [`Failure::Input`].
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::BrokenPipe } else { Self::Output(error) }
    }
}

impl From<decoding::Error> for Failure {
    fn from(error: decoding::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

impl Failure {
    /// Adds the name of the model's file, if the model is what cannot be used.
    pub fn about(self, model: Option<PathBuf>) -> Self {
        match (self, model) {
            (
                Self::Sampler(
                    source @ (Error::File(_)
                    | Error::Room
                    | Error::Checksum
                    | Error::NoCard
                    | Error::Card(_)
                    | Error::Mismatch(_)
                    | Error::NotNumbers
                    | Error::Engine(_)),
                ),
                Some(path),
            ) => Self::Model { path, source },
            (failure, _) => failure,
        }
    }

    /// 2 for usage, 3 for an input text, 4 for a model, 5 for an output; 1 if the system has no memory or no threads.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::BrokenPipe => 0,
            Self::Sampler(Error::Memory(_) | Error::Thread(_)) => 1,
            Self::Usage(_)
            | Self::Sampler(
                Error::Options(_)
                | Error::Library(_)
                | Error::OtherBackend { .. }
                | Error::NothingAllowed
                | Error::NotAscii,
            ) => 2,
            Self::Input(_)
            | Self::Sampler(
                Error::Text(_)
                | Error::NothingFed
                | Error::EmptyStop(_)
                | Error::UnwrittenStop { .. }
                | Error::KnownTooLong,
            ) => 3,
            Self::Output(_) | Self::Sampler(Error::Write { .. } | Error::NotABundle(_)) => 5,
            Self::Sampler(_) | Self::Model { .. } => 4,
        })
    }
}

/// Which option helps: the library does not know any.
pub fn hint(error: &Error) -> &'static str {
    match error {
        Error::Library(_) => "; name its shared library with --onnxruntime or ORT_DYLIB_PATH",
        Error::Thread(_) => " (--threads)",
        Error::NotAState => "; name a file that --save-state wrote",
        Error::StateModel => " (--model, --stateful)",
        Error::EmptyStop(_) | Error::UnwrittenStop { .. } => " (--stop)",
        Error::NothingAllowed => " (--allow, --forbid; `info` shows those that it writes)",
        Error::NotAscii => " (--allow, --forbid)",
        Error::KnownTooLong => " (--novel)",
        _ => "",
    }
}
