//! How surprising a text is to a model: nats per character, computed in batches and in constant memory.
//!
//! A long text is cut into blocks, and a block into streams that run as one batch. Each stream first reads the characters
//! before its own without scoring them. Its state is then the one that a single pass would have, except for what an LSTM
//! remembers from further back. Pieces that are too short for several streams carry the state from one to the next. A
//! model that was trained on windows is scored on its windows.

use std::thread::{self, Scope, ScopedJoinHandle};

use model_card::Context;

use crate::{Error, Model, Network, Result, network::MOST_LOGITS};

/// Streams of a block.
const STREAMS: usize = 64;
/// Tokens that a stream scores in one block.
const SPAN: usize = 2048;
/// Tokens that a stream reads before those that it scores.
const WARM_UP: usize = 256;
/// Largest number of logits in one run of the engine. More would not fit the cache; with fewer, two threads spend their
/// time on returning buffers to the system and getting new ones.
const LOGITS: usize = 1 << 19;

/// Scores a text piece by piece.
///
/// Scores are in nats and come in the order of the tokens, up to a block late; [`flush`](Self::flush) gets those that
/// are due. The first token of a text has no score (NaN), unless the model has a boundary, which then precedes it.
#[derive(Debug)]
pub struct Scorer {
    model: Model,
    helpers: Vec<Network>,
    /// The context, which is scored already, followed by the tokens to score.
    tokens: Vec<u32>,
    /// Length of the context.
    context: usize,
    /// Whether the state of the model's network is the one after all tokens but the last.
    is_carried: bool,
    nats: Vec<f32>,
}

impl Scorer {
    /// The most networks that can share the work, the model's own included.
    pub const MAX_NETWORKS: usize = STREAMS;

