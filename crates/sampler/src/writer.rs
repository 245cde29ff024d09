//! Writes one sample token by token: how a token is chosen, and where the sample ends.

use std::sync::Arc;

use decoding::{Decoding, Options, Rng};
use model_card::{Decoder, Unit, Vocabulary};

use crate::{KnownText, Result};

/// How samples are written.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// How the next token is chosen.
    pub options: Options,
    /// Temperatures to cycle through, one per token. If empty, the temperature in `options` holds for all.
    pub cycle: Vec<f32>,
    /// Number of characters to write.
    pub length: usize,
    /// Finish the last word, even if that makes the sample longer than `length`.
    pub words: bool,
    /// A sample ends after any of these texts.
    pub stops: Vec<String>,
    /// The random seed. Sample n draws from stream n of it.
    pub seed: u64,
    /// The sample goes on later, as [`Sampler::save_state`](crate::Sampler::save_state) makes possible: a character whose last
    /// bytes are missing at the end waits for them and does not become U+FFFD.
    pub continued: bool,
    /// A text that is not quoted: its runs of [`length`](KnownText::length) tokens are not written, nor completed after
    /// tokens of the prompt. Where every token would complete one, the sample ends.
    pub known: Option<Arc<KnownText>>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            options: Options::default(),
            cycle: Vec::new(),
            length: 400,
            words: false,
            stops: Vec::new(),
            seed: 0,
            continued: false,
            known: None,
        }
    }
}

/// Why a sample ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It has reached its length.
    Length,
    /// The model wrote a boundary between documents.
    Boundary,
    /// It ends in a stop text.
    Stop,
    /// Every token would have completed a quotation of [`Plan::known`].
    Novel,
}

impl End {
    /// The reason in one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Boundary => "boundary",
            Self::Stop => "stop",
            Self::Novel => "novel",
        }
    }
}

/// One token that was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step<'w> {
    /// The token. The network has to read it next, unless the sample has ended.
    pub token: u32,
    /// The text that the token completes: usually one character; empty inside a multi-byte character, and more than one
    /// character after invalid bytes.
    pub text: &'w str,
    /// Why the sample ends here, if it does.
    pub end: Option<End>,
}

/// Writes one sample token by token.
#[derive(Debug, Clone)]
pub struct Writer {
    decoding: Decoding,
    rng: Rng,
    decoder: Decoder,
    text: String,
    cycle: Vec<f32>,
    tokens: usize,
    length: usize,
    characters: usize,
    words: bool,
    in_word: bool,
    stops: Vec<String>,
    /// The end of the text so far, long enough to find the longest stop text in it.
    tail: String,
    end: Option<End>,
    continued: bool,
    /// The token that the sample ends with, which the network has not read.
    last: Option<u32>,
    known: Option<Arc<KnownText>>,
    /// The last tokens of the text, if there is a known text.
    run: Vec<u32>,
    /// Logits without the tokens that would complete a quotation.
    logits: Vec<f32>,
}

/// What a sample that goes on later depends on.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub random: [u64; 3],
    pub tokens: u64,
    /// Characters beyond the length: invalid bytes can become several at once.
    pub surplus: u64,
    pub in_word: bool,
    pub recent: Vec<u32>,
    pub counts: Vec<u32>,
    pub tail: String,
    pub pending: Vec<u8>,
    /// The last tokens, where a known text is not to be quoted.
    pub run: Vec<u32>,
}

/// With `words`, a word that goes on for this many characters beyond the length is cut.
const LONGEST_WORD: usize = 64;

