//! What to compute with on a CPU: instructions, candle's threads, and the precision of matrix products.

use kernels::{Instructions, Precision, Workers};

/// Instructions, threads and the precision of matrix products.
///
/// Results are the same bits for any number of threads. They differ in their last digits between [`Instructions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Processor {
    /// SIMD instructions.
    pub instructions: Instructions,
    /// Parts that work is cut into. The threads themselves are candle's, one per core unless the environment says otherwise
    /// (`CANDLE_NUM_THREADS`, `RAYON_NUM_THREADS`): a second pool would compete with them for the cores.
    pub threads: usize,
    /// Precision of the operands of matrix products.
    pub precision: Precision,
}

impl Processor {
    /// The fastest instructions that the processor has, as many threads as candle uses, and `f32` operands.
    pub fn detect() -> Self {
        let threads = candle_core::utils::barrier_pool().n_workers() + 1;
        Self { instructions: Instructions::detect(), threads, precision: Precision::default() }
    }

    /// The same for the kernels.
    pub(crate) fn kernels(&self) -> kernels::Processor<'_> {
        kernels::Processor { instructions: self.instructions, precision: self.precision, workers: self }
    }
}

impl Workers for Processor {
    fn count(&self) -> usize {
        self.threads
    }

    fn run(&self, parts: usize, job: &(dyn Fn(usize) + Sync)) {
        candle_core::utils::barrier_pool().execute_chunked(parts, |chosen| chosen.for_each(job));
    }
}
