//! Which instruction sets the processor has, and kernels compiled for each of them.

#[cfg(target_arch = "aarch64")]
use crate::simd::Neon;
#[cfg(any(test, not(all(target_arch = "wasm32", target_feature = "simd128"))))]
use crate::simd::Portable;
use crate::simd::Simd;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use crate::simd::Simd128;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512, Avx512Bf16, Avx512Vnni};

/// A set of SIMD instructions that this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instructions(Set);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    // A module of WebAssembly that needs SIMD never computes without, and would carry every kernel twice.
    #[cfg(any(test, not(all(target_arch = "wasm32", target_feature = "simd128"))))]
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128,
}

/// Arithmetic that is written once and compiled for every instruction set.
///
/// Everything that `run` calls must be inlined into it, or it is compiled without the instructions: hence
/// `#[inline(always)]` on every function that takes a [`Simd`], and no closures that do.
pub(crate) trait Kernel {
    /// Does the work; always inlined.
    fn run<S: Simd>(self, simd: S);
}

impl Instructions {
    /// All that the processor has, the fastest first. Portable code is always there, except in a module of WebAssembly that needs SIMD.
    pub fn available() -> Vec<Self> {
        let mut sets = vec![];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                if is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512bw") {
                    // Every processor with bfloat16 pairs multiplies bytes too.
                    if is_x86_feature_detected!("avx512bf16") {
                        sets.push(Set::Avx512Bf16);
                    }
                    sets.push(Set::Avx512Vnni);
                }
                sets.push(Set::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                sets.push(Set::Avx2);
            }
        }
        #[cfg(target_arch = "aarch64")]
        sets.push(Set::Neon);
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        sets.push(Set::Simd128);
        #[cfg(any(test, not(all(target_arch = "wasm32", target_feature = "simd128"))))]
        sets.push(Set::Portable);
        sets.into_iter().map(Self).collect()
    }

    /// The fastest set that the processor has.
    pub fn detect() -> Self {
        Self::available()[0]
    }

    /// The usual name of the set: AVX-512, AVX2, NEON, WebAssembly SIMD or portable. Support for bfloat16 or bytes does not change it.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(any(test, not(all(target_arch = "wasm32", target_feature = "simd128"))))]
            Set::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 | Set::Avx512Vnni | Set::Avx512Bf16 => "AVX-512",
            #[cfg(target_arch = "aarch64")]
            Set::Neon => "NEON",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Set::Simd128 => "WebAssembly SIMD",
        }
    }

    /// A name that no other set has: portable, avx2, avx512, avx512vnni, avx512bf16, neon or simd128.
    pub fn key(self) -> &'static str {
        match self.0 {
            #[cfg(any(test, not(all(target_arch = "wasm32", target_feature = "simd128"))))]
            Set::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Vnni => "avx512vnni",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Bf16 => "avx512bf16",
            #[cfg(target_arch = "aarch64")]
            Set::Neon => "neon",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Set::Simd128 => "simd128",
        }
    }

    /// Whether the set has an instruction that multiplies pairs of bfloat16 numbers.
    pub fn multiplies_bf16_pairs(self) -> bool {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Bf16 => true,
            _ => false,
        }
    }

    /// `f32` lanes per vector.
    pub(crate) fn lanes(self) -> usize {
        match self.0 {
            #[cfg(any(test, not(all(target_arch = "wasm32", target_feature = "simd128"))))]
            Set::Portable => Portable::LANES,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => Avx2::LANES,
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 | Set::Avx512Vnni | Set::Avx512Bf16 => Avx512::LANES,
            #[cfg(target_arch = "aarch64")]
            Set::Neon => Neon::LANES,
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Set::Simd128 => Simd128::LANES,
        }
    }

    /// Runs a kernel as compiled for this set.
    pub(crate) fn run(self, kernel: impl Kernel) {
        #[cfg(target_arch = "x86_64")]
        if self.0 == Set::Avx512Bf16 {
            // SAFETY: the value exists because `available` found the instructions.
            return unsafe { with_avx512_bf16(kernel) };
        }
        self.run_f32(kernel);
    }

    /// Runs a kernel that multiplies bytes but no bfloat16 numbers, which need not be compiled for them.
    pub(crate) fn run_bytes(self, kernel: impl Kernel) {
        #[cfg(target_arch = "x86_64")]
        if matches!(self.0, Set::Avx512Vnni | Set::Avx512Bf16) {
            // SAFETY: the value exists because `available` found the instructions.
            return unsafe { with_avx512_vnni(kernel) };
        }
        self.run_f32(kernel);
    }

    /// Runs a kernel that multiplies floats alone, which need not be compiled for bytes and bfloat16 numbers.
    pub(crate) fn run_f32(self, kernel: impl Kernel) {
        match self.0 {
            #[cfg(any(test, not(all(target_arch = "wasm32", target_feature = "simd128"))))]
            Set::Portable => kernel.run(Portable),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the value exists because `available` found the instructions.
            Set::Avx2 => unsafe { with_avx2(kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the value exists because `available` found the instructions, AVX-512F among them.
            Set::Avx512 | Set::Avx512Vnni | Set::Avx512Bf16 => unsafe { with_avx512(kernel) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: every 64-bit ARM has NEON.
            Set::Neon => kernel.run(unsafe { Neon::new() }),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            // SAFETY: the module is compiled for these instructions.
            Set::Simd128 => kernel.run(unsafe { Simd128::new() }),
        }
    }
}

/// # Safety
/// The processor has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn with_avx2(kernel: impl Kernel) {
    // SAFETY: the caller vouches for the instructions.
    kernel.run(unsafe { Avx2::new() });
}

/// # Safety
/// The processor has AVX-512F.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn with_avx512(kernel: impl Kernel) {
    // SAFETY: the caller vouches for the instructions.
    kernel.run(unsafe { Avx512::new() });
}

/// # Safety
/// The processor has AVX-512F, AVX-512BW and AVX512-VNNI.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn with_avx512_vnni(kernel: impl Kernel) {
    // SAFETY: the caller vouches for the instructions.
    kernel.run(unsafe { Avx512Vnni::new() });
}

/// # Safety
/// The processor has AVX-512F, AVX-512BW, AVX512-VNNI and AVX512-BF16.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx512bf16")]
unsafe fn with_avx512_bf16(kernel: impl Kernel) {
    // SAFETY: the caller vouches for the instructions.
    kernel.run(unsafe { Avx512Bf16::new() });
}
