//! Scores texts: bits a character of every line, or the most surprising lines.

use std::{
    collections::VecDeque,
    f64::consts::LN_2,
    fs::File,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    rc::Rc,
    time::Instant,
};

use model_card::{Decoder, ModelCard};
use sampler::{Model, Network, Scorer};
use serde::Serialize;

use super::{
    Failure,
    arguments::ScoreConfig,
    colour, json,
    lines::{Encoder, Lines},
    output::Output,
};

/// Scores every file, each from its own beginning.
pub fn score(model: Model, helpers: Vec<Network>, config: &ScoreConfig) -> Result<(), Failure> {
    let card = model.card.clone();
    let mut scorer = Scorer::new(model, helpers);
    let mut report = Report::new(&card, config);
    let mut encoder = Encoder::new(&card, config.lossy, config.skip_unknown);
    for path in &config.files {
        let mut lines = open(path)?;
        let name: Rc<str> = lines.name().into();
        while let Some(line) = lines.next()? {
            let tokens = encoder.encode(&line, lines.name())?;
            report.expect(&name, line.number, &tokens);
            scorer.push(&tokens, |nats| report.receive(nats))?;
            report.show()?;
        }
        scorer.finish(|nats| report.receive(nats))?;
        report.show()?;
    }
    report.finish(encoder.skipped)
}

fn open(path: &Path) -> Result<Lines<Box<dyn BufRead>>, Failure> {
    if path == Path::new("-") {
        return Ok(Lines::new(Box::new(io::stdin().lock()), "standard input".into()));
    }
    let failed = |error| Failure::Input(format!("cannot read {}: {error}", path.display()));
    if path.is_dir() {
        return Err(failed(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    let file = File::open(path).map_err(failed)?;
    Ok(Lines::new(Box::new(BufReader::with_capacity(1 << 16, file)), path.display().to_string()))
}

/// A line and what is known of it.
struct Entry {
    file: Rc<str>,
    number: u64,
    tokens: Vec<u32>,
    /// In the order of the tokens; NaN where there is none.
    nats: Vec<f32>,
    /// Lines that follow and have no token at all. Any number of them may have to wait for this line's scores, so they
    /// are counted, not kept.
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

    /// The line's characters, each with the bits of the tokens that make it up.
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

/// A character that was marked.
#[derive(Serialize)]
struct Surprise {
    /// Characters of the line before it.
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
    /// Characters (bytes in a byte model) that have a score.
    characters: u64,
    bits_per_character: f64,
    nats: f64,
    perplexity: f64,
    skipped: u64,
    seconds: f64,
    characters_per_second: f64,
}

struct Report<'c> {
    card: &'c ModelCard,
    config: &'c ScoreConfig,
    output: Output,
    waiting: VecDeque<Entry>,
    /// Entries at the front that have all their scores.
    complete: usize,
    /// The most surprising so far, most surprising first.
    top: Vec<(f64, Entry)>,
    bits: f64,
    characters: u64,
    lines: u64,
    started: Instant,
}

impl<'c> Report<'c> {
    fn new(card: &'c ModelCard, config: &'c ScoreConfig) -> Self {
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

    /// A line whose scores are to come.
    fn expect(&mut self, file: &Rc<str>, number: u64, tokens: &[u32]) {
        let last = self.waiting.back_mut().filter(|last| tokens.is_empty() && Rc::ptr_eq(&last.file, file));
        if let Some(last) = last {
            // A further piece of the same line is no line of its own.
            last.empty = number - last.number;
            return;
        }
        let nats = Vec::with_capacity(tokens.len());
        self.waiting.push_back(Entry { file: Rc::clone(file), number, tokens: tokens.to_vec(), nats, empty: 0 });
        self.skip_complete();
    }

    /// The next score.
    fn receive(&mut self, nats: f32) {
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

    /// Shows the lines that are complete.
    fn show(&mut self) -> Result<(), Failure> {
        for _ in 0..std::mem::take(&mut self.complete) {
            let Some(mut entry) = self.waiting.pop_front() else { break };
            let (bits, characters) = entry.total();
            self.bits += bits;
            self.characters += characters;
            self.lines += 1 + entry.empty;
            if let Some(count) = self.config.top {
                self.rank(entry, count);
            } else if !self.config.total {
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
        if self.config.json {
            return self.show_json(entry);
        }
        let text = entry.text(self.card);
        Ok(writeln!(self.output, "{:.3}\t{}", entry.mean(), text.trim_end_matches(['\r', '\n']))?)
    }

    fn rank(&mut self, entry: Entry, count: usize) {
        let mean = entry.mean();
        let place = self.top.partition_point(|(better, _)| *better >= mean);
        if place < count {
            self.top.truncate(count - 1);
            self.top.insert(place, (mean, entry));
        }
    }

    fn finish(mut self, skipped: u64) -> Result<(), Failure> {
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
            json::line(&mut self.output, &TotalObject { total })?;
            return Ok(self.output.flush()?);
        }
        let left_out = if skipped > 0 { format!(" ({skipped} unknown left out)") } else { String::new() };
        let text = format!(
            "{} characters{left_out} in {} lines: {:.4} bits a character ({:.4} nats, perplexity {:.3}), \
             {:.0} characters a second",
            total.characters, total.lines, bits, total.nats, total.perplexity, total.characters_per_second
        );
        if self.config.total {
            writeln!(self.output, "{text}")?;
        }
        self.output.flush()?;
        if !self.config.total {
            eprintln!("{text}");
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
        json::line(&mut self.output, &object)
    }

    /// The line with its surprising characters in colour, or with a caret beneath each.
    fn show_marked(&mut self, mean: f64, entry: &Entry) -> Result<(), Failure> {
        writeln!(self.output, "{mean:.3} bits a character  {}:{}", entry.file, entry.number)?;
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