impl Writer {
    /// Begins sample number `stream`. A sample of length 0 has ended before its first token: see [`end`](Self::end).
    pub fn new(plan: &Plan, vocabulary: &Vocabulary, stream: u64) -> Result<Self> {
        let unknown = vocabulary.unknown().map(|token| token as usize);
        let excluded = plan.options.excluded.iter().copied().chain(unknown).collect();
        let mut decoding = Decoding::new(Options { excluded, ..plan.options.clone() })?;
        for &temperature in &plan.cycle {
            decoding.set_temperature(temperature)?;
        }
        Ok(Self {
            decoding,
            rng: Rng::stream(plan.seed, stream),
            decoder: Decoder::default(),
            text: String::new(),
            cycle: plan.cycle.clone(),
            tokens: 0,
            length: plan.length,
            characters: 0,
            words: plan.words,
            in_word: false,
            stops: plan.stops.iter().filter(|stop| !stop.is_empty()).cloned().collect(),
            tail: String::new(),
            end: (plan.length == 0).then_some(End::Length),
            continued: plan.continued,
            last: None,
            known: plan.known.clone(),
            run: Vec::new(),
            logits: Vec::new(),
        })
    }

    /// Goes on with a sample. The plan's length is that of what follows.
    pub(crate) fn resume(plan: &Plan, vocabulary: &Vocabulary, progress: &Progress) -> Result<Self> {
        let mut writer = Self::new(plan, vocabulary, 0)?;
        writer.rng = Rng::at(progress.random);
        writer.decoder = Decoder::resume(&progress.pending);
        writer.decoding.restore(progress.recent.iter().map(|&token| token as usize), &progress.counts);
        writer.tokens = progress.tokens as usize;
        writer.characters = progress.surplus as usize;
        writer.in_word = progress.in_word;
        writer.tail.clone_from(&progress.tail);
        writer.run.clone_from(&progress.run);
        writer.end = (writer.characters >= writer.length).then_some(End::Length);
        Ok(writer)
    }

    /// What the rest of the sample depends on; after the end of a document, what the next sample does.
    pub(crate) fn progress(&self) -> Progress {
        let [seed, stream, _] = self.rng.position();
        if self.end == Some(End::Boundary) {
            return Progress { random: [seed, stream.wrapping_add(1), 0], ..Progress::default() };
        }
        let (recent, counts) = self.decoding.counted();
        Progress {
            random: self.rng.position(),
            tokens: self.tokens as u64,
            surplus: self.characters.saturating_sub(self.length) as u64,
            in_word: self.in_word,
            recent: recent.map(|token| token as u32).collect(),
            counts: counts.to_vec(),
            // A stop text that was found is not found again.
            tail: if self.end == Some(End::Stop) { String::new() } else { self.tail.clone() },
            pending: self.decoder.pending().to_vec(),
            run: self.known.as_ref().map_or(&[][..], |known| last(&self.run, known.length() - 1)).to_vec(),
        }
    }

    /// The token that the sample ended with, once: the network has not read it.
    pub(crate) fn take_last(&mut self) -> Option<u32> {
        self.last.take()
    }

    /// The seed and the number of the sample.
    pub fn seed(&self) -> (u64, u64) {
        let [seed, stream, _] = self.rng.position();
        (seed, stream)
    }

    /// Why the sample has ended, if it has: nothing more may be written then.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Counts a token that was not written here, such as one of the prompt, for the repetition penalty and the known text.
    pub fn remember(&mut self, token: u32) {
        self.lengthen(token);
        self.decoding.remember(token as usize);
    }

