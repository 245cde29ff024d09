//! [`Simd`](super::vector::Simd) by intrinsics.

/// Implements `Simd` for a type of an instruction set: its vector, its lanes, the rows of a tile, one path or expression
/// per operation, and methods that replace the trait's own.
macro_rules! simd {
    ($(#[$doc:meta])* $name:ident, $vector:ty, lanes $lanes:literal, rows $rows:literal,
     load $load:path, store $store:path, splat $splat:path, add $add:path, sub $sub:path, mul $mul:path, div $div:path,
     sqrt $sqrt:path, mul_add |$ma:ident, $mb:ident, $mc:ident| $mul_add:expr,
     select_less |$la:ident, $lb:ident, $yes:ident, $no:ident| $less:expr,
     power_of_two |$p:ident, $one:ident| $power:expr,
     split_pairs |$h:ident, $upper:ident| $halves:expr,
     byte_offset $offset:literal, multiply_bytes |$ba:ident, $bb:ident, $bc:ident| $bytes:expr,
     integers_to_floats |$i:ident| $floats:expr $(, $method:item)*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $name(());

        impl $name {
            /// # Safety
            /// The processor has these instructions; without them the program dies of an illegal one.
            #[inline(always)]
            pub(crate) unsafe fn new() -> Self {
                Self(())
            }
        }

        impl Simd for $name {
            type Vector = $vector;
            const LANES: usize = $lanes;
            const TILE_ROWS: usize = $rows;
            const BYTE_OFFSET: u8 = $offset;

            #[inline(always)]
            unsafe fn load(self, source: *const f32) -> $vector {
                // SAFETY: `new` vouches for the instructions, the caller for the memory; no alignment is needed.
                unsafe { $load(source) }
            }
            #[inline(always)]
            unsafe fn store(self, target: *mut f32, vector: $vector) {
                // SAFETY: `new` vouches for the instructions, the caller for the memory; no alignment is needed.
                unsafe { $store(target, vector) }
            }
            #[inline(always)]
            fn splat(self, number: f32) -> $vector {
                // SAFETY: registers only, and `new` vouches for the instructions.
                unsafe { $splat(number) }
            }
            #[inline(always)]
            fn add(self, a: $vector, b: $vector) -> $vector {
                // SAFETY: registers only, and `new` vouches for the instructions.
                unsafe { $add(a, b) }
            }
            #[inline(always)]
            fn sub(self, a: $vector, b: $vector) -> $vector {
                // SAFETY: registers only, and `new` vouches for the instructions.
                unsafe { $sub(a, b) }
            }
            #[inline(always)]
            fn mul(self, a: $vector, b: $vector) -> $vector {
                // SAFETY: registers only, and `new` vouches for the instructions.
                unsafe { $mul(a, b) }
            }
            #[inline(always)]
            fn div(self, a: $vector, b: $vector) -> $vector {
                // SAFETY: registers only, and `new` vouches for the instructions.
                unsafe { $div(a, b) }
            }
            #[inline(always)]
            fn sqrt(self, a: $vector) -> $vector {
                // SAFETY: registers only, and `new` vouches for the instructions.
                unsafe { $sqrt(a) }
            }
            #[inline(always)]
            fn mul_add(self, $ma: $vector, $mb: $vector, $mc: $vector) -> $vector {
                // SAFETY: registers only, and `new` vouches for the instructions.
                unsafe { $mul_add }
            }
            #[inline(always)]
            fn select_less(self, $la: $vector, $lb: $vector, $yes: $vector, $no: $vector) -> $vector {
                // SAFETY: registers only, and `new` vouches for the instructions.
                unsafe { $less }
            }
            #[inline(always)]
            fn power_of_two(self, $p: $vector) -> $vector {
                let $one = ONE_BITS as i32;
                // SAFETY: registers only, and `new` vouches for the instructions.
                unsafe { $power }
            }
            #[inline(always)]
            fn split_pairs(self, $h: $vector) -> [$vector; 2] {
                let $upper = 0xffff_0000_u32 as i32;
                // SAFETY: registers only, and `new` vouches for the instructions.
                unsafe { $halves }
            }
            #[inline(always)]
            fn multiply_bytes(self, $ba: $vector, $bb: $vector, $bc: $vector) -> $vector {
                // SAFETY: registers only, and `new` vouches for the instructions.
                unsafe { $bytes }
            }
            #[inline(always)]
            fn integers_to_floats(self, $i: $vector) -> $vector {
                // SAFETY: registers only, and `new` vouches for the instructions.
                unsafe { $floats }
            }
            $($method)*
        }
    };
}

pub(crate) use simd;
