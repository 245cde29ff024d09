//! Batches of a text, in an order that follows from the seed and the epoch: nothing is stored, and any batch of any epoch
//! can be read directly.

use candle_core::{Device, Tensor};
use corpus::{Permutation, Streams, Tokens, Windows};
use lstm::Outputs;

use crate::randomness::{Purpose, derive};
use crate::recipe::{Cut, Recipe};
use crate::{Error, Result};

/// All batches of a text.
#[derive(Debug, Clone, Copy)]
pub struct Batches<'c> {
    tokens: Tokens<'c>,
    cut: Cut,
    batch: usize,
    seed: u64,
}

/// The batches of one epoch.
#[derive(Debug)]
pub enum Epoch<'c> {
    /// Windows in a random order, each from a zero state.
    Windows {
        /// The windows.
        windows: Windows<'c>,
        /// Their order.
        order: Permutation,
        /// N; the last batch may have fewer.
        batch: usize,
    },
    /// Pieces of streams, one after another; the state is carried from each to the next.
    Streams {
        /// The streams.
        streams: Streams<'c>,
        /// T
        time: usize,
    },
    /// The same, from any place in the text on.
    Rotated {
        /// The text, read as a ring.
        tokens: Tokens<'c>,
        /// N
        batch: usize,
        /// T
        time: usize,
        /// Where the first stream begins.
        first: usize,
    },
}

/// One batch.
#[derive(Debug)]
pub struct Batch {
    /// (N, T)
    pub ids: Tensor,
    /// (N) or (N, T)
    pub targets: Tensor,
    /// Which shape the targets have.
    pub outputs: Outputs,
    /// The number of targets.
    pub count: usize,
}

impl<'c> Batches<'c> {
    /// The batches of a recipe over a text, which has to be long enough for one.
    pub fn new(recipe: &Recipe, tokens: Tokens<'c>, seed: u64) -> Result<Self> {
        let (length, needed) = match recipe.cut() {
            Cut::Windows(windows) => (windows.length, windows.length + 1),
            // Each epoch starts up to a piece later than the first character: two pieces always leave one.
            Cut::Streams(streams) => (streams.time, recipe.batch.saturating_add(1).saturating_mul(streams.time)),
        };
        if tokens.len() < needed {
            let (tokens, batch) = (tokens.len(), recipe.batch);
            return Err(match recipe.cut() {
                Cut::Windows(_) => Error::TooShort { tokens, length },
                Cut::Streams(_) => Error::TooShortForStreams { tokens, batch, time: length, needed },
            });
        }
        Ok(Self { tokens, cut: recipe.cut(), batch: recipe.batch, seed })
    }

    /// The batches of an epoch, from 1.
    pub fn epoch(&self, epoch: usize) -> Epoch<'c> {
        let seed = derive(self.seed, Purpose::Order, epoch);
        match self.cut {
            Cut::Windows(settings) => {
                let windows = Windows::new(self.tokens, settings.length, settings.step);
                Epoch::Windows { windows, order: Permutation::new(windows.len(), seed), batch: self.batch }
            }
            Cut::Streams(settings) if settings.rotate => Epoch::Rotated {
                tokens: self.tokens,
                batch: self.batch,
                time: settings.time,
                first: (seed % self.tokens.len() as u64) as usize,
            },
            Cut::Streams(settings) => {
                // Gradients end where a piece ends: that is a different place in every epoch.
                let first = (seed % settings.time as u64) as usize;
                let streams = Streams::new(self.tokens.slice(first..self.tokens.len()), self.batch);
                Epoch::Streams { streams, time: settings.time }
            }
        }
    }
}

