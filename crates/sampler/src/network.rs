//! The graph in an engine: tokens and state in, logits and state out. It knows nothing of characters.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use model_card::ModelSize;
use ort::{
    ErrorCode,
    session::{HasSelectedOutputs, OutputSelector, RunOptions, Session, SessionInputValue},
    value::{DynValue, Tensor, TensorElementType, ValueType},
};

use crate::{Backend, Engine, Error, Result, adapter::WEIGHTS, calls, memory::zeros};

/// The names of the graph's inputs and outputs, as the exporter writes them.
const INPUTS: [&str; 3] = ["ids", "h", "c"];
const OUTPUTS: [&str; 3] = ["logits", "h_next", "c_next"];

/// The most logits of a run whose output buffers are kept. Larger runs take so long that an allocation does not matter.
const MOST_BUFFERED: usize = 1 << 16;

/// The most logits of a run of [`Network::read`], unless a single time step has more: 16 MiB.
pub(crate) const MOST_LOGITS: usize = 1 << 22;

/// A graph with the state of `batch` texts.
///
/// Runs write to buffers that are kept: one for the logits, and two for the state, of which one is read while the other is
/// written. A run of the same shape as the two before allocates nothing, neither here nor in `ort` nor in `lstm-engine`.
#[derive(Debug)]
pub struct Network {
    session: Session,
    origin: Origin,
    engine: Engine,
    /// The place of each of `ids`, `h` and `c` among the session's inputs.
    places: [usize; 3],
    size: ModelSize,
    batch: usize,
    ids: Tensor<i64>,             // (T, N)
    zero: [Tensor<f32>; 2],       // (L, N, H)
    state: Option<[DynValue; 2]>, // (L, N, H); none is zero
    logits: Option<DynValue>,     // (T, N, V)
    /// Output buffers for runs of the shape of `ids`, and which of the two the last run wrote to.
    buffers: [Option<OutputBuffers>; 2],
    turn: usize,
}

/// Options of a run, with the buffers for its outputs.
struct OutputBuffers(RunOptions<HasSelectedOutputs>);

impl std::fmt::Debug for OutputBuffers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("OutputBuffers").finish_non_exhaustive()
    }
}

/// What another network of the same model is opened from.
#[derive(Debug, Clone)]
struct Origin {
    /// The name under which `lstm-engine` shares the weights.
    weights: Arc<str>,
    /// The model's bytes, for engines that share nothing.
    bytes: Option<Arc<[u8]>>,
}

