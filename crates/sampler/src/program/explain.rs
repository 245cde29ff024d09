//! Text coloured by the model's probabilities, with the five most likely characters below each, as in Karpathy's essay.

use std::io::{self, Write};

use super::{candidates::Candidates, colour, failure::Failure, output::Output, text::Text};

/// Characters in a row of the table.
const ROW: usize = 64;

/// Candidates below each character.
const DEPTH: usize = 5;

/// Writes a sample as a table.
pub fn explain(text: &mut Text, output: &mut Output) -> Result<(), Failure> {
    let mut table = Table { colours: colour::wanted(&io::stdout()), columns: Vec::with_capacity(ROW) };
    let mut candidates = Candidates::default();
    while !text.is_over() {
        candidates.update(&mut text.sampler, DEPTH)?;
        let step = text.write()?;
        let row_ends = step.text.ends_with('\n') || step.end.is_some();
        let mut column = vec![(step.text.to_string(), candidates.probability(step.token))];
        column.append(&mut candidates.likeliest);
        table.columns.push(column);
        if table.columns.len() == ROW || row_ends {
            table.print(output)?;
        }
    }
    if !table.columns.is_empty() {
        table.print(output)?;
    }
    Ok(())
}

/// A row of characters, each with its candidates.
struct Table {
    colours: bool,
    columns: Vec<Vec<(String, f32)>>,
}

impl Table {
    /// Prints the characters and the rows of candidates below them, and starts the next row.
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
