//! Softmax and cross-entropy of some rows of logits; the gradients overwrite the logits.

use std::ops::Range;

use super::panels::Panels;
use crate::{
    activation::exponential,
    instructions::Kernel,
    shared::Shared,
    simd::{MOST_LANES, Simd, load, load_padded, store, store_partial},
};

/// Losses of some rows, in nats, and gradients already divided by the number of rows.
#[derive(Debug, Clone)]
pub(super) struct Softmax<'a> {
    /// The layout of the logits.
    pub(super) panels: Panels,
    /// The rows.
    pub(super) rows: Range<usize>,
    /// The target of each row.
    pub(super) targets: &'a [u32],
    /// (panels, rows, 4 W): logits, overwritten by their gradients.
    pub(super) logits: Shared<'a>,
    /// (rows), written.
    pub(super) losses: Shared<'a>,
}

impl Kernel for Softmax<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let share = 1.0 / self.targets.len() as f32;
        for row in self.rows.clone() {
            let loss = self.row(simd, row, share);
            // SAFETY: this thread alone has this row.
            let losses = unsafe { self.losses.write(row..row + 1) };
            losses[0] = loss;
        }
    }
}

impl Softmax<'_> {
    /// One row's loss.
    #[inline(always)]
    fn row<S: Simd>(&self, simd: S, row: usize, share: f32) -> f32 {
        let (panels, target) = (&self.panels, self.targets[row] as usize);
        // SAFETY: this thread alone has this row, and each slice of it dies before the next.
        let piece = |panel: usize| unsafe { self.logits.write(panels.place(panel, row)) };
        let mut lanes = [f32::NEG_INFINITY; MOST_LANES];
        let mut largest = simd.splat(f32::NEG_INFINITY);
        for panel in 0..panels.count() {
            for chunk in piece(panel)[..panels.columns(panel)].chunks_exact(S::LANES) {
                let vector = load(simd, chunk);
                largest = simd.select_less(largest, vector, vector, largest);
            }
        }
        store(simd, &mut lanes, largest);
        let last = panels.count() - 1;
        let rest = piece(last)[..panels.columns(last)].chunks_exact(S::LANES).remainder();
        let largest = lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max);
        let chosen = piece(target / panels.across())[target % panels.across()] - largest;
        let mut sums = simd.splat(0.0);
        for panel in 0..panels.count() {
            let (real, padding) = piece(panel).split_at_mut(panels.columns(panel));
            padding.fill(0.0);
            for chunk in real.chunks_mut(S::LANES) {
                let vector = exponential(simd, simd.sub(load_padded(simd, chunk), simd.splat(largest)));
                store_partial(simd, chunk, vector);
                sums = simd.add(sums, load_padded(simd, chunk)); // read again: lanes beyond a short chunk are zero
            }
        }
        let mut lanes = [0.0; MOST_LANES];
        store(simd, &mut lanes, sums);
        let sum: f32 = lanes.iter().sum();
        let scale = simd.splat(share / sum);
        for panel in 0..panels.count() {
            for chunk in piece(panel).chunks_exact_mut(S::LANES) {
                let vector = simd.mul(load(simd, chunk), scale);
                store(simd, chunk, vector);
            }
        }
        piece(target / panels.across())[target % panels.across()] -= share;
        sum.ln() - chosen
    }
}
