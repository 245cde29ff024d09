//! Vectors of floats, as wide as the machine's instructions have them.
//!
//! The kernels are written once over [`Lanes`] and compiled once per set of instructions. A value of a type that
//! implements it is the proof that the processor has those instructions: [`Instructions::detect`] alone makes them.

/// A set of vector instructions. All methods are inlined into a function that is compiled for the set.
pub(super) trait Lanes: Copy {
    /// So many floats side by side.
    type Vector: Copy;
    /// How many floats a vector holds: W.
    const WIDTH: usize;
    /// Rows of a tile of four vectors each that the registers hold along with one row of the right operand.
    const ROWS: usize;

    /// # Safety
    /// `WIDTH` floats can be read at `source`.
    unsafe fn load(self, source: *const f32) -> Self::Vector;
    /// # Safety
    /// `WIDTH` floats can be written at `target`.
    unsafe fn store(self, target: *mut f32, vector: Self::Vector);
    /// The same number in all lanes.
    fn splat(self, number: f32) -> Self::Vector;
    /// `a + b`
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a - b`
    fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a * b`
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a / b`
    fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a * b + c`, rounded once where the instructions can.
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// The smaller of a number and a limit; NaN stays NaN.
    fn at_most(self, a: Self::Vector, limit: Self::Vector) -> Self::Vector;
    /// The larger of a number and a limit; NaN stays NaN.
    fn at_least(self, a: Self::Vector, limit: Self::Vector) -> Self::Vector;
    /// 2ⁿ where the lowest bits of `a`, read as an integer, hold n in two's complement; -127 < n < 128.
    fn power_of_two(self, a: Self::Vector) -> Self::Vector;
}

/// The vector instructions that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instructions(Set);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// Work that is written once for all instructions.
pub(super) trait Job {
    /// Does it; always inlined.
    fn run<S: Lanes>(self, simd: S);
}

