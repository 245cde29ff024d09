//! Many samples of one prompt, computed as one batch.

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

use crate::{End, Error, Model, Network, Plan, Result, Writer, error::check_logits, network::MOST_LOGITS};

/// Largest batch of one network. Further samples start when others end.
const LARGEST_BATCH: usize = 256;

/// Tokens of a long prompt that the engine reads in one run.
const FEED: usize = 1024;

/// A finished sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Its number, counted from 0.
    pub index: usize,
    /// What was written after the prompt.
    pub text: String,
    /// Why it ended.
    pub end: End,
}

/// Writes `count` samples of one prompt and passes them to `sink` in the order of their numbers, each as soon as it and
/// all before it are complete. `sink` can stop the whole.
///
/// Sample n draws from stream n of the seed. `prompt` includes the boundary that begins a document. `helpers` are more
/// networks of the same model; each works on a thread of its own.
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
    let largest = (MOST_LOGITS / card.size.vocabulary).clamp(1, LARGEST_BATCH);
    let batch = count.div_ceil(workers).clamp(1, largest);
    let job = Job { card, plan, prompt, count, batch, next: &next };
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        let mut threads = 0;
        for network in std::iter::once(network).chain(helpers).take(workers) {
            let sender = sender.clone();
            let work = move || {
                let engine = network.engine().clone();
                engine.within(|| {
                    if let Err(error) = Batch::new(network, job).and_then(|mut batch| batch.write(&sender)) {
                        // The receiver is gone if the sink has stopped.
                        let _ = sender.send(Err(error));
                    }
                });
            };
            let started = thread::Builder::new().spawn_scoped(scope, work).map(drop).map_err(Error::Thread);
            match started {
                Ok(()) => threads += 1,
                // Those that have been started write all texts.
                Err(_) if threads > 0 => break,
                Err(error) => return Err(error),
            }
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

/// What all networks work on.
#[derive(Clone, Copy)]
struct Job<'j> {
    card: &'j ModelCard,
    plan: &'j Plan,
    prompt: &'j [u32],
    count: usize,
    /// The batch of each network.
    batch: usize,
    /// The number of the next sample.
    next: &'j AtomicUsize,
}

/// A sample that is being written, in one row of the batch.
struct Row {
    index: usize,
    writer: Writer,
    text: String,
    /// The window that the network reads, if the model was trained on windows.
    window: VecDeque<u32>,
    /// The token that was chosen last.
    token: u32,
    /// Whether there is only the prompt so far, whose logits are shared.
    is_new: bool,
}

struct Batch<'j> {
    job: Job<'j>,
    network: &'j mut Network,
    /// The window after the prompt; empty if the model carries its state.
    window: VecDeque<u32>,
    /// The state after the prompt.
    state: Vec<f32>,
    /// The logits (V) after the prompt.
    logits: Vec<f32>,
    /// The rows of the batch. `None` once a sample has ended and no other took its row.
    rows: Vec<Option<Row>>,
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
            network.read(part.iter().copied())?;
        }
        let (state, logits) = (network.state(0)?, network.last_logits(0).to_vec());
        Ok(Self { job, network, window, state, logits, rows: Vec::new() })
    }

    /// Writes samples until none is left or the receiver is gone.
    fn write(&mut self, sender: &mpsc::Sender<Result<Sample>>) -> Result<()> {
        loop {
            if self.rows.is_empty() {
                self.fill()?;
            }
            if self.rows.is_empty() {
                return Ok(());
            }
            for row in 0..self.rows.len() {
                // A sample may end with its first token, and so may the next one in its row.
                while let Some(sample) = self.step(row)? {
                    if sender.send(Ok(sample)).is_err() {
                        return Ok(());
                    }
                }
            }
            self.advance()?;
        }
    }

    /// Starts a batch of new samples.
    fn fill(&mut self) -> Result<()> {
        while self.rows.len() < self.job.batch {
            let Some(row) = self.begin()? else { break };
            self.rows.push(Some(row));
        }
        self.network.restart(self.rows.len().max(1))?;
        (0..self.rows.len()).try_for_each(|row| self.network.set_state(row, &self.state))
    }

    /// The next sample, if there is one.
    fn begin(&self) -> Result<Option<Row>> {
        let index = self.job.next.fetch_add(1, Ordering::Relaxed);
        if index >= self.job.count {
            return Ok(None);
        }
        let mut writer = Writer::new(self.job.plan, &self.job.card.vocabulary, index as u64)?;
        for &token in self.job.prompt {
            writer.remember(token);
        }
        Ok(Some(Row { index, writer, text: String::new(), window: self.window.clone(), token: 0, is_new: true }))
    }

    /// Writes one token of a row. If that ends the sample, the next sample starts in this row.
    fn step(&mut self, place: usize) -> Result<Option<Sample>> {
        let Some(row) = &mut self.rows[place] else { return Ok(None) };
        if row.writer.end().is_none() {
            let logits = if row.is_new { &self.logits } else { self.network.last_logits(place) };
            check_logits(logits)?;
            let step = row.writer.write(&self.job.card.vocabulary, logits);
            row.text.push_str(step.text);
            row.token = step.token;
        }
        let Some(end) = row.writer.end() else { return Ok(None) };
        let sample = Sample { index: row.index, text: std::mem::take(&mut row.text), end };
        self.rows[place] = if self.may_refill() { self.begin()? } else { None };
        if self.rows[place].is_some() && self.job.card.context == Context::Stateful {
            self.network.set_state(place, &self.state)?;
        }
        Ok(Some(sample))
    }

    /// Whether a new sample can join the batch. A window that is not full cannot: windows of a batch have one length.
    fn may_refill(&self) -> bool {
        match self.job.card.context {
            Context::Stateful => true,
            Context::Window { length } => self.window.len() == length,
        }
    }

    /// Runs the network over the tokens that were chosen.
    fn advance(&mut self) -> Result<()> {
        self.compact()?;
        let (rows, network) = (&mut self.rows, &mut *self.network);
        if rows.is_empty() {
            return Ok(());
        }
        for row in rows.iter_mut().flatten() {
            row.is_new = false;
        }
        let Context::Window { length } = self.job.card.context else {
            return network.run(rows.iter().map(|row| row.as_ref().map_or(0, |row| row.token)));
        };
        for row in rows.iter_mut().flatten() {
            if row.window.len() == length {
                row.window.pop_front();
            }
            row.window.push_back(row.token);
        }
        let time = rows.iter().flatten().map(|row| row.window.len()).max().unwrap_or(1);
        let batch = rows.len();
        network.restart(batch)?;
        network.read((0..time * batch).map(|place| match &rows[place % batch] {
            Some(row) => row.window[place / batch],
            None => 0,
        }))
    }

    /// Drops the rows whose samples have ended once they are half of the batch.
    fn compact(&mut self) -> Result<()> {
        let alive = self.rows.iter().flatten().count();
        if 2 * alive > self.rows.len() {
            return Ok(());
        }
        let rows = (0..self.rows.len()).filter(|&row| self.rows[row].is_some());
        let states = rows.map(|row| self.network.state(row)).collect::<Result<Vec<_>>>()?;
        self.rows.retain(Option::is_some);
        self.network.restart(alive.max(1))?;
        states.iter().enumerate().try_for_each(|(row, state)| self.network.set_state(row, state))
    }
}
