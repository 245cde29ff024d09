//! SIMD vectors of `f32`, one type per instruction set.
//!
//! Kernels are written once over [`Simd`] and compiled once per instruction set. A value of a type that implements it
//! proves that the processor has those instructions; [`crate::Instructions`] alone makes such values.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", all(target_arch = "wasm32", target_feature = "simd128")))]
mod intrinsics;
#[cfg(any(test, not(all(target_arch = "wasm32", target_feature = "simd128"))))]
mod portable;
mod slices;
mod unfused;
mod vector;

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
#[cfg(any(test, not(all(target_arch = "wasm32", target_feature = "simd128"))))]
pub(crate) use portable::Portable;
pub(crate) use slices::{load, load_padded, store, store_bf16, store_partial};
pub(crate) use unfused::Unfused;
pub(crate) use vector::{MOST_LANES, Simd};
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) use wasm::Simd128;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512, Avx512Bf16, Avx512Vnni};
