//! Buffers of floats that start on a cache line and are kept for the next use.

/// Sixteen floats on a cache line of their own, so that no vector of a buffer straddles two lines.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Floats that start on a cache line. A buffer grows and never shrinks.
#[derive(Debug, Default)]
pub struct Buffer {
    lines: Vec<Line>,
    length: usize,
}

impl Buffer {
    /// `length` floats, whose values are whatever they were, or zero where the buffer grew.
    pub fn sized(&mut self, length: usize) -> &mut [f32] {
        let lines = length.div_ceil(16);
        if self.lines.len() < lines {
            self.lines.resize(lines, Line([0.0; 16]));
        }
        self.length = length;
        self.floats_mut()
    }

    /// The floats of the last [`sized`](Self::sized).
    #[inline]
    pub fn floats(&self) -> &[f32] {
        // SAFETY: a line is sixteen floats without padding, and `sized` made lines enough for `length`.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.length) }
    }

    /// The floats of the last [`sized`](Self::sized), to be changed.
    #[inline]
    pub fn floats_mut(&mut self) -> &mut [f32] {
        // SAFETY: a line is sixteen floats without padding, and `sized` made lines enough for `length`; the borrow is unique
        // because `self` is.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.length) }
    }
}
