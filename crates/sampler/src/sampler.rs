//! One text and the model that continues it.

use std::{collections::VecDeque, path::Path};

use decoding::{Decoding, Options, Rng};
use model_card::{Context, Decoder, ModelCard};

use crate::{Engine, Error, Model, Plan, Result, Step, Writer, error::check_logits};

/// Tokens of a long prompt that the engine reads in one run.
const FEED: usize = 1024;

/// One text and the model that continues it.
///
/// The network reads what was fed when the next character is asked for. A model that was trained on windows reads the
/// last window from a zero state for every character; other models carry their state on. The card says which it is.
#[derive(Debug)]
pub struct Sampler {
    model: Model,
    /// The tokens of the window, or those that the network has not read yet if it carries its state.
    tokens: VecDeque<u32>,
    /// Whether the network has read the last token.
    current: bool,
    probabilities: Vec<f32>,
}

impl Sampler {
    /// Opens an ONNX file with the built-in engine.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Model::open(path, &Engine::default()).map(Self::new)
    }

    /// Starts an empty text.
    pub fn new(model: Model) -> Self {
        let mut sampler = Self { model, tokens: VecDeque::new(), current: false, probabilities: Vec::new() };
        sampler.begin();
        sampler
    }

    /// What the model is.
    pub fn card(&self) -> &ModelCard {
        &self.model.card
    }

    /// Returns the model. The text is dropped.
    pub fn into_model(self) -> Model {
        self.model
    }

    /// Ends the text and starts another, with a boundary if the model has one between documents.
    pub fn reset(&mut self) -> Result<()> {
        self.model.network.restart(1)?;
        self.begin();
        Ok(())
    }

    /// Starts another text with the tokens of a prompt. The writer writes sample number `stream` of the plan; it counts the
    /// prompt for the repetition penalty and for a text that is not quoted.
    ///
    /// # Errors
    /// [`Error::Options`] for settings out of range; [`Error::NothingFed`] for an empty prompt, unless the model has a
    /// boundary.
    pub fn start(&mut self, plan: &Plan, prompt: &[u32], stream: u64) -> Result<Writer> {
        let mut writer = Writer::new(plan, &self.card().vocabulary, stream)?;
        self.reset()?;
        for &token in prompt {
            writer.remember(token);
            self.feed_token(token)?;
        }
        self.logits()?;
        Ok(writer)
    }

    /// Appends text, which is normalised as the card says. If a character is unknown, nothing is appended.
    pub fn feed(&mut self, text: &str) -> Result<()> {
        for token in self.model.encode(text)? {
            self.feed_token(token)?;
        }
        Ok(())
    }

    /// Appends one token.
    ///
    /// # Panics
    /// If the token is not in the vocabulary.
    pub fn feed_token(&mut self, token: u32) -> Result<()> {
        assert!((token as usize) < self.model.card.size.vocabulary, "token {token} is outside the vocabulary");
        match self.model.card.context {
            Context::Window { length } if self.tokens.len() == length => drop(self.tokens.pop_front()),
            Context::Stateful if self.tokens.len() == FEED => self.read()?,
            _ => {}
        }
        self.tokens.push_back(token);
        self.current = false;
        Ok(())
    }

    /// The logits (V) of the next token.
    pub fn logits(&mut self) -> Result<&[f32]> {
        if !self.current {
            self.read()?;
        }
        Ok(self.model.network.last_logits(0))
    }

    /// The model's own probabilities (V) of the next token, before any temperature or filter.
    pub fn probabilities(&mut self) -> Result<&[f32]> {
        let mut probabilities = std::mem::take(&mut self.probabilities);
        let logits = self.logits()?;
        probabilities.resize(logits.len(), 0.0);
        decoding::softmax(logits, &mut probabilities);
        self.probabilities = probabilities;
        Ok(&self.probabilities)
    }

    /// Writes one token with `writer`, and appends it unless the sample ends there.
    pub fn write<'w>(&mut self, writer: &'w mut Writer) -> Result<Step<'w>> {
        if !self.current {
            self.read()?;
        }
        let step = writer.write(&self.model.card.vocabulary, self.model.network.last_logits(0));
        if step.end.is_none() {
            self.feed_token(step.token)?;
        }
        Ok(step)
    }

    /// Continues the text one character at a time; the same seed gives the same text. An empty text starts with the
    /// card's seed text. The characters end at a boundary between documents, and otherwise never.
    pub fn characters(&mut self, options: Options, seed: u64) -> Result<Characters<'_>> {
        if self.is_empty() {
            let text = self.model.card.seed_text.clone();
            self.feed(&text)?;
        }
        let mut options = options;
        options.excluded.extend(self.model.card.vocabulary.unknown().map(|token| token as usize));
        Ok(Characters {
            decoding: Decoding::new(options)?,
            rng: Rng::seed(seed),
            decoder: Decoder::default(),
            written: VecDeque::new(),
            ended: false,
            sampler: self,
        })
    }

    /// What the next token depends on.
    pub(crate) fn reading(&mut self) -> Result<Reading> {
        if self.model.card.context != Context::Stateful {
            let window = self.tokens.iter().copied().collect();
            return Ok(Reading { window, state: Vec::new(), logits: Vec::new() });
        }
        let logits = self.logits()?.to_vec();
        Ok(Reading { window: Vec::new(), state: self.model.network.state(0)?, logits })
    }

    /// Takes over what the next token depends on. Its sizes are those of this model.
    pub(crate) fn set_reading(&mut self, reading: Reading) -> Result<()> {
        self.model.network.restart(1)?;
        self.tokens = reading.window.into();
        self.current = self.model.card.context == Context::Stateful;
        if self.current {
            check_logits(&reading.logits)?;
            self.model.network.set_state(0, &reading.state)?;
            self.model.network.set_logits(reading.logits)?;
        }
        Ok(())
    }

    /// Whether there is nothing to continue.
    fn is_empty(&self) -> bool {
        self.tokens.is_empty() && !self.current
    }

    fn begin(&mut self) {
        self.tokens.clear();
        self.tokens.extend(self.model.card.vocabulary.boundary());
        self.current = false;
    }

    /// Runs the network over the tokens that it has not read.
    fn read(&mut self) -> Result<()> {
        if self.tokens.is_empty() {
            return Err(Error::NothingFed);
        }
        let windowed = self.model.card.context != Context::Stateful;
        if windowed {
            self.model.network.restart(1)?;
        }
        self.model.network.read(self.tokens.iter().copied())?;
        if !windowed {
            self.tokens.clear();
        }
        self.current = true;
        check_logits(self.model.network.last_logits(0))
    }
}

