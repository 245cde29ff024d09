//! Weights from matrices to the layout of the kernels, and gradients back.

use super::{panels::column_panels, sizes::Sizes};
use crate::{bf16::pair, precision::Precision, processor::Processor, shared::Shared, simd::MOST_LANES};

/// What moving a number costs, in the multiplications by which [`Processor::share`] measures work.
const MOVE_COST: usize = 8;

/// Packs the rows of a matrix (rows, 4H) into panels (blocks, rows, 4, W): for each block its columns, row after row. A row
/// of words of two numbers each comes from two rows of the matrix.
pub(super) fn pack_panels(processor: &Processor<'_>, sizes: &Sizes, rows: &[f32], target: &mut [f32]) {
    let length = sizes.words(rows.len() / (4 * sizes.hidden)) * sizes.gates();
    let target = Shared::new(target);
    processor.share(sizes.blocks(), MOVE_COST * rows.len(), |blocks| {
        for block in blocks {
            // SAFETY: each block's panel is its own, and each block falls to one thread.
            let panel = unsafe { target.write(block * length..(block + 1) * length) };
            let rows = rows.chunks(sizes.precision.numbers_per_word() * 4 * sizes.hidden);
            for (rows, line) in rows.zip(panel.chunks_exact_mut(sizes.gates())) {
                match sizes.precision {
                    Precision::Float32 => interleave(sizes, rows, block, line),
                    Precision::BFloat16 => interleave_pairs(sizes, rows, block, line),
                }
            }
        }
    });
}

