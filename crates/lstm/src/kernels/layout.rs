//! How the kernels lay out weights and activations, and the ways between that and the matrices of the network.
//!
//! Hidden units go in blocks of a vector's width, W; the last block is filled up with units of weight zero. Where four
//! gates meet they lie interleaved: for each block the W numbers of i, then of f, g and o, so that one tile of four
//! vectors has everything that its units need for the next state.

use std::ops::Range;

use super::{
    memory::Shared,
    precision::{Precision, pair},
    processor::Processor,
};

/// What moving a number costs, in the multiplications by which [`Processor::share`] measures work.
const MOVES_A_NUMBER: usize = 8;

/// The sizes of one layer's sequence.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// T
    pub time: usize,
    /// N
    pub batch: usize,
    /// I: length of the input vector, or tokens in the vocabulary.
    pub input: usize,
    /// H
    pub hidden: usize,
    /// W: floats in a vector.
    pub width: usize,
    /// What the operands of products are rounded to.
    pub precision: Precision,
}

impl Sizes {
    /// How many words hold so many numbers of an operand.
    #[inline(always)]
    pub fn words(&self, numbers: usize) -> usize {
        self.precision.words(numbers)
    }

    /// Blocks of units.
    #[inline(always)]
    pub fn blocks(&self) -> usize {
        self.hidden.div_ceil(self.width)
    }

    /// Four gates of a block.
    #[inline(always)]
    pub fn gates(&self) -> usize {
        4 * self.width
    }

    /// All gates of all blocks: 4H, filled up.
    #[inline(always)]
    pub fn all_gates(&self) -> usize {
        self.blocks() * self.gates()
    }

    /// The real units of a block.
    #[inline(always)]
    pub fn units(&self, block: usize) -> Range<usize> {
        block * self.width..self.hidden.min((block + 1) * self.width)
    }

    /// Where a block's activations for some rows of a time step start: they lie as (T, blocks, N, ·).
    #[inline(always)]
    pub fn at(&self, time: usize, block: usize, row: usize) -> usize {
        (time * self.blocks() + block) * self.batch + row
    }

    /// The same place among the gates, (T, blocks, N, 4, W).
    #[inline(always)]
    pub fn gates_at(&self, time: usize, block: usize, row: usize) -> usize {
        self.at(time, block, row) * self.gates()
    }

    /// The same place among the cell states, (T, blocks, N, W).
    #[inline(always)]
    pub fn cells_at(&self, time: usize, block: usize, row: usize) -> usize {
        self.at(time, block, row) * self.width
    }

    /// Where a row of a time step starts in (T, N, H).
    #[inline(always)]
    pub fn hidden_at(&self, time: usize, row: usize) -> usize {
        (time * self.batch + row) * self.hidden
    }
}

/// Panels into which the columns of transposed weights are cut: first column, and blocks in it, 4 or 1.
pub fn column_panels(width: usize, columns: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
    let blocks = columns.div_ceil(width);
    let wide = blocks / 4;
    let panels = (0..wide).map(|panel| (panel * 4, 4)).chain((wide * 4..blocks).map(|block| (block, 1)));
    panels.map(move |(block, count)| (block * width, count))
}

/// Rows of a matrix (rows, 4H) into panels (blocks, rows, 4, W): for each block its columns, row under row. A row of words
/// of two numbers is of two rows of the matrix.
pub fn pack_panels(processor: &Processor, sizes: &Sizes, rows: &[f32], target: &mut [f32]) {
    let length = sizes.words(rows.len() / (4 * sizes.hidden)) * sizes.gates();
    let target = Shared::new(target);
    processor.share(sizes.blocks(), MOVES_A_NUMBER * rows.len(), |blocks| {
        for block in blocks {
            // SAFETY: each block's panel is its own, and each block falls to one thread.
            let panel = unsafe { target.write(block * length..(block + 1) * length) };
            let rows = rows.chunks(sizes.precision.numbers() * 4 * sizes.hidden);
            for (rows, line) in rows.zip(panel.chunks_exact_mut(sizes.gates())) {
                match sizes.precision {
                    Precision::Float32 => interleave(sizes, rows, block, line),
                    Precision::BFloat16 => interleave_pairs(sizes, rows, block, line),
                }
            }
        }
    });
}

