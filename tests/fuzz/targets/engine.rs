//! Files damaged by the fuzzer, from real ones: what the engine runs, its naive twin runs too, with the same results.
#![no_main]

use fuzz::engine::check;

fuzz::target!(|bytes: &[u8]| {
    let instructions = fuzz::instructions(bytes.len());
    let _ = check::compare(bytes, &[], instructions);
});

fuzz::mutator!(fuzz::mutate_onnx);
