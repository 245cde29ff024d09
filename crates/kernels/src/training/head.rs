//! The dense layer from hidden states to logits, alone or with the loss.
//!
//! Logits lie as gates do, in panels of four vectors, so that the gradients come from the same kernels as a layer's.

use std::ops::Range;

use super::{
    backward::InputGradient,
    gradient::{RowGradient, Vectors, WeightGradient},
    operand::{operand, round_gates, rounded_before},
    packing::transposed_length,
    panels::Panels,
    sizes::{Shape, Sizes},
    softmax::Softmax,
};
use crate::{
    buffer::Buffer,
    instructions::Kernel,
    precision::Precision,
    processor::Processor,
    shared::Shared,
    simd::{Simd, store},
    tile::{LeftOperand, accumulate_words, for_tiles, load_four},
};

/// Memory of the dense layer, kept from the forward to the backward pass.
#[derive(Debug, Default)]
pub struct HeadMemory {
    weights: Buffer,
    /// Words of the hidden states, where they are not the numbers themselves.
    words: Buffer,
    transposed: Buffer,
    bias: Buffer,
    /// Logits, and from the loss on their gradients.
    logits: Buffer,
    losses: Buffer,
    weight_gradient: Buffer,
}

/// A gradient of the logits.
#[derive(Debug, Clone, Copy)]
pub enum LogitGradient<'a> {
    /// Their own, (rows, V).
    Logits(&'a [f32]),
    /// That of [`Head::loss`], which left theirs for a gradient of 1.
    Loss(f32),
}

/// The dense layer. [`logits`](Self::logits) goes first, then [`loss`](Self::loss) if there are targets; for the gradients
/// [`backward`](Self::backward) and after it the two others, all with the same memory.
///
/// All methods panic if a slice is shorter than the sizes say, or if a target is not below V.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    /// What to compute with.
    pub processor: Processor<'a>,
    /// Rows of hidden states and of logits.
    pub rows: usize,
    /// H
    pub hidden: usize,
    /// V
    pub vocabulary: usize,
}