/// Rows of a matrix (rows, 4H) into rows of interleaved blocks (rows, blocks, 4, W), with `bias` (4H) added to each.
pub fn pack_rows(sizes: &Sizes, rows: &[f32], bias: Option<&[f32]>, target: &mut [f32], scratch: &mut [f32]) {
    if let Some(bias) = bias {
        for (block, line) in scratch.chunks_exact_mut(sizes.gates()).enumerate() {
            interleave(sizes, bias, block, line);
        }
    }
    for (row, lines) in rows.chunks_exact(4 * sizes.hidden).zip(target.chunks_exact_mut(sizes.all_gates())) {
        for (block, line) in lines.chunks_exact_mut(sizes.gates()).enumerate() {
            interleave(sizes, row, block, line);
        }
        if bias.is_some() {
            lines.iter_mut().zip(&*scratch).for_each(|(number, bias)| *number += bias);
        }
    }
}

/// One block's columns of a row (4H), side by side: (4, W).
#[inline(always)]
fn interleave(sizes: &Sizes, row: &[f32], block: usize, line: &mut [f32]) {
    let units = sizes.units(block);
    for (gate, lane) in line.chunks_exact_mut(sizes.width).enumerate() {
        let (real, filling) = lane.split_at_mut(units.len());
        real.copy_from_slice(&row[gate * sizes.hidden..][units.clone()]);
        filling.fill(0.0);
    }
}

/// The same of one or two rows, as words.
fn interleave_pairs(sizes: &Sizes, rows: &[f32], block: usize, line: &mut [f32]) {
    let mut lines = [[0.0; 64]; 2];
    for (row, line) in rows.chunks_exact(4 * sizes.hidden).zip(&mut lines) {
        interleave(sizes, row, block, &mut line[..sizes.gates()]);
    }
    let [low, high] = &lines;
    line.iter_mut().zip(low).zip(high).for_each(|((word, low), high)| *word = pair(*low, *high));
}

/// Rows of interleaved blocks (rows, blocks, 4, W) back into a matrix (rows, 4H).
pub fn unpack_rows(processor: &Processor, sizes: &Sizes, lines: &[f32], matrix: &mut [f32]) {
    let (columns, count) = (4 * sizes.hidden, matrix.len() / (4 * sizes.hidden));
    let work = MOVES_A_NUMBER * matrix.len();
    let matrix = Shared::new(matrix);
    processor.share(count, work, |rows| {
        for index in rows {
            // SAFETY: each row falls to one thread.
            let row = unsafe { matrix.write(index * columns..(index + 1) * columns) };
            let lines = &lines[index * sizes.all_gates()..][..sizes.all_gates()];
            for (block, line) in lines.chunks_exact(sizes.gates()).enumerate() {
                let units = sizes.units(block);
                for (gate, lane) in line.chunks_exact(sizes.width).enumerate() {
                    row[gate * sizes.hidden..][units.clone()].copy_from_slice(&lane[..units.len()]);
                }
            }
        }
    });
}

