//! Which engine runs the graphs: chosen once in a process, as `ort` wants it.

use std::{fmt, path::PathBuf, sync::Mutex};

use ort::environment::Environment;

use crate::{Error, Result};

/// An engine behind `ort`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Backend {
    /// rten, which is part of the program.
    #[default]
    Rten,
    /// ONNX Runtime, loaded from the shared library at this path. Needs the feature `onnxruntime`.
    OnnxRuntime(PathBuf),
}

impl fmt::Display for Backend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rten => formatter.write_str("rten"),
            Self::OnnxRuntime(path) => write!(formatter, "ONNX Runtime ({})", path.display()),
        }
    }
}

impl Backend {
    /// The environment in which sessions are made. The first call in a process decides; another engine is refused then.
    pub(crate) fn environment(&self) -> Result<Environment> {
        static CHOSEN: Mutex<Option<(Backend, Environment)>> = Mutex::new(None);
        // Nothing can panic while the lock is held and leave a half-made pair: the pair is written in one step.
        let mut chosen = CHOSEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((backend, environment)) = &*chosen {
            return if backend == self {
                Ok(environment.clone())
            } else {
                Err(Error::OtherBackend { used: backend.to_string(), wanted: self.to_string() })
            };
        }
        self.choose()?;
        let environment = ort::init().with_name("scrimshaw").build().map_err(|error| Error::Engine(error.to_string()))?;
        *chosen = Some((self.clone(), environment.clone()));
        Ok(environment)
    }

    /// Hands the engine's functions to `ort`.
    fn choose(&self) -> Result<()> {
        match self {
            Self::Rten => {
                ort::set_api(ort_tract::api());
                Ok(())
            }
            Self::OnnxRuntime(_) => {
                Err(Error::Library("this program was built without the feature `onnxruntime`".into()))
            }
        }
    }
}
