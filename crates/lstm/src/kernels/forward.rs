//! A layer's forward pass for some rows of the batch, through all time steps.
//!
//! Rows never talk to each other, so each thread takes its own through the whole sequence. A tile holds the four gates of
//! one block of units for a few rows: its products with the input and the hidden state, the activations and the new
//! state all happen before it leaves the registers.

use std::ops::Range;

use super::{
    activation::{sigmoid, tanh},
    lanes::Lanes,
    layout::Sizes,
    memory::Shared,
    precision::Precision,
    processor::Job,
    tile::{Left, accumulate, for_tiles, load, load_some, store, store_rounded, store_some},
};

/// What the layer reads.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// Tokens.
    Ids {
        /// (T, N)
        ids: &'a [u32],
        /// What each token adds to the gates, bias included: (V, blocks, 4, W).
        table: &'a [f32],
    },
    /// Vectors.
    Vectors {
        /// Words of (T, N, I).
        vectors: &'a [f32],
        /// Input weights in panels: words of (blocks, I, 4, W).
        weights: &'a [f32],
        /// (blocks, 4, W)
        bias: &'a [f32],
    },
}

/// The state before the first step: hidden and cell, (N, H) each. None is zeros.
pub type Initial<'a> = Option<(&'a [f32], &'a [f32])>;

/// The forward pass of some rows.
#[derive(Debug, Clone)]
pub struct Forward<'a> {
    /// Sizes of the sequence.
    pub sizes: Sizes,
    /// The rows of the batch.
    pub rows: Range<usize>,
    /// Input.
    pub input: Input<'a>,
    /// Recurrent weights in panels: words of (blocks, H, 4, W).
    pub recurrent: &'a [f32],
    /// State before the first step.
    pub initial: Initial<'a>,
    /// Words of its hidden part, (N, H).
    pub initial_words: &'a [f32],
    /// Gates after activation, (T, blocks, N, 4, W), written.
    pub gates: Shared<'a>,
    /// Cell states, (T, blocks, N, W), written.
    pub cells: Shared<'a>,
    /// Hidden states, (T, N, H), written.
    pub hidden: Shared<'a>,
    /// The same as words: another buffer, written too, or the same.
    pub hidden_words: Shared<'a>,
}

impl Job for Forward<'_> {
    #[inline(always)]
    fn run<S: Lanes>(self, simd: S) {
        for time in 0..self.sizes.time {
            for block in 0..self.sizes.blocks() {
                for_tiles!(S, self.rows.clone(), |row, ROWS| self.tile::<S, ROWS>(simd, time, block, row));
            }
        }
    }
}

impl Forward<'_> {
    /// Some rows' gates and state of one block at one time.
    #[inline(always)]
    fn tile<S: Lanes, const R: usize>(&self, simd: S, time: usize, block: usize, row: usize) {
        let sizes = &self.sizes;
        let mut tile = [[simd.splat(0.0); 4]; R];
        match self.input {
            Input::Ids { ids, table } => {
                for (index, gates) in tile.iter_mut().enumerate() {
                    let token = ids[time * sizes.batch + row + index] as usize;
                    let line = &table[token * sizes.all_gates() + block * sizes.gates()..][..4 * S::WIDTH];
                    for (gate, vector) in gates.iter_mut().enumerate() {
                        *vector = load(simd, &line[gate * S::WIDTH..]);
                    }
                }
            }
            Input::Vectors { vectors, weights, bias } => {
                let line = &bias[block * sizes.gates()..][..4 * S::WIDTH];
                for gates in &mut tile {
                    for (gate, vector) in gates.iter_mut().enumerate() {
                        *vector = load(simd, &line[gate * S::WIDTH..]);
                    }
                }
                let count = sizes.words(sizes.input);
                let words = &vectors[(time * sizes.batch + row) * count..];
                let panel = &weights[block * count * sizes.gates()..];
                accumulate(simd, sizes.precision, &mut tile, count, Left { words, row: count, step: 1 }, panel);
            }
        }
        let count = sizes.words(sizes.hidden);
        let start = (time * sizes.batch + row) * count;
        let before = match (time, self.initial) {
            (0, None) => None,
            (0, Some(_)) => Some(&self.initial_words[start..]),
            _ => {
                let start = start - sizes.batch * count;
                // SAFETY: this thread alone has these rows, and it wrote the time step before.
                Some(unsafe { self.hidden_words.read(start..start + R * count) })
            }
        };
        if let Some(words) = before {
            let panel = &self.recurrent[block * count * sizes.gates()..];
            accumulate(simd, sizes.precision, &mut tile, count, Left { words, row: count, step: 1 }, panel);
        }
        self.state(simd, time, block, row, &tile);
    }

    /// From pre-activations to the state.
    #[inline(always)]
    fn state<S: Lanes, const R: usize>(
        &self,
        simd: S,
        time: usize,
        block: usize,
        row: usize,
        tile: &[[S::Vector; 4]; R],
    ) {
        let (sizes, units) = (&self.sizes, self.sizes.units(block));
        for (index, gates) in tile.iter().enumerate() {
            let row = row + index;
            let input = sigmoid(simd, gates[0]);
            let forget = sigmoid(simd, gates[1]);
            let candidate = tanh(simd, gates[2]);
            let output = sigmoid(simd, gates[3]);
            let before = match (time, self.initial) {
                (0, None) => simd.splat(0.0),
                (0, Some((_, cell))) => load_some(simd, &cell[row * sizes.hidden..][units.clone()]),
                _ => {
                    let start = sizes.cells_at(time - 1, block, row);
                    // SAFETY: this thread alone has this row.
                    load(simd, unsafe { self.cells.read(start..start + S::WIDTH) })
                }
            };
            let cell = simd.mul_add(input, candidate, simd.mul(forget, before));
            let hidden = simd.mul(output, tanh(simd, cell));
            // SAFETY: this thread alone has this row, in all buffers, and no slice of it is alive here.
            let (saved, cells, states) = unsafe {
                let (gates, cells) = (sizes.gates_at(time, block, row), sizes.cells_at(time, block, row));
                let start = sizes.hidden_at(time, row);
                (
                    self.gates.write(gates..gates + 4 * S::WIDTH),
                    self.cells.write(cells..cells + S::WIDTH),
                    self.hidden.write(start + units.start..start + units.end),
                )
            };
            for (gate, vector) in [input, forget, candidate, output].into_iter().enumerate() {
                store(simd, &mut saved[gate * S::WIDTH..], vector);
            }
            store(simd, cells, cell);
            store_some(simd, states, hidden);
            if sizes.precision != Precision::Float32 {
                let start = (time * sizes.batch + row) * sizes.words(sizes.hidden);
                let words = start + sizes.words(units.start)..start + sizes.words(units.end);
                // SAFETY: as above.
                store_rounded(simd, unsafe { self.hidden_words.write(words) }, hidden, units.len());
            }
        }
    }
}