/// A matrix (columns, 4H) transposed, in panels of its columns: for each panel of C blocks of columns the rows (blocks, 4,
/// W) of C W columns each. This is the right operand that takes gradients of gates back to what the gates were made of. A
/// row of words of two numbers is of two units' gates.
pub fn pack_transposed(processor: &Processor, sizes: &Sizes, matrix: &[f32], target: &mut [f32]) {
    let (length, target) = (4 * sizes.hidden, Shared::new(target));
    let columns = matrix.len() / length;
    let panels = column_panels(sizes.width, columns);
    processor.share(panels.clone().count(), MOVES_A_NUMBER * matrix.len(), |share| {
        for (first, blocks) in panels.clone().skip(share.start).take(share.len()) {
            let (across, lines) = (blocks * sizes.width, sizes.words(sizes.all_gates()));
            // SAFETY: each panel is a part of its own, and each falls to one thread.
            let panel = unsafe { target.write(first * lines..(first + across) * lines) };
            if columns < first + across || !sizes.hidden.is_multiple_of(sizes.width) {
                panel.fill(0.0);
            }
            for (column, source) in matrix[first * length..].chunks_exact(length).take(across).enumerate() {
                for block in 0..sizes.blocks() {
                    let units = sizes.units(block);
                    for gate in 0..4 {
                        let start = (block * 4 + gate) * sizes.words(sizes.width) * across + column;
                        let places = panel[start..].iter_mut().step_by(across);
                        let numbers = &source[gate * sizes.hidden..][units.clone()];
                        sizes.precision.copy(numbers, places);
                    }
                }
            }
        }
    });
}

/// How long [`pack_transposed`]'s target is for a matrix of so many columns.
pub fn transposed_length(sizes: &Sizes, columns: usize) -> usize {
    columns.div_ceil(sizes.width) * sizes.width * sizes.words(sizes.all_gates())
}

/// A matrix (rows, columns) cut into panels of four vectors, (panels, rows, 4 W), the last one filled up.
#[derive(Debug, Clone, Copy)]
pub struct Panels {
    /// Rows.
    pub rows: usize,
    /// Real columns.
    pub length: usize,
    /// W: floats in a vector.
    pub width: usize,
}

impl Panels {
    /// Columns of a panel.
    #[inline(always)]
    pub fn across(&self) -> usize {
        4 * self.width
    }

    /// Panels.
    #[inline(always)]
    pub fn count(&self) -> usize {
        self.length.div_ceil(self.across())
    }

    /// Floats in all.
    #[inline(always)]
    pub fn size(&self) -> usize {
        self.count() * self.rows * self.across()
    }

    /// The real columns of a panel.
    #[inline(always)]
    pub fn columns(&self, panel: usize) -> usize {
        self.across().min(self.length - panel * self.across())
    }

    /// Where a row's part in a panel lies.
    #[inline(always)]
    pub fn place(&self, panel: usize, row: usize) -> Range<usize> {
        let start = (panel * self.rows + row) * self.across();
        start..start + self.across()
    }

    /// Lays a matrix out so; `matrix` holds some or all of the rows.
    pub fn pack(&self, matrix: &[f32], target: &mut [f32]) {
        self.pack_operand(Precision::Float32, matrix, target);
    }

