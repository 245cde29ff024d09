//! Threads to share work among. The kernels own none: a program brings its own through [`Workers`].

use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

/// Threads that work on the parts of a job.
pub trait Workers: Sync {
    /// How many threads there are.
    fn count(&self) -> usize;

    /// Calls `job` once with each number below `parts`, on several threads, and returns when all calls have returned.
    ///
    /// Parts that are never called run on the calling thread, and a part that is called again does nothing: a mistake here
    /// costs time, never a result.
    fn run(&self, parts: usize, job: &(dyn Fn(usize) + Sync));
}

/// The calling thread by itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Workers for Alone {
    fn count(&self) -> usize {
        1
    }

    fn run(&self, parts: usize, job: &(dyn Fn(usize) + Sync)) {
        (0..parts).for_each(job);
    }
}

/// The most parts that work is cut into.
const MOST_PARTS: usize = 256;

/// Which parts are taken. Kernels write their parts of one slice without further locks, so no part may run twice at once,
/// whatever an implementation of [`Workers`] does.
struct Claims([AtomicU64; MOST_PARTS / 64]);

impl Claims {
    fn new() -> Self {
        Self([const { AtomicU64::new(0) }; MOST_PARTS / 64])
    }

    /// Whether the caller is the first to take this part.
    fn take(&self, part: usize) -> bool {
        let bit = 1 << (part % 64);
        // Relaxed: the flag guards who runs a part, not what it reads; that was written before the threads were called.
        self.0[part / 64].fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}

/// Runs `job` once for each of `parts` parts, on as many threads as there are.
pub(crate) fn run_parts(workers: &dyn Workers, parts: usize, job: impl Fn(usize) + Sync) {
    assert!(parts <= MOST_PARTS, "{parts} parts are more than {MOST_PARTS}");
    if parts < 2 {
        return (0..parts).for_each(job);
    }
    let claims = Claims::new();
    let claimed = |part: usize| {
        if part < parts && claims.take(part) {
            job(part);
        }
    };
    workers.run(parts, &claimed);
    (0..parts).for_each(claimed);
}

/// Into how many parts to cut `count` items of `work` multiplications in all, if a part should have at least `worth` of
/// them.
pub(crate) fn parts(workers: &dyn Workers, count: usize, work: usize, worth: usize) -> usize {
    workers.count().min(count).min(work / worth).clamp(1, MOST_PARTS)
}

/// One of several nearly equal ranges of `0..count`.
pub(crate) fn part_range(count: usize, part: usize, parts: usize) -> Range<usize> {
    count * part / parts..count * (part + 1) / parts
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Calls some parts twice, at the same time, some that do not exist, and leaves others out.
    struct Careless;

    impl Workers for Careless {
        fn count(&self) -> usize {
            4
        }

        fn run(&self, parts: usize, job: &(dyn Fn(usize) + Sync)) {
            std::thread::scope(|scope| {
                for part in [0, 1, 1, 1, 2, 2, parts, parts + 300] {
                    scope.spawn(move || job(part));
                }
            });
        }
    }

    #[test]
    fn each_part_runs_exactly_once_whatever_the_workers_do() {
        for workers in [&Careless as &dyn Workers, &Alone] {
            for parts in [1, 2, 7, 70, MOST_PARTS] {
                let runs: Vec<AtomicUsize> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
                run_parts(workers, parts, |part| {
                    runs[part].fetch_add(1, Ordering::Relaxed);
                });
                assert!(runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1), "{parts} parts: {runs:?}");
            }
        }
    }

    #[test]
    fn ranges_cover_everything_once() {
        for (count, parts) in [(1, 1), (7, 3), (3, 3), (100, 8)] {
            let all: Vec<usize> = (0..parts).flat_map(|part| part_range(count, part, parts)).collect();
            assert!(all.iter().copied().eq(0..count), "{count} in {parts}");
        }
    }
}
