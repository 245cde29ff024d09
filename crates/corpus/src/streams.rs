//! Streams: the corpus cut into a few long texts that are read in parallel, so that each can carry its state on.

use crate::Tokens;

/// `batch` contiguous streams of equal length. Stream b is the b-th part of the ids. The last target of a stream is the
/// id after its last input. Ids that do not divide evenly are left out at the end.
#[derive(Debug, Clone, Copy)]
pub struct Streams<'c> {
    tokens: Tokens<'c>,
    batch: usize,
}

impl<'c> Streams<'c> {
    /// Cuts a view into streams.
    ///
    /// # Panics
    /// If `batch` is zero.
    pub fn new(tokens: Tokens<'c>, batch: usize) -> Self {
        assert!(batch > 0, "there must be at least one stream");
        Self { tokens, batch }
    }

    /// Number of streams (N).
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Number of inputs in a stream; each has a target.
    pub fn len(&self) -> usize {
        self.tokens.len().saturating_sub(1) / self.batch
    }

    /// Whether the text is too short for one input per stream.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies `time` ids of each stream, from `position` on, to `inputs` (N, T), and the id after each to `targets` (N,
    /// T). Both are row-major, with a row for each stream.
    ///
    /// # Panics
    /// If the streams end before that, or if a slice does not have N × T elements.
    pub fn read(&self, position: usize, time: usize, inputs: &mut [u32], targets: &mut [u32]) {
        assert!(
            position.checked_add(time).is_some_and(|end| end <= self.len()),
            "{time} ids from {position} of streams of {}",
            self.len()
        );
        assert_eq!((inputs.len(), targets.len()), (self.batch * time, self.batch * time), "(N, T) ids");
        if time == 0 {
            return;
        }
        let rows = inputs.chunks_exact_mut(time).zip(targets.chunks_exact_mut(time));
        for (stream, (inputs, targets)) in rows.enumerate() {
            let start = stream * self.len() + position;
            self.tokens.read(start, inputs);
            targets[..time - 1].copy_from_slice(&inputs[1..]);
            targets[time - 1] = self.tokens.get(start + time);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_rows_and_targets_are_one_ahead() {
        let ids: Vec<u32> = (0..12).collect();
        let streams = Streams::new(Tokens::of(&ids), 2);
        assert_eq!(streams.len(), 5);
        let (mut inputs, mut targets) = ([0; 6], [0; 6]);
        streams.read(2, 3, &mut inputs, &mut targets);
        assert_eq!(inputs, [2, 3, 4, 7, 8, 9]);
        assert_eq!(targets, [3, 4, 5, 8, 9, 10]);
    }

    #[test]
    fn every_input_has_a_target_for_any_remainder() {
        for len in 0..40_usize {
            let ids: Vec<u32> = (0..len as u32).collect();
            for batch in 1..5 {
                let streams = Streams::new(Tokens::of(&ids), batch);
                let count = batch * streams.len();
                assert!(count < len.max(1) && len <= count + batch.max(1), "{len} {batch}");
                let (mut inputs, mut targets) = (vec![0; count], vec![0; count]);
                streams.read(0, streams.len(), &mut inputs, &mut targets);
                assert!(inputs.iter().zip(&targets).all(|(input, target)| input + 1 == *target), "{len} {batch}");
            }
        }
    }
}