/// What the next token depends on.
pub(crate) struct Reading {
    /// The tokens of the window, if the model reads windows.
    pub window: Vec<u32>,
    /// The state (2, L, H) and the logits (V) after the last token, if the model carries its state.
    pub state: Vec<f32>,
    pub logits: Vec<f32>,
}

/// The characters that a [`Sampler`] writes. They become part of its text.
///
/// A byte model takes up to four tokens for a character. Invalid UTF-8 becomes U+FFFD.
#[derive(Debug)]
pub struct Characters<'s> {
    sampler: &'s mut Sampler,
    decoding: Decoding,
    rng: Rng,
    decoder: Decoder,
    written: VecDeque<char>,
    ended: bool,
}

impl Characters<'_> {
    /// Writes the next token. A boundary ends the text.
    fn write(&mut self) -> Result<()> {
        let token = self.decoding.choose(self.sampler.logits()?, &mut self.rng) as u32;
        let vocabulary = &self.sampler.model.card.vocabulary;
        if Some(token) == vocabulary.boundary() {
            self.written.extend(self.decoder.finish().chars());
            self.ended = true;
            return Ok(());
        }
        self.written.extend(self.decoder.push(vocabulary, token).chars());
        self.sampler.feed_token(token)
    }
}

impl Iterator for Characters<'_> {
    type Item = Result<char>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.written.is_empty() && !self.ended {
            if let Err(error) = self.write() {
                self.ended = true;
                return Some(Err(error));
            }
        }
        self.written.pop_front().map(Ok)
    }
}
