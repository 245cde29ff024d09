//! What to compute with: instructions, precision and threads.

use std::ops::Range;

use crate::{
    instructions::{Instructions, Kernel},
    precision::Precision,
    workers::{Workers, part_range, parts, run_parts},
};

/// Instructions, the precision of matrix products, and threads.
///
/// Results are the same bits for any number of threads.
#[derive(Clone, Copy)]
pub struct Processor<'w> {
    /// SIMD instructions.
    pub instructions: Instructions,
    /// Precision of the operands of matrix products.
    pub precision: Precision,
    /// Threads.
    pub workers: &'w dyn Workers,
}

/// Work below this many multiplications is done before other threads would have woken up.
const WORTH_A_THREAD: usize = 200_000;

impl Processor<'_> {
    /// Cuts `0..count` into one range per thread and runs the kernels that `kernel` makes of them, all at once. `work` is the
    /// number of multiplications in all.
    pub(crate) fn run<K: Kernel>(&self, count: usize, work: usize, kernel: impl Fn(Range<usize>) -> K + Sync) {
        self.share(count, work, |range| self.instructions.run(kernel(range)));
    }

    /// Cuts `0..count` into one range per thread and calls `job` with each, all at once. `work` is the number of
    /// multiplications in all, or what else costs as much.
    pub(crate) fn share(&self, count: usize, work: usize, job: impl Fn(Range<usize>) + Sync) {
        let parts = parts(self.workers, count, work, WORTH_A_THREAD);
        run_parts(self.workers, parts, |part| job(part_range(count, part, parts)));
    }
}
