//! A global allocator that puts large blocks, such as weights, on large pages.

use std::alloc::{GlobalAlloc, Layout, System};

/// An allocator for `#[global_allocator]` that asks the system for large pages under zeroed blocks of 2 MiB or more, which
/// is how rten asks for the memory of weights. (Not under others: what a file is read into is soon given back, and to
/// find large pages for it would only delay the start.)
///
/// A step of a recurrent model reads all of its weights once, and on pages of 4 KiB the processor spends a good part of
/// that time on finding out where the next page is: with 13 MB of weights a step took 1.3 times as long as on pages of
/// 2 MiB. Linux gives such pages where `/sys/kernel/mm/transparent_hugepage/enabled` says `madvise` (the usual
/// setting) or `always`. Elsewhere, and for smaller blocks, this is the [`System`] allocator.
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: ort_rten::LargePages = ort_rten::LargePages;
/// # fn main() {}
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct LargePages;

/// The size of a large page on x86-64, and on arm64 with pages of 4 KiB.
const PAGE: usize = 2 << 20;

/// The layout that is asked of the system: of large blocks, the start is that of a page.
fn layout_of(layout: Layout) -> Layout {
    let large = layout.size() >= PAGE && layout.align() < PAGE;
    if large { layout.align_to(PAGE).unwrap_or(layout) } else { layout }
}

// SAFETY: every call goes on to `System`, with a layout that depends on the caller's layout alone, so that a block is
// freed with the layout it was made with; advising the kernel changes no memory. Nothing here panics or allocates.
unsafe impl GlobalAlloc for LargePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the size is the caller's, which is not 0.
        unsafe { System.alloc(layout_of(layout)) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.size() < PAGE {
            // SAFETY: the layout is the caller's.
            return unsafe { System.alloc_zeroed(layout) };
        }
        // SAFETY: as in `alloc`.
        let block = unsafe { self.alloc(layout) };
        advise(block, layout.size());
        if !block.is_null() {
            // Pages are made by the first write to them, so this has to come after the advice.
            // SAFETY: the block is new and has this size.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block came from `alloc` with this layout, so from `System` with the layout that follows from it.
        unsafe { System.dealloc(block, layout_of(layout)) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.size() < PAGE && size < PAGE {
            // SAFETY: as in `dealloc`; the new size is the caller's, and the layout stays the same for it.
            return unsafe { System.realloc(block, layout, size) };
        }
        let Ok(larger) = Layout::from_size_align(size, layout.align()) else { return std::ptr::null_mut() };
        // SAFETY: the new block has the new size, of which as much is copied as both have; the old one is given up only
        // when there is a new one.
        unsafe {
            let moved = self.alloc(larger);
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(block, layout.size().min(size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

/// Asks for large pages under the whole pages of a block. The kernel may refuse; then they are small.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn advise(block: *mut u8, size: usize) {
    let whole = size - size % PAGE;
    if whole > 0 && !block.is_null() {
        // SAFETY: the range lies within one block of ours, and this advice changes how it is kept and not what it holds.
        unsafe { libc::madvise(block.cast(), whole, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn advise(_: *mut u8, _: usize) {}
