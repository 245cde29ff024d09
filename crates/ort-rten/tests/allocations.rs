//! What a run leaves behind: nothing. Alone in its process, since it counts every allocation there is.

#![expect(unsafe_code, reason = "an allocator that counts is an allocator")]

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

/// The fewest bytes that doing it 20 times left behind, in several rounds: threads of the engine that have just been
/// started allocate a little when it suits them, but what leaks does so in every round.
fn left_behind(mut work: impl FnMut()) -> isize {
    let mut round = || {
        let before = LIVE_BYTES.load(Relaxed);
        (0..20).for_each(|_| work());
        LIVE_BYTES.load(Relaxed) - before
    };
    (0..10).map(|_| round()).min_by_key(|left| left.abs()).unwrap()
}

#[test]
fn runs_and_sessions_leave_nothing_behind() {
    let opened_or_refused = left_behind(|| {
        let session = open("character.onnx");
        assert!(session.metadata().unwrap().custom("scrimshaw.card").is_some());
        drop(session);
        assert!(common::refusal(b"no model at all").contains("not an ONNX file"));
    });
    assert_eq!(opened_or_refused, 0, "bytes that 20 sessions left behind");

    let inputs = Inputs::new();
    let (left, cost) = ort_rten::within_pool(1, || {
        let mut session = open("character.onnx");
        let left = left_behind(|| drop(inputs.run(&mut session).unwrap()));
        let start = ALLOCATIONS.load(Relaxed);
        drop(inputs.run(&mut session).unwrap());
        (left, ALLOCATIONS.load(Relaxed) - start)
    });
    assert_eq!(left, 0, "bytes that 20 runs left behind");
    println!("{cost} allocations a run, those of `ort` and of rten among them");
}
