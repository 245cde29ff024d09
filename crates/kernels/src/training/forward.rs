//! A layer's forward pass for some rows of the batch, through all time steps.
//!
//! Rows do not depend on each other, so each thread takes its own through the whole sequence. A tile holds the four gates of
//! one block of units for a few rows. Products with the input and the hidden state, activations and the new state are all
//! computed before it leaves the registers.

use std::ops::Range;

use super::sizes::Sizes;
use crate::{
    activation::{sigmoid, tanh},
    instructions::Kernel,
    precision::Precision,
    shared::Shared,
    simd::{Simd, load, load_padded, store, store_bf16, store_partial},
    tile::{LeftOperand, accumulate_words, for_tiles, load_four},
};

/// What the layer reads, and its packed input weights.
#[derive(Debug, Clone, Copy)]
pub(super) enum PackedInput<'a> {
    /// Tokens.
    Ids {
        /// (T, N)
        ids: &'a [u32],
        /// Pre-activations of each token, bias included: (V, blocks, 4, W).
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

/// The hidden and the cell state before the first step, (N, H) each; None is zeros.
pub type Initial<'a> = Option<(&'a [f32], &'a [f32])>;

/// The forward pass of some rows.
#[derive(Debug, Clone)]
pub(super) struct Forward<'a> {
    /// Sizes of the sequence.
    pub(super) sizes: Sizes,
    /// The rows of the batch.
    pub(super) rows: Range<usize>,
    /// Input and its weights.
    pub(super) input: PackedInput<'a>,
    /// Recurrent weights in panels: words of (blocks, H, 4, W).
    pub(super) recurrent: &'a [f32],
    /// State before the first step.
    pub(super) initial: Initial<'a>,
    /// Words of its hidden state, (N, H).
    pub(super) initial_words: &'a [f32],
    /// Gates after activation, (T, blocks, N, 4, W), written.
    pub(super) gates: Shared<'a>,
    /// Cell states, (T, blocks, N, W), written.
    pub(super) cells: Shared<'a>,
    /// Hidden states, (T, N, H), written.
    pub(super) hidden: Shared<'a>,
    /// Words of the hidden states, written: the same memory where words are numbers.
    pub(super) hidden_words: Shared<'a>,
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for time in 0..self.sizes.time {
            for block in 0..self.sizes.blocks() {
                for_tiles!(S, self.rows.clone(), |row, ROWS| self.tile::<S, ROWS>(simd, time, block, row));
            }
        }
    }
}

impl Forward<'_> {
    /// Gates and state of some rows, one block and one time step.
    #[inline(always)]
    fn tile<S: Simd, const R: usize>(&self, simd: S, time: usize, block: usize, row: usize) {
        let sizes = &self.sizes;
        let mut tile = [[simd.splat(0.0); 4]; R];
        match self.input {
            PackedInput::Ids { ids, table } => {
                for (index, gates) in tile.iter_mut().enumerate() {
                    let token = ids[time * sizes.batch + row + index] as usize;
                    *gates = load_four(simd, &table[token * sizes.all_gates() + block * sizes.gates()..]);
                }
            }
            PackedInput::Vectors { vectors, weights, bias } => {
                tile = [load_four(simd, &bias[block * sizes.gates()..]); R];
                let count = sizes.words(sizes.input);
                let words = &vectors[(time * sizes.batch + row) * count..];
                add_product(simd, sizes, block, &mut tile, count, words, weights);
            }
        }
        let count = sizes.words(sizes.hidden);
        let start = (time * sizes.batch + row) * count;
        let before = match (time, self.initial) {
            (0, None) => None,
            (0, Some(_)) => Some(&self.initial_words[start..]),
            _ => {
                let start = start - sizes.batch * count;
                // SAFETY: this thread alone has these rows, and writes none of the time step before.
                Some(unsafe { self.hidden_words.read(start..start + R * count) })
            }
        };
        if let Some(words) = before {
            add_product(simd, sizes, block, &mut tile, count, words, self.recurrent);
        }
        self.state(simd, time, block, row, &tile);
    }

    /// From pre-activations to the state.
    #[inline(always)]
    fn state<S: Simd, const R: usize>(
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
                (0, Some((_, cell))) => load_padded(simd, &cell[row * sizes.hidden..][units.clone()]),
                _ => {
                    let start = sizes.cells_at(time - 1, block, row);
                    // SAFETY: this thread alone has this row, and writes none of the time step before.
                    load(simd, unsafe { self.cells.read(start..start + S::LANES) })
                }
            };
            let cell = simd.mul_add(input, candidate, simd.mul(forget, before));
            let hidden = simd.mul(output, tanh(simd, cell));
            // SAFETY: this thread alone has this row, in all buffers, and no slice of it is alive here.
            let (saved, cells, states) = unsafe {
                let (gates, cells) = (sizes.gates_at(time, block, row), sizes.cells_at(time, block, row));
                let start = sizes.hidden_at(time, row);
                (
                    self.gates.write(gates..gates + 4 * S::LANES),
                    self.cells.write(cells..cells + S::LANES),
                    self.hidden.write(start + units.start..start + units.end),
                )
            };
            for (gate, vector) in [input, forget, candidate, output].into_iter().enumerate() {
                store(simd, &mut saved[gate * S::LANES..], vector);
            }
            store(simd, cells, cell);
            store_partial(simd, states, hidden);
            if sizes.precision != Precision::Float32 {
                let start = (time * sizes.batch + row) * sizes.words(sizes.hidden);
                let words = start + sizes.words(units.start)..start + sizes.words(units.end);
                // SAFETY: this thread alone has this row, and no slice of these words is alive.
                store_bf16(simd, unsafe { self.hidden_words.write(words) }, hidden, units.len());
            }
        }
    }
}

/// Adds to a tile the product of rows of `count` words with the panel of a block.
#[inline(always)]
fn add_product<S: Simd, const R: usize>(
    simd: S,
    sizes: &Sizes,
    block: usize,
    tile: &mut [[S::Vector; 4]; R],
    count: usize,
    words: &[f32],
    panels: &[f32],
) {
    let left = LeftOperand { words, row: count, step: 1 };
    accumulate_words(simd, sizes.precision, tile, count, left, &panels[block * count * sizes.gates()..]);
}
