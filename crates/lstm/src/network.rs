//! The network: its weights as variables, and the computation from ids to logits.

use std::sync::{Arc, Mutex};

use candle_core::{DType, Device, Tensor, Var};
use kernels::{Precision, training::HeadMemory};
use model_card::ModelSize;

use crate::{
    Dropout, Error, Result, naive,
    ops::{self, Head, Link, Pool, Processor, Sequence, Source, Steps, stepwise},
};

/// Which time steps get logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outputs {
    /// Only the last: logits (N, V).
    Last,
    /// All: logits (N, T, V).
    All,
}

/// The state of the layers after a sequence.
#[derive(Debug, Clone)]
pub struct State {
    /// Hidden states, (L, N, H).
    pub hidden: Tensor,
    /// Cell states, (L, N, H).
    pub cell: Tensor,
}

impl State {
    /// The state before any token: zeros.
    pub fn zeros(size: &ModelSize, batch: usize, device: &Device) -> Result<Self> {
        let zeros = Tensor::zeros((size.layers, batch, size.hidden), DType::F32, device)?; // (L, N, H)
        Ok(Self { hidden: zeros.clone(), cell: zeros })
    }

    /// The same numbers detached from the graph: truncated back-propagation stops here.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self { hidden: self.hidden.detach(), cell: self.cell.detach() }
    }
}

/// How the layers are computed. All give the same numbers up to rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Implementation {
    /// [`naive`]: candle's ordinary ops, one time step after another.
    Naive,
    /// Crate `kernels`: one op per layer.
    Fused(Processor),
    /// One op per layer, with one matrix product and one pointwise kernel per time step: for GPUs, and slow on a CPU.
    Stepwise,
}

impl Implementation {
    /// The fastest on a device.
    pub(crate) fn of(device: &Device) -> Self {
        if device.is_cpu() { Self::Fused(Processor::detect()) } else { Self::Stepwise }
    }
}

/// A layer's weights in the layout of this crate: one row per input, so that a token's row is contiguous.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    /// Input weight, recurrent weight and bias, stacked: (I + H + 1, 4H), gates in the order i, f, g, o.
    ///
    /// One variable per layer, because an optimizer pays per variable.
    pub(crate) weights: Var,
    /// I: length of the input vector, or tokens where the input is one-hot.
    pub(crate) input: usize,
    /// Memory of the fused op, kept from step to step.
    pub(crate) memory: LayerMemory,
}

/// Memory of a layer's fused op: its own, and the steps that the next layer reads.
pub(crate) type LayerMemory = (Pool<ops::LayerMemory>, Pool<Steps>);

/// A character LSTM: token ids in, `layers` LSTM layers, a dense layer to one logit per token.
///
/// The equations are those of PyTorch's `nn.LSTM` and Keras' `LSTM`, with one bias vector per layer. See [`naive`].
#[derive(Debug, Clone)]
pub struct CharLstm {
    pub(crate) size: ModelSize,
    pub(crate) implementation: Implementation,
    /// (V, E), for an embedded input.
    pub(crate) embedding: Option<Var>,
    pub(crate) layers: Vec<Layer>,
    /// (H, V); none where the embedding is the output weight.
    pub(crate) output_weight: Option<Var>,
    /// (V)
    pub(crate) output_bias: Var,
    /// Memory of the dense layer's fused op.
    pub(crate) memory: Pool<HeadMemory>,
}

impl CharLstm {
    /// The same network, sharing its weights, with another implementation. A new network has the fastest.
    #[must_use]
    pub fn with_implementation(&self, implementation: Implementation) -> Self {
        Self { implementation, ..self.clone() }
    }

    /// The same network, sharing its weights, with another precision of the operands of the fused kernels' matrix products.
    /// Other implementations do not round.
    #[must_use]
    pub fn with_precision(&self, precision: Precision) -> Self {
        match self.implementation {
            Implementation::Fused(processor) => {
                self.with_implementation(Implementation::Fused(Processor { precision, ..processor }))
            }
            _ => self.clone(),
        }
    }

