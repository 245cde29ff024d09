//! Shows scores: line by line, the most surprising lines, and the total.

use std::{
    collections::VecDeque,
    f64::consts::LN_2,
    io::{self, Write},
    rc::Rc,
    time::Instant,
};

use model_card::{Decoder, ModelCard, printable};
use serde::Serialize;

use super::{
    colour,
    config::ScoreConfig,
    failure::Failure,
    output::{Output, notice},
};

/// A line and its scores.
struct Entry {
    file: Rc<str>,
    number: u64,
    tokens: Vec<u32>,
    /// Scores of the tokens so far, in order; NaN for a token without a score.
    nats: Vec<f32>,
    /// Number of lines after this one that have no tokens. They wait for this line's scores; there can be any number of
    /// them, so they are counted and not stored.
    empty: u64,
}

impl Entry {
    /// The sum of the scores in bits, and their number.
    fn total(&self) -> (f64, u64) {
        let scored = self.nats.iter().filter(|nats| !nats.is_nan());
        scored.fold((0.0, 0), |(bits, count), &nats| (bits + f64::from(nats) / LN_2, count + 1))
    }

    fn mean(&self) -> f64 {
        let (bits, count) = self.total();
        bits / count.max(1) as f64
    }

    /// The line's characters, each with the bits of its tokens.
    fn characters(&self, card: &ModelCard) -> Vec<(String, f32)> {
        let mut decoder = Decoder::default();
        let mut bits = 0.0;
        let mut characters = Vec::new();
        for (&token, &nats) in self.tokens.iter().zip(&self.nats) {
            bits += if nats.is_nan() { 0.0 } else { nats / std::f32::consts::LN_2 };
            let text = match token {
                token if Some(token) == card.vocabulary.unknown() => "\u{fffd}",
                token => decoder.push(&card.vocabulary, token),
            };
            if !text.is_empty() {
                characters.push((text.to_string(), std::mem::take(&mut bits)));
            }
        }
        characters.extend(Some((decoder.finish().to_string(), bits)).filter(|(text, _)| !text.is_empty()));
        characters
    }

    fn text(&self, card: &ModelCard) -> String {
        self.characters(card).into_iter().map(|(text, _)| text).collect()
    }
}

#[derive(Serialize)]
struct LineObject<'e> {
    file: &'e str,
    line: u64,
    characters: u64,
    bits: f64,
    bits_per_character: f64,
    text: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    surprising: Vec<Surprise>,
}

/// A surprising character.
#[derive(Serialize)]
struct Surprise {
    /// Its place in the line, in characters from 0.
    at: usize,
    text: String,
    bits: f32,
}

#[derive(Serialize)]
struct TotalObject {
    total: Total,
}

#[derive(Serialize)]
struct Total {
    lines: u64,
    /// Number of characters (in a byte model, bytes) that have a score.
    characters: u64,
    bits_per_character: f64,
    nats: f64,
    perplexity: f64,
    skipped: u64,
    seconds: f64,
    characters_per_second: f64,
}

/// Collects scores and shows lines.
pub struct Report<'c> {
    card: &'c ModelCard,
    config: &'c ScoreConfig,
    output: Output,
    waiting: VecDeque<Entry>,
    /// How many of the first entries have all their scores.
    complete: usize,
    /// The most surprising lines so far, most surprising first.
    top: Vec<(f64, Entry)>,
    bits: f64,
    characters: u64,
    lines: u64,
    started: Instant,
}

impl<'c> Report<'c> {
    pub fn new(card: &'c ModelCard, config: &'c ScoreConfig) -> Self {
        Self {
            card,
            config,
            output: Output::new(),
            waiting: VecDeque::new(),
            complete: 0,
            top: Vec::new(),
            bits: 0.0,
            characters: 0,
            lines: 0,
            started: Instant::now(),
        }
    }

    /// Adds a line whose scores will follow.
    pub fn expect(&mut self, file: &Rc<str>, number: u64, tokens: &[u32]) {
        let last = self.waiting.back_mut().filter(|last| tokens.is_empty() && Rc::ptr_eq(&last.file, file));
        if let Some(last) = last {
            // Another piece of the same line does not count.
            last.empty = number - last.number;
            return;
        }
        let nats = Vec::with_capacity(tokens.len());
        self.waiting.push_back(Entry { file: Rc::clone(file), number, tokens: tokens.to_vec(), nats, empty: 0 });
        self.skip_complete();
    }

    /// Takes the next score.
    pub fn receive(&mut self, nats: f32) {
        if let Some(entry) = self.waiting.get_mut(self.complete) {
            entry.nats.push(nats);
        }
        self.skip_complete();
    }

    fn skip_complete(&mut self) {
        while self.waiting.get(self.complete).is_some_and(|entry| entry.nats.len() == entry.tokens.len()) {
            self.complete += 1;
        }
    }

