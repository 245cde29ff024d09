//! How surprising a text is to a model: nats for every character, in batches, in constant memory.
//!
//! A long text is cut into blocks, and a block into streams that run side by side. Every stream reads the characters
//! just before its own first, unscored, so that its state is (but for what an LSTM still knows of longer ago) the one
//! that a single pass would have carried there. A model that was trained on windows is scored on its windows.

use std::thread;

use model_card::Context;

use crate::{Model, Network, Result};

/// Streams that run side by side.
const STREAMS: usize = 64;
/// Tokens that a stream scores in one block.
const SPAN: usize = 2048;
/// Tokens that a stream reads before those that it scores.
const WARM_UP: usize = 256;
/// Logits that the engine gives at once. More would leave the cache; with fewer, two threads spend their time on handing
/// buffers back to the system and taking new ones.
const LOGITS: usize = 1 << 19;

/// Scores texts, a piece at a time.
///
/// Scores come in the order of the tokens, in nats, late by up to a block; the first token of a text has none (NaN)
/// unless the model knows a boundary, which then stands before it.
#[derive(Debug)]
pub struct Scorer {
    model: Model,
    helpers: Vec<Network>,
    /// Context that is scored already, then what is not.
    tokens: Vec<u32>,
    /// Tokens of `tokens` that are context.
    context: usize,
    nats: Vec<f32>,
}

impl Scorer {
    /// A scorer at the beginning of a text. `helpers` are further networks of the same model; they share the work, each on
    /// a thread of its own.
    pub fn new(model: Model, helpers: Vec<Network>) -> Self {
        let mut scorer = Self { model, helpers, tokens: Vec::new(), context: 0, nats: Vec::new() };
        scorer.begin();
        scorer
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Reads on, and hands the scores that have become known to `sink`.
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

    /// Ends the text: hands the last scores to `sink` and begins another.
    pub fn finish(&mut self, mut sink: impl FnMut(f32)) -> Result<()> {
        self.score(&mut sink)?;
        self.begin();
        Ok(())
    }

    fn begin(&mut self) {
        self.tokens.clear();
        self.tokens.extend(self.model.card.vocabulary.boundary());
        self.context = self.tokens.len();
    }

    /// Scores what is not context and makes its end the context of what follows.
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

    /// From carried states, the streams shared out among the networks.
    fn score_streams(&mut self) -> Result<()> {
        let Self { model, helpers, tokens, context, nats } = self;
        // Without any token before it, a token has no score.
        let first = (*context).max(1);
        let count = tokens.len().saturating_sub(first);
        if count == 0 {
            return Ok(());
        }
        let streams = count.div_ceil(WARM_UP).min(STREAMS);
        let span = count.div_ceil(streams);
        let share = streams.div_ceil(1 + helpers.len());
        let parts = nats[first - *context..].chunks_mut(share * span);
        let networks = std::iter::once(&mut model.network).chain(helpers);
        let tokens: &[u32] = tokens;
        if parts.len() == 1 {
            return networks
                .zip(parts)
                .try_for_each(|(network, nats)| Streams { tokens, first, span }.score(network, nats));
        }
        thread::scope(|scope| {
            let work = networks.zip(parts).enumerate().map(|(number, (network, nats))| {
                let streams = Streams { tokens, first: first + number * share * span, span };
                scope.spawn(move || network.engine().clone().within(|| streams.score(network, nats)))
            });
            let work: Vec<_> = work.collect();
            // A panic of a worker is one of the scorer.
            work.into_iter().try_for_each(|work| work.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }

    /// Every token after its window, from a zero state.
    fn score_windows(&mut self, length: usize) -> Result<()> {
        let Self { model, helpers, tokens, context, nats } = self;
        let begin = (*context).max(1);
        let tokens: &[u32] = tokens;
        // At the beginning of a text windows grow, so each has a length of its own.
        let growing = length.clamp(begin, tokens.len().max(begin));
        let (alone, full) = nats[begin - *context..].split_at_mut(growing - begin);
        for (target, nats) in (begin..).zip(alone.chunks_mut(1)) {
            score_windows(&mut model.network, tokens, target, target, nats)?;
        }
        let share = full.len().div_ceil(1 + helpers.len()).max(1);
        let networks = std::iter::once(&mut model.network).chain(helpers);
        thread::scope(|scope| {
            let work = networks.zip(full.chunks_mut(share)).enumerate().map(|(number, (network, nats))| {
                let first = growing + number * share;
                scope.spawn(move || {
                    network.engine().clone().within(|| {
                        let mut parts = (first..).step_by(STREAMS).zip(nats.chunks_mut(STREAMS));
                        parts.try_for_each(|(target, nats)| score_windows(network, tokens, target, length, nats))
                    })
                })
            });
            let work: Vec<_> = work.collect();
            work.into_iter().try_for_each(|work| work.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }
}

/// Scores the tokens from `target` on, one for each of `nats`, each after a window of so many tokens.
fn score_windows(network: &mut Network, tokens: &[u32], target: usize, window: usize, nats: &mut [f32]) -> Result<()> {
    let rows = nats.len();
    network.restart(rows)?;
    network.run((0..window * rows).map(|place| tokens[target + place % rows + place / rows - window]))?;
    for (row, nats) in nats.iter_mut().enumerate() {
        *nats = -decoding::log_probability(network.last_logits(row), tokens[target + row] as usize) as f32;
    }
    Ok(())
}

/// Streams side by side: stream s scores `span` tokens from `first + s * span` on.
#[derive(Clone, Copy)]
struct Streams<'t> {
    tokens: &'t [u32],
    first: usize,
    span: usize,
}

impl Streams<'_> {
    /// Scores the tokens from `first` on, one for each of `nats`.
    fn score(self, network: &mut Network, nats: &mut [f32]) -> Result<()> {
        let Self { tokens, first, span } = self;
        let size = network.size();
        let streams = nats.len().div_ceil(span);
        let begin = |stream: usize| first + stream * span;
        // A stream reads from so far before its first token; what lies before the text is read as token 0 and forgotten.
        let warm_up = WARM_UP.min(begin(streams - 1));
        let fresh = vec![0.0; 2 * size.layers * size.hidden];
        let slice = (LOGITS / (streams * size.vocabulary)).max(1);
        let last = warm_up + span - 1;
        network.restart(streams)?;
        let mut time = 0;
        while time < last {
            // Where the text begins inside the warm-up of some stream, that stream starts from zero there.
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
                // The logits after this token are about the next one.
                let (stream, Some(read)) = place(number) else { continue };
                let target = read + 1;
                if target >= begin(stream) && target - first < nats.len() {
                    nats[target - first] = -decoding::log_probability(logits, tokens[target] as usize) as f32;
                }
            }
            time = end;
        }
        Ok(())
    }
}