/// Packs the rows of a matrix (rows, 4H) into rows of interleaved blocks (rows, blocks, 4, W), with `bias` (4H) added to
/// each.
pub(super) fn pack_rows(sizes: &Sizes, rows: &[f32], bias: Option<&[f32]>, target: &mut [f32], scratch: &mut [f32]) {
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

/// A block's columns of a row (4H), side by side: (4, W).
#[inline(always)]
fn interleave(sizes: &Sizes, row: &[f32], block: usize, line: &mut [f32]) {
    let units = sizes.units(block);
    for (gate, lane) in line.chunks_exact_mut(sizes.lanes).enumerate() {
        let (real, padding) = lane.split_at_mut(units.len());
        real.copy_from_slice(&row[gate * sizes.hidden..][units.clone()]);
        padding.fill(0.0);
    }
}

/// A block's columns of one or two rows, as words of pairs.
fn interleave_pairs(sizes: &Sizes, rows: &[f32], block: usize, line: &mut [f32]) {
    let mut lines = [[0.0; 4 * MOST_LANES]; 2];
    for (row, line) in rows.chunks_exact(4 * sizes.hidden).zip(&mut lines) {
        interleave(sizes, row, block, &mut line[..sizes.gates()]);
    }
    let [low, high] = &lines;
    line.iter_mut().zip(low).zip(high).for_each(|((word, low), high)| *word = pair(*low, *high));
}

/// Unpacks rows of interleaved blocks (rows, blocks, 4, W) into a matrix (rows, 4H).
pub(super) fn unpack_rows(processor: &Processor<'_>, sizes: &Sizes, lines: &[f32], matrix: &mut [f32]) {
    let (columns, count) = (4 * sizes.hidden, matrix.len() / (4 * sizes.hidden));
    let work = MOVE_COST * matrix.len();
    let matrix = Shared::new(matrix);
    processor.share(count, work, |rows| {
        for index in rows {
            // SAFETY: each row falls to one thread.
            let row = unsafe { matrix.write(index * columns..(index + 1) * columns) };
            let lines = &lines[index * sizes.all_gates()..][..sizes.all_gates()];
            for (block, line) in lines.chunks_exact(sizes.gates()).enumerate() {
                let units = sizes.units(block);
                for (gate, lane) in line.chunks_exact(sizes.lanes).enumerate() {
                    row[gate * sizes.hidden..][units.clone()].copy_from_slice(&lane[..units.len()]);
                }
            }
        }
    });
}

/// Packs the transpose of a matrix (columns, 4H) in panels of its columns: for each panel of C blocks of columns the rows
/// (blocks, 4, W) of C W columns each. It is the right operand that takes gradients of gates to gradients of what the gates
/// were computed from. A row of words of two numbers each comes from the gates of two units.
pub(super) fn pack_transposed(processor: &Processor<'_>, sizes: &Sizes, matrix: &[f32], target: &mut [f32]) {
    let (length, target) = (4 * sizes.hidden, Shared::new(target));
    let columns = matrix.len() / length;
    let panels = column_panels(sizes.lanes, columns);
    processor.share(panels.clone().count(), MOVE_COST * matrix.len(), |share| {
        for (first, blocks) in panels.clone().skip(share.start).take(share.len()) {
            let (across, lines) = (blocks * sizes.lanes, sizes.words(sizes.all_gates()));
            // SAFETY: each panel is a part of its own, and each falls to one thread.
            let panel = unsafe { target.write(first * lines..(first + across) * lines) };
            if columns < first + across || !sizes.hidden.is_multiple_of(sizes.lanes) {
                panel.fill(0.0);
            }
            for (column, source) in matrix[first * length..].chunks_exact(length).take(across).enumerate() {
                for block in 0..sizes.blocks() {
                    let units = sizes.units(block);
                    for gate in 0..4 {
                        let start = (block * 4 + gate) * sizes.words(sizes.lanes) * across + column;
                        let places = panel[start..].iter_mut().step_by(across);
                        let numbers = &source[gate * sizes.hidden..][units.clone()];
                        sizes.precision.write(numbers, places);
                    }
                }
            }
        }
    });
}

/// Length of [`pack_transposed`]'s target for a matrix with this many columns.
pub(super) fn transposed_length(sizes: &Sizes, columns: usize) -> usize {
    columns.div_ceil(sizes.lanes) * sizes.lanes * sizes.words(sizes.all_gates())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Alone, Instructions, bf16::unpair};

    fn processor() -> Processor<'static> {
        Processor { instructions: Instructions::detect(), precision: Precision::Float32, workers: &Alone }
    }

    const SIZES: Sizes = Sizes { time: 1, batch: 1, input: 0, hidden: 3, lanes: 2, precision: Precision::Float32 };

    #[test]
    fn interleaving_pads_with_zeros_and_is_undone() {
        let row: Vec<f32> = (1..=12).map(|number| number as f32).collect(); // i 1-3, f 4-6, g 7-9, o 10-12
        let mut line = [9.0; 16];
        pack_rows(&SIZES, &row, None, &mut line, &mut []);
        let blocks = [1., 2., 4., 5., 7., 8., 10., 11., 3., 0., 6., 0., 9., 0., 12., 0.];
        assert_eq!(line[..], blocks[..]);
        let mut back = [0.0; 12];
        unpack_rows(&processor(), &SIZES, &line, &mut back);
        assert_eq!(back[..], row);
        let mut panels = [9.0; 16];
        pack_panels(&processor(), &SIZES, &row, &mut panels);
        assert_eq!(panels[..], blocks[..]);
    }

    #[test]
    fn a_transposed_panel_has_a_row_for_every_gate_and_lane() {
        let matrix: Vec<f32> = (0..24).map(|number| number as f32).collect(); // (2, 4H)
        let mut panel = vec![9.0; transposed_length(&SIZES, 2)];
        pack_transposed(&processor(), &SIZES, &matrix, &mut panel);
        let rows: Vec<_> = panel.chunks(2).collect();
        assert_eq!(rows[0], [0.0, 12.0]); // i of unit 0, both columns
        assert_eq!(rows[3], [4.0, 16.0]); // f of unit 1
        assert_eq!(rows[8], [2.0, 14.0]); // i of unit 2, second block
        assert_eq!(rows[9], [0.0, 0.0]); // padding
    }

    #[test]
    fn a_word_of_two_numbers_is_of_two_neighbours_in_the_sum() {
        let sizes = Sizes { precision: Precision::BFloat16, ..SIZES };
        let matrix: Vec<f32> = (0..36).map(|number| number as f32).collect(); // (3, 4H)
        let mut panels = [f32::NAN; 32];
        pack_panels(&processor(), &sizes, &matrix, &mut panels);
        let panels = panels.map(unpair);
        assert_eq!(panels[..3], [[0.0, 12.0], [1.0, 13.0], [3.0, 15.0]]); // first block, rows 0 and 1: i, i, f
        assert_eq!(panels[8..11], [[24.0, 0.0], [25.0, 0.0], [27.0, 0.0]]); // row 2 and none
        assert_eq!(panels[16..18], [[2.0, 14.0], [0.0, 0.0]]); // second block: i and padding
        let mut panel = vec![f32::NAN; transposed_length(&sizes, 2)];
        pack_transposed(&processor(), &sizes, &matrix[..24], &mut panel);
        let lines: Vec<_> = panel.chunks(2).map(|line| [unpair(line[0]), unpair(line[1])]).collect();
        assert_eq!(lines.len(), 8);
        assert_eq!(lines[0], [[0.0, 1.0], [12.0, 13.0]]); // i of units 0 and 1, both columns
        assert_eq!(lines[1], [[3.0, 4.0], [15.0, 16.0]]); // f of units 0 and 1
        assert_eq!(lines[4], [[2.0, 0.0], [14.0, 0.0]]); // i of unit 2 and of padding
    }
}