    /// Starts a text. `helpers` are more networks of the same model; each works on a thread of its own.
    pub fn new(model: Model, helpers: Vec<Network>) -> Self {
        let mut scorer = Self { model, helpers, tokens: Vec::new(), context: 0, is_carried: false, nats: Vec::new() };
        scorer.begin();
        scorer
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Appends tokens, and passes the scores of each full block to `sink`.
    pub fn push(&mut self, tokens: &[u32], mut sink: impl FnMut(f32)) -> Result<()> {
        let block = STREAMS * SPAN;
        let mut rest = tokens;
        while !rest.is_empty() {
            let room = block - (self.tokens.len() - self.context);
            let (taken, left) = rest.split_at(room.min(rest.len()));
            self.tokens.extend_from_slice(taken);
            rest = left;
            if self.tokens.len() - self.context == block {
                self.score(&mut sink)?;
            }
        }
        Ok(())
    }

    /// Passes the scores of all tokens so far to `sink`. The text goes on.
    pub fn flush(&mut self, mut sink: impl FnMut(f32)) -> Result<()> {
        self.score(&mut sink)
    }

    /// Ends the text: passes the last scores to `sink` and starts another text.
    pub fn finish(&mut self, sink: impl FnMut(f32)) -> Result<()> {
        self.flush(sink)?;
        self.begin();
        Ok(())
    }

    fn begin(&mut self) {
        self.tokens.clear();
        self.tokens.extend(self.model.card.vocabulary.boundary());
        self.context = self.tokens.len();
        self.is_carried = false;
    }

    /// Scores the tokens after the context. The last of them become the next context.
    fn score(&mut self, sink: &mut impl FnMut(f32)) -> Result<()> {
        let count = self.tokens.len() - self.context;
        if count == 0 {
            return Ok(());
        }
        self.nats.clear();
        self.nats.resize(count, f32::NAN);
        match self.model.card.context {
            Context::Stateful => self.score_streams()?,
            Context::Window { length } => self.score_windows(length)?,
        }
        self.nats.iter().copied().for_each(sink);
        let keep = match self.model.card.context {
            Context::Stateful => WARM_UP,
            Context::Window { length } => length,
        };
        self.tokens.drain(..self.tokens.len().saturating_sub(keep));
        self.context = self.tokens.len();
        Ok(())
    }

    /// Scores with carried states. The networks share the streams.
    fn score_streams(&mut self) -> Result<()> {
        let most = streams_of(&self.model);
        let Self { model, helpers, tokens, context, is_carried, nats } = self;
        // The first token of all has no score.
        let first = (*context).max(1);
        let count = tokens.len().saturating_sub(first);
        if count == 0 {
            return Ok(());
        }
        let streams = count.div_ceil(WARM_UP).min(most);
        let span = count.div_ceil(streams);
        let was_carried = std::mem::replace(is_carried, streams == 1) && streams == 1;
        let share = streams.div_ceil(1 + helpers.len());
        let parts = nats[first - *context..].chunks_mut(share * span);
        let networks = std::iter::once(&mut model.network).chain(helpers);
        let tokens: &[u32] = tokens;
        if parts.len() == 1 {
            return networks.zip(parts).try_for_each(|(network, nats)| {
                Streams { tokens, first, span, is_carried: was_carried }.score(network, nats)
            });
        }
        thread::scope(|scope| {
            let work = networks.zip(parts).enumerate().map(|(number, (network, nats))| {
                let first = first + number * share * span;
                let streams = Streams { tokens, first, span, is_carried: false };
                spawn(scope, move || network.engine().clone().within(|| streams.score(network, nats)))
            });
            join(work.collect())
        })
    }

    /// Scores each token after its window, which starts from a zero state.
    fn score_windows(&mut self, length: usize) -> Result<()> {
        let streams = streams_of(&self.model);
        let Self { model, helpers, tokens, context, nats, .. } = self;
        let begin = (*context).max(1);
        let tokens: &[u32] = tokens;
        // Windows grow at the beginning of a text, so each of these has a length of its own.
        let growing = length.clamp(begin, tokens.len().max(begin));
        let (alone, full) = nats[begin - *context..].split_at_mut(growing - begin);
        for (target, nats) in (begin..).zip(alone.chunks_mut(1)) {
            score_windows(&mut model.network, tokens, target, target, nats)?;
        }
        let score = |network: &mut Network, first: usize, nats: &mut [f32]| {
            let mut parts = (first..).step_by(streams).zip(nats.chunks_mut(streams));
            parts.try_for_each(|(target, nats)| score_windows(network, tokens, target, length, nats))
        };
        if helpers.is_empty() {
            return score(&mut model.network, growing, full);
        }
        let share = full.len().div_ceil(1 + helpers.len()).max(1);
        let networks = std::iter::once(&mut model.network).chain(helpers);
        thread::scope(|scope| {
            let work = networks.zip(full.chunks_mut(share)).enumerate().map(|(number, (network, nats))| {
                let first = growing + number * share;
                spawn(scope, move || network.engine().clone().within(|| score(network, first, nats)))
            });
            join(work.collect())
        })
    }
}

/// Streams, or windows, that one run of a network has: fewer if the vocabulary is so large that the logits of a time step
/// would take much memory.
fn streams_of(model: &Model) -> usize {
    (MOST_LOGITS / model.card.size.vocabulary).clamp(1, STREAMS)
}

/// A thread of a scope, or why there is none.
type Work<'s> = Result<ScopedJoinHandle<'s, Result<()>>>;

fn spawn<'s>(scope: &'s Scope<'s, '_>, work: impl FnOnce() -> Result<()> + Send + 's) -> Work<'s> {
    thread::Builder::new().spawn_scoped(scope, work).map_err(Error::Thread)
}

/// Waits for all of them. A panic in one is passed on.
fn join(work: Vec<Work<'_>>) -> Result<()> {
    work.into_iter().try_for_each(|work| work?.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

/// The surprise at a token, in nats: plus infinity for one that the model never writes.
fn surprise(logits: &[f32], token: u32) -> Result<f32> {
    let nats = -decoding::log_probability(logits, token as usize) as f32;
    if nats.is_nan() { Err(Error::NotNumbers) } else { Ok(nats) }
}

/// Scores as many tokens from `target` on as there are `nats`, each after a window of `window` tokens.
fn score_windows(network: &mut Network, tokens: &[u32], target: usize, window: usize, nats: &mut [f32]) -> Result<()> {
    let rows = nats.len();
    network.restart(rows)?;
    network.read((0..window * rows).map(|place| tokens[target + place % rows + place / rows - window]))?;
    for (row, nats) in nats.iter_mut().enumerate() {
        *nats = surprise(network.last_logits(row), tokens[target + row])?;
    }
    Ok(())
}

/// A batch of streams: stream s scores `span` tokens from `first + s * span` on.
#[derive(Clone, Copy)]
struct Streams<'t> {
    tokens: &'t [u32],
    first: usize,
    span: usize,
    /// Whether the network has read all before the token before `first`. There is only one stream then.
    is_carried: bool,
}

impl Streams<'_> {
    /// Scores as many tokens from `first` on as there are `nats`.
    fn score(self, network: &mut Network, nats: &mut [f32]) -> Result<()> {
        let Self { tokens, first, span, is_carried } = self;
        let size = network.size();
        let streams = nats.len().div_ceil(span);
        let begin = |stream: usize| first + stream * span;
        // Each stream starts this far before its first token. Places before the text are read as token 0, then forgotten.
        let warm_up = if is_carried { 1 } else { WARM_UP.min(begin(streams - 1)) };
        let fresh = vec![0.0; 2 * size.layers * size.hidden];
        let slice = (LOGITS / (streams * size.vocabulary)).max(1);
        let last = warm_up + span - 1;
        if !is_carried {
            network.restart(streams)?;
        }
        let mut time = 0;
        while time < last {
            // If the text begins within the warm-up of a stream, the stream's state is zero there.
            for stream in (0..streams).filter(|&stream| begin(stream) + time == warm_up) {
                network.set_state(stream, &fresh)?;
            }
            let starts = (0..streams).filter_map(|stream| warm_up.checked_sub(begin(stream)));
            let next_start = starts.filter(|&start| start > time).min().unwrap_or(last);
            let end = (time + slice).min(last).min(next_start);
            let place = |number: usize| {
                let (now, stream) = (time + number / streams, number % streams);
                (stream, (begin(stream) + now).checked_sub(warm_up))
            };
            network.run((0..(end - time) * streams).map(|number| {
                let (_, place) = place(number);
                place.and_then(|place| tokens.get(place)).copied().unwrap_or(0)
            }))?;
            for (number, logits) in network.logits().chunks_exact(size.vocabulary).enumerate() {
                // These logits predict the token after the one that was read.
                let (stream, Some(read)) = place(number) else { continue };
                let target = read + 1;
                if target >= begin(stream) && target - first < nats.len() {
                    nats[target - first] = surprise(logits, tokens[target])?;
                }
            }
            time = end;
        }
        Ok(())
    }
}
