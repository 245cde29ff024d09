//! The network's weights as variables, and the way from ids to logits through them.

use candle_core::{DType, Device, Tensor, Var};
use model_card::{InputEncoding, ModelSize};

use crate::{
    Error, Result, init,
    kernels::{CrossEntropy, Instructions, Pool, Sequence},
    naive,
};

/// Which time steps get logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outputs {
    /// The last one alone: logits (N, V).
    Last,
    /// Every one: logits (N, T, V).
    All,
}

/// What the layers remember after a sequence.
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

    /// The same numbers without the graph behind them, so that truncated back-propagation stops here.
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
    /// [`kernels`](crate::kernels): one op a layer.
    Fused(Instructions),
}

/// A layer's weights in the layout of this crate: inputs along the rows, so that a token's row is one piece of memory.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    /// Input weight, recurrent weight and bias, one under the other: (I + H + 1, 4H), gates in the order i, f, g, o.
    ///
    /// One variable a layer, because an optimiser pays per variable.
    pub(crate) weights: Var,
    /// I: length of the input vector, or tokens where the input is one-hot.
    pub(crate) input: usize,
    /// Memory of the fused op, kept from step to step.
    pub(crate) pool: Pool,
}

/// A character LSTM: token ids in, `layers` LSTM layers, a dense layer to one logit per token.
///
/// The equations are those of PyTorch's `nn.LSTM` and Keras' `LSTM`, with one bias vector a layer. See [`naive`].
#[derive(Debug, Clone)]
pub struct CharLstm {
    pub(crate) size: ModelSize,
    pub(crate) implementation: Implementation,
    /// (V, E), for an embedded input.
    pub(crate) embedding: Option<Var>,
    pub(crate) layers: Vec<Layer>,
    /// (H, V)
    pub(crate) output_weight: Var,
    /// (V)
    pub(crate) output_bias: Var,
}

impl CharLstm {
    /// A network with Keras' default initial weights, drawn from `seed`: the same seed gives the same weights anywhere.
    ///
    /// Kernels are Glorot-uniform, recurrent kernels orthogonal, biases zero but one at the forget gates, embeddings
    /// uniform in ±0.05.
    pub fn init(size: &ModelSize, seed: u64, device: &Device) -> Result<Self> {
        init::network(size, seed, device)
    }

    /// The same network, weights shared, computed in another way. A new network takes the fastest there is.
    #[must_use]
    pub fn with_implementation(&self, implementation: Implementation) -> Self {
        Self { implementation, ..self.clone() }
    }

    /// The sizes of the network.
    pub fn size(&self) -> &ModelSize {
        &self.size
    }

    /// The device that holds the weights.
    pub fn device(&self) -> &Device {
        self.output_weight.device()
    }

    /// Everything that is trained, for an optimiser: one variable a layer, two for the output, one for an embedding.
    ///
    /// Their order and shapes are this crate's own; [`CharLstm::tensors`] is the form for others.
    pub fn variables(&self) -> Vec<Var> {
        let layers = self.layers.iter().map(|layer| &layer.weights);
        self.embedding.iter().chain(layers).chain([&self.output_weight, &self.output_bias]).cloned().collect()
    }

    /// Logits after `ids` (N, T) of u32, and the state they leave behind.
    ///
    /// Logits are (N, V) for [`Outputs::Last`] and (N, T, V) for [`Outputs::All`]. Without a state the sequence starts
    /// from zeros; gradients flow into a given state unless it is detached.
    pub fn forward(&self, ids: &Tensor, state: Option<&State>, outputs: Outputs) -> Result<(Tensor, State)> {
        let (batch, time) = check_ids(ids)?;
        let (logits, state) = self.logits(ids, state, outputs)?; // (rows, V)
        let logits = match outputs {
            Outputs::Last => logits.narrow(0, 0, batch)?,
            Outputs::All => {
                let logits = logits.narrow(0, 0, time * batch)?;
                logits.reshape((time, batch, self.size.vocabulary))?.transpose(0, 1)?
            }
        };
        Ok((logits, state))
    }

    /// Mean cross-entropy in nats of the tokens `targets` after `ids` (N, T), and the state behind the sequence.
    ///
    /// Targets are u32, (N) for [`Outputs::Last`] and (N, T) for [`Outputs::All`]. This is the way to train: it spares the
    /// passes over the logits that a loss of candle's ordinary ops takes.
    pub fn loss(
        &self,
        ids: &Tensor,
        targets: &Tensor,
        state: Option<&State>,
        outputs: Outputs,
    ) -> Result<(Tensor, State)> {
        let (batch, time) = check_ids(ids)?;
        let expected = if outputs == Outputs::All { vec![batch, time] } else { vec![batch] };
        if targets.dims() != expected {
            let found = targets.dims().to_vec();
            return Err(Error::WrongShape { name: "the tensor of targets".into(), found, expected });
        }
        let targets = if outputs == Outputs::All { targets.t()?.flatten_all()? } else { targets.clone() }; // (T N)
        let (logits, state) = self.logits(ids, state, outputs)?; // (rows, V)
        let loss = match self.implementation {
            Implementation::Naive => {
                candle_nn::loss::cross_entropy(&logits.narrow(0, 0, targets.elem_count())?, &targets)?
            }
            Implementation::Fused(instructions) => {
                let targets = targets.to_dtype(DType::U32)?.contiguous()?;
                logits.apply_op2(&targets, CrossEntropy::new(instructions))?
            }
        };
        Ok((loss, state))
    }

