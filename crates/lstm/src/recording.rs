//! What the layers compute at every time step, for whoever looks inside a network.

use candle_core::{Result as CandleResult, Tensor, bail};
use kernels::training::{self, HeadMemory, Input, Workspace};

use crate::{CharLstm, Dropout, Implementation, Processor, Result, State, naive, network::check_ids, ops::with_floats};

/// What one layer computed at every time step.
#[derive(Debug, Clone, PartialEq)]
pub struct Activations {
    /// Cell states, (T, N, H).
    pub cells: Vec<f32>,
    /// Gates after activation, (T, N, 4H) in the order i, f, g, o.
    pub gates: Vec<f32>,
}

/// What a network computed at every time step.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Logits of the token after each, (T, N, V).
    pub logits: Vec<f32>,
    /// One for each layer, the lowest first, (L).
    pub layers: Vec<Activations>,
    /// The state after the last token.
    pub state: State,
}

impl CharLstm {
    /// [`CharLstm::forward`] over `ids` (N, T) of u32 with all logits, and what every layer computed on the way. Nothing of it
    /// has gradients.
    ///
    /// The fused kernels keep these numbers for a backward pass, so that recording costs little more than the pass itself. It
    /// takes about 4 · (5 L H + 7 H + V) bytes per token.
    pub fn record(&self, ids: &Tensor, state: Option<&State>) -> Result<Recording> {
        let (batch, _) = check_ids(ids)?;
        if let Some(state) = state {
            self.check_state(state, batch)?;
        }
        match self.implementation {
            Implementation::Fused(processor) => self.record_fused(processor, ids, state),
            _ => self.record_naive(ids, state),
        }
    }

    fn record_fused(&self, processor: Processor, ids: &Tensor, state: Option<&State>) -> Result<Recording> {
        let (batch, time) = ids.dims2()?;
        let size = self.size;
        let tokens = self.tokens(ids)?;
        let mut below = match &self.embedding {
            None => vec![],
            Some(embedding) => self.embedded(embedding, ids, &Dropout::default())?.flatten_all()?.to_vec1()?, // (T N E)
        };
        let mut workspace = Workspace::default();
        let (mut layers, mut last_hidden, mut last_cell) = (vec![], vec![], vec![]);
        for (index, layer) in self.layers.iter().enumerate() {
            let state_of = |states: &Tensor| states.get(index)?.flatten_all()?.to_vec1::<f32>();
            let initial = state.map(|state| CandleResult::Ok((state_of(&state.hidden)?, state_of(&state.cell)?)));
            let initial = initial.transpose()?;
            let sequence = training::Sequence {
                processor: processor.kernels(),
                shape: training::Shape { time, batch, input: layer.input, hidden: size.hidden },
                input: if below.is_empty() { Input::Ids(&tokens) } else { Input::Vectors(&below) },
                initial: initial.as_ref().map(|(hidden, cell)| (hidden.as_slice(), cell.as_slice())),
            };
            let states = batch * size.hidden;
            let (mut hidden, mut end) = (vec![0.0; time * states], vec![0.0; 2 * states]);
            with_floats([layer.weights.as_tensor()], |[weights]| {
                sequence.forward(weights, &mut workspace, &mut hidden, &mut end);
                Ok(())
            })?;
            let mut activations = Activations { cells: vec![0.0; time * states], gates: vec![0.0; 4 * time * states] };
            sequence.copy_activations(&workspace, &mut activations.cells, &mut activations.gates);
            layers.push(activations);
            last_hidden.extend_from_slice(&end[..states]);
            last_cell.extend_from_slice(&end[states..]);
            below = hidden;
        }
        let (rows, hidden, vocabulary) = (time * batch, size.hidden, size.vocabulary);
        let head = training::Head { processor: processor.kernels(), rows, hidden, vocabulary };
        let mut logits = vec![0.0; rows * vocabulary];
        let mut memory = HeadMemory::default();
        with_floats([&self.output_weight()?, self.output_bias.as_tensor()], |[weight, bias]| {
            head.logits(&mut memory, &below, weight, bias);
            head.copy_logits(&memory, &mut logits);
            Ok(())
        })?;
        let states = |numbers: Vec<f32>| Tensor::from_vec(numbers, (size.layers, batch, hidden), self.device());
        Ok(Recording { logits, layers, state: State { hidden: states(last_hidden)?, cell: states(last_cell)? } })
    }

    fn record_naive(&self, ids: &Tensor, state: Option<&State>) -> Result<Recording> {
        let (batch, time) = ids.dims2()?;
        let zeros = State::zeros(&self.size, batch, self.device())?;
        let state = state.unwrap_or(&zeros);
        let mut input = match &self.embedding {
            None => naive::Input::Ids(ids.t()?.contiguous()?), // (T, N)
            Some(embedding) => naive::Input::Vectors(self.embedded(embedding, ids, &Dropout::default())?), // (T, N, E)
        };
        let (mut layers, mut last_hidden, mut last_cell) = (vec![], vec![], vec![]);
        for (index, layer) in self.layers.iter().enumerate() {
            let initial = (state.hidden.get(index)?, state.cell.get(index)?); // (N, H) each
            let weights = layer.weights.as_detached_tensor();
            let [hidden, cells, gates] = naive::activations(&input, &weights, layer.input, initial)?;
            layers.push(Activations { cells: cells.flatten_all()?.to_vec1()?, gates: gates.flatten_all()?.to_vec1()? });
            last_hidden.push(hidden.get(time - 1)?);
            last_cell.push(cells.get(time - 1)?);
            input = naive::Input::Vectors(hidden);
        }
        let (naive::Input::Ids(hidden) | naive::Input::Vectors(hidden)) = input;
        let hidden = hidden.reshape(((), self.size.hidden))?; // (T N, H)
        let logits = hidden.matmul(&self.output_weight()?.detach())?.broadcast_add(&self.output_bias)?; // (T N, V)
        let state = State { hidden: Tensor::stack(&last_hidden, 0)?, cell: Tensor::stack(&last_cell, 0)? };
        Ok(Recording { logits: logits.flatten_all()?.to_vec1()?, layers, state: state.detach() })
    }

    /// Ids (N, T) as (T, N); refuses those that the vocabulary does not have.
    fn tokens(&self, ids: &Tensor) -> CandleResult<Vec<u32>> {
        let tokens: Vec<u32> = ids.t()?.flatten_all()?.to_vec1()?;
        match tokens.iter().find(|id| **id as usize >= self.size.vocabulary) {
            Some(id) => bail!("id {id} is beyond the vocabulary of {}", self.size.vocabulary),
            None => Ok(tokens),
        }
    }
}
