//! What there is to compute with: instructions and threads.

use std::ops::Range;

use super::{
    lanes::{self, Lanes, Portable},
    precision::Precision,
};

/// Instructions, threads and the precision of matrix products.
///
/// Results are the same bits for any number of threads. They differ in their last digits between [`Instructions`] that
/// round a product and a sum once and those that round twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Processor {
    /// Vector instructions.
    pub instructions: Instructions,
    /// Into how many parts work is cut. The threads themselves are candle's, one a core unless the environment says
    /// otherwise (`CANDLE_NUM_THREADS`, `RAYON_NUM_THREADS`): a second set would fight with them for the cores.
    pub threads: usize,
    /// What the operands of matrix products are rounded to.
    pub precision: Precision,
}

/// A set of vector instructions that this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instructions(Set);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx512Pairs,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

/// Work that is written once for all instructions.
pub trait Job {
    /// Does it; always inlined.
    fn run<S: Lanes>(self, simd: S);
}

impl Instructions {
    /// All that the processor has, the fastest first; portable code is always there.
    pub fn available() -> Vec<Self> {
        let mut sets = vec![];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                if is_x86_feature_detected!("avx512bf16") && is_x86_feature_detected!("avx512bw") {
                    sets.push(Set::Avx512Pairs);
                }
                sets.push(Set::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                sets.push(Set::Avx2);
            }
        }
        #[cfg(target_arch = "aarch64")]
        sets.push(Set::Neon);
        sets.push(Set::Portable);
        sets.into_iter().map(Self).collect()
    }

    /// Whether they multiply pairs of bfloat16 numbers as fast as single floats.
    pub fn multiply_pairs(self) -> bool {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Pairs => true,
            _ => false,
        }
    }

    /// Floats in a vector: W.
    pub(super) fn width(self) -> usize {
        match self.0 {
            Set::Portable => Portable::WIDTH,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => lanes::Avx2::WIDTH,
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => lanes::Avx512::WIDTH,
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Pairs => lanes::Avx512Pairs::WIDTH,
            #[cfg(target_arch = "aarch64")]
            Set::Neon => lanes::Neon::WIDTH,
        }
    }

    /// Runs the job compiled for these instructions.
    pub(super) fn run(self, job: impl Job) {
        match self.0 {
            Set::Portable => job.run(Portable),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the value exists because `available` has found the instructions.
            Set::Avx2 => unsafe { with_avx2(job) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Set::Avx512 => unsafe { with_avx512(job) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Set::Avx512Pairs => unsafe { with_avx512_pairs(job) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Set::Neon => job.run(unsafe { lanes::Neon::new() }),
        }
    }
}

/// # Safety
/// The processor has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn with_avx2(job: impl Job) {
    // SAFETY: the caller's promise.
    job.run(unsafe { lanes::Avx2::new() });
}

/// # Safety
/// The processor has AVX-512F.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn with_avx512(job: impl Job) {
    // SAFETY: the caller's promise.
    job.run(unsafe { lanes::Avx512::new() });
}

/// # Safety
/// The processor has AVX-512F, AVX-512BW and AVX512-BF16.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn with_avx512_pairs(job: impl Job) {
    // SAFETY: the caller's promise.
    job.run(unsafe { lanes::Avx512Pairs::new() });
}

/// Work below this many multiplications is done before other threads would have woken up.
const WORTH_A_THREAD: usize = 200_000;

impl Processor {
    /// The fastest instructions that the processor has, as many threads as candle uses, and numbers as they are.
    pub fn detect() -> Self {
        let threads = candle_core::utils::barrier_pool().n_workers() + 1;
        Self { instructions: Instructions::available()[0], threads, precision: Precision::default() }
    }

    /// Cuts `0..count` into one range a thread and works on all of them at once, running the job that `job` makes for each.
    /// `work` is how many multiplications all of it takes.
    pub(super) fn run<J: Job>(&self, count: usize, work: usize, job: impl Fn(Range<usize>) -> J + Sync) {
        self.share(count, work, |part| self.instructions.run(job(part)));
    }

    /// The same for work without vector instructions.
    pub(super) fn share(&self, count: usize, work: usize, job: impl Fn(Range<usize>) + Sync) {
        let parts = self.threads.min(count).min(work / WORTH_A_THREAD).max(1);
        if parts == 1 {
            return job(0..count);
        }
        candle_core::utils::barrier_pool().execute_chunked(parts, |chosen| {
            chosen.for_each(|part| job(count * part / parts..count * (part + 1) / parts));
        });
    }
}