impl Head<'_> {
    /// Computes the logits of hidden states (rows, H) with a weight (H, V) and a bias (V).
    pub fn logits(&self, memory: &mut HeadMemory, vectors: &[f32], weight: &[f32], bias: &[f32]) {
        let (panels, precision) = (self.panels(), self.processor.precision);
        let HeadMemory { weights, words, bias: bias_panels, logits, .. } = memory;
        let length = precision.words(self.hidden);
        let (weight_panels, one_row) = (Panels { rows: length, ..panels }, Panels { rows: 1, ..panels });
        weight_panels.pack_operand(precision, weight, weights.sized(weight_panels.size()));
        one_row.pack(bias, bias_panels.sized(one_row.size()));
        let kernel = Logits {
            panels,
            rows: 0..self.rows,
            precision,
            vectors: operand(&self.processor, vectors, self.hidden, words),
            length,
            weights: weights.floats(),
            bias: bias_panels.floats(),
            target: Shared::new(logits.sized(panels.size())),
        };
        self.processor.run(self.rows, panels.size() * self.hidden, |rows| Logits { rows, ..kernel.clone() });
    }

    /// Writes the logits as a matrix (rows, V).
    pub fn copy_logits(&self, memory: &HeadMemory, matrix: &mut [f32]) {
        self.panels().unpack(memory.logits.floats(), matrix);
    }

    /// The mean cross-entropy in nats of the targets, one per row. The gradients overwrite the logits.
    pub fn loss(&self, memory: &mut HeadMemory, targets: &[u32]) -> f32 {
        let panels = self.panels();
        let kernel = Softmax {
            panels,
            rows: 0..self.rows,
            targets,
            logits: Shared::new(memory.logits.floats_mut()),
            losses: Shared::new(memory.losses.sized(self.rows)),
        };
        self.processor.run(self.rows, 16 * panels.size(), |rows| Softmax { rows, ..kernel.clone() });
        let sum: f64 = memory.losses.floats().iter().map(|loss| f64::from(*loss)).sum();
        (sum / self.rows as f64) as f32
    }

    /// Takes the gradient of the result, before the gradients of what it was computed from.
    pub fn backward(&self, memory: &mut HeadMemory, gradient: LogitGradient<'_>) {
        let logits = memory.logits.floats_mut();
        match gradient {
            LogitGradient::Logits(gradient) => self.panels().pack(gradient, logits),
            LogitGradient::Loss(factor) if factor.to_bits() == 1f32.to_bits() => {}
            LogitGradient::Loss(factor) => logits.iter_mut().for_each(|number| *number *= factor),
        }
        round_gates(&self.processor, &self.sizes(), logits);
    }

    /// Writes the gradient of the hidden states, (rows, H).
    pub fn input_gradient(&self, memory: &mut HeadMemory, weight: &[f32], gradient: &mut [f32]) {
        let sizes = self.sizes();
        let transposed = memory.transposed.sized(transposed_length(&sizes, self.hidden));
        Panels { rows: self.hidden, ..self.panels() }.pack_transposed(sizes.precision, weight, transposed);
        let kernel = InputGradient {
            sizes,
            rows: 0..0,
            weights: transposed,
            gates: Shared::new(memory.logits.floats_mut()),
            gradient: Shared::new(gradient),
        };
        let work = sizes.batch * sizes.input * sizes.all_gates();
        self.processor.run(sizes.batch, work, |rows| InputGradient { rows, ..kernel.clone() });
    }

    /// Gradients of the weight, (H, V), and of the bias, (V), from the hidden states (rows, H) of the forward pass.
    pub fn weight_gradients(&self, memory: &mut HeadMemory, vectors: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let sizes = self.sizes();
        let (gates, row) = (memory.logits.floats(), sizes.all_gates());
        let buffer = memory.weight_gradient.sized((sizes.input + 1) * row);
        let (weight_part, bias_part) = buffer.split_at_mut(sizes.input * row);
        let kernel = WeightGradient {
            sizes,
            rows: 0..0,
            length: sizes.input,
            vectors: Vectors::Input(rounded_before(sizes.precision, vectors, &memory.words)),
            gates,
            gradient: Shared::new(weight_part),
        };
        let work = sizes.batch * sizes.input * row;
        self.processor.run(sizes.input, work, |rows| WeightGradient { rows, ..kernel.clone() });
        let kernel = RowGradient { sizes, blocks: 0..0, ids: None, rows: 1, gates, gradient: Shared::new(bias_part) };
        self.processor.run(sizes.blocks(), gates.len(), |blocks| RowGradient { blocks, ..kernel.clone() });
        let weight = weight_part.chunks_exact(row).flat_map(|line| &line[..self.vocabulary]).copied().collect();
        (weight, bias_part[..self.vocabulary].to_vec())
    }

    /// How the logits are laid out.
    fn panels(&self) -> Panels {
        Panels { rows: self.rows, length: self.vocabulary, lanes: self.processor.instructions.lanes() }
    }

    /// The sizes under which the layers' kernels take the logits for gates.
    fn sizes(&self) -> Sizes {
        let hidden = self.panels().count() * self.processor.instructions.lanes();
        Sizes::new(&self.processor, Shape { time: 1, batch: self.rows, input: self.hidden, hidden })
    }
}

/// Logits of some rows.
#[derive(Debug, Clone)]
struct Logits<'a> {
    panels: Panels,
    rows: Range<usize>,
    precision: Precision,
    /// Words of (rows, H).
    vectors: &'a [f32],
    /// Words of a row.
    length: usize,
    /// Words of (panels, H, 4 W).
    weights: &'a [f32],
    /// (panels, 4 W)
    bias: &'a [f32],
    /// Logits, (panels, rows, 4 W), written.
    target: Shared<'a>,
}

impl Kernel for Logits<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for panel in 0..self.panels.count() {
            for_tiles!(S, self.rows.clone(), |row, ROWS| self.tile::<S, ROWS>(simd, panel, row));
        }
    }
}

impl Logits<'_> {
    #[inline(always)]
    fn tile<S: Simd, const R: usize>(&self, simd: S, panel: usize, row: usize) {
        let across = self.panels.across();
        let mut tile = [load_four(simd, &self.bias[panel * across..]); R];
        let left = LeftOperand { words: &self.vectors[row * self.length..], row: self.length, step: 1 };
        let weights = &self.weights[panel * self.length * across..];
        accumulate_words(simd, self.precision, &mut tile, self.length, left, weights);
        for (index, vectors) in tile.iter().enumerate() {
            // SAFETY: this thread alone has these rows, and no other slice of them is alive.
            let target = unsafe { self.target.write(self.panels.place(panel, row + index)) };
            for (column, vector) in vectors.iter().enumerate() {
                store(simd, &mut target[column * S::LANES..], *vector);
            }
        }
    }
}
