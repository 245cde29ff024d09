//! Training windows: views, never copies.

use crate::Tokens;

/// The lecture's semi-redundant sequences: window i is `ids[i*step .. i*step + length]`, its target the id after it.
#[derive(Debug, Clone, Copy)]
pub struct Windows<'c> {
    tokens: Tokens<'c>,
    length: usize,
    step: usize,
}

impl<'c> Windows<'c> {
    /// Windows of `length` ids, one every `step`.
    ///
    /// # Panics
    /// If the length or the step is zero.
    pub fn new(tokens: Tokens<'c>, length: usize, step: usize) -> Self {
        assert!(length > 0 && step > 0, "windows of {length} every {step}");
        Self { tokens, length, step }
    }

    /// How many windows so many tokens have: one for each i of 0, step, 2 step, … below tokens - length.
    pub fn count(tokens: usize, length: usize, step: usize) -> usize {
        tokens.saturating_sub(length).div_ceil(step)
    }

    /// How many windows there are.
    pub fn len(&self) -> usize {
        Self::count(self.tokens.len(), self.length, self.step)
    }

    /// Whether the text is too short for one.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ids in a window.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Fills `output` with a window.
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
    fn a_text_no_longer_than_a_window_has_none() {
        for len in 0..=4 {
            assert!(Windows::new(Tokens::of(&[0; 4][..len]), 4, 3).is_empty(), "{len}");
        }
        assert_eq!(Windows::count(397_400, 40, 3), 132_454); // the lecture's figure
    }
}
