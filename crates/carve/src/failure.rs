//! What this program itself refuses, and the exit code of every failure; the codes are in [`corpus::exit`].

use std::io::Write;
use std::path::Path;

use corpus::exit;

/// A failure that no library reports.
#[derive(Debug)]
pub enum Failure {
    /// Flags that contradict each other, or a name that nothing has.
    Usage(String),
    /// A text or a file that is not there, or is not what it should be.
    Input(String),
    /// A place that cannot be written to.
    CannotWrite(String),
    /// What is done so far, and what has to be done again later.
    Unfinished(String),
    /// Ctrl-C, or a request to end.
    Interrupted,
}

impl Failure {
    /// A file that cannot be written, and what to do.
    pub fn unwritable(path: &Path, error: &std::io::Error) -> Self {
        let advice = "check the permissions and the free space, or name another folder";
        Self::CannotWrite(format!("cannot write {}: {error}; {advice}", path.display()))
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usage(message) | Self::Input(message) | Self::CannotWrite(message) | Self::Unfinished(message) => {
                formatter.write_str(message)
            }
            Self::Interrupted => formatter.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Failure {}

/// Writes a line to stderr. Nobody can be told if that fails, so it ends nothing.
pub fn notice(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// An error with its causes, each said once: many errors name their cause themselves.
pub fn message(error: &anyhow::Error) -> String {
    let mut message = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}

/// The exit code for an error of any library, or of this program.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    let code = |cause: &(dyn std::error::Error + 'static)| {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return Some(match failure {
                Failure::Usage(_) => exit::USAGE,
                Failure::Input(_) => exit::BAD_INPUT,
                Failure::CannotWrite(_) => exit::CANNOT_WRITE,
                Failure::Unfinished(_) => exit::UNFINISHED,
                Failure::Interrupted => exit::INTERRUPTED,
            });
        }
        let corpus = cause.downcast_ref::<corpus::Error>().map(corpus::Error::exit_code);
        let trainer = || cause.downcast_ref::<trainer::Error>().map(trainer::Error::exit_code);
        let analysis = || cause.downcast_ref::<analysis::Error>().map(analysis::Error::exit_code);
        let export = || cause.downcast_ref::<onnx_export::Error>().map(onnx_export::Error::exit_code);
        let report = || {
            let error = cause.downcast_ref::<report::Error>()?;
            Some(if matches!(error, report::Error::Data(_)) { 1 } else { exit::CANNOT_WRITE })
        };
        let sampler = || {
            Some(match cause.downcast_ref::<sampler::Error>()? {
                sampler::Error::Read { .. } | sampler::Error::Folder(_) => exit::BAD_INPUT,
                sampler::Error::Memory(_) | sampler::Error::Thread(_) => 1,
                _ => exit::DAMAGED,
            })
        };
        let page = || cause.downcast_ref::<page::Error>().map(|_| exit::CANNOT_WRITE);
        corpus.or_else(trainer).or_else(analysis).or_else(export).or_else(report).or_else(sampler).or_else(page)
    };
    error.chain().find_map(code).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_said_once() {
        let error =
            anyhow::anyhow!("no space left").context("cannot write a: no space left; make room").context("sync");
        assert_eq!(message(&error), "sync: cannot write a: no space left; make room");
    }

    #[test]
    fn codes_are_found_behind_other_messages() {
        let damaged = corpus::Error::ShardMissing("a.shard".into());
        let cases = [
            (anyhow::Error::new(Failure::Usage("which?".into())).context("while parsing"), 2),
            (damaged.into(), 4),
            (Failure::Interrupted.into(), 130),
            (anyhow::anyhow!("something else"), 1),
        ];
        for (error, code) in cases {
            assert_eq!(exit_code(&error), code, "{error:#}");
        }
    }
}
