//! How the program fails: a message and an exit code.

use std::{io, path::PathBuf, process::ExitCode};

use sampler::Error;

/// Why the program ends early.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The arguments make no sense. Exit code 2, as for the arguments that clap refuses.
    #[error("{0}")]
    Usage(String),
    /// The text that was given cannot be used. Exit code 3.
    #[error("{0}")]
    Input(String),
    /// The model, the prompt or a file.
    #[error(transparent)]
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
    /// Nobody reads the output any more: no failure.
    #[error("nobody reads the output")]
    BrokenPipe,
}

impl From<io::Error> for Failure {
    /// For the output; errors of inputs are told with the input's name.
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
    /// The same, with the model's file named if that is what cannot be used and it is not named yet.
    pub fn about(self, model: Option<PathBuf>) -> Self {
        match (self, model) {
            (
                Self::Sampler(
                    source @ (Error::NotOnnx(_)
                    | Error::CutShort { .. }
                    | Error::Opset { .. }
                    | Error::NoCard
                    | Error::Card(_)
                    | Error::Mismatch(_)
                    | Error::Engine(_)),
                ),
                Some(path),
            ) => Self::Model { path, source },
            (failure, _) => failure,
        }
    }

    /// 2 for usage, 3 for a text, 4 for a model, 5 for an output.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::BrokenPipe => 0,
            Self::Usage(_) | Self::Sampler(Error::Options(_) | Error::Library(_) | Error::OtherBackend { .. }) => 2,
            Self::Input(_) | Self::Sampler(Error::Text(_) | Error::NothingFed) => 3,
            Self::Output(_) | Self::Sampler(Error::Write { .. } | Error::NotABundle(_)) => 5,
            Self::Sampler(_) | Self::Model { .. } => 4,
        })
    }
}
