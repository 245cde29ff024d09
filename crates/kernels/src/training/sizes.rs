//! The sizes of one layer's sequence, and where its numbers lie in memory.
//!
//! Hidden units are cut into blocks of as many units as a vector has lanes, W; the last block is padded with units of weight
//! zero. Where four gates meet they are interleaved: for each block the W numbers of i, then of f, g and o, so that one tile
//! of four vectors has everything that its units need for the next state.

use std::ops::Range;

use crate::{precision::Precision, processor::Processor};

/// The sizes of one layer's sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// T
    pub time: usize,
    /// N
    pub batch: usize,
    /// I: length of the input vector, or tokens in the vocabulary.
    pub input: usize,
    /// H
    pub hidden: usize,
}

/// The sizes of one layer's sequence as an instruction set and a precision lay it out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// T
    pub(super) time: usize,
    /// N
    pub(super) batch: usize,
    /// I: length of the input vector, or tokens in the vocabulary.
    pub(super) input: usize,
    /// H
    pub(super) hidden: usize,
    /// W: `f32` lanes per vector.
    pub(super) lanes: usize,
    /// Precision of the operands of products.
    pub(super) precision: Precision,
}

impl Sizes {
    /// The sizes of a shape on a processor.
    pub(super) fn new(processor: &Processor<'_>, shape: Shape) -> Self {
        let Shape { time, batch, input, hidden } = shape;
        let (lanes, precision) = (processor.instructions.lanes(), processor.precision);
        Self { time, batch, input, hidden, lanes, precision }
    }

    /// Number of words that hold this many numbers of an operand.
    #[inline(always)]
    pub(super) fn words(&self, numbers: usize) -> usize {
        self.precision.words(numbers)
    }

    /// Blocks of units.
    #[inline(always)]
    pub(super) fn blocks(&self) -> usize {
        self.hidden.div_ceil(self.lanes)
    }

    /// Numbers of the four gates of a block.
    #[inline(always)]
    pub(super) fn gates(&self) -> usize {
        4 * self.lanes
    }

    /// Numbers of all gates of all blocks: 4H, padded.
    #[inline(always)]
    pub(super) fn all_gates(&self) -> usize {
        self.blocks() * self.gates()
    }

    /// The units of a block, without its padding.
    #[inline(always)]
    pub(super) fn units(&self, block: usize) -> Range<usize> {
        block * self.lanes..self.hidden.min((block + 1) * self.lanes)
    }

    /// The index of a row of a block at a time step in (T, blocks, N).
    #[inline(always)]
    pub(super) fn at(&self, time: usize, block: usize, row: usize) -> usize {
        (time * self.blocks() + block) * self.batch + row
    }

    /// Where that row starts in the gates, (T, blocks, N, 4, W).
    #[inline(always)]
    pub(super) fn gates_at(&self, time: usize, block: usize, row: usize) -> usize {
        self.at(time, block, row) * self.gates()
    }

    /// Where that row starts in the cell states, (T, blocks, N, W).
    #[inline(always)]
    pub(super) fn cells_at(&self, time: usize, block: usize, row: usize) -> usize {
        self.at(time, block, row) * self.lanes
    }

    /// Multiplications of a product of all gates with the hidden state over the whole sequence.
    pub(super) fn multiplications(&self) -> usize {
        self.time * self.batch * self.all_gates() * self.hidden
    }

    /// Where a row of a time step starts in (T, N, H).
    #[inline(always)]
    pub(super) fn hidden_at(&self, time: usize, row: usize) -> usize {
        (time * self.batch + row) * self.hidden
    }
}