impl Instructions {
    /// The fastest that the processor has.
    pub(super) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Self(Set::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Self(Set::Avx2);
            }
        }
        Self(Set::Portable)
    }

    /// All that the processor has.
    #[cfg(test)]
    pub(super) fn available() -> Vec<Self> {
        let mut sets = vec![Self(Set::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            sets.extend(has_avx2.then_some(Self(Set::Avx2)));
            sets.extend(is_x86_feature_detected!("avx512f").then_some(Self(Set::Avx512)));
        }
        sets
    }

    /// Floats in a vector: W.
    pub(super) fn width(self) -> usize {
        match self.0 {
            Set::Portable => Portable::WIDTH,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => x86::Avx2::WIDTH,
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => x86::Avx512::WIDTH,
        }
    }

    /// Runs the job compiled for these instructions.
    pub(super) fn run(self, job: impl Job) {
        match self.0 {
            Set::Portable => job.run(Portable),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the value exists because the instructions were found; else the program would die of an illegal one.
            Set::Avx2 => unsafe { x86::with_avx2(job) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Set::Avx512 => unsafe { x86::with_avx512(job) },
        }
    }
}

/// A vector from memory.
#[inline(always)]
pub(super) fn load<S: Lanes>(simd: S, source: &[f32]) -> S::Vector {
    assert!(S::WIDTH <= source.len(), "no whole vector left");
    // SAFETY: the length was checked.
    unsafe { simd.load(source.as_ptr()) }
}

/// A vector to memory.
#[inline(always)]
pub(super) fn store<S: Lanes>(simd: S, target: &mut [f32], vector: S::Vector) {
    assert!(S::WIDTH <= target.len(), "no room for a whole vector");
    // SAFETY: the length was checked.
    unsafe { simd.store(target.as_mut_ptr(), vector) }
}

/// A vector from the first `WIDTH` numbers of `source`, or as many as there are, then zeros.
#[inline(always)]
pub(super) fn load_some<S: Lanes>(simd: S, source: &[f32]) -> S::Vector {
    if source.len() >= S::WIDTH {
        return load(simd, source);
    }
    let mut padded = [0.0; 16];
    padded[..source.len()].copy_from_slice(source);
    load(simd, &padded)
}

/// A vector to the first `WIDTH` places of `target`, or as many as there are.
#[inline(always)]
pub(super) fn store_some<S: Lanes>(simd: S, target: &mut [f32], vector: S::Vector) {
    if target.len() >= S::WIDTH {
        return store(simd, target, vector);
    }
    let mut padded = [0.0; 16];
    store(simd, &mut padded, vector);
    target.copy_from_slice(&padded[..target.len()]);
}

/// The bits of 1.0: the exponent's bias in its place.
const ONE: u32 = 0x3f80_0000;

/// Arrays of eight floats in plain Rust, for processors of which nothing more is known.
#[derive(Debug, Clone, Copy)]
struct Portable;

/// Lane by lane.
#[inline(always)]
fn map2(a: [f32; 8], b: [f32; 8], operation: impl Fn(f32, f32) -> f32) -> [f32; 8] {
    std::array::from_fn(|lane| operation(a[lane], b[lane]))
}

impl Lanes for Portable {
    type Vector = [f32; 8];
    const WIDTH: usize = 8;
    const ROWS: usize = 2;

    #[inline(always)]
    unsafe fn load(self, source: *const f32) -> [f32; 8] {
        // SAFETY: the caller vouches for eight floats; the read asks for no alignment beyond a float's.
        unsafe { source.cast::<[f32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, target: *mut f32, vector: [f32; 8]) {
        // SAFETY: as for `load`.
        unsafe { target.cast::<[f32; 8]>().write_unaligned(vector) }
    }
    #[inline(always)]
    fn splat(self, number: f32) -> [f32; 8] {
        [number; 8]
    }
    #[inline(always)]
    fn add(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map2(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map2(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map2(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        map2(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn mul_add(self, a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        // Rounded twice: `f32::mul_add` is a call into the C library where the instruction is missing.
        std::array::from_fn(|lane| a[lane] * b[lane] + c[lane])
    }
    #[inline(always)]
    fn at_most(self, a: [f32; 8], limit: [f32; 8]) -> [f32; 8] {
        map2(a, limit, |a, limit| if limit < a { limit } else { a })
    }
    #[inline(always)]
    fn at_least(self, a: [f32; 8], limit: [f32; 8]) -> [f32; 8] {
        map2(a, limit, |a, limit| if limit > a { limit } else { a })
    }
    #[inline(always)]
    fn power_of_two(self, a: [f32; 8]) -> [f32; 8] {
        a.map(|number| f32::from_bits((number.to_bits() << 23).wrapping_add(ONE)))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #[allow(clippy::wildcard_imports, reason = "intrinsics carry their set in their names")]
    use std::arch::x86_64::*;

    use super::{Job, Lanes, ONE};

    /// # Safety
    /// The processor has AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn with_avx2(job: impl Job) {
        job.run(Avx2(()));
    }

    /// # Safety
    /// The processor has AVX-512F.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn with_avx512(job: impl Job) {
        job.run(Avx512(()));
    }

    /// Implements [`Lanes`] by intrinsics: type, vector, width, rows, and one path or expression an operation. The field
    /// is private to this module, whose two functions above alone make the values.
    macro_rules! lanes {
        ($name:ident, $vector:ty, $width:literal, $rows:literal, load $load:path, store $store:path,
         splat $splat:path, add $add:path, sub $sub:path, mul $mul:path, div $div:path, mul_add $mul_add:path,
         min $min:path, max $max:path, power_of_two |$p:ident, $one:ident| $power:expr) => {
            #[derive(Debug, Clone, Copy)]
            pub(super) struct $name(());

            impl Lanes for $name {
                type Vector = $vector;
                const WIDTH: usize = $width;
                const ROWS: usize = $rows;

                #[inline(always)]
                unsafe fn load(self, source: *const f32) -> $vector {
                    // SAFETY: the instructions are there, the caller vouches for the memory; no alignment is needed.
                    unsafe { $load(source) }
                }
                #[inline(always)]
                unsafe fn store(self, target: *mut f32, vector: $vector) {
                    // SAFETY: as for `load`.
                    unsafe { $store(target, vector) }
                }
                #[inline(always)]
                fn splat(self, number: f32) -> $vector {
                    // SAFETY: registers only, and the instructions are there.
                    unsafe { $splat(number) }
                }
                #[inline(always)]
                fn add(self, a: $vector, b: $vector) -> $vector {
                    // SAFETY: as for `splat`.
                    unsafe { $add(a, b) }
                }
                #[inline(always)]
                fn sub(self, a: $vector, b: $vector) -> $vector {
                    // SAFETY: as for `splat`.
                    unsafe { $sub(a, b) }
                }
                #[inline(always)]
                fn mul(self, a: $vector, b: $vector) -> $vector {
                    // SAFETY: as for `splat`.
                    unsafe { $mul(a, b) }
                }
                #[inline(always)]
                fn div(self, a: $vector, b: $vector) -> $vector {
                    // SAFETY: as for `splat`.
                    unsafe { $div(a, b) }
                }
                #[inline(always)]
                fn mul_add(self, a: $vector, b: $vector, c: $vector) -> $vector {
                    // SAFETY: as for `splat`.
                    unsafe { $mul_add(a, b, c) }
                }
                #[inline(always)]
                fn at_most(self, a: $vector, limit: $vector) -> $vector {
                    // Where one is NaN, the instruction gives the second.
                    // SAFETY: as for `splat`.
                    unsafe { $min(limit, a) }
                }
                #[inline(always)]
                fn at_least(self, a: $vector, limit: $vector) -> $vector {
                    // SAFETY: as for `splat`.
                    unsafe { $max(limit, a) }
                }
                #[inline(always)]
                fn power_of_two(self, $p: $vector) -> $vector {
                    let $one = ONE as i32;
                    // SAFETY: as for `splat`.
                    unsafe { $power }
                }
            }
        };
    }

    lanes!(
        Avx512, __m512, 16, 6, load _mm512_loadu_ps, store _mm512_storeu_ps, splat _mm512_set1_ps, add _mm512_add_ps,
        sub _mm512_sub_ps, mul _mm512_mul_ps, div _mm512_div_ps, mul_add _mm512_fmadd_ps,
        min _mm512_min_ps, max _mm512_max_ps,
        power_of_two |a, one| _mm512_castsi512_ps(_mm512_add_epi32(
            _mm512_slli_epi32::<23>(_mm512_castps_si512(a)), _mm512_set1_epi32(one)))
    );

    lanes!(
        Avx2, __m256, 8, 3, load _mm256_loadu_ps, store _mm256_storeu_ps, splat _mm256_set1_ps, add _mm256_add_ps,
        sub _mm256_sub_ps, mul _mm256_mul_ps, div _mm256_div_ps, mul_add _mm256_fmadd_ps,
        min _mm256_min_ps, max _mm256_max_ps,
        power_of_two |a, one| _mm256_castsi256_ps(_mm256_add_epi32(
            _mm256_slli_epi32::<23>(_mm256_castps_si256(a)), _mm256_set1_epi32(one)))
    );
}