impl Epoch<'_> {
    /// How many batches there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Windows { windows, batch, .. } => windows.len().div_ceil(*batch),
            Self::Streams { streams, time } => streams.len() / time,
            Self::Rotated { tokens, batch, time, .. } => tokens.len() / batch / time,
        }
    }

    /// Whether the state after a batch is carried to the next one.
    pub fn carries_state(&self) -> bool {
        matches!(self, Self::Streams { .. } | Self::Rotated { .. })
    }

    /// A batch by its number, from 0.
    pub fn batch(&self, index: usize, device: &Device) -> Result<Batch> {
        match self {
            Self::Windows { windows, order, batch } => {
                let places = index * batch..((index + 1) * batch).min(windows.len());
                let (count, length) = (places.len(), windows.length());
                let mut ids = vec![0; count * length];
                let mut targets = Vec::with_capacity(count);
                for (row, place) in ids.chunks_exact_mut(length).zip(places) {
                    let window = order.get(place);
                    windows.window(window, row);
                    targets.push(windows.target(window));
                }
                let ids = Tensor::from_vec(ids, (count, length), device)?; // (N, T)
                Ok(Batch { ids, targets: Tensor::from_vec(targets, count, device)?, outputs: Outputs::Last, count }) // (N)
            }
            Self::Streams { streams, time } => {
                let (batch, count) = (streams.batch(), streams.batch() * time);
                let (mut ids, mut targets) = (vec![0; count], vec![0; count]);
                streams.read(index * time, *time, &mut ids, &mut targets);
                let ids = Tensor::from_vec(ids, (batch, *time), device)?; // (N, T)
                let targets = Tensor::from_vec(targets, (batch, *time), device)?; // (N, T)
                Ok(Batch { ids, targets, outputs: Outputs::All, count })
            }
            Self::Rotated { tokens, batch, time, first } => {
                let (mut ids, mut targets) = (vec![], vec![]);
                for stream in 0..*batch {
                    let start = first + stream * (tokens.len() / batch) + index * time;
                    let row = ring(*tokens, start, time + 1);
                    ids.extend_from_slice(&row[..*time]);
                    targets.extend_from_slice(&row[1..]);
                }
                let ids = Tensor::from_vec(ids, (*batch, *time), device)?; // (N, T)
                let targets = Tensor::from_vec(targets, (*batch, *time), device)?; // (N, T)
                Ok(Batch { ids, targets, outputs: Outputs::All, count: batch * time })
            }
        }
    }
}

/// Ids from any place on; the text goes on from its end at its start.
fn ring(tokens: Tokens<'_>, start: usize, count: usize) -> Vec<u32> {
    let mut ids = Vec::with_capacity(count);
    while ids.len() < count {
        let place = (start + ids.len()) % tokens.len();
        ids.extend(tokens.to_vec(place..tokens.len().min(place + count - ids.len())));
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_streams_begin_anywhere_and_read_every_character_once() {
        let assignments = ["batch=3", "streams.time=5", "streams.rotate=true"].map(String::from);
        let recipe = Recipe::with_overrides("char-rnn", &assignments).unwrap();
        let ids: Vec<u32> = (0..60).collect();
        let batches = Batches::new(&recipe, Tokens::of(&ids), 7).unwrap();
        let numbers = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<u32>().unwrap();
        let mut starts = vec![];
        for epoch in 1..=8 {
            let epoch = batches.epoch(epoch);
            assert!(epoch.carries_state());
            assert_eq!(epoch.len(), 4);
            let mut read = vec![];
            for index in 0..epoch.len() {
                let batch = epoch.batch(index, &Device::Cpu).unwrap();
                let (inputs, targets) = (numbers(&batch.ids), numbers(&batch.targets));
                assert_eq!((inputs.len(), batch.count), (15, 15));
                assert!(inputs.iter().zip(&targets).all(|(input, target)| (input + 1) % 60 == *target));
                if let Some(before) = read.len().checked_sub(15) {
                    assert_eq!((read[before] + 5) % 60, inputs[0], "a stream goes on");
                }
                read.extend(inputs);
            }
            starts.push(read[0]);
            read.sort_unstable();
            assert_eq!(read, ids);
        }
        assert!(starts.iter().any(|start| *start >= 5) && starts.iter().any(|start| *start != starts[0]), "{starts:?}");
        let again = Batches::new(&recipe, Tokens::of(&ids), 7).unwrap().epoch(3).batch(0, &Device::Cpu).unwrap();
        assert_eq!(numbers(&again.ids)[0], starts[2], "the same seed and epoch, the same place");
    }
}
