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
    let mut hidden_states = vec![];
    for time in 0..projected.dim(0)? {
        let gates = (projected.get(time)? + hidden.matmul(&recurrent_weight)?)?; // (N, 4H)
        let gate = |index: usize| gates.narrow(1, index * size, size); // (N, H)
        let admitted = (sigmoid(&gate(0)?)? * gate(2)?.tanh()?)?;
        cell = ((sigmoid(&gate(1)?)? * cell)? + admitted)?;
        hidden = (sigmoid(&gate(3)?)? * cell.tanh()?)?;
        hidden_states.push(hidden.clone());
    }
    Ok((Tensor::stack(&hidden_states, 0)?, cell))
}

/// The rows of `table` (V, E) that `ids` (T, N) name: (T, N, E), as a product with one-hot vectors would pick them.
pub fn rows(table: &Tensor, ids: &Tensor) -> Result<Tensor> {
    let (time, batch) = ids.dims2()?;
    table.index_select(&ids.flatten_all()?, 0)?.reshape((time, batch, ())) // (T, N, E)
}
