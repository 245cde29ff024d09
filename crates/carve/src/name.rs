//! How the user calls this program.

use std::env;

/// The environment variable in which `cargo xtask` says that it runs this program.
const NAME: &str = "SCRIMSHAW_COMMAND";

/// How the user calls this program: `carve`, or `cargo xtask`.
pub fn name() -> String {
    env::var(NAME).unwrap_or_else(|_| "carve".into())
}
