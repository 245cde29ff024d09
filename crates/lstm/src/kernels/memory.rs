//! Memory of the kernels: aligned buffers that outlive a step, and slices that threads share by agreement.

use std::{
    marker::PhantomData,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Sixteen floats on a cache line of their own, so that no vector of a buffer straddles two.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Floats that start on a cache line.
#[derive(Debug, Default)]
pub struct Buffer {
    lines: Vec<Line>,
    length: usize,
}

impl Buffer {
    /// Makes room for `length` floats, whose values are whatever they were, and gives them.
    pub fn sized(&mut self, length: usize) -> &mut [f32] {
        let lines = length.div_ceil(16);
        if self.lines.len() < lines {
            self.lines.resize(lines, Line([0.0; 16]));
        }
        self.length = length;
        self.floats_mut()
    }

    /// The floats.
    pub fn floats(&self) -> &[f32] {
        // SAFETY: a line is sixteen floats without padding, and `sized` made lines enough for `length`.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.length) }
    }

    /// The floats, to be changed.
    pub fn floats_mut(&mut self) -> &mut [f32] {
        // SAFETY: as for `floats`; the borrow is unique because `self` is.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.length) }
    }
}

/// A mutable slice that several threads write, each its own places.
#[derive(Debug, Clone, Copy)]
pub struct Shared<'a> {
    start: *mut f32,
    length: usize,
    slice: PhantomData<&'a mut [f32]>,
}

// SAFETY: the pointer comes from a unique borrow that lives as long as the value; that no two threads touch the same
// place at once is the promise of those who call its methods. Broken, it would be a data race on plain floats.
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    /// Shares a slice.
    pub fn new(slice: &'a mut [f32]) -> Self {
        Self { start: slice.as_mut_ptr(), length: slice.len(), slice: PhantomData }
    }

    /// A part, to be read.
    ///
    /// # Safety
    /// No one writes to the part while the slice lives.
    #[inline(always)]
    pub unsafe fn read(&self, range: Range<usize>) -> &'a [f32] {
        assert!(range.start <= range.end && range.end <= self.length, "{range:?} of {}", self.length);
        // SAFETY: the range was checked; the caller vouches for the absence of writers.
        unsafe { std::slice::from_raw_parts(self.start.add(range.start), range.len()) }
    }

    /// A part, to be changed.
    ///
    /// # Safety
    /// No one else reads or writes the part while the slice lives.
    #[inline(always)]
    pub unsafe fn write(&self, range: Range<usize>) -> &'a mut [f32] {
        assert!(range.start <= range.end && range.end <= self.length, "{range:?} of {}", self.length);
        // SAFETY: the range was checked; the caller vouches for uniqueness.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}

/// What one layer's op needs of memory for one sequence, forward and back, beside [`Steps`].
#[derive(Debug, Default)]
pub struct Workspace {
    /// Token ids, (T, N).
    pub ids: Vec<u32>,
    /// Input weights in panels, or a row of pre-activations per token.
    pub input_weights: Buffer,
    /// Recurrent weights in panels.
    pub recurrent_weights: Buffer,
    /// The bias, gates interleaved.
    pub bias: Buffer,
    /// Gates after activation; in the backward pass, their gradients.
    pub gates: Buffer,
    /// Cell states.
    pub cells: Buffer,
    /// Words of the input vectors, of the hidden states and of the initial ones, where they are not the numbers themselves.
    pub words: [Buffer; 3],
    /// Gradient of the cell state.
    pub cell_gradient: Buffer,
    /// Transposed weights in panels.
    pub transposed: Buffer,
    /// Gradient of the weights, gates interleaved.
    pub weight_gradient: Buffer,
}

/// What goes from a layer to the one above it, and back.
#[derive(Debug, Default)]
pub struct Steps {
    /// Hidden states, (T, N, H).
    pub hidden: Buffer,
    /// Their gradient, (T, N, H), once `returned`.
    pub gradient: Buffer,
    /// Whether the layer above has left the gradient.
    pub returned: bool,
    /// What the next layer reads in place of the hidden states, (T, N, H), if some are left out.
    pub dropped: Option<Buffer>,
}

impl Steps {
    /// What the next layer reads, (T, N, H).
    pub fn output(&self) -> &[f32] {
        self.dropped.as_ref().unwrap_or(&self.hidden).floats()
    }
}

/// Memory that waits for the next step.
#[derive(Debug, Default)]
pub struct Pool<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Default> Pool<T> {
    /// A piece of memory, used before if there is one.
    pub fn take(&self) -> Lease<T> {
        let memory = lock(&self.0).pop().unwrap_or_default();
        Lease { memory, pool: self.clone() }
    }
}

/// Memory that goes back to its pool when dropped.
#[derive(Debug)]
pub struct Lease<T: Default> {
    /// The memory.
    pub memory: T,
    pool: Pool<T>,
}

impl<T: Default> Drop for Lease<T> {
    fn drop(&mut self) {
        lock(&self.pool.0).push(std::mem::take(&mut self.memory));
    }
}

/// Steps that two ops of one graph share: the one that wrote them and the one that reads them.
pub type Link = Arc<Mutex<Lease<Steps>>>;

/// Locks, whatever happened to a thread that held the lock: memory of numbers cannot be left in a broken state.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
