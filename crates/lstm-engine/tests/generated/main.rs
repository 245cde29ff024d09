//! Graphs drawn at random through the engine, its naive twin and rten. `tests/fuzz` draws the same graphs with a fuzzer behind.

mod check;
mod damage;
mod generator;
mod rten;
mod twin;
mod wire;

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

#[test]
fn the_engine_its_twin_and_rten_agree_on_graphs_drawn_at_random() {
    let count = std::env::var(GRAPHS).ok().and_then(|count| count.parse().ok()).unwrap_or(3000);
    let (mut same, mut large, mut refused, mut by_rten) = (0, 0, 0, 0);
    for seed in 0..count {
        // The panic of a failure would not say which graph it was.
        let caught = std::panic::catch_unwind(|| {
            let (case, outcome) = check::run(&mut Unstructured::new(&bytes(seed))).expect("bytes always suffice");
            if case.for_rten {
                rten::compare(&case);
            }
            (case.for_rten, outcome)
        });
        let (for_rten, outcome) = caught.unwrap_or_else(|_| panic!("graph {seed}"));
        match outcome {
            Outcome::Same => same += 1,
            Outcome::Large => large += 1,
            Outcome::Refused => refused += 1,
        }
        by_rten += u64::from(for_rten);
    }
    eprintln!("{count} graphs: {same} the same, {large} too large, {refused} refused; {by_rten} by rten too");
    // Half of them are damaged, and most damage is refused.
    assert!(same > count / 2 && refused > count / 8 && large < count / 8 && by_rten > count / 4);
}