    /// The sizes of the network.
    pub fn size(&self) -> &ModelSize {
        &self.size
    }

    /// The device that holds the weights.
    pub fn device(&self) -> &Device {
        self.output_bias.device()
    }

    /// All trainable variables, for an optimizer: one per layer, one for an embedding, two for the output (one where its
    /// weight is the embedding).
    ///
    /// Their order and shapes are internal; [`CharLstm::tensors`] has the stable form.
    pub fn variables(&self) -> Vec<Var> {
        let layers = self.layers.iter().map(|layer| &layer.weights);
        self.embedding.iter().chain(layers).chain(&self.output_weight).chain([&self.output_bias]).cloned().collect()
    }

    /// Logits after `ids` (N, T) of u32, and the state after them.
    ///
    /// Logits are (N, V) for [`Outputs::Last`] and (N, T, V) for [`Outputs::All`]. Without a state the sequence starts
    /// from zeros; gradients flow into a given state unless it is detached.
    pub fn forward(&self, ids: &Tensor, state: Option<&State>, outputs: Outputs) -> Result<(Tensor, State)> {
        let (batch, time) = check_ids(ids)?;
        let (logits, state) = self.run(ids, state, outputs, None, &Dropout::default())?; // (rows, V)
        let logits = match outputs {
            Outputs::Last => logits,
            Outputs::All => logits.reshape((time, batch, self.size.vocabulary))?.transpose(0, 1)?, // (N, T, V)
        };
        Ok((logits, state))
    }

    /// Mean cross-entropy in nats of the tokens `targets` after `ids` (N, T), and the state after the sequence.
    ///
    /// Targets are u32, (N) for [`Outputs::Last`] and (N, T) for [`Outputs::All`]. Train with this: it saves the
    /// passes over the logits that a loss from candle's ordinary ops takes.
    pub fn loss(
        &self,
        ids: &Tensor,
        targets: &Tensor,
        state: Option<&State>,
        outputs: Outputs,
    ) -> Result<(Tensor, State)> {
        self.loss_with_dropout(ids, targets, state, outputs, &Dropout::default())
    }

    /// [`CharLstm::loss`] with dropout.
    pub fn loss_with_dropout(
        &self,
        ids: &Tensor,
        targets: &Tensor,
        state: Option<&State>,
        outputs: Outputs,
        dropout: &Dropout,
    ) -> Result<(Tensor, State)> {
        let (batch, time) = check_ids(ids)?;
        let expected = if outputs == Outputs::All { vec![batch, time] } else { vec![batch] };
        if targets.dims() != expected {
            let found = targets.dims().to_vec();
            return Err(Error::WrongShape { name: "the tensor of targets".into(), found, expected });
        }
        let targets = if outputs == Outputs::All { targets.t()?.flatten_all()? } else { targets.clone() }; // (rows)
        self.run(ids, state, outputs, Some(&targets), dropout)
    }

    /// The dense layer's weight, (H, V).
    pub(crate) fn output_weight(&self) -> candle_core::Result<Tensor> {
        match (&self.output_weight, &self.embedding) {
            (None, Some(embedding)) => embedding.t()?.contiguous(),
            (None, None) => candle_core::bail!("the network has neither an output weight nor an embedding"),
            (Some(weight), _) => Ok(weight.as_tensor().clone()),
        }
    }

    /// A layer's weights, (I + H + 1, 4H), with dropout of the recurrent ones.
    fn weights(&self, layer: usize, dropout: &Dropout) -> candle_core::Result<Tensor> {
        let Layer { weights, input, .. } = &self.layers[layer];
        match dropout.weight_mask(layer, *input, self.size.hidden, self.device())? {
            None => Ok(weights.as_tensor().clone()),
            Some(mask) => weights.as_tensor() * mask,
        }
    }

