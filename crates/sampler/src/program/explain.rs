//! Text coloured by the model's probabilities, with the five likeliest characters beneath each, as in Karpathy's essay.

use std::io::{self, Write};

use sampler::{Plan, Sampler};

use super::{Failure, colour, output::Output, write};

/// Characters in a row of the table.
const ROW: usize = 64;

/// Candidates beneath each character.
const DEPTH: usize = 5;

/// What the model expects next.
#[derive(Default)]
pub struct Candidates {
    probabilities: Vec<f32>,
    tokens: Vec<usize>,
    /// Texts and probabilities, likeliest first.
    pub likeliest: Vec<(String, f32)>,
}

impl Candidates {
    /// Asks the model for its `count` likeliest tokens.
    pub fn look(&mut self, sampler: &mut Sampler, count: usize) -> Result<(), Failure> {
        self.probabilities.clear();
        self.probabilities.extend_from_slice(sampler.probabilities()?);
        decoding::top(&self.probabilities, count, &mut self.tokens);
        let vocabulary = &sampler.card().vocabulary;
        self.likeliest.clear();
        self.likeliest.extend(self.tokens.iter().map(|&token| {
            let text = match token as u32 {
                token if Some(token) == vocabulary.boundary() => "\u{25a0}".into(),
                token if Some(token) == vocabulary.unknown() => "\u{25a1}".into(),
                token => match (vocabulary.unit(), vocabulary.symbol(token)) {
                    (model_card::Unit::Byte, Some(byte)) if byte >= 0x80 => format!("\\x{byte:02x}"),
                    _ => vocabulary.decode(&[token]),
                },
            };
            (text, self.probabilities[token])
        }));
        Ok(())
    }

    /// The model's probability of a token.
    pub fn probability(&self, token: u32) -> f32 {
        self.probabilities[token as usize]
    }

    /// The token of the n-th likeliest.
    pub fn token(&self, place: usize) -> Option<u32> {
        self.tokens.get(place).map(|&token| token as u32)
    }
}

/// Writes a sample as a table.
pub fn explain(sampler: &mut Sampler, plan: &Plan, prompt: &str, output: &mut Output) -> Result<(), Failure> {
    let mut table = Table { colours: colour::wanted(&io::stdout()), columns: Vec::with_capacity(ROW) };
    let mut writer = write::writer(sampler, plan, prompt)?;
    let mut candidates = Candidates::default();
    let mut ended = plan.length == 0;
    while !ended {
        candidates.look(sampler, DEPTH)?;
        let step = sampler.write(&mut writer)?;
        ended = step.end.is_some();
        let line_end = step.text.ends_with('\n');
        let mut column = vec![(step.text.to_string(), candidates.probability(step.token))];
        column.append(&mut candidates.likeliest);
        table.columns.push(column);
        if table.columns.len() == ROW || line_end || ended {
            table.print(output)?;
        }
    }
    Ok(())
}

/// Some characters, each with its candidates.
struct Table {
    colours: bool,
    columns: Vec<Vec<(String, f32)>>,
}

impl Table {
    /// Prints a row of characters and the rows of candidates beneath, and empties the table.
    fn print(&mut self, output: &mut Output) -> io::Result<()> {
        let widths: Vec<usize> = self
            .columns
            .iter()
            .map(|column| column.iter().map(|(text, _)| colour::columns(&colour::visible(text))).max().unwrap_or(1))
            .collect();
        for row in 0..=DEPTH {
            for (column, width) in self.columns.iter().zip(&widths) {
                let Some((text, probability)) = column.get(row) else {
                    write!(output, "{:width$}", "")?;
                    continue;
                };
                let text = colour::visible(text);
                let padding = width - colour::columns(&text);
                if self.colours {
                    write!(output, "{}{text}{:padding$}{}", colour::of_probability(*probability), "", colour::END)?;
                } else {
                    write!(output, "{text}{:padding$}", "")?;
                }
            }
            writeln!(output)?;
        }
        writeln!(output)?;
        self.columns.clear();
        Ok(())
    }
}
