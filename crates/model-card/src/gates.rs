//! The order in which a format stacks the four gates of an LSTM along the first axis, and the one function that changes
//! it.

/// The order of the four blocks of H rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateOrder {
    /// Input, forget, cell, output: PyTorch, and every matrix inside this project.
    PyTorch,
    /// Input, output, forget, cell: ONNX.
    Onnx,
    /// Input, forget, cell, output: Keras stacks columns, in the same order as PyTorch's rows.
    Keras,
}

impl GateOrder {
    /// The gates as letters. `g` is the candidate cell state, which ONNX and Keras call `c`.
    fn gates(self) -> [char; 4] {
        match self {
            Self::PyTorch | Self::Keras => ['i', 'f', 'g', 'o'],
            Self::Onnx => ['i', 'o', 'f', 'g'],
        }
    }
}

/// Reorders the four equal blocks of `rows` from one order to another.
///
/// `rows` is a matrix (4H, any width) or a vector (4H), in row-major order.
///
/// # Panics
/// If the length is not a multiple of four.
pub fn reorder<T: Copy>(rows: &[T], from: GateOrder, to: GateOrder) -> Vec<T> {
    assert!(rows.len().is_multiple_of(4), "{} numbers do not divide into four gates", rows.len());
    let block = rows.len() / 4;
    let source = from.gates();
    to.gates()
        .iter()
        .filter_map(|gate| source.iter().position(|candidate| candidate == gate))
        .flat_map(|place| &rows[place * block..(place + 1) * block])
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_move_in_blocks_and_come_back() {
        let rows = [1, 1, 2, 2, 3, 3, 4, 4]; // i i f f g g o o
        let onnx = reorder(&rows, GateOrder::PyTorch, GateOrder::Onnx);
        assert_eq!(onnx, [1, 1, 4, 4, 2, 2, 3, 3]); // i i o o f f c c
        assert_eq!(reorder(&onnx, GateOrder::Onnx, GateOrder::PyTorch), rows);
        assert_eq!(reorder(&rows, GateOrder::PyTorch, GateOrder::Keras), rows);
    }
}
