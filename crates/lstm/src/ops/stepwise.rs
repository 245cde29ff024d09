//! A layer's sequence as one op for GPUs: a matrix product and one pointwise kernel per time step, and one tall product for
//! the weight gradients.
//!
//! The pass itself is written in candle's tensors, detached from the graph, so that the same code runs on any device; the
//! op puts the result into the graph and computes its gradients.

use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Storage, Tensor, bail};

use super::{
    cell::{CELL, CellBackward, CellForward, HIDDEN},
    memory::lock,
};

/// Hidden states of all time steps and after them the final cell state, (T + 1, N, H).
///
/// `input` is ids (T, N) of u32 or vectors (T, N, I), `weights` are (I + H + 1, 4H), and `state` is the hidden and the cell
/// state before the first step, (2, N, H). Good for one backward pass.
pub fn layer(input: &Tensor, weights: &Tensor, state: &Tensor) -> Result<Tensor> {
    let ids = input.dtype() == DType::U32;
    let (rows, gates) = weights.dims2()?;
    let hidden = gates / 4;
    let parts = Parts::new(&weights.detach(), rows - hidden - 1, hidden)?;
    let projected = parts.project(&input.detach(), ids)?; // (T, N, 4H)
    let (mut before, mut cell) = (state.get(0)?.detach().contiguous()?, state.get(1)?.detach().contiguous()?); // (N, H)
    let (mut saved, mut steps) = (vec![], vec![]);
    for time in 0..projected.dim(0)? {
        let product = before.matmul(&parts.recurrent)?; // (N, 4H)
        let blocks = projected.get(time)?.apply_op3_no_bwd(&product, &cell, &CellForward)?; // (7, N, H)
        before = blocks.get(HIDDEN)?;
        cell = blocks.get(CELL)?;
        steps.push(before.clone());
        saved.push(blocks);
    }
    steps.push(cell);
    let output = Tensor::stack(&steps, 0)?; // (T + 1, N, H)
    let op = Stepwise { ids, output: Mutex::new(Some(output)), saved: Mutex::new(Some(saved)) };
    input.apply_op3(weights, state, op)
}

/// The parts of a layer's weights.
struct Parts {
    /// (I, 4H)
    input: Tensor,
    /// (H, 4H)
    recurrent: Tensor,
    /// (1, 4H)
    bias: Tensor,
}

impl Parts {
    fn new(weights: &Tensor, input: usize, hidden: usize) -> Result<Self> {
        Ok(Self {
            input: weights.narrow(0, 0, input)?,
            recurrent: weights.narrow(0, input, hidden)?,
            bias: weights.narrow(0, input + hidden, 1)?,
        })
    }

    /// The input's part of the pre-activations, bias included, (T, N, 4H).
    fn project(&self, input: &Tensor, ids: bool) -> Result<Tensor> {
        let (time, batch) = (input.dim(0)?, input.dim(1)?);
        let rows = if ids {
            self.input.index_select(&input.flatten_all()?, 0)?
        } else {
            input.reshape((time * batch, ()))?.matmul(&self.input)?
        };
        rows.broadcast_add(&self.bias)?.reshape((time, batch, ())) // (T, N, 4H)
    }
}

/// The pass as an op. It is computed before the op is applied.
struct Stepwise {
    ids: bool,
    output: Mutex<Option<Tensor>>,
    /// Results of [`CellForward`], one per time step.
    saved: Mutex<Option<Vec<Tensor>>>,
}

impl Stepwise {
    fn output(&self) -> Result<Tensor> {
        match lock(&self.output).take() {
            Some(output) => Ok(output),
            None => bail!("lstm-stepwise: an op is applied once"),
        }
    }
}

impl CustomOp3 for Stepwise {
    fn name(&self) -> &'static str {
        "lstm-stepwise"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let output = self.output()?;
        let (storage, _) = output.storage_and_layout();
        match &*storage {
            Storage::Cpu(storage) => Ok((storage.clone(), output.shape().clone())),
            _ => bail!("lstm-stepwise: input and weights are on different devices"),
        }
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        _: &candle_core::CudaStorage,
        _: &Layout,
        _: &candle_core::CudaStorage,
        _: &Layout,
        _: &candle_core::CudaStorage,
        _: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        let output = self.output()?;
        let (storage, layout) = output.storage_and_layout();
        match &*storage {
            Storage::Cuda(storage) => {
                Ok((candle_core::backend::BackendStorage::try_clone(storage, layout)?, output.shape().clone()))
            }
            _ => bail!("lstm-stepwise: input and weights are on different devices"),
        }
    }

    fn bwd(
        &self,
        input: &Tensor,
        weights: &Tensor,
        state: &Tensor,
        output: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(saved) = lock(&self.saved).take() else {
            bail!("lstm-stepwise: the gradients of this pass were taken before; run the network forward again");
        };
        let (input, state, output) = (input.detach(), state.detach(), output.detach());
        let (time, (batch, hidden)) = (saved.len(), (output.dim(1)?, output.dim(2)?));
        let input_size = weights.dim(0)? - hidden - 1;
        let parts = Parts::new(&weights.detach(), input_size, hidden)?;
        let (gradient, count) = (gradient.contiguous()?, batch * hidden);
        let backwards = parts.recurrent.t()?; // (4H, H)
        let mut cell = gradient.get(time)?; // (N, H)
        let mut before: Option<Tensor> = None; // (N, H)
        let mut gates = vec![];
        for (step, blocks) in saved.iter().enumerate().rev() {
            let given = gradient.get(step)?;
            let along_hidden = before.map_or(Ok(given.clone()), |before| before + given)?;
            let numbers = blocks.apply_op3_no_bwd(&along_hidden, &cell, &CellBackward)?; // (5 N H)
            let of_gates = numbers.narrow(0, 0, 4 * count)?.reshape((batch, 4 * hidden))?; // (N, 4H)
            cell = numbers.narrow(0, 4 * count, count)?.reshape((batch, hidden))?; // (N, H)
            before = Some(of_gates.matmul(&backwards)?);
            gates.push(of_gates);
        }
        gates.reverse();
        let gates = Tensor::cat(&gates, 0)?; // (T N, 4H)
        let Some(before) = before else { bail!("lstm-stepwise: a sequence has at least one time step") };
        let state_gradient = Tensor::stack(&[before, cell], 0)?; // (2, N, H)

        let earlier = Tensor::cat(&[state.narrow(0, 0, 1)?, output.narrow(0, 0, time - 1)?], 0)?; // (T, N, H)
        let recurrent = earlier.reshape((time * batch, hidden))?.t()?.matmul(&gates)?; // (H, 4H)
        let (input_gradient, input_weight) = if self.ids {
            let zeros = parts.input.zeros_like()?; // (V, 4H)
            (None, zeros.index_add(&input.flatten_all()?, &gates, 0)?)
        } else {
            let vectors = input.reshape((time * batch, input_size))?; // (T N, I)
            let back = gates.matmul(&parts.input.t()?)?.reshape(input.shape())?; // (T, N, I)
            (Some(back), vectors.t()?.matmul(&gates)?)
        };
        let weight_gradient = Tensor::cat(&[input_weight, recurrent, gates.sum_keepdim(0)?], 0)?; // (I + H + 1, 4H)
        Ok((input_gradient, Some(weight_gradient), Some(state_gradient)))
    }
}
