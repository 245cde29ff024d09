//! Graphs drawn from the input, valid ones and damaged ones: the engine agrees with its naive twin, and on one valid graph in
//! 64 with rten.
#![no_main]

use std::sync::atomic::{AtomicU64, Ordering};

use arbitrary::Unstructured;
use fuzz::engine::{check, rten};

/// Valid graphs so far.
static COUNT: AtomicU64 = AtomicU64::new(0);

fuzz::target!(|bytes: &[u8]| {
    let Ok((case, _)) = check::run(&mut Unstructured::new(bytes)) else { return };
    // `SCRIMSHAW_FUZZ_RTEN=1` runs rten on every one, to repeat what was found.
    if case.for_rten && (COUNT.fetch_add(1, Ordering::Relaxed).is_multiple_of(64) || fuzz::wants_rten()) {
        rten::compare(&case);
    }
});
