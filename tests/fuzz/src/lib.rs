//! What the fuzz targets share. `cargo xtask fuzz` builds and runs them.
//!
//! A target takes bytes, asserts what is promised of any bytes, and returns. Its seeds lie in `seeds/NAME/`.

pub use libfuzzer_sys;

pub mod engine;
mod scratch;

pub use scratch::Scratch;

use std::sync::LazyLock;

use arbitrary::Unstructured;
use lstm_engine::Instructions;

/// Declares a target: `target!(|bytes: &[u8]| …)`, or `|text: &str|` for inputs that are UTF-8.
#[macro_export]
macro_rules! target {
    ($($body:tt)*) => {
        $crate::libfuzzer_sys::fuzz_target!($($body)*);
    };
}

/// Declares how a target's inputs are changed.
#[macro_export]
macro_rules! mutator {
    ($mutate:path) => {
        $crate::libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            $mutate(data, size, max_size, seed)
        });
    };
}

/// Changes an ONNX file: half of the time its fields, and its bytes otherwise. Returns the new length.
pub fn mutate_onnx(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    if seed.is_multiple_of(2)
        && let Some(mut fields) = engine::damage::read(&data[..size])
    {
        let choices = spread(seed);
        if engine::damage::damage(&mut fields, &mut Unstructured::new(&choices)).is_ok() {
            let file = engine::damage::write(&fields);
            if file.len() <= max_size.min(data.len()) {
                data[..file.len()].copy_from_slice(&file);
                return file.len();
            }
        }
    }
    libfuzzer_sys::fuzzer_mutate(data, size, max_size)
}

/// Bytes that look random, from a seed.
fn spread(seed: u32) -> [u8; 128] {
    let mut state = u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::array::from_fn(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
}

/// One of this machine's instruction sets, by a number that the input gives.
pub fn instructions(choice: usize) -> Instructions {
    static ALL: LazyLock<Vec<Instructions>> = LazyLock::new(Instructions::available);
    ALL[choice % ALL.len()]
}

/// Whether rten is to run every valid graph.
pub fn wants_rten() -> bool {
    static WANTS: LazyLock<bool> = LazyLock::new(|| std::env::var_os("SCRIMSHAW_FUZZ_RTEN").is_some());
    *WANTS
}