impl Network {
    /// Opens a graph and holds it against the sizes that its card states.
    pub fn open(model: &[u8], size: ModelSize, engine: &Engine) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let weights = NEXT.fetch_add(1, Ordering::Relaxed).to_string().into();
        let bytes = if engine.backend == Backend::Lstm { None } else { Some(model.into()) };
        let mut network = Self::from_origin(Origin { weights, bytes }, model, size, engine)?;
        network.check_run()?;
        Ok(network)
    }

    /// Opens another network of the same model, with its own state. With `lstm-engine` they share their weights, and this
    /// takes almost no time and memory.
    pub fn another(&self) -> Result<Self> {
        let origin = self.origin.clone();
        let bytes = origin.bytes.clone();
        Self::from_origin(origin, bytes.as_deref().unwrap_or_default(), self.size, &self.engine)
    }

    fn from_origin(origin: Origin, bytes: &[u8], size: ModelSize, engine: &Engine) -> Result<Self> {
        let environment = engine.backend.environment()?;
        let key = WEIGHTS.to_string_lossy();
        let session = Session::builder(&environment)
            .and_then(|builder| builder.with_intra_threads(engine.threads).map_err(Into::into))
            .and_then(|builder| builder.with_config_entry(key, &origin.weights).map_err(Into::into))
            .and_then(|mut builder| calls::open(&mut builder, bytes))
            .map_err(failed)?;
        let places = check_signature(&session, size)?;
        Ok(Self {
            session,
            origin,
            engine: engine.clone(),
            places,
            size,
            batch: 1,
            ids: ids_tensor(1, 1)?,
            zero: zero_state(size, 1)?,
            state: None,
            logits: None,
            buffers: [None, None],
            turn: 0,
        })
    }

    /// The sizes of the network.
    pub fn size(&self) -> ModelSize {
        self.size
    }

    /// What computes it.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Texts that run side by side: N.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Starts `batch` texts from a zero state.
    pub fn restart(&mut self, batch: usize) -> Result<()> {
        self.state = None;
        self.logits = None;
        if batch != self.batch {
            self.zero = zero_state(self.size, batch)?;
            self.batch = batch;
        }
        Ok(())
    }

    /// Reads `ids` (T, N), T being their number over the batch, and carries the state.
    ///
    /// # Panics
    /// If the batch does not divide the ids.
    pub fn run(&mut self, ids: impl ExactSizeIterator<Item = u32>) -> Result<()> {
        assert!(ids.len() > 0 && ids.len().is_multiple_of(self.batch), "{} ids for {} texts", ids.len(), self.batch);
        let shape = [ids.len() / self.batch, self.batch];
        if self.ids.shape()[..] != shape.map(|length| length as i64) {
            self.ids = ids_tensor(shape[0], shape[1])?;
            self.buffers = [None, None];
        }
        for (slot, id) in self.ids.extract_tensor_mut().1.iter_mut().zip(ids) {
            *slot = i64::from(id);
        }
        let next = 1 - self.turn;
        let is_small = shape[0] * shape[1] * self.size.vocabulary <= MOST_BUFFERED;
        if is_small && self.buffers[next].is_none() {
            self.buffers[next] = Some(self.output_buffers(shape)?);
        }
        self.forward(is_small.then_some(next))?;
        // After a failure the state is still in the other buffers.
        self.turn = next;
        Ok(())
    }

    /// Reads `ids` (T, N) as [`run`](Self::run) does, in as many runs as it takes to keep the logits of each small. Only the
    /// last ones are sure to be there afterwards.
    ///
    /// # Panics
    /// If the batch does not divide the ids.
    pub fn read(&mut self, mut ids: impl ExactSizeIterator<Item = u32>) -> Result<()> {
        let piece = (MOST_LOGITS / (self.size.vocabulary * self.batch)).max(1) * self.batch;
        while ids.len() > piece {
            self.run(Piece { ids: &mut ids, left: piece })?;
        }
        self.run(ids)
    }

    /// Output buffers for runs over (T, N) ids. Both share those of the logits, which are read before the next run.
    fn output_buffers(&mut self, [time, batch]: [usize; 2]) -> Result<OutputBuffers> {
        let shape = [time, batch, self.size.vocabulary];
        let fits = |logits: &DynValue| logits.shape()[..] == shape.map(|length| length as i64);
        let logits = match self.logits.take().filter(fits) {
            Some(logits) => logits,
            None => Tensor::from_array((shape, zeros::<f32>(shape.iter().product())?)).map_err(failed)?.into_dyn(),
        };
        let [h, c] = zero_state(self.size, batch)?;
        let outputs = OutputSelector::default().preallocate(OUTPUTS[0], logits);
        let outputs = outputs.preallocate(OUTPUTS[1], h).preallocate(OUTPUTS[2], c);
        Ok(OutputBuffers(RunOptions::new().map_err(failed)?.with_outputs(outputs)))
    }

    /// Runs on `ids` and the state, and writes to some of the buffers or to new ones.
    fn forward(&mut self, buffers: Option<usize>) -> Result<()> {
        let [h, c]: [SessionInputValue<'_>; 2] = match &self.state {
            Some([h, c]) => [h.into(), c.into()],
            None => [(&self.zero[0]).into(), (&self.zero[1]).into()],
        };
        let mut inputs = [(&self.ids).into(), h, c];
        // `places` is a permutation of three: at most two swaps sort it.
        let mut places = self.places;
        for slot in 0..3 {
            while places[slot] != slot {
                let target = places[slot];
                inputs.swap(slot, target);
                places.swap(slot, target);
            }
        }
        let options = buffers.and_then(|buffers| self.buffers[buffers].as_ref()).map(|OutputBuffers(options)| options);
        let outputs = calls::run(&mut self.session, inputs, options, OUTPUTS).map_err(failed)?;
        let [Some(logits), Some(h), Some(c)] = outputs else {
            return Err(Error::Engine(format!("the outputs {OUTPUTS:?} are not all there")));
        };
        self.state = Some([h, c]);
        self.logits = Some(logits);
        Ok(())
    }

    /// The logits (T, N, V) of the last run; empty before it.
    pub fn logits(&self) -> &[f32] {
        let logits = self.logits.as_ref().and_then(|logits| logits.try_extract_tensor::<f32>().ok());
        logits.map_or(&[], |(_, logits)| logits)
    }

    /// The logits (V) after the last token of one text; empty before the first run.
    pub fn last_logits(&self, row: usize) -> &[f32] {
        let logits = self.logits();
        let end = logits.len().saturating_sub((self.batch - 1 - row) * self.size.vocabulary);
        &logits[end.saturating_sub(self.size.vocabulary)..end]
    }

    /// The state of one text: hidden then cell state, (2, L, H).
    pub fn state(&self, row: usize) -> Result<Vec<f32>> {
        let mut numbers = Vec::with_capacity(2 * self.size.layers * self.size.hidden);
        match &self.state {
            None => numbers.resize(numbers.capacity(), 0.0),
            Some(parts) => {
                for part in parts {
                    let (_, part) = part.try_extract_tensor::<f32>().map_err(failed)?;
                    for layer in part.chunks_exact(self.batch * self.size.hidden) {
                        numbers.extend_from_slice(&layer[row * self.size.hidden..][..self.size.hidden]);
                    }
                }
            }
        }
        Ok(numbers)
    }

    /// Gives one text a state that [`state`](Self::state) returned, of this or another network of the same model.
    pub fn set_state(&mut self, row: usize, numbers: &[f32]) -> Result<()> {
        let hidden = self.size.hidden;
        let expected = 2 * self.size.layers * hidden;
        if numbers.len() != expected {
            return Err(Error::StateSize { found: numbers.len(), expected });
        }
        if self.state.is_none() {
            let [h, c] = zero_state(self.size, self.batch)?;
            self.state = Some([h.into_dyn(), c.into_dyn()]);
        }
        for (part, numbers) in self.state.iter_mut().flatten().zip(numbers.chunks_exact(expected / 2)) {
            let (_, part) = part.try_extract_tensor_mut::<f32>().map_err(failed)?;
            for (layer, numbers) in part.chunks_exact_mut(self.batch * hidden).zip(numbers.chunks_exact(hidden)) {
                layer[row * hidden..][..hidden].copy_from_slice(numbers);
            }
        }
        Ok(())
    }

    /// Puts the logits (V) in place that the one text had with the state that [`set_state`](Self::set_state) gave it.
    pub(crate) fn set_logits(&mut self, logits: Vec<f32>) -> Result<()> {
        let shape = [1, self.batch, self.size.vocabulary];
        self.logits = Some(Tensor::from_array((shape, logits)).map_err(failed)?.into_dyn());
        Ok(())
    }

    /// Continues the one text as `batch` texts: all have its state. The logits are gone.
    ///
    /// # Panics
    /// If there is more than one text.
    pub fn fork(&mut self, batch: usize) -> Result<()> {
        assert_eq!(self.batch, 1, "one text is forked");
        let state = self.state(0)?;
        self.restart(batch)?;
        (0..batch).try_for_each(|row| self.set_state(row, &state))
    }

    /// One run on the first token: what the graph gives must have the card's sizes, whatever its signature says.
    fn check_run(&mut self) -> Result<()> {
        self.forward(None)?;
        let found = self.logits().len();
        if found != self.size.vocabulary {
            let complaint =
                format!("{found} logits come out of the graph, and the vocabulary has {}", self.size.vocabulary);
            return Err(Error::Mismatch(complaint));
        }
        for (part, name) in self.state.iter().flatten().zip(&OUTPUTS[1..]) {
            let found = part.try_extract_tensor::<f32>().map_err(failed)?.1.len();
            let expected = self.size.layers * self.size.hidden;
            if found != expected {
                return Err(Error::Mismatch(format!("`{name}` has {found} numbers, and the card makes it {expected}")));
            }
        }
        self.restart(1)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "this is what `map_err` hands over")]
