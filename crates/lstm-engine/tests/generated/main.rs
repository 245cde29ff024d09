//! Graphs drawn at random through the engine, its naive twin and rten. `tests/fuzz` draws the same graphs with a fuzzer behind.

mod check;
mod damage;
mod floats;
mod generator;
mod integers;
mod rten;
#[path = "../../../kernels/src/inference/quantized/scalar.rs"]
mod scalar;
mod twin;
mod wire;

use std::panic::{AssertUnwindSafe, catch_unwind};

use arbitrary::Unstructured;
use check::Outcome;

/// Graphs of one test run; a larger number in this variable enlarges it.
const GRAPHS: &str = "SCRIMSHAW_GRAPHS";

/// Bytes that look random, from a seed.
fn bytes(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..256).map(|_| next()).collect()
}

/// How many graphs to draw.
fn count(usually: u64) -> u64 {
    std::env::var(GRAPHS).ok().and_then(|count| count.parse().ok()).unwrap_or(usually)
}

/// Checks graph number `seed`, and says which it was if it fails.
fn checked<T>(seed: u64, check: impl FnOnce(&mut Unstructured<'_>) -> arbitrary::Result<T>) -> T {
    let bytes = bytes(seed);
    let mut choices = Unstructured::new(&bytes);
    let caught = catch_unwind(AssertUnwindSafe(|| check(&mut choices).expect("bytes always suffice")));
    caught.unwrap_or_else(|_| panic!("graph {seed}"))
}

#[test]
fn the_engine_its_twin_and_rten_agree_on_graphs_drawn_at_random() {
    let count = count(3000);
    let (mut same, mut large, mut refused, mut by_rten) = (0, 0, 0, 0);
    for seed in 0..count {
        let (for_rten, outcome) = checked(seed, |choices| {
            let (case, outcome) = check::run(choices)?;
            if case.for_rten {
                rten::compare(&case);
            }
            Ok((case.for_rten, outcome))
        });
        match outcome {
            Outcome::Same | Outcome::SameIntegers => same += 1,
            Outcome::Large => large += 1,
            Outcome::Refused => refused += 1,
        }
        by_rten += u64::from(for_rten);
    }
    eprintln!("{count} graphs: {same} the same, {large} too large, {refused} refused; {by_rten} by rten too");
    // Half of them are damaged, and most damage is refused.
    assert!(same > count / 2 && refused > count / 8 && large < count / 8 && by_rten > count / 4);
}

#[test]
fn graphs_of_bytes_have_the_bits_of_the_integer_twin_on_all_instruction_sets() {
    let count = count(1500);
    let integers = (0..count).filter(|&seed| checked(seed, check::run_bytes) == Outcome::SameIntegers).count() as u64;
    eprintln!("{count} graphs of bytes: {integers} in integers");
    // The others have products of what is no hidden state.
    assert!(integers > count / 3);
}
