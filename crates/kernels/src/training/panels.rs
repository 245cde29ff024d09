//! Matrices cut into panels of vectors.

use std::ops::Range;

use crate::{bf16::pair, precision::Precision};

/// Panels into which the columns of transposed weights are cut: first column, and blocks in it, 4 or 1.
#[inline(always)]
pub(super) fn column_panels(lanes: usize, columns: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
    let blocks = columns.div_ceil(lanes);
    let wide = blocks / 4;
    let panels = (0..wide).map(|panel| (panel * 4, 4)).chain((wide * 4..blocks).map(|block| (block, 1)));
    panels.map(move |(block, count)| (block * lanes, count))
}

/// A matrix (rows, columns) cut into panels of four vectors, (panels, rows, 4 W), the last one padded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panels {
    /// Rows.
    pub(super) rows: usize,
    /// Columns, without padding.
    pub(super) length: usize,
    /// W: `f32` lanes per vector.
    pub(super) lanes: usize,
}

impl Panels {
    /// Columns of a panel.
    #[inline(always)]
    pub(super) fn across(&self) -> usize {
        4 * self.lanes
    }

    /// How many panels there are.
    #[inline(always)]
    pub(super) fn count(&self) -> usize {
        self.length.div_ceil(self.across())
    }

    /// Floats of all panels.
    #[inline(always)]
    pub(super) fn size(&self) -> usize {
        self.count() * self.rows * self.across()
    }

    /// How many of a panel's columns are no padding.
    #[inline(always)]
    pub(super) fn columns(&self, panel: usize) -> usize {
        self.across().min(self.length - panel * self.across())
    }

    /// Where a row's part of a panel lies.
    #[inline(always)]
    pub(super) fn place(&self, panel: usize, row: usize) -> Range<usize> {
        let start = (panel * self.rows + row) * self.across();
        start..start + self.across()
    }

    /// Packs a matrix, or its first rows.
    pub(super) fn pack(&self, matrix: &[f32], target: &mut [f32]) {
        self.pack_operand(Precision::Float32, matrix, target);
    }

    /// Packs the right operand of a product. A row of words of two numbers each comes from two rows of the matrix.
    pub(super) fn pack_operand(&self, precision: Precision, matrix: &[f32], target: &mut [f32]) {
        if precision == Precision::BFloat16 {
            for (row, numbers) in matrix.chunks(2 * self.length).enumerate() {
                let (low, high) = numbers.split_at(self.length);
                for panel in 0..self.count() {
                    let first = panel * self.across();
                    let number = |row: &[f32], column: usize| row.get(first + column).copied().unwrap_or(0.0);
                    for (column, word) in target[self.place(panel, row)].iter_mut().enumerate() {
                        *word = pair(number(low, column), number(high, column));
                    }
                }
            }
            return;
        }
        for (row, numbers) in matrix.chunks_exact(self.length).enumerate() {
            for (panel, numbers) in numbers.chunks(self.across()).enumerate() {
                let (real, padding) = target[self.place(panel, row)].split_at_mut(numbers.len());
                real.copy_from_slice(numbers);
                padding.fill(0.0);
            }
        }
    }

    /// Packs the transposed matrix as the kernels read transposed weights: for each of [`column_panels`] of its rows, all of
    /// its columns, padded.
    pub(super) fn pack_transposed(&self, precision: Precision, matrix: &[f32], target: &mut [f32]) {
        let lines = precision.words(self.count() * self.across());
        target.fill(0.0);
        for (first, blocks) in column_panels(self.lanes, self.rows) {
            let across = blocks * self.lanes;
            let panel = &mut target[first * lines..][..across * lines];
            for (row, numbers) in matrix.chunks_exact(self.length).skip(first).take(across).enumerate() {
                precision.write(numbers, panel[row..].iter_mut().step_by(across));
            }
        }
    }

    /// The matrix from its panels.
    pub(super) fn unpack(&self, source: &[f32], matrix: &mut [f32]) {
        for (row, numbers) in matrix.chunks_exact_mut(self.length).enumerate() {
            for (panel, numbers) in numbers.chunks_mut(self.across()).enumerate() {
                numbers.copy_from_slice(&source[self.place(panel, row)][..numbers.len()]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bf16::unpair;

    #[test]
    fn a_word_of_two_numbers_is_of_two_neighbouring_rows() {
        let matrix: Vec<f32> = (0..15).map(|number| number as f32).collect(); // (3, 5)
        let panels = Panels { rows: 2, length: 5, lanes: 1 };
        let mut words = [f32::NAN; 16];
        panels.pack_operand(Precision::BFloat16, &matrix, &mut words);
        let words = words.map(unpair);
        assert_eq!(words[..4], [[0.0, 5.0], [1.0, 6.0], [2.0, 7.0], [3.0, 8.0]]);
        assert_eq!(words[4..6], [[10.0, 0.0], [11.0, 0.0]]);
        assert_eq!(words[8..10], [[4.0, 9.0], [0.0, 0.0]]);
    }
}