fn failed(error: ort::Error) -> Error {
    match error.code() {
        // What `ort-backend` says when there is no memory, and nothing else.
        ErrorCode::EngineError => Error::Memory(error.message().into()),
        _ => Error::Engine(error.to_string()),
    }
}

/// The first ids of an iterator.
struct Piece<'i, I> {
    ids: &'i mut I,
    left: usize,
}

impl<I: Iterator<Item = u32>> Iterator for Piece<'_, I> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        self.ids.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<I: Iterator<Item = u32>> ExactSizeIterator for Piece<'_, I> {}

fn ids_tensor(time: usize, batch: usize) -> Result<Tensor<i64>> {
    Tensor::from_array(([time, batch], zeros(time * batch)?)).map_err(failed)
}

fn zero_state(size: ModelSize, batch: usize) -> Result<[Tensor<f32>; 2]> {
    let zero = || {
        let shape = [size.layers, batch, size.hidden];
        Tensor::from_array((shape, zeros(shape.iter().product())?)).map_err(failed)
    };
    Ok([zero()?, zero()?])
}

/// Finds the three inputs and outputs by name and holds their types and sizes against the card.
fn check_signature(session: &Session, size: ModelSize) -> Result<[usize; 3]> {
    use TensorElementType::{Float32, Int64};
    let (vocabulary, hidden, layers) = (size.vocabulary as i64, size.hidden as i64, size.layers as i64);
    let any = -1;
    let state = [layers, any, hidden];
    let expected = [
        (INPUTS, session.inputs(), [(Int64, &[any, any][..]), (Float32, &state), (Float32, &state)]),
        (OUTPUTS, session.outputs(), [(Float32, &[any, any, vocabulary][..]), (Float32, &state), (Float32, &state)]),
    ];
    let mut places = [0; 3];
    for (names, outlets, types) in expected {
        if outlets.len() != 3 {
            let found: Vec<_> = outlets.iter().take(4).map(|outlet| onnx_view::shortened(outlet.name())).collect();
            let more = if outlets.len() > found.len() { " and others" } else { "" };
            return Err(Error::Mismatch(format!("the graph has {found:?}{more} where {names:?} are expected")));
        }
        for (number, (name, (element, shape))) in names.into_iter().zip(types).enumerate() {
            let Some(place) = outlets.iter().position(|outlet| outlet.name() == name) else {
                return Err(Error::Mismatch(format!("the graph has no `{name}`")));
            };
            check_type(name, outlets[place].dtype(), element, shape)?;
            if names == INPUTS {
                places[number] = place;
            }
        }
    }
    Ok(places)
}