    /// Embeddings (T, N, E) of ids (N, T), with dropout.
    pub(crate) fn embedded(&self, embedding: &Var, ids: &Tensor, dropout: &Dropout) -> candle_core::Result<Tensor> {
        let vectors = naive::rows(embedding, &ids.t()?.contiguous()?)?; // (T, N, E)
        match dropout.input_mask(vectors.dims3()?.into(), self.device())? {
            None => Ok(vectors),
            Some(mask) => vectors.broadcast_mul(&mask),
        }
    }

    /// Logits (rows, V), or with targets (rows) the loss; rows are (N) or (T N).
    fn run(
        &self,
        ids: &Tensor,
        state: Option<&State>,
        outputs: Outputs,
        targets: Option<&Tensor>,
        dropout: &Dropout,
    ) -> Result<(Tensor, State)> {
        if let Some(state) = state {
            self.check_state(state, ids.dim(0)?)?;
        }
        if let Implementation::Fused(processor) = self.implementation {
            return self.run_fused(processor, ids, state, outputs, targets, dropout);
        }
        let (hidden, state) = self.hidden(ids, state, outputs, dropout)?;
        let hidden = hidden.reshape(((), self.size.hidden))?; // (rows, H)
        let logits = hidden.matmul(&self.output_weight()?)?.broadcast_add(&self.output_bias)?; // (rows, V)
        match targets {
            None => Ok((logits, state)),
            Some(targets) => Ok((candle_nn::loss::cross_entropy(&logits, &targets.contiguous()?)?, state)),
        }
    }

    /// [`CharLstm::run`] by the fused kernels.
    fn run_fused(
        &self,
        processor: Processor,
        ids: &Tensor,
        state: Option<&State>,
        outputs: Outputs,
        targets: Option<&Tensor>,
        dropout: &Dropout,
    ) -> Result<(Tensor, State)> {
        let (batch, time) = ids.dims2()?;
        let zeros = Tensor::zeros((2, batch, self.size.hidden), DType::F32, self.device())?; // (2, N, H)
        let ids = ids.to_dtype(DType::U32)?;
        let (mut input, mut source) = match &self.embedding {
            None => (ids, Source::Ids),
            Some(embedding) => (self.embedded(embedding, &ids, dropout)?, Source::Vectors), // (T, N, E)
        };
        let mut states = vec![];
        let mut top: Option<Link> = None;
        for (index, layer) in self.layers.iter().enumerate() {
            let initial = match state {
                None => zeros.clone(),
                Some(state) => Tensor::stack(&[state.hidden.get(index)?, state.cell.get(index)?], 0)?, // (2, N, H)
            };
            let steps = Arc::new(Mutex::new(layer.memory.1.take()));
            let op = Sequence {
                processor,
                time,
                source,
                steps: steps.clone(),
                mask: dropout.hidden_mask(index, self.layers.len(), [time, batch, self.size.hidden]),
                zero_state: state.is_none(),
                saved: Mutex::new(None),
                pool: layer.memory.0.clone(),
            };
            input = input.apply_op3(&self.weights(index, dropout)?, &initial, op)?; // (2, N, H)
            states.push(input.clone());
            source = Source::Below(steps.clone());
            top = Some(steps);
        }
        let shape = [time, batch, self.size.hidden];
        if outputs == Outputs::Last
            && let Some(mask) = dropout.hidden_mask(self.layers.len() - 1, self.layers.len(), shape)
        {
            let last = &mask[mask.len() - batch * self.size.hidden..];
            input = input.broadcast_mul(&Tensor::from_slice(last, (1, batch, self.size.hidden), self.device())?)?;
        }
        let steps = top.filter(|_| outputs == Outputs::All);
        let targets = targets.map(|targets| targets.to_dtype(DType::U32)?.to_vec1()).transpose()?;
        let head = Head::new(processor, steps, targets, &self.memory);
        let result = input.apply_op3(&self.output_weight()?, &self.output_bias, head)?; // (rows, V), or a scalar
        let states = Tensor::stack(&states, 1)?; // (2, L, N, H)
        Ok((result, State { hidden: states.get(0)?, cell: states.get(1)? }))
    }

