//! The Python package `scrimshaw`: writes and scores text with an exported Scrimshaw model.
//!
//! Everything is computed by crate `sampler`. This crate turns Python's arguments into a plan, errors into Python's exceptions,
//! and lets other Python threads run meanwhile. `README.md` shows how the package is used.

mod error;
#[expect(clippy::doc_markdown, reason = "Python shows the comments as they are, and Python uses no backticks")]
mod model;
mod settings;
mod stream;
mod work;

use pyo3::prelude::*;

/// Writes and scores text with an exported Scrimshaw model.
#[pymodule]
fn _scrimshaw(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("Error", module.py().get_type::<error::Error>())?;
    module.add_class::<model::Model>()?;
    module.add_class::<stream::Stream>()
}
