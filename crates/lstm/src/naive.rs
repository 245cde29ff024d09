//! The LSTM layer in candle's ordinary ops, one time step after another: slow, plain, differentiated by candle itself.
//!
//! It is the reference that the fast path is held against (Hochreiter and Schmidhuber 1997, with the forget gate of
//! Gers, Schmidhuber and Cummins 2000; gates in PyTorch's order):
//!
//! ```text
//! i, f, g, o = W_x x_t + W_h h_{t-1} + b      four blocks of H
//! c_t = σ(f) · c_{t-1} + σ(i) · tanh(g)
//! h_t = σ(o) · tanh(c_t)
//! ```

use candle_core::{Result, Tensor};
use candle_nn::ops::sigmoid;

/// What a layer reads.
#[derive(Debug, Clone)]
pub enum Input {
    /// Token ids as one-hot vectors, (T, N) of u32.
    Ids(Tensor),
    /// Vectors, (T, N, I).
    Vectors(Tensor),
}

/// Hidden states of every time step (T, N, H), and the final cell state (N, H).
///
/// `weights` holds the input weight, the recurrent weight and the bias under each other, (I + H + 1, 4H), with I =
/// `input_size`; `initial` is the hidden and the cell state before the first step, (N, H) each.
pub fn layer(
    input: &Input,
    weights: &Tensor,
    input_size: usize,
    initial: (Tensor, Tensor),
) -> Result<(Tensor, Tensor)> {
    let mut hidden_states = vec![];
    let mut last_cell = initial.1.clone();
    steps(input, weights, input_size, initial, |hidden, cell, _| {
        hidden_states.push(hidden.clone());
        last_cell = cell.clone();
        Ok(())
    })?;
    Ok((Tensor::stack(&hidden_states, 0)?, last_cell))
}

/// Hidden and cell states of every time step, (T, N, H) each, and the gates after activation, (T, N, 4H). See [`layer`].
pub fn activations(
    input: &Input,
    weights: &Tensor,
    input_size: usize,
    initial: (Tensor, Tensor),
) -> Result<[Tensor; 3]> {
    let (mut hidden_states, mut cell_states, mut gate_values) = (vec![], vec![], vec![]);
    steps(input, weights, input_size, initial, |hidden, cell, gates| {
        hidden_states.push(hidden.clone());
        cell_states.push(cell.clone());
        gate_values.push(Tensor::cat(gates, 1)?); // (N, 4H)
        Ok(())
    })?;
    Ok([Tensor::stack(&hidden_states, 0)?, Tensor::stack(&cell_states, 0)?, Tensor::stack(&gate_values, 0)?])
}

/// Calls `each` with every time step's hidden and cell state and the gates i, f, g, o after activation, (N, H) each.
fn steps(
    input: &Input,
    weights: &Tensor,
    input_size: usize,
    initial: (Tensor, Tensor),
    mut each: impl FnMut(&Tensor, &Tensor, &[Tensor; 4]) -> Result<()>,
) -> Result<()> {
    let size = weights.dim(1)? / 4;
    let input_weight = weights.narrow(0, 0, input_size)?; // (I, 4H)
    let recurrent_weight = weights.narrow(0, input_size, size)?; // (H, 4H)
    let bias = weights.narrow(0, input_size + size, 1)?; // (1, 4H)
    let projected = match input {
        Input::Ids(ids) => rows(&input_weight, ids)?,
        Input::Vectors(vectors) => vectors.broadcast_matmul(&input_weight)?,
    };
    let projected = projected.broadcast_add(&bias)?; // (T, N, 4H)
    let (mut hidden, mut cell) = initial;
    for time in 0..projected.dim(0)? {
        let sums = (projected.get(time)? + hidden.matmul(&recurrent_weight)?)?; // (N, 4H)
        let sum = |index: usize| sums.narrow(1, index * size, size); // (N, H)
        let gates = [sigmoid(&sum(0)?)?, sigmoid(&sum(1)?)?, sum(2)?.tanh()?, sigmoid(&sum(3)?)?];
        let [admit, keep, candidate, output] = &gates;
        cell = ((keep * &cell)? + (admit * candidate)?)?;
        hidden = (output * cell.tanh()?)?;
        each(&hidden, &cell, &gates)?;
    }
    Ok(())
}

/// The rows of `table` (V, E) that `ids` (T, N) name: (T, N, E), as a product with one-hot vectors would pick them.
pub fn rows(table: &Tensor, ids: &Tensor) -> Result<Tensor> {
    let (time, batch) = ids.dims2()?;
    table.index_select(&ids.flatten_all()?, 0)?.reshape((time, batch, ())) // (T, N, E)
}