/// Dimensions below zero are open on either side; a graph that states no shape at all is left to the trial run.
fn check_type(name: &str, found: &ValueType, element: TensorElementType, expected: &[i64]) -> Result<()> {
    let ValueType::Tensor { ty, shape, .. } = found else {
        return Err(Error::Mismatch(format!("`{name}` is no tensor")));
    };
    if *ty != element {
        return Err(Error::Mismatch(format!("`{name}` holds {ty:?} where {element:?} is expected")));
    }
    let fits = |(&found, &expected): (&i64, &i64)| found < 0 || expected < 0 || found == expected;
    if shape.is_empty() || (shape.len() == expected.len() && shape.iter().zip(expected).all(fits)) {
        return Ok(());
    }
    Err(Error::Mismatch(format!(
        "`{name}` has the shape {:?} where the card makes it {expected:?} (-1 is any)",
        &shape[..]
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_takes_its_ids_and_leaves_the_rest() {
        let mut ids = 0..10_u32;
        let piece = Piece { ids: &mut ids, left: 4 };
        assert_eq!(piece.len(), 4);
        // As `run` takes them: by as many places as there are ids.
        assert_eq!([0; 4].iter().zip(piece).map(|(_, id)| id).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(ids.collect::<Vec<_>>(), [4, 5, 6, 7, 8, 9]);
    }
}