    /// The same as the right operand of a product: a row of words of two numbers is of two rows of the matrix.
    pub fn pack_operand(&self, precision: Precision, matrix: &[f32], target: &mut [f32]) {
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
                let (real, filling) = target[self.place(panel, row)].split_at_mut(numbers.len());
                real.copy_from_slice(numbers);
                filling.fill(0.0);
            }
        }
    }

    /// The matrix transposed, as the kernels read transposed weights: for each of [`column_panels`] of its rows, all of its
    /// columns, filled up.
    pub fn pack_transposed(&self, precision: Precision, matrix: &[f32], target: &mut [f32]) {
        let lines = precision.words(self.count() * self.across());
        target.fill(0.0);
        for (first, blocks) in column_panels(self.width, self.rows) {
            let across = blocks * self.width;
            let panel = &mut target[first * lines..][..across * lines];
            for (row, numbers) in matrix.chunks_exact(self.length).skip(first).take(across).enumerate() {
                precision.copy(numbers, panel[row..].iter_mut().step_by(across));
            }
        }
    }

    /// And back.
    pub fn unpack(&self, source: &[f32], matrix: &mut [f32]) {
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
    use crate::kernels::precision::unpair;

    const SIZES: Sizes = Sizes { time: 1, batch: 1, input: 0, hidden: 3, width: 2, precision: Precision::Float32 };

    #[test]
    fn interleaving_fills_up_with_zeros_and_comes_back() {
        let row: Vec<f32> = (1..=12).map(|number| number as f32).collect(); // i 1-3, f 4-6, g 7-9, o 10-12
        let mut line = [9.0; 16];
        pack_rows(&SIZES, &row, None, &mut line, &mut []);
        let blocks = [1., 2., 4., 5., 7., 8., 10., 11., 3., 0., 6., 0., 9., 0., 12., 0.];
        assert_eq!(line[..], blocks[..]);
        let mut back = [0.0; 12];
        unpack_rows(&Processor::detect(), &SIZES, &line, &mut back);
        assert_eq!(back[..], row);
        let mut panels = [9.0; 16];
        pack_panels(&Processor::detect(), &SIZES, &row, &mut panels);
        assert_eq!(panels[..], blocks[..]);
    }

    #[test]
    fn a_transposed_panel_has_a_row_for_every_gate_and_lane() {
        let matrix: Vec<f32> = (0..24).map(|number| number as f32).collect(); // (2, 4H)
        let mut panel = vec![9.0; transposed_length(&SIZES, 2)];
        pack_transposed(&Processor::detect(), &SIZES, &matrix, &mut panel);
        let rows: Vec<_> = panel.chunks(2).collect();
        assert_eq!(rows[0], [0.0, 12.0]); // i of unit 0, both columns
        assert_eq!(rows[3], [4.0, 16.0]); // f of unit 1
        assert_eq!(rows[8], [2.0, 14.0]); // i of unit 2, second block
        assert_eq!(rows[9], [0.0, 0.0]); // filling
    }

    #[test]
    fn a_word_of_two_numbers_is_of_two_neighbours_in_the_sum() {
        let sizes = Sizes { precision: Precision::BFloat16, ..SIZES };
        let matrix: Vec<f32> = (0..36).map(|number| number as f32).collect(); // (3, 4H)
        let mut panels = [f32::NAN; 32];
        pack_panels(&Processor::detect(), &sizes, &matrix, &mut panels);
        let panels = panels.map(unpair);
        assert_eq!(panels[..3], [[0.0, 12.0], [1.0, 13.0], [3.0, 15.0]]); // first block, rows 0 and 1: i, i, f
        assert_eq!(panels[8..11], [[24.0, 0.0], [25.0, 0.0], [27.0, 0.0]]); // row 2 and none
        assert_eq!(panels[16..18], [[2.0, 14.0], [0.0, 0.0]]); // second block: i and filling
        let mut panel = vec![f32::NAN; transposed_length(&sizes, 2)];
        pack_transposed(&Processor::detect(), &sizes, &matrix[..24], &mut panel);
        let lines: Vec<_> = panel.chunks(2).map(|line| [unpair(line[0]), unpair(line[1])]).collect();
        assert_eq!(lines.len(), 8);
        assert_eq!(lines[0], [[0.0, 1.0], [12.0, 13.0]]); // i of units 0 and 1, both columns
        assert_eq!(lines[1], [[3.0, 4.0], [15.0, 16.0]]); // f of units 0 and 1
        assert_eq!(lines[4], [[2.0, 0.0], [14.0, 0.0]]); // i of unit 2 and of none
        let panels = Panels { rows: 2, length: 5, width: 1 };
        let mut words = [f32::NAN; 16];
        panels.pack_operand(Precision::BFloat16, &matrix[..15], &mut words); // (3, 5)
        let words = words.map(unpair);
        assert_eq!(words[..4], [[0.0, 5.0], [1.0, 6.0], [2.0, 7.0], [3.0, 8.0]]);
        assert_eq!(words[4..6], [[10.0, 0.0], [11.0, 0.0]]);
        assert_eq!(words[8..10], [[4.0, 9.0], [0.0, 0.0]]);
    }
}
