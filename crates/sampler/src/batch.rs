//! Many samples of one prompt, side by side in one run.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::ControlFlow,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use model_card::{Context, ModelCard};

use crate::{End, Error, Model, Network, Plan, Result, Writer};

/// Texts that run side by side in one network; what is beyond them takes the place of those that end.
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
/// Sample n draws from stream n of the seed. `prompt` holds tokens, the boundary before a document included. `helpers`
/// are further networks of the same model; they share the work, each on a thread of its own.
pub fn write_batch(
    model: &mut Model,
    helpers: &mut [Network],
    plan: &Plan,
    prompt: &[u32],
    count: usize,
    mut sink: impl FnMut(Sample) -> ControlFlow<()>,
) -> Result<()> {
    let Model { card, network } = model;
    let workers = 1 + helpers.len().min(count.saturating_sub(1));
    let next = AtomicUsize::new(0);
    let job = Job { card, plan, prompt, count, rows: count.div_ceil(workers).clamp(1, ROWS), next: &next };
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for network in std::iter::once(network).chain(helpers).take(workers) {
            let sender = sender.clone();
            scope.spawn(move || {
                let engine = network.engine().clone();
                engine.within(|| {
                    if let Err(error) = Batch::new(network, job).and_then(|mut batch| batch.write(&sender)) {
                        // Nobody listens when the sink has broken off.
                        let _ = sender.send(Err(error));
                    }
                });
            });
        }
        drop(sender);
        let mut waiting = BTreeMap::new();
        let mut due = 0;
        for sample in receiver {
            let sample = sample?;
            waiting.insert(sample.index, sample);
            while let Some(sample) = waiting.remove(&due) {
                due += 1;
                if sink(sample).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    })
}

/// What all workers share.
#[derive(Clone, Copy)]
struct Job<'j> {
    card: &'j ModelCard,
    plan: &'j Plan,
    prompt: &'j [u32],
    count: usize,
    /// Texts side by side in each network.
    rows: usize,
    /// The number of the next sample.
    next: &'j AtomicUsize,
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

struct Batch<'j> {
    job: Job<'j>,
    network: &'j mut Network,
    /// The window after the prompt; empty where the state is carried.
    window: VecDeque<u32>,
    /// The state after the prompt.
    state: Vec<f32>,
    /// The logits (V) after the prompt.
    logits: Vec<f32>,
    /// The rows of the network; a row whose sample has ended is empty.
    lanes: Vec<Option<Lane>>,
}

impl<'j> Batch<'j> {
    fn new(network: &'j mut Network, job: Job<'j>) -> Result<Self> {
        let mut window = VecDeque::new();
        let read = match job.card.context {
            Context::Stateful => job.prompt,
            Context::Window { length } => {
                let read = &job.prompt[job.prompt.len().saturating_sub(length)..];
                window.extend(read);
                read
            }
        };
        if read.is_empty() {
            return Err(Error::NothingFed);
        }
        network.restart(1)?;
        for part in read.chunks(FEED) {
            network.run(part.iter().copied())?;
        }
        let (state, logits) = (network.state(0)?, network.last_logits(0).to_vec());
        Ok(Self { job, network, window, state, logits, lanes: Vec::new() })
    }

    /// Writes samples until none is left or nobody takes them.
    fn write(&mut self, sender: &mpsc::Sender<Result<Sample>>) -> Result<()> {
        loop {
            if self.lanes.is_empty() {
                self.fill()?;
            }
            if self.lanes.is_empty() {
                return Ok(());
            }
            for row in 0..self.lanes.len() {
                // A sample may end with its first token, and the next one in its place too.
                while let Some(sample) = self.step(row)? {
                    if sender.send(Ok(sample)).is_err() {
                        return Ok(());
                    }
                }
            }
            self.advance()?;
        }
    }

    /// Begins as many samples as stand side by side.
    fn fill(&mut self) -> Result<()> {
        while self.lanes.len() < self.job.rows {
            let Some(lane) = self.begin()? else { break };
            self.lanes.push(Some(lane));
        }
        self.network.restart(self.lanes.len().max(1))?;
        (0..self.lanes.len()).try_for_each(|row| self.network.set_state(row, &self.state))
    }

    /// The next sample of the count.
    fn begin(&self) -> Result<Option<Lane>> {
        let index = self.job.next.fetch_add(1, Ordering::Relaxed);
        if index >= self.job.count {
            return Ok(None);
        }
        let mut writer = Writer::new(self.job.plan, &self.job.card.vocabulary, index as u64)?;
        for &token in self.job.prompt {
            writer.remember(token);
        }
        Ok(Some(Lane { index, writer, text: String::new(), window: self.window.clone(), token: 0, fresh: true }))
    }

    /// Writes one token of a row. If its sample ends with it, another begins there, which has no token yet.
    fn step(&mut self, row: usize) -> Result<Option<Sample>> {
        let Some(lane) = &mut self.lanes[row] else { return Ok(None) };
        let logits = if lane.fresh { &self.logits } else { self.network.last_logits(row) };
        let step = lane.writer.write(&self.job.card.vocabulary, logits);
        lane.text.push_str(step.text);
        lane.token = step.token;
        let Some(end) = step.end else { return Ok(None) };
        let sample = Sample { index: lane.index, text: std::mem::take(&mut lane.text), end };
        self.lanes[row] = if self.may_refill() { self.begin()? } else { None };
        if self.lanes[row].is_some() && self.job.card.context == Context::Stateful {
            self.network.set_state(row, &self.state)?;
        }
        Ok(Some(sample))
    }

    /// A window that is not full yet cannot stand in one batch with full ones.
    fn may_refill(&self) -> bool {
        match self.job.card.context {
            Context::Stateful => true,
            Context::Window { length } => self.window.len() == length,
        }
    }

    /// Lets the network read the tokens that were chosen.
    fn advance(&mut self) -> Result<()> {
        self.compact()?;
        let (lanes, network) = (&mut self.lanes, &mut *self.network);
        if lanes.is_empty() {
            return Ok(());
        }
        for lane in lanes.iter_mut().flatten() {
            lane.fresh = false;
        }
        let Context::Window { length } = self.job.card.context else {
            return network.run(lanes.iter().map(|lane| lane.as_ref().map_or(0, |lane| lane.token)));
        };
        for lane in lanes.iter_mut().flatten() {
            if lane.window.len() == length {
                lane.window.pop_front();
            }
            lane.window.push_back(lane.token);
        }
        let time = lanes.iter().flatten().map(|lane| lane.window.len()).max().unwrap_or(1);
        let rows = lanes.len();
        network.restart(rows)?;
        network.run((0..time * rows).map(|place| match &lanes[place % rows] {
            Some(lane) => lane.window[place / rows],
            None => 0,
        }))
    }

    /// Drops the rows whose samples have ended, once they are half of them.
    fn compact(&mut self) -> Result<()> {
        let alive = self.lanes.iter().flatten().count();
        if 2 * alive > self.lanes.len() {
            return Ok(());
        }
        let rows = (0..self.lanes.len()).filter(|&row| self.lanes[row].is_some());
        let states = rows.map(|row| self.network.state(row)).collect::<Result<Vec<_>>>()?;
        self.lanes.retain(Option::is_some);
        self.network.restart(alive.max(1))?;
        states.iter().enumerate().try_for_each(|(row, state)| self.network.set_state(row, state))
    }
}
