//! Which engine runs the graphs: chosen once in a process, as `ort` wants it.

use std::{fmt, path::PathBuf, sync::Mutex};

use ort::environment::Environment;

use crate::{Error, Result, adapter};

/// An engine behind `ort`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// `lstm-engine`, which is part of the program.
    Lstm,
    /// rten, which is part of the program if it was built with the feature `rten`.
    Rten,
    /// ONNX Runtime, loaded from the shared library at this path. Needs the feature `onnxruntime`.
    OnnxRuntime(PathBuf),
}

impl Default for Backend {
    /// The engine that the program was built with.
    fn default() -> Self {
        if cfg!(feature = "rten") { Self::Rten } else { Self::Lstm }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lstm => {
                // Instructions that the processor lacks are reported when a model is opened.
                let instructions = adapter::instructions().unwrap_or_else(|_| lstm_engine::Instructions::detect());
                write!(formatter, "lstm-engine ({})", instructions.name())
            }
            Self::Rten => formatter.write_str("rten"),
            Self::OnnxRuntime(path) => write!(formatter, "ONNX Runtime ({})", path.display()),
        }
    }
}

impl Backend {
    /// The environment in which sessions are made. The first call in a process decides; another engine is refused then.
    pub(crate) fn environment(&self) -> Result<Environment> {
        static CHOSEN: Mutex<Option<(Backend, Environment)>> = Mutex::new(None);
        // A panic while the lock is held cannot leave a half-made pair: the pair is written in one step.
        let mut chosen = CHOSEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((backend, environment)) = &*chosen {
            return if backend == self {
                Ok(environment.clone())
            } else {
                Err(Error::OtherBackend { used: backend.to_string(), wanted: self.to_string() })
            };
        }
        ort::set_api(self.api()?);
        let environment =
            ort::init().with_name("scrimshaw").build().map_err(|error| Error::Engine(error.to_string()))?;
        *chosen = Some((self.clone(), environment.clone()));
        Ok(environment)
    }

    /// The engine's functions, for `ort`.
    fn api(&self) -> Result<ort_backend::ort_sys::OrtApi> {
        match self {
            Self::Lstm => Ok(ort_backend::api::<adapter::LstmEngine>()),
            #[cfg(feature = "rten")]
            Self::Rten => Ok(ort_rten::api()),
            #[cfg(not(feature = "rten"))]
            Self::Rten => Err(Error::Engine("this program was built without the feature `rten`".into())),
            #[cfg(feature = "onnxruntime")]
            Self::OnnxRuntime(path) => ort_backend::library_api(path).map_err(Error::Library),
            #[cfg(not(feature = "onnxruntime"))]
            Self::OnnxRuntime(_) => {
                Err(Error::Library("this program was built without the feature `onnxruntime`".into()))
            }
        }
    }
}

/// An engine and how much of the machine it may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// The engine.
    pub backend: Backend,
    /// Its threads. One text at a time is fastest on one.
    pub threads: usize,
}

impl Default for Engine {
    fn default() -> Self {
        Self { backend: Backend::default(), threads: 1 }
    }
}

impl Engine {
    /// Runs `work` where this engine is fastest. rten hands every run to a thread of its own unless the caller is one:
    /// `work` is then called on such a thread. Models that are opened and used elsewhere give the same text.
    pub fn within<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match self.backend {
            #[cfg(feature = "rten")]
            Backend::Rten => ort_rten::within_pool(self.threads, work),
            _ => work(),
        }
    }
}
