//! Softmax and cross-entropy of some rows of logits, which become their gradients in place.

use std::ops::Range;

use super::{
    activation::exponential,
    lanes::Lanes,
    layout::Panels,
    memory::Shared,
    processor::Job,
    tile::{load, load_some, store, store_some},
};

/// Losses of some rows, in nats, and gradients already divided by the number of rows.
#[derive(Debug, Clone)]
pub struct Softmax<'a> {
    /// Where logits lie.
    pub panels: Panels,
    /// The rows.
    pub rows: Range<usize>,
    /// One token a row.
    pub targets: &'a [u32],
    /// (panels, rows, 4 W): logits, which their gradients replace.
    pub logits: Shared<'a>,
    /// (rows), written.
    pub losses: Shared<'a>,
}

impl Job for Softmax<'_> {
    #[inline(always)]
    fn run<S: Lanes>(self, simd: S) {
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
    fn row<S: Lanes>(&self, simd: S, row: usize, share: f32) -> f32 {
        let (panels, target) = (&self.panels, self.targets[row] as usize);
        // SAFETY: this thread alone has this row, and each slice of it dies before the next.
        let piece = |panel: usize| unsafe { self.logits.write(panels.place(panel, row)) };
        let mut lanes = [f32::NEG_INFINITY; 16];
        let mut largest = simd.splat(f32::NEG_INFINITY);
        for panel in 0..panels.count() {
            for chunk in piece(panel)[..panels.columns(panel)].chunks_exact(S::WIDTH) {
                let vector = load(simd, chunk);
                largest = simd.less(largest, vector, vector, largest);
            }
        }
        store(simd, &mut lanes, largest);
        let last = panels.count() - 1;
        let rest = piece(last)[..panels.columns(last)].chunks_exact(S::WIDTH).remainder();
        let largest = lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max);
        let chosen = piece(target / panels.across())[target % panels.across()] - largest;
        let mut sums = simd.splat(0.0);
        for panel in 0..panels.count() {
            let (real, filling) = piece(panel).split_at_mut(panels.columns(panel));
            filling.fill(0.0);
            for chunk in real.chunks_mut(S::WIDTH) {
                let vector = exponential(simd, simd.sub(load_some(simd, chunk), simd.splat(largest)));
                store_some(simd, chunk, vector);
                sums = simd.add(sums, load_some(simd, chunk)); // read again: beyond a short chunk are zeros
            }
        }
        let mut lanes = [0.0; 16];
        store(simd, &mut lanes, sums);
        let sum: f32 = lanes.iter().sum();
        let scale = simd.splat(share / sum);
        for panel in 0..panels.count() {
            for chunk in piece(panel).chunks_exact_mut(S::WIDTH) {
                let vector = simd.mul(load(simd, chunk), scale);
                store(simd, chunk, vector);
            }
        }
        piece(target / panels.across())[target % panels.across()] -= share;
        sum.ln() - chosen
    }
}
