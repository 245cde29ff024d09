//! A mutable slice of which several threads each write their own part.

use std::{marker::PhantomData, ops::Range};

/// A mutable slice that several threads write, each its own part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shared<'a> {
    start: *mut f32,
    length: usize,
    slice: PhantomData<&'a mut [f32]>,
}

// SAFETY: the pointer comes from a unique borrow that lives as long as the value. Callers of `read` and `write` promise
// that no two threads touch the same place at once; a broken promise would be a data race on plain floats.
unsafe impl Send for Shared<'_> {}
// SAFETY: the methods copy the pointer and change nothing of `self`; what they point to is covered by the promise above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    /// Shares a slice.
    #[inline(always)]
    pub(crate) fn new(slice: &'a mut [f32]) -> Self {
        Self { start: slice.as_mut_ptr(), length: slice.len(), slice: PhantomData }
    }

    /// A part, to be read.
    ///
    /// # Safety
    /// Nobody writes to the part while the result lives.
    #[inline(always)]
    pub(crate) unsafe fn read(&self, range: Range<usize>) -> &'a [f32] {
        assert!(range.start <= range.end && range.end <= self.length, "{range:?} of {}", self.length);
        // SAFETY: the range was checked; the caller vouches for the absence of writers.
        unsafe { std::slice::from_raw_parts(self.start.add(range.start), range.len()) }
    }

    /// A part, to be changed.
    ///
    /// # Safety
    /// Nobody else reads or writes the part while the result lives.
    #[inline(always)]
    pub(crate) unsafe fn write(&self, range: Range<usize>) -> &'a mut [f32] {
        assert!(range.start <= range.end && range.end <= self.length, "{range:?} of {}", self.length);
        // SAFETY: the range was checked; the caller vouches for uniqueness.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}
