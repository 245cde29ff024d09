//! The generator of graphs, the naive twin and rten: those of the engine's own tests.

#[path = "../../../crates/lstm-engine/tests/generated/check.rs"]
pub mod check;
#[path = "../../../crates/lstm-engine/tests/generated/damage.rs"]
pub mod damage;
#[path = "../../../crates/lstm-engine/tests/generated/floats.rs"]
pub mod floats;
#[path = "../../../crates/lstm-engine/tests/generated/generator.rs"]
pub mod generator;
#[path = "../../../crates/lstm-engine/tests/generated/integers.rs"]
pub mod integers;
#[path = "../../../crates/lstm-engine/tests/generated/rten.rs"]
pub mod rten;
#[path = "../../../crates/kernels/src/inference/quantized/scalar.rs"]
mod scalar;
#[path = "../../../crates/lstm-engine/tests/generated/twin.rs"]
pub mod twin;
#[path = "../../../crates/lstm-engine/tests/generated/wire.rs"]
pub mod wire;
