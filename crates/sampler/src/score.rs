//! How surprising a text is to a model: nats for every character, in batches, in constant memory.
//!
//! A long text is cut into blocks, and a block into streams that run side by side. Every stream reads the characters
//! just before its own first, unscored, so that its state is (but for what an LSTM still knows of longer ago) the one
//! that a single pass would have carried there. A model that was trained on windows is scored on its windows.

use model_card::Context;

use crate::{Model, Result};

/// Streams that run side by side.
const STREAMS: usize = 64;
/// Tokens that a stream scores in one block.
const SPAN: usize = 2048;
/// Tokens that a stream reads before those that it scores.
const WARM_UP: usize = 256;
/// Logits that may lie in memory at once.
const LOGITS: usize = 1 << 21;

/// Scores texts, a piece at a time.
///
/// Scores come in the order of the tokens, in nats, late by up to a block; the first token of a text has none (NaN)
/// unless the model knows a boundary, which then stands before it.
#[derive(Debug)]
pub struct Scorer {
    model: Model,
    /// Context that is scored already, then what is not.
    tokens: Vec<u32>,
    /// Tokens of `tokens` that are context.
    context: usize,
    nats: Vec<f32>,
}

impl Scorer {
    /// A scorer at the beginning of a text.
    pub fn new(model: Model) -> Self {
        let mut scorer = Self { model, tokens: Vec::new(), context: 0, nats: Vec::new() };
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

    /// From carried states. Stream s scores the tokens from `first + s * span` on.
    fn score_streams(&mut self) -> Result<()> {
        let Self { model, tokens, context, nats } = self;
        // Without any token before it, a token has no score.
        let first = (*context).max(1);
        let count = tokens.len().saturating_sub(first);
        if count == 0 {
            return Ok(());
        }
        let streams = count.div_ceil(WARM_UP).min(STREAMS);
        let span = count.div_ceil(streams);
        // A stream reads from so far before its first token; what lies before the text is read as token 0 and forgotten.
        let warm_up = WARM_UP.min(first + (streams - 1) * span);
        let fresh: Vec<f32> = vec![0.0; 2 * model.card.size.layers * model.card.size.hidden];
        let vocabulary = model.card.size.vocabulary;
        let slice = (LOGITS / (streams * vocabulary)).max(1);
        model.network.restart(streams)?;
        let begin = |stream: usize| first + stream * span;
        let mut time = 0;
        while time < warm_up + span - 1 {
            // Where the text begins inside the warm-up of some stream, that stream starts from zero there.
            let starts =
                (0..streams).filter_map(|stream| warm_up.checked_sub(begin(stream))).filter(|&start| start > time);
            let end = (time + slice).min(warm_up + span - 1).min(starts.min().unwrap_or(usize::MAX));
            for stream in (0..streams).filter(|&stream| begin(stream) + time == warm_up) {
                model.network.set_state(stream, &fresh)?;
            }
            let place = |time: usize, stream: usize| (begin(stream) + time).checked_sub(warm_up);
            let ids = (0..(end - time) * streams).map(|number| {
                let place = place(time + number / streams, number % streams);
                place.and_then(|place| tokens.get(place)).copied().unwrap_or(0)
            });
            model.network.run(ids)?;
            let rows = model.network.logits().chunks_exact(vocabulary);
            for (number, logits) in rows.enumerate() {
                let (now, stream) = (time + number / streams, number % streams);
                // The logits after this token are about the next one.
                let Some(target) = place(now, stream).map(|place| place + 1) else { continue };
                let own = target >= begin(stream) && target < (begin(stream) + span).min(tokens.len());
                if own {
                    nats[target - *context] = -decoding::log_probability(logits, tokens[target] as usize) as f32;
                }
            }
            time = end;
        }
        Ok(())
    }

    /// Every token after its window, from a zero state.
    fn score_windows(&mut self, length: usize) -> Result<()> {
        let Self { model, tokens, context, nats } = self;
        let mut target = (*context).max(1);
        while target < tokens.len() {
            // At the beginning of a text windows grow, so each has a length of its own.
            let rows = if target < length { 1 } else { STREAMS.min(tokens.len() - target) };
            let time = length.min(target);
            model.network.restart(rows)?;
            let ids = (0..time * rows).map(|place| tokens[target + place % rows + place / rows - time]);
            model.network.run(ids)?;
            for row in 0..rows {
                let token = tokens[target + row] as usize;
                let surprise = -decoding::log_probability(model.network.last_logits(row), token);
                nats[target + row - *context] = surprise as f32;
            }
            target += rows;
        }
        Ok(())
    }
}
