//! Threads for runs that are worth them.

use kernels::Workers;

/// The most threads of a session.
const MOST: usize = 64;

/// Threads that are started for a piece of work and end with it, which takes some 20 µs each. The kernels only share work
/// that takes longer. (Most programs want one thread for each session, and several sessions.)
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScopedThreads(usize);

impl ScopedThreads {
    pub(crate) fn new(count: usize) -> Self {
        Self(count.clamp(1, MOST))
    }
}

impl Workers for ScopedThreads {
    fn count(&self) -> usize {
        self.0
    }

    fn run(&self, parts: usize, job: &(dyn Fn(usize) + Sync)) {
        let threads = self.0.min(parts);
        let share = |thread: usize| (thread..parts).step_by(threads.max(1)).for_each(job);
        std::thread::scope(|scope| {
            for thread in 1..threads {
                // A thread that cannot be started leaves its parts to the kernels, which run them here.
                let _ = std::thread::Builder::new().spawn_scoped(scope, move || share(thread));
            }
            share(0);
        });
    }
}