    /// Logits (rows, V), the first of which, (N) or (T N) of them, are those of the outputs.
    fn logits(&self, ids: &Tensor, state: Option<&State>, outputs: Outputs) -> Result<(Tensor, State)> {
        if let Some(state) = state {
            self.check_state(state, ids.dim(0)?)?;
        }
        let (hidden, state) = match self.implementation {
            Implementation::Naive => self.forward_naive(ids, state, outputs)?,
            Implementation::Fused(instructions) => self.forward_fused(instructions, ids, state, outputs)?,
        };
        let hidden = hidden.reshape(((), self.size.hidden))?; // (rows, H)
        Ok((hidden.matmul(&self.output_weight)?.broadcast_add(&self.output_bias)?, state))
    }

    /// Hidden states of the last layer, (N, H) or (T, N, H) with rows of no meaning after them, and the state behind them.
    fn forward_fused(
        &self,
        instructions: Instructions,
        ids: &Tensor,
        state: Option<&State>,
        outputs: Outputs,
    ) -> Result<(Tensor, State)> {
        let (batch, time) = ids.dims2()?;
        let zeros = Tensor::zeros((2, batch, self.size.hidden), DType::F32, self.device())?; // (2, N, H)
        let ids = ids.to_dtype(DType::U32)?;
        let mut input = match &self.embedding {
            None => ids,
            Some(embedding) => naive::rows(embedding, &ids.t()?.contiguous()?)?, // (T, N, E)
        };
        let (mut hidden_states, mut cell_states) = (vec![], vec![]);
        for (index, layer) in self.layers.iter().enumerate() {
            let every = outputs == Outputs::All || index + 1 < self.layers.len();
            let initial = match state {
                None => zeros.clone(),
                Some(state) => Tensor::stack(&[state.hidden.get(index)?, state.cell.get(index)?], 0)?, // (2, N, H)
            };
            let op = Sequence::new(instructions, time, every, state.is_none(), &layer.pool);
            input = input.apply_op3(&layer.weights, &initial, op)?; // (T + 1, N, H) or (2, N, H)
            let rows = input.dim(0)?;
            hidden_states.push(input.get(rows - 2)?); // (N, H)
            cell_states.push(input.get(rows - 1)?); // (N, H)
        }
        let state = State { hidden: Tensor::stack(&hidden_states, 0)?, cell: Tensor::stack(&cell_states, 0)? };
        let hidden = match outputs {
            // (T + 1, N, H): cutting off the cell state would cost more than the few rows of logits that come of it.
            Outputs::All => input,
            Outputs::Last => hidden_states.swap_remove(self.layers.len() - 1), // (N, H)
        };
        Ok((hidden, state))
    }

    /// The same by the reference.
    fn forward_naive(&self, ids: &Tensor, state: Option<&State>, outputs: Outputs) -> Result<(Tensor, State)> {
        let (batch, _) = ids.dims2()?;
        let zeros = State::zeros(&self.size, batch, self.device())?;
        let state = state.unwrap_or(&zeros);
        let ids = ids.t()?.contiguous()?; // (T, N)
        let mut input = match &self.embedding {
            None => naive::Input::Ids(ids),
            Some(embedding) => naive::Input::Vectors(naive::rows(embedding, &ids)?), // (T, N, E)
        };
        let (mut hidden_states, mut cell_states) = (vec![], vec![]);
        for (index, layer) in self.layers.iter().enumerate() {
            let initial = (state.hidden.get(index)?, state.cell.get(index)?); // (N, H) each
            let (hidden, cell) = naive::layer(&input, &layer.weights, layer.input, initial)?;
            hidden_states.push(hidden.get(hidden.dim(0)? - 1)?);
            cell_states.push(cell);
            input = naive::Input::Vectors(hidden);
        }
        let state = State { hidden: Tensor::stack(&hidden_states, 0)?, cell: Tensor::stack(&cell_states, 0)? };
        let hidden = match (input, outputs) {
            (naive::Input::Vectors(hidden), Outputs::All) => hidden, // (T, N, H)
            _ => hidden_states.swap_remove(self.layers.len() - 1),   // (N, H)
        };
        Ok((hidden, state))
    }

    fn check_state(&self, state: &State, batch: usize) -> Result<()> {
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

/// Refuses a network of nothing.
pub(crate) fn check_size(size: &ModelSize) -> Result<()> {
    let embedded = match size.input {
        InputEncoding::OneHot => 1,
        InputEncoding::Embedding { size } => size,
    };
    if size.vocabulary * size.hidden * size.layers * embedded == 0 { Err(Error::ZeroSize(*size)) } else { Ok(()) }
}

/// N and T of a batch of ids.
fn check_ids(ids: &Tensor) -> Result<(usize, usize)> {
    match *ids.dims() {
        [batch, time] if batch > 0 && time > 0 => Ok((batch, time)),
        _ => Err(Error::NoTokens(ids.dims().to_vec())),
    }
}