    /// Hidden states of the last layer, (N, H) or (T, N, H), and the state after them, as tensors.
    fn hidden(
        &self,
        ids: &Tensor,
        state: Option<&State>,
        outputs: Outputs,
        dropout: &Dropout,
    ) -> Result<(Tensor, State)> {
        let (batch, time) = ids.dims2()?;
        let zeros = State::zeros(&self.size, batch, self.device())?;
        let state = state.unwrap_or(&zeros);
        let ids = ids.to_dtype(DType::U32)?;
        let mut input = match &self.embedding {
            None => naive::Input::Ids(ids.t()?.contiguous()?), // (T, N)
            Some(embedding) => naive::Input::Vectors(self.embedded(embedding, &ids, dropout)?), // (T, N, E)
        };
        let (mut hidden_states, mut cell_states) = (vec![], vec![]);
        for (index, layer) in self.layers.iter().enumerate() {
            let initial = (state.hidden.get(index)?, state.cell.get(index)?); // (N, H) each
            let (hidden, cell) = match self.implementation {
                Implementation::Stepwise => stepwise_layer(&input, &self.weights(index, dropout)?, &initial)?,
                _ => naive::layer(&input, &self.weights(index, dropout)?, layer.input, initial)?,
            };
            hidden_states.push(hidden.get(hidden.dim(0)? - 1)?);
            cell_states.push(cell);
            let hidden = match dropout.hidden_mask(index, self.layers.len(), [time, batch, self.size.hidden]) {
                None => hidden,
                Some(mask) => {
                    let mask = Tensor::from_vec(mask, ((), batch, self.size.hidden), self.device())?;
                    hidden.broadcast_mul(&mask)?
                }
            };
            input = naive::Input::Vectors(hidden);
        }
        let state = State { hidden: Tensor::stack(&hidden_states, 0)?, cell: Tensor::stack(&cell_states, 0)? };
        let hidden = match (input, outputs) {
            (naive::Input::Vectors(hidden), Outputs::All) => hidden, // (T, N, H)
            (naive::Input::Vectors(hidden), Outputs::Last) => hidden.get(time - 1)?, // (N, H)
            (naive::Input::Ids(_), _) => hidden_states.swap_remove(self.layers.len() - 1),
        };
        Ok((hidden, state))
    }

    pub(crate) fn check_state(&self, state: &State, batch: usize) -> Result<()> {
        let expected = vec![self.size.layers, batch, self.size.hidden];
        for (name, tensor) in [("the hidden state", &state.hidden), ("the cell state", &state.cell)] {
            if tensor.dims() != expected {
                let found = tensor.dims().to_vec();
                return Err(Error::WrongShape { name: name.into(), found, expected });
            }
        }
        Ok(())
    }
}

/// [`naive::layer`] as one op.
fn stepwise_layer(
    input: &naive::Input,
    weights: &Tensor,
    (hidden, cell): &(Tensor, Tensor),
) -> Result<(Tensor, Tensor)> {
    let (naive::Input::Ids(input) | naive::Input::Vectors(input)) = input;
    let state = Tensor::stack(&[hidden, cell], 0)?; // (2, N, H)
    let packed = stepwise(&input.contiguous()?, weights, &state)?; // (T + 1, N, H)
    let time = packed.dim(0)? - 1;
    Ok((packed.narrow(0, 0, time)?, packed.get(time)?))
}

/// Refuses sizes of zero.
pub(crate) fn check_size(size: &ModelSize) -> Result<()> {
    if size.vocabulary * size.hidden * size.layers * size.input_size(0) == 0 {
        Err(Error::ZeroSize(*size))
    } else {
        Ok(())
    }
}

/// N and T of a batch of ids; neither may be zero.
pub(crate) fn check_ids(ids: &Tensor) -> Result<(usize, usize)> {
    match *ids.dims() {
        [batch, time] if batch > 0 && time > 0 => Ok((batch, time)),
        _ => Err(Error::NoTokens(ids.dims().to_vec())),
    }
}
