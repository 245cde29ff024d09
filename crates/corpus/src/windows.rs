//! Training windows, as views of the ids.

use crate::Tokens;

/// The lecture's overlapping windows: window i is `ids[i*step .. i*step + length]`, and its target is the id after it.
#[derive(Debug, Clone, Copy)]
pub struct Windows<'c> {
    tokens: Tokens<'c>,
    length: usize,
    step: usize,
}

impl<'c> Windows<'c> {
    /// Windows of `length` ids that start every `step` ids.
    ///
    /// # Panics
    /// If the length or the step is zero.
    pub fn new(tokens: Tokens<'c>, length: usize, step: usize) -> Self {
        assert!(length > 0 && step > 0, "windows of {length} every {step}");
        Self { tokens, length, step }
    }

    /// The number of windows in `tokens` ids: they start at 0, step, 2·step, … below tokens - length.
    pub fn count(tokens: usize, length: usize, step: usize) -> usize {
        tokens.saturating_sub(length).div_ceil(step)
    }

    /// Number of windows.
    pub fn len(&self) -> usize {
        Self::count(self.tokens.len(), self.length, self.step)
    }

    /// Whether the text is too short for a window.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of ids in a window.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Copies a window to `output` (T).
    ///
    /// # Panics
    /// If there is no such window, or `output` is not as long as one.
    pub fn window(&self, index: usize, output: &mut [u32]) {
        assert_eq!(output.len(), self.length, "a window has {} ids", self.length);
        self.tokens.read(self.start(index), output);
    }

    /// The id that follows a window.
    ///
    /// # Panics
    /// If there is no such window.
    pub fn target(&self, index: usize) -> u32 {
        self.tokens.get(self.start(index) + self.length)
    }

    fn start(&self, index: usize) -> usize {
        assert!(index < self.len(), "window {index} of {}", self.len());
        index * self.step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_those_of_the_lecture() {
        // The lecture's loop: for i in range(0, len(text) - maxlen, step).
        for (len, length, step) in [(12, 4, 3), (13, 4, 3), (14, 4, 3), (5, 4, 3), (9, 1, 1), (9, 8, 20)] {
            let ids: Vec<u32> = (0..len as u32).collect();
            let windows = Windows::new(Tokens::of(&ids), length, step);
            let starts: Vec<usize> = (0..len - length).step_by(step).collect();
            assert_eq!(windows.len(), starts.len(), "{len} {length} {step}");
            let mut window = vec![0; length];
            for (index, start) in starts.into_iter().enumerate() {
                windows.window(index, &mut window);
                assert_eq!(window, ids[start..start + length], "{len} {length} {step}");
                assert_eq!(windows.target(index), ids[start + length], "{len} {length} {step}");
            }
        }
    }

    #[test]
    fn a_text_that_is_not_longer_than_a_window_has_no_window() {
        for len in 0..=4 {
            assert!(Windows::new(Tokens::of(&[0; 4][..len]), 4, 3).is_empty(), "{len}");
        }
        assert_eq!(Windows::count(397_400, 40, 3), 132_454); // the lecture's figure
    }
}
