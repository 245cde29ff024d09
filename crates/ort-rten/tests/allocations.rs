//! What a run leaves behind: nothing. Alone in its process, since it counts every allocation there is.

mod common;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicIsize, Ordering::Relaxed},
};

use common::{Inputs, open};

/// The system's allocator, which counts.
struct Counting;

static LIVE_BYTES: AtomicIsize = AtomicIsize::new(0);
static ALLOCATIONS: AtomicIsize = AtomicIsize::new(0);

// SAFETY: every call goes on to `System` as it came; counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE_BYTES.fetch_add(layout.size() as isize, Relaxed);
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller's layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size() as isize, Relaxed);
        // SAFETY: the caller's block, which `System` made with this layout.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn runs_and_sessions_leave_nothing_behind() {
    // Opened and closed again, or refused. (First, because a pool that ends lets go of its memory a little later.)
    let cycle = || {
        let session = open("character.onnx");
        assert!(session.metadata().unwrap().custom("scrimshaw.card").is_some());
        drop(session);
        assert!(common::refusal(b"no model at all").contains("not a whole ONNX model"));
    };
    cycle();
    let before = LIVE_BYTES.load(Relaxed);
    (0..20).for_each(|_| cycle());
    assert_eq!(LIVE_BYTES.load(Relaxed) - before, 0, "bytes that 20 sessions left behind");

    let inputs = Inputs::new();
    let (before, after, costs) = ort_rten::within_pool(1, || {
        let mut session = open("character.onnx");
        for _ in 0..10 {
            drop(inputs.run(&mut session).unwrap());
        }
        let mut costs = Vec::with_capacity(50);
        let before = LIVE_BYTES.load(Relaxed);
        for _ in 0..50 {
            let start = ALLOCATIONS.load(Relaxed);
            drop(inputs.run(&mut session).unwrap());
            costs.push(ALLOCATIONS.load(Relaxed) - start);
        }
        (before, LIVE_BYTES.load(Relaxed), costs)
    });
    assert_eq!(after - before, 0, "bytes that 50 runs left behind");
    assert!(costs.iter().all(|cost| *cost == costs[0]), "allocations of each run: {costs:?}");
    println!("{} allocations a run, those of `ort` and of rten among them", costs[0]);
}
