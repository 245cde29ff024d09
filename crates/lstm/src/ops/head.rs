//! The dense layer from hidden states to logits, alone or with the loss, as an op of candle.

use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use kernels::training::{self, HeadMemory, LogitGradient};

use super::{
    memory::{Lease, Link, Pool, lock},
    processor::Processor,
    tensors::{floats, with_floats},
};

/// The dense layer as an op of three tensors, good for one forward and at most one backward pass:
///
/// 1. the last layer's final states (2, N, H), through which its gradients go back;
/// 2. the weight (H, V);
/// 3. the bias (V).
///
/// It reads the steps of a link, rows (T N), if there is one, otherwise the final hidden states, rows (N). The result is
/// the logits (rows, V); or with targets the mean cross-entropy in nats, a scalar.
#[derive(Debug)]
pub struct Head {
    processor: Processor,
    steps: Option<Link>,
    targets: Option<Vec<u32>>,
    memory: Mutex<Option<Lease<HeadMemory>>>,
    pool: Pool<HeadMemory>,
}

impl Head {
    /// The op.
    pub fn new(processor: Processor, steps: Option<Link>, targets: Option<Vec<u32>>, pool: &Pool<HeadMemory>) -> Self {
        Self { processor, steps, targets, memory: Mutex::new(None), pool: pool.clone() }
    }

    /// Runs `body` on the hidden states that the layer reads, (rows, H).
    fn with_hidden<R>(&self, states: &[f32], body: impl FnOnce(&[f32]) -> R) -> R {
        match &self.steps {
            Some(link) => body(lock(link).memory.output()),
            None => body(&states[..states.len() / 2]),
        }
    }

    /// The arithmetic.
    fn kernels(&self, rows: usize, hidden: usize, vocabulary: usize) -> training::Head<'_> {
        training::Head { processor: self.processor.kernels(), rows, hidden, vocabulary }
    }
}

impl CustomOp3 for Head {
    fn name(&self) -> &'static str {
        "lstm-head"
    }

    fn cpu_fwd(
        &self,
        states: &CpuStorage,
        states_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (hidden, vocabulary) = weight_layout.shape().dims2()?;
        let (states, weight, bias) =
            (floats(states, states_layout)?, floats(weight, weight_layout)?, floats(bias, bias_layout)?);
        let mut lease = self.pool.take();
        let memory = &mut lease.memory;
        let result = self.with_hidden(states, |vectors| {
            let rows = vectors.len() / hidden;
            if states_layout.dims().last() != Some(&hidden) || bias.len() != vocabulary {
                bail!("lstm-head: states {states_layout:?}, weight {weight_layout:?}, bias {bias_layout:?} do not fit");
            }
            let kernels = self.kernels(rows, hidden, vocabulary);
            kernels.logits(memory, vectors, weight, bias);
            let Some(targets) = &self.targets else {
                let mut matrix = vec![0.0; rows * vocabulary];
                kernels.copy_logits(memory, &mut matrix);
                return Ok((CpuStorage::F32(matrix), Shape::from((rows, vocabulary))));
            };
            if targets.len() != rows || targets.iter().any(|target| *target as usize >= vocabulary) {
                bail!("lstm-head: {rows} rows of logits take as many targets, each below {vocabulary}");
            }
            Ok((CpuStorage::F32(vec![kernels.loss(memory, targets)]), Shape::from(())))
        })?;
        *lock(&self.memory) = Some(lease);
        Ok(result)
    }

    fn bwd(
        &self,
        states: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(mut lease) = lock(&self.memory).take() else {
            bail!("lstm-head: the gradients of this pass were taken before; run the network forward again");
        };
        let memory = &mut lease.memory;
        let (hidden, vocabulary) = weight.dims2()?;
        let gradient = gradient.contiguous()?;
        let mut states_gradient = vec![0.0; states.elem_count()];
        let (weight_gradient, bias_gradient) =
            with_floats([states, weight, &gradient], |[states, weight, gradient]| {
                let rows = self.with_hidden(states, |vectors| vectors.len() / hidden);
                let kernels = self.kernels(rows, hidden, vocabulary);
                kernels.backward(
                    memory,
                    match &self.targets {
                        None => LogitGradient::Logits(gradient),
                        Some(_) => LogitGradient::Loss(gradient[0]),
                    },
                );
                match &self.steps {
                    Some(link) => {
                        let steps = &mut lock(link).memory;
                        steps.returned = true;
                        kernels.input_gradient(memory, weight, steps.gradient.sized(rows * hidden));
                    }
                    None => kernels.input_gradient(memory, weight, &mut states_gradient[..rows * hidden]),
                }
                Ok(self.with_hidden(states, |vectors| kernels.weight_gradients(memory, vectors)))
            })?;
        Ok((
            Some(Tensor::from_vec(states_gradient, states.shape(), states.device())?),
            Some(Tensor::from_vec(weight_gradient, weight.shape(), weight.device())?),
            Some(Tensor::from_vec(bias_gradient, bias.shape(), bias.device())?),
        ))
    }
}