    /// Shows the lines that have all their scores.
    pub fn show(&mut self) -> Result<(), Failure> {
        for _ in 0..std::mem::take(&mut self.complete) {
            let Some(mut entry) = self.waiting.pop_front() else { break };
            let (bits, characters) = entry.total();
            self.bits += bits;
            self.characters += characters;
            self.lines += 1 + entry.empty;
            if let Some(count) = self.config.top {
                self.rank(entry, count);
            } else if self.shows_lines() {
                let last = entry.number + entry.empty;
                self.show_line(&entry)?;
                (entry.tokens, entry.nats) = (Vec::new(), Vec::new());
                while entry.number < last {
                    entry.number += 1;
                    self.show_line(&entry)?;
                }
            }
        }
        Ok(())
    }

    fn show_line(&mut self, entry: &Entry) -> Result<(), Failure> {
        if !self.is_surprising(entry) {
            return Ok(());
        }
        if self.config.json {
            return self.show_json(entry);
        }
        let text = entry.text(self.card);
        Ok(writeln!(self.output, "{:.3}\t{}", entry.mean(), text.trim_end_matches(['\r', '\n']))?)
    }

    /// Whether a line has as many bits per character as `--above` asks for.
    fn is_surprising(&self, entry: &Entry) -> bool {
        self.config.above.is_none_or(|above| entry.mean() > f64::from(above))
    }

    fn rank(&mut self, entry: Entry, count: usize) {
        if !self.is_surprising(&entry) {
            return;
        }
        let mean = entry.mean();
        let place = self.top.partition_point(|(better, _)| *better >= mean);
        if place < count {
            self.top.truncate(count - 1);
            self.top.insert(place, (mean, entry));
        }
    }

    /// Whether each line is shown, and not only the most surprising ones or the total.
    pub fn shows_lines(&self) -> bool {
        self.config.top.is_none() && !self.config.total
    }

    /// How many lines have all their scores.
    #[cfg(test)]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Makes what was shown appear.
    pub fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.output.flush()?)
    }

    /// Shows the most surprising lines and the total.
    pub fn finish(mut self, skipped: u64) -> Result<(), Failure> {
        for (mean, entry) in std::mem::take(&mut self.top) {
            if self.config.json { self.show_json(&entry)? } else { self.show_marked(mean, &entry)? }
        }
        let seconds = self.started.elapsed().as_secs_f64();
        let bits = self.bits / self.characters.max(1) as f64;
        let total = Total {
            lines: self.lines,
            characters: self.characters,
            bits_per_character: bits,
            nats: bits * LN_2,
            perplexity: bits.exp2(),
            skipped,
            seconds,
            characters_per_second: self.characters as f64 / seconds,
        };
        if self.config.json {
            self.output.json_line(&TotalObject { total })?;
            return self.flush();
        }
        let left_out = if skipped > 0 { format!(" ({skipped} unknown left out)") } else { String::new() };
        let text = format!(
            "{} characters{left_out} in {} lines: {:.4} bits per character ({:.4} nats, perplexity {:.3}), \
             {:.0} characters per second",
            total.characters, total.lines, bits, total.nats, total.perplexity, total.characters_per_second
        );
        if self.config.total {
            writeln!(self.output, "{text}")?;
        }
        self.output.flush()?;
        if !self.config.total {
            notice(&text);
        }
        Ok(())
    }

    fn show_json(&mut self, entry: &Entry) -> Result<(), Failure> {
        let (bits, characters) = entry.total();
        let marked =
            entry.characters(self.card).into_iter().enumerate().filter(|(_, (_, bits))| *bits >= self.config.mark);
        let surprising = marked.map(|(at, (text, bits))| Surprise { at, text, bits }).collect();
        let object = LineObject {
            file: &entry.file,
            line: entry.number,
            characters,
            bits,
            bits_per_character: entry.mean(),
            text: entry.text(self.card),
            surprising,
        };
        self.output.json_line(&object)
    }

    /// Shows the line with its surprising characters in colour, or with a caret below each.
    fn show_marked(&mut self, mean: f64, entry: &Entry) -> Result<(), Failure> {
        writeln!(self.output, "{mean:.3} bits per character  {}:{}", printable(&entry.file), entry.number)?;
        let colours = colour::wanted(&io::stdout());
        let mut carets = String::new();
        for (text, bits) in entry.characters(self.card) {
            let marked = bits >= self.config.mark;
            if text == "\n" && !marked {
                continue;
            }
            let text = colour::visible(&text);
            if marked && colours {
                write!(self.output, "{}{text}{}", colour::MARK, colour::END)?;
            } else {
                write!(self.output, "{text}")?;
            }
            carets.extend(std::iter::repeat_n(if marked { '^' } else { ' ' }, colour::columns(&text)));
        }
        writeln!(self.output)?;
        if !colours && carets.contains('^') {
            writeln!(self.output, "{}", carets.trim_end())?;
        }
        Ok(())
    }
}
