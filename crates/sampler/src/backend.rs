//! Which engine runs the graphs: chosen once in a process, as `ort` wants it.

use std::{fmt, path::PathBuf, sync::Mutex};

use ort::environment::Environment;

use crate::{Error, Result};

/// Exported graphs are plans, which `ort-rten` runs by its own kernels: no operator of rten's has to be linked, which
/// would be 240 KB for graphs that no exporter of ours writes.
struct GraphOperators;

impl ort_rten::Operators for GraphOperators {
    fn registry() -> ort_rten::rten::OpRegistry {
        ort_rten::rten::op_registry!()
    }
}

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
        let environment =
            ort::init().with_name("scrimshaw").build().map_err(|error| Error::Engine(error.to_string()))?;
        *chosen = Some((self.clone(), environment.clone()));
        Ok(environment)
    }

    /// Hands the engine's functions to `ort`.
    fn choose(&self) -> Result<()> {
        let api = match self {
            Self::Rten => ort_rten::api_with_operators::<GraphOperators>(),
            #[cfg(feature = "onnxruntime")]
            Self::OnnxRuntime(path) => ort_rten::library_api(path).map_err(Error::Library)?,
            #[cfg(not(feature = "onnxruntime"))]
            Self::OnnxRuntime(_) => {
                return Err(Error::Library("this program was built without the feature `onnxruntime`".into()));
            }
        };
        ort::set_api(api);
        Ok(())
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
    /// Runs `work` where this engine is quickest: on one of rten's own threads, so that none has to be woken for every
    /// character. Models that are opened and used elsewhere give the same text, only later.
    pub fn within<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match self.backend {
            Backend::Rten => ort_rten::within_pool(self.threads, work),
            Backend::OnnxRuntime(_) => work(),
        }
    }
}
