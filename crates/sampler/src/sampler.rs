//! One text and the model that continues it.

use std::{collections::VecDeque, path::Path};

use decoding::{Decoding, Options, Rng};
use model_card::{Context, Decoder, ModelCard};

use crate::{Engine, Error, Model, Result, Step, Writer};

/// Tokens of a long prompt that the engine reads at once.
const FEED: usize = 1024;

/// One text and the model that continues it.
///
/// What is fed is read by the network when the next character is asked for. A model that was trained on windows reads
/// the last window from a zero state for every character, as its card says; others carry their state on.
#[derive(Debug)]
pub struct Sampler {
    model: Model,
    /// A window's tokens, or those that the carried state has not seen yet.
    tokens: VecDeque<u32>,
    /// Whether the network's logits are those after the last token.
    current: bool,
    probabilities: Vec<f32>,
}

impl Sampler {
    /// Opens an ONNX file with the engine that is part of this crate.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Model::open(path, &Engine::default()).map(Self::new)
    }

    /// An empty text before a model.
    pub fn new(model: Model) -> Self {
        let mut sampler = Self { model, tokens: VecDeque::new(), current: false, probabilities: Vec::new() };
        sampler.begin();
        sampler
    }

    /// What the model is.
    pub fn card(&self) -> &ModelCard {
        &self.model.card
    }

    /// The model; the text is dropped.
    pub fn into_model(self) -> Model {
        self.model
    }

    /// Ends the text and begins another. Where the model knows a boundary between documents, that is the beginning.
    pub fn reset(&mut self) -> Result<()> {
        self.model.network.restart(1)?;
        self.begin();
        Ok(())
    }

    /// Appends text, normalised as the card says. If a character is unknown, nothing is appended.
    pub fn feed(&mut self, text: &str) -> Result<()> {
        for token in self.model.encode(text)? {
            self.feed_token(token)?;
        }
        Ok(())
    }

    /// Appends one token.
    ///
    /// # Panics
    /// If the token is not below the vocabulary's length.
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

    /// The model's own probabilities (V) of the next token: no temperature, nothing struck out.
    pub fn probabilities(&mut self) -> Result<&[f32]> {
        let mut probabilities = std::mem::take(&mut self.probabilities);
        let logits = self.logits()?;
        probabilities.resize(logits.len(), 0.0);
        decoding::softmax(logits, &mut probabilities);
        self.probabilities = probabilities;
        Ok(&self.probabilities)
    }

    /// Writes one token as `writer` would, and feeds it unless the sample ends with it.
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

    /// Writes on, a character at a time: the same seed gives the same text. An empty text is begun with the card's seed
    /// text. It ends where the model sets a boundary between documents, and otherwise never.
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

    /// Whether there is nothing to continue.
    fn is_empty(&self) -> bool {
        self.tokens.is_empty() && !self.current
    }

    fn begin(&mut self) {
        self.tokens.clear();
        self.tokens.extend(self.model.card.vocabulary.boundary());
        self.current = false;
    }

    /// Lets the network read what it has not seen.
    fn read(&mut self) -> Result<()> {
        if self.tokens.is_empty() {
            return Err(Error::NothingFed);
        }
        let windowed = self.model.card.context != Context::Stateful;
        if windowed {
            self.model.network.restart(1)?;
        }
        self.model.network.run(self.tokens.iter().copied())?;
        if !windowed {
            self.tokens.clear();
        }
        self.current = true;
        Ok(())
    }
}

/// The characters that a [`Sampler`] writes; what is written is fed to it.
///
/// A byte model writes a character in up to four tokens; bytes that are no UTF-8 become U+FFFD.
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
    /// Writes the next token; at a boundary the text ends.
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
