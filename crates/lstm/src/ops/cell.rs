//! One time step of the cell as two pointwise ops, forward and backward, for devices where every op is a launch.
//!
//! The loops here are plain: on a CPU they only serve the tests. On a GPU the same two functions are kernels, compiled at run
//! time by NVRTC through candle's device.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, bail};

use super::tensors::floats;

/// Blocks (N, H) in the result of [`CellForward`]: i, f, g, o after activation, cell state, hidden state, previous cell state.
pub const BLOCKS: usize = 7;
/// The index of the cell state among them.
pub const CELL: usize = 4;
/// The index of the hidden state among them.
pub const HIDDEN: usize = 5;

/// Computes all [`BLOCKS`], (7, N, H), from the input's and the hidden state's part of the pre-activations, (N, 4H) each, and
/// the previous cell state, (N, H).
#[derive(Debug)]
pub struct CellForward;

/// Computes the gradients of the gates, (N, 4H), followed by that of the previous cell state, (N, H), flattened into one
/// tensor, from [`CellForward`]'s result and the gradients of the hidden and of the cell state, (N, H) each.
#[derive(Debug)]
pub struct CellBackward;

impl CellForward {
    fn shape(projected: &Layout, product: &Layout, cell: &Layout) -> Result<(usize, usize)> {
        let (batch, hidden) = cell.shape().dims2()?;
        if projected.dims() != [batch, 4 * hidden] || product.dims() != projected.dims() {
            bail!("lstm-cell: {projected:?}, {product:?} and {cell:?} do not belong together");
        }
        Ok((batch, hidden))
    }
}

impl CustomOp3 for CellForward {
    fn name(&self) -> &'static str {
        "lstm-cell"
    }

    fn cpu_fwd(
        &self,
        projected: &CpuStorage,
        projected_layout: &Layout,
        product: &CpuStorage,
        product_layout: &Layout,
        cell: &CpuStorage,
        cell_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (batch, hidden) = Self::shape(projected_layout, product_layout, cell_layout)?;
        let (projected, product) = (floats(projected, projected_layout)?, floats(product, product_layout)?);
        let (before, count) = (floats(cell, cell_layout)?, batch * hidden);
        let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
        let mut result = vec![0.0; BLOCKS * count];
        for (place, before) in before.iter().enumerate() {
            let start = place / hidden * 4 * hidden + place % hidden;
            let gate = |gate: usize| projected[start + gate * hidden] + product[start + gate * hidden];
            let (input, forget, candidate) = (sigmoid(gate(0)), sigmoid(gate(1)), gate(2).tanh());
            let output = sigmoid(gate(3));
            let cell = forget * before + input * candidate;
            let blocks = [input, forget, candidate, output, cell, output * cell.tanh(), *before];
            for (block, number) in blocks.into_iter().enumerate() {
                result[block * count + place] = number;
            }
        }
        Ok((CpuStorage::F32(result), (BLOCKS, batch, hidden).into()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        projected: &candle_core::CudaStorage,
        projected_layout: &Layout,
        product: &candle_core::CudaStorage,
        product_layout: &Layout,
        cell: &candle_core::CudaStorage,
        cell_layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        let (batch, hidden) = Self::shape(projected_layout, product_layout, cell_layout)?;
        let operands = [(projected, projected_layout), (product, product_layout), (cell, cell_layout)];
        let result = super::cuda::launch("cell_forward", batch * hidden, hidden, operands, BLOCKS * batch * hidden)?;
        Ok((result, (BLOCKS, batch, hidden).into()))
    }
}

impl CellBackward {
    fn shape(saved: &Layout, hidden_gradient: &Layout, cell_gradient: &Layout) -> Result<(usize, usize)> {
        let (blocks, batch, hidden) = saved.shape().dims3()?;
        if blocks != BLOCKS || [hidden_gradient, cell_gradient].iter().any(|layout| layout.dims() != [batch, hidden]) {
            bail!("lstm-cell-gradient: {saved:?}, {hidden_gradient:?} and {cell_gradient:?} do not belong together");
        }
        Ok((batch, hidden))
    }
}

impl CustomOp3 for CellBackward {
    fn name(&self) -> &'static str {
        "lstm-cell-gradient"
    }

    fn cpu_fwd(
        &self,
        saved: &CpuStorage,
        saved_layout: &Layout,
        hidden_gradient: &CpuStorage,
        hidden_layout: &Layout,
        cell_gradient: &CpuStorage,
        cell_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (batch, hidden) = Self::shape(saved_layout, hidden_layout, cell_layout)?;
        let (saved, count) = (floats(saved, saved_layout)?, batch * hidden);
        let (hidden_gradient, cell_gradient) =
            (floats(hidden_gradient, hidden_layout)?, floats(cell_gradient, cell_layout)?);
        let mut result = vec![0.0; 5 * count];
        for place in 0..count {
            let [input, forget, candidate, output, cell, _, before]: [f32; BLOCKS] =
                std::array::from_fn(|block| saved[block * count + place]);
            let activated = cell.tanh();
            let along_hidden = hidden_gradient[place];
            let along_cell = cell_gradient[place] + along_hidden * output * (1.0 - activated * activated);
            let gates = [
                along_cell * candidate * input * (1.0 - input),
                along_cell * before * forget * (1.0 - forget),
                along_cell * input * (1.0 - candidate * candidate),
                along_hidden * activated * output * (1.0 - output),
            ];
            for (gate, number) in gates.into_iter().enumerate() {
                result[place / hidden * 4 * hidden + gate * hidden + place % hidden] = number;
            }
            result[4 * count + place] = along_cell * forget;
        }
        Ok((CpuStorage::F32(result), (5 * count).into()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        saved: &candle_core::CudaStorage,
        saved_layout: &Layout,
        hidden_gradient: &candle_core::CudaStorage,
        hidden_layout: &Layout,
        cell_gradient: &candle_core::CudaStorage,
        cell_layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        let (batch, hidden) = Self::shape(saved_layout, hidden_layout, cell_layout)?;
        let operands = [(saved, saved_layout), (hidden_gradient, hidden_layout), (cell_gradient, cell_layout)];
        let result = super::cuda::launch("cell_backward", batch * hidden, hidden, operands, 5 * batch * hidden)?;
        Ok((result, (5 * batch * hidden).into()))
    }
}