    /// Chooses the next token from its logits (V).
    pub fn write(&mut self, vocabulary: &Vocabulary, logits: &[f32]) -> Step<'_> {
        if let Some(&temperature) = self.cycle.get(self.tokens % self.cycle.len().max(1)) {
            // Cannot fail: `new` has tried each of them.
            let _ = self.decoding.set_temperature(temperature);
        }
        let Some(token) = self.choose(logits) else {
            self.text.clear();
            if !self.continued {
                self.text.push_str(self.decoder.finish());
            }
            self.end = Some(End::Novel);
            return Step { token: 0, text: &self.text, end: self.end };
        };
        self.push(vocabulary, token)
    }

    /// The logits (V) that the next token is chosen from, before temperature, top-k, top-p and min-p: minus infinity for what
    /// may not be written, and the others after the penalties.
    pub fn adjusted(&mut self, logits: &[f32]) -> &[f32] {
        let is_masked = self.mask_quotations(logits);
        self.decoding.adjusted(if is_masked { &self.logits } else { logits })
    }

    /// Chooses a token that completes no quotation. `None` if there is none.
    fn choose(&mut self, logits: &[f32]) -> Option<u32> {
        if !self.mask_quotations(logits) {
            return Some(self.decoding.choose(logits, &mut self.rng) as u32);
        }
        let excluded = &self.decoding.options().excluded;
        let mut left = (0..).zip(&self.logits).filter(|&(_, &logit)| logit > f32::NEG_INFINITY);
        left.any(|(token, _)| !excluded.contains(&token))
            .then(|| self.decoding.choose(&self.logits, &mut self.rng) as u32)
    }

    /// Keeps a copy of the logits without the tokens that would complete a quotation. False, and no copy, if none would.
    fn mask_quotations(&mut self, logits: &[f32]) -> bool {
        let mut completions = self.known.iter().flat_map(|known| known.completions(&self.run)).peekable();
        if completions.peek().is_none() {
            return false;
        }
        self.logits.clear();
        self.logits.extend_from_slice(logits);
        for token in completions {
            if let Some(logit) = self.logits.get_mut(token as usize) {
                *logit = f32::NEG_INFINITY;
            }
        }
        true
    }

    /// Adds a token to the run that a known text is searched for.
    fn lengthen(&mut self, token: u32) {
        let Some(known) = &self.known else { return };
        let length = known.length();
        if self.run.len() >= 8 * length {
            self.run.drain(..self.run.len() - length);
        }
        self.run.push(token);
    }

    /// Writes a token that the caller chose, and counts it for the penalties.
    pub fn take(&mut self, vocabulary: &Vocabulary, token: u32) -> Step<'_> {
        self.decoding.chosen(token as usize);
        self.push(vocabulary, token)
    }

    fn push(&mut self, vocabulary: &Vocabulary, token: u32) -> Step<'_> {
        self.lengthen(token);
        // From a saved text this can be any number.
        self.tokens = self.tokens.wrapping_add(1);
        self.text.clear();
        let mut end = None;
        if Some(token) == vocabulary.boundary() {
            self.text.push_str(self.decoder.finish());
            end = Some(End::Boundary);
        } else {
            self.text.push_str(self.decoder.push(vocabulary, token));
        }
        self.end = end.or_else(|| self.count());
        self.last = self.end.is_some().then_some(token);
        if self.end.is_some() && vocabulary.unit() == Unit::Byte && !self.continued {
            self.text.push_str(self.decoder.finish());
        }
        Step { token, text: &self.text, end: self.end }
    }

    /// Counts what was just written, and says whether the sample ends with it. Between words it may end before it.
    fn count(&mut self) -> Option<End> {
        if let Some(character) = self.text.chars().last() {
            let was_in_word = std::mem::replace(&mut self.in_word, character.is_alphanumeric());
            if self.words && self.characters >= self.length && !(was_in_word && self.in_word) {
                self.text.clear();
                return Some(End::Length);
            }
            self.characters = self.characters.saturating_add(self.text.chars().count());
        }
        if self.stopped() {
            return Some(End::Stop);
        }
        let length = if self.words { self.length.saturating_add(LONGEST_WORD) } else { self.length };
        (self.characters >= length).then_some(End::Length)
    }

    fn stopped(&mut self) -> bool {
        let longest = self.stops.iter().map(String::len).max().unwrap_or(0);
        if longest == 0 {
            return false;
        }
        self.tail.push_str(&self.text);
        if self.tail.len() > 8 * longest {
            let cut = self.tail.floor_char_boundary(self.tail.len() - longest);
            self.tail.drain(..cut);
        }
        self.stops.iter().any(|stop| self.tail.ends_with(stop))
    }
}

