//! The fast path: one layer's whole sequence, forward and backward, as one op of candle.
//!
//! [`Sequence`] is the op; [`crate::naive::layer`] computes the same with candle's ordinary ops. The kernels are written
//! once over vectors of floats ([`lanes`]) and compiled for AVX-512, AVX2, NEON and plain Rust; [`Instructions`] picks at
//! run time. They work on `f32` and take:
//!
//! - activations accurate to the bounds in [`activation`];
//! - every sum in an order that depends on the sizes alone, so that results are the same bits for any number of threads;
//! - their memory from workspaces that go from one step to the next, with no allocation per time step.
//!
//! This is the one module of the crate with `unsafe` code.

#![expect(
    clippy::inline_always,
    reason = "vector code must be inlined into the function compiled for its instructions"
)]

pub mod activation;

mod backward;
mod forward;
mod gradient;
mod lanes;
mod layout;
mod loss;
mod memory;
mod rms_prop;
mod sequence;
mod tile;

use candle_core::{CpuStorage, Layout, Result, backend::BackendStorage, bail};
use lanes::{Lanes, Portable};
use rayon::prelude::*;

pub use loss::CrossEntropy;
pub use memory::Pool;
pub use rms_prop::RmsProp;
pub use sequence::Sequence;

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
    #[cfg(target_arch = "aarch64")]
    Neon,
}

/// Work that is written once for all instructions.
pub(crate) trait Job {
    /// Does it; always inlined.
    fn run<S: Lanes>(self, simd: S);
}

impl Instructions {
    /// The fastest that the processor has.
    pub fn detect() -> Self {
        Self::available()[0]
    }

    /// All that the processor has, the fastest first; portable code is always there.
    pub fn available() -> Vec<Self> {
        let mut sets = vec![];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
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

    /// Floats in a vector: W.
    fn width(self) -> usize {
        match self.0 {
            Set::Portable => Portable::WIDTH,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => lanes::Avx2::WIDTH,
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => lanes::Avx512::WIDTH,
            #[cfg(target_arch = "aarch64")]
            Set::Neon => lanes::Neon::WIDTH,
        }
    }

    /// Runs the job compiled for these instructions.
    pub(crate) fn run(self, job: impl Job) {
        match self.0 {
            Set::Portable => job.run(Portable),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the value exists because `available` has found the instructions.
            Set::Avx2 => unsafe { with_avx2(job) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Set::Avx512 => unsafe { with_avx512(job) },
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

/// The numbers of a contiguous f32 tensor in memory.
fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(numbers), Some((start, end))) => Ok(&numbers[start..end]),
        (CpuStorage::F32(_), None) => bail!("the fused ops read contiguous tensors, and one is {layout:?}"),
        _ => bail!("the fused ops read f32, and a tensor is {:?}", storage.dtype()),
    }
}

/// The same, to be changed.
fn floats_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(numbers), Some((start, end))) => Ok(&mut numbers[start..end]),
        _ => bail!("the fused ops change contiguous tensors of f32, and one is {layout:?}"),
    }
}

/// Work below this many multiplications is done before other threads would have woken up.
const WORTH_A_THREAD: usize = 200_000;

/// Cuts `0..count` into one range a thread and works on all of them at once. `work` is how many multiplications all of it
/// takes.
fn in_parallel(count: usize, work: usize, job: impl Fn(std::ops::Range<usize>) + Sync) {
    let parts = rayon::current_num_threads().min(count).min(work / WORTH_A_THREAD).max(1);
    let part = |index: usize| count * index / parts..count * (index + 1) / parts;
    if parts == 1 {
        job(0..count);
    } else {
        (0..parts).into_par_iter().with_max_len(1).for_each(|index| job(part(index)));
    }
}
