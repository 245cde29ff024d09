//! Many samples of one prompt, side by side in one run.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::ControlFlow,
};

use model_card::Context;

use crate::{End, Error, Model, Plan, Result, Writer};

/// Texts that run side by side; what is beyond them takes the place of those that end.
const ROWS: usize = 256;

/// Tokens of a long prompt that the engine reads at once.
const FEED: usize = 1024;

/// A finished sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Its number, from 0.
    pub index: usize,
    /// What was written after the prompt.
    pub text: String,
    /// Why it ended.
    pub end: End,
}

/// Writes `count` samples of one prompt, and hands them to `sink` in the order of their numbers, each as soon as it and
/// those before it are complete. `sink` may break off.
///
/// Sample n draws from stream n of the seed. `prompt` holds tokens, the boundary before a document included.
pub fn write_batch(
    model: &mut Model,
    plan: &Plan,
    prompt: &[u32],
    count: usize,
    mut sink: impl FnMut(Sample) -> ControlFlow<()>,
) -> Result<()> {
    let mut batch = Batch::new(model, plan, prompt, count)?;
    let mut waiting = BTreeMap::new();
    let mut due = 0;
    while let Some(finished) = batch.step()? {
        for sample in finished {
            waiting.insert(sample.index, sample);
        }
        while let Some(sample) = waiting.remove(&due) {
            due += 1;
            if sink(sample).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// One of the rows.
struct Lane {
    index: usize,
    writer: Writer,
    text: String,
    /// The window that it reads, where the model reads windows.
    window: VecDeque<u32>,
    /// The token that was chosen last.
    token: u32,
    /// It has only the prompt, and continues from the logits that all share.
    fresh: bool,
}

struct Batch<'m> {
    model: &'m mut Model,
    plan: &'m Plan,
    prompt: &'m [u32],
    /// The window after the prompt; empty where the state is carried.
    window: VecDeque<u32>,
    /// The state after the prompt.
    state: Vec<f32>,
    /// The logits (V) after the prompt.
    logits: Vec<f32>,
    /// The rows of the network; a row whose sample has ended is empty.
    lanes: Vec<Option<Lane>>,
    next: usize,
    count: usize,
}

impl<'m> Batch<'m> {
    fn new(model: &'m mut Model, plan: &'m Plan, prompt: &'m [u32], count: usize) -> Result<Self> {
        let mut window = VecDeque::new();
        let read = match model.card.context {
            Context::Stateful => prompt,
            Context::Window { length } => {
                let read = &prompt[prompt.len().saturating_sub(length)..];
                window.extend(read);
                read
            }
        };
        if read.is_empty() {
            return Err(Error::NothingFed);
        }
        let network = &mut model.network;
        network.restart(1)?;
        for part in read.chunks(FEED) {
            network.run(part.iter().copied())?;
        }
        let (state, logits) = (network.state(0)?, network.last_logits(0).to_vec());
        network.fork(count.clamp(1, ROWS))?;
        let mut batch = Self { model, plan, prompt, window, state, logits, lanes: Vec::new(), next: 0, count };
        batch.fill()?;
        Ok(batch)
    }

    /// Begins as many samples as stand side by side.
    fn fill(&mut self) -> Result<()> {
        for _ in 0..(self.count - self.next).min(ROWS) {
            let lane = self.begin()?;
            self.lanes.push(lane);
        }
        Ok(())
    }

    /// Writes one token of every sample and returns those that end with it; `None` when all have ended before.
    fn step(&mut self) -> Result<Option<Vec<Sample>>> {
        if self.lanes.is_empty() {
            self.fill()?;
        }
        if self.lanes.is_empty() {
            return Ok(None);
        }
        let mut finished = Vec::new();
        for row in 0..self.lanes.len() {
            // A sample may end with its first token, and the next one in its place too.
            while let Some(lane) = &mut self.lanes[row] {
                let logits = if lane.fresh { &self.logits } else { self.model.network.last_logits(row) };
                let step = lane.writer.write(&self.model.card.vocabulary, logits);
                lane.text.push_str(step.text);
                lane.token = step.token;
                let Some(end) = step.end else { break };
                finished.push(Sample { index: lane.index, text: std::mem::take(&mut lane.text), end });
                self.lanes[row] = if self.may_refill() { self.begin()? } else { None };
                if self.lanes[row].is_some() && self.model.card.context == Context::Stateful {
                    self.model.network.set_state(row, &self.state)?;
                }
            }
        }
        self.advance()?;
        Ok(Some(finished))
    }

    /// The next sample of the count.
    fn begin(&mut self) -> Result<Option<Lane>> {
        if self.next == self.count {
            return Ok(None);
        }
        let index = self.next;
        self.next += 1;
        let mut writer = Writer::new(self.plan, &self.model.card.vocabulary, index as u64)?;
        self.prompt.iter().for_each(|&token| writer.remember(token));
        Ok(Some(Lane { index, writer, text: String::new(), window: self.window.clone(), token: 0, fresh: true }))
    }

    /// A window that is not full yet cannot stand in one batch with full ones.
    fn may_refill(&self) -> bool {
        match self.model.card.context {
            Context::Stateful => true,
            Context::Window { length } => self.window.len() == length,
        }
    }

    /// Lets the network read the tokens that were chosen.
    fn advance(&mut self) -> Result<()> {
        self.compact()?;
        let lanes = &mut self.lanes;
        let network = &mut self.model.network;
        match self.model.card.context {
            _ if lanes.is_empty() => Ok(()),
            Context::Stateful => network.run(lanes.iter_mut().map(|lane| match lane {
                Some(lane) => {
                    lane.fresh = false;
                    lane.token
                }
                None => 0,
            })),
            Context::Window { length } => {
                for lane in lanes.iter_mut().flatten() {
                    if lane.window.len() == length {
                        lane.window.pop_front();
                    }
                    lane.window.push_back(lane.token);
                    lane.fresh = false;
                }
                let time = lanes.iter().flatten().map(|lane| lane.window.len()).max().unwrap_or(1);
                network.restart(lanes.len())?;
                let rows = lanes.len();
                network.run((0..time * rows).map(|place| match &lanes[place % rows] {
                    Some(lane) => lane.window[place / rows],
                    None => 0,
                }))
            }
        }
    }

    /// Drops the rows whose samples have ended, once they are half of them.
    fn compact(&mut self) -> Result<()> {
        let alive = self.lanes.iter().flatten().count();
        if 2 * alive > self.lanes.len() {
            return Ok(());
        }
        let rows = (0..self.lanes.len()).filter(|&row| self.lanes[row].is_some());
        let states = rows.map(|row| self.model.network.state(row)).collect::<Result<Vec<_>>>()?;
        self.lanes.retain(Option::is_some);
        self.model.network.restart(alive.max(1))?;
        states.iter().enumerate().try_for_each(|(row, state)| self.model.network.set_state(row, state))
    }
}