/// The last items, at most so many.
fn last(items: &[u32], count: usize) -> &[u32] {
    &items[items.len().saturating_sub(count)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes `choices` under a plan until the sample ends.
    fn write(vocabulary: &Vocabulary, plan: &Plan, choices: &str) -> (String, Option<End>) {
        let mut writer = Writer::new(plan, vocabulary, 0).unwrap();
        let mut text = String::new();
        for character in choices.chars() {
            if writer.end().is_some() {
                break;
            }
            let token = if character == '|' {
                vocabulary.boundary().unwrap()
            } else {
                vocabulary.encode(&character.to_string()).unwrap()[0]
            };
            let mut logits = vec![0.0; vocabulary.len()];
            logits[token as usize] = 1.0;
            let step = writer.write(vocabulary, &logits);
            assert_eq!(step.token, token);
            text.push_str(step.text);
        }
        (text, writer.end())
    }

    #[test]
    fn a_sample_ends_where_the_plan_says() {
        let vocabulary = Vocabulary::from_text(Unit::Char, "abc de.\u{e9}").with_boundary();
        let argmax = Options { temperature: 0.0, ..Options::default() };
        let plan = |length, words, stops: &[&str]| Plan {
            options: argmax.clone(),
            length,
            words,
            stops: stops.iter().map(ToString::to_string).collect(),
            ..Plan::default()
        };
        let cases = [
            (plan(0, false, &[]), "abcde", "", Some(End::Length)),
            (plan(0, true, &[]), "abcde", "", Some(End::Length)),
            (plan(3, false, &[]), "abcde", "abc", Some(End::Length)),
            (plan(9, false, &[]), "abc", "abc", None),
            (plan(9, false, &[]), "ab|cd", "ab", Some(End::Boundary)),
            (plan(9, false, &["b\u{e9}", "zz"]), "ab\u{e9}cd", "ab\u{e9}", Some(End::Stop)),
            (plan(9, false, &[""]), "ab", "ab", None),
            (plan(2, true, &[]), "abcd e", "abcd", Some(End::Length)),
            (plan(4, true, &[]), "abcd e", "abcd", Some(End::Length)),
            (plan(4, true, &[]), "abc  de", "abc ", Some(End::Length)),
        ];
        for (plan, choices, text, end) in cases {
            assert_eq!(write(&vocabulary, &plan, choices), (text.to_string(), end), "{choices:?} under {plan:?}");
        }
    }

    #[test]
    fn an_endless_word_is_cut() {
        let vocabulary = Vocabulary::from_text(Unit::Char, "ab");
        let plan = Plan {
            options: Options { temperature: 0.0, ..Options::default() },
            length: 1,
            words: true,
            ..Plan::default()
        };
        let (text, end) = write(&vocabulary, &plan, &"a".repeat(200));
        assert_eq!((text.len(), end), (1 + LONGEST_WORD, Some(End::Length)));
    }

    #[test]
    fn temperatures_alternate() {
        let vocabulary = Vocabulary::from_text(Unit::Char, "ab");
        let plan = Plan { cycle: vec![0.0, 1e30], length: 2000, ..Plan::default() };
        let mut writer = Writer::new(&plan, &vocabulary, 0).unwrap();
        let tokens: Vec<u32> = (0..2000).map(|_| writer.write(&vocabulary, &[1.0, 0.0]).token).collect();
        assert!(tokens.iter().step_by(2).all(|&token| token == 0), "every other token is the most likely one");
        let second = tokens.iter().skip(1).step_by(2).filter(|&&token| token == 1).count();
        assert!((400..600).contains(&second), "the others are drawn at even odds: {second} of 1000");
    }

    #[test]
    fn an_unfinished_character_at_the_end_is_replaced() {
        let vocabulary = Vocabulary::new(Unit::Byte, [0xc3, 0xa9]).unwrap().with_boundary();
        let mut writer = Writer::new(&Plan::default(), &vocabulary, 0).unwrap();
        assert_eq!(writer.take(&vocabulary, 1).text, "");
        assert_eq!(writer.take(&vocabulary, 0).text, "\u{e9}");
        assert_eq!(writer.take(&vocabulary, 1).text, "");
        assert_eq!(writer.take(&vocabulary, 2).text, "\u{fffd}");
    }
}
