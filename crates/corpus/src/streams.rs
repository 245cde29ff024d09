//! Streams: the corpus as a few long texts that are read side by side, so that a state can be carried on.

use crate::Tokens;

/// `batch` contiguous streams of equal length. Stream b is the b-th part of the ids; the id after the last input of a
/// stream is its last target, and the ids that do not divide evenly are left out at the end.
#[derive(Debug, Clone, Copy)]
pub struct Streams<'c> {
    tokens: Tokens<'c>,
    batch: usize,
}

impl<'c> Streams<'c> {
    /// Streams over a view.
    ///
    /// # Panics
    /// If `batch` is zero.
    pub fn new(tokens: Tokens<'c>, batch: usize) -> Self {
        assert!(batch > 0, "no streams");
        Self { tokens, batch }
    }

    /// How many streams there are: N.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Inputs (each with a target) in a stream.
    pub fn len(&self) -> usize {
        self.tokens.len().saturating_sub(1) / self.batch
    }

    /// Whether the text is too short for one input a stream.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `inputs` (N, T) with the `time` ids of each stream from `position` on, and `targets` (N, T) with the ids
    /// that follow each; both row-major, a row a stream.
    ///
    /// # Panics
    /// If the streams end before that, or a slice has not N × T places.
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
    fn streams_lie_side_by_side_and_targets_follow() {
        let ids: Vec<u32> = (0..12).collect();
        let streams = Streams::new(Tokens::of(&ids), 2);
        assert_eq!(streams.len(), 5);
        let (mut inputs, mut targets) = ([0; 6], [0; 6]);
        streams.read(2, 3, &mut inputs, &mut targets);
        assert_eq!(inputs, [2, 3, 4, 7, 8, 9]);
        assert_eq!(targets, [3, 4, 5, 8, 9, 10]);
    }

    #[test]
    fn every_input_has_a_target_whatever_the_remainder() {
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
