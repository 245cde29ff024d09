//! Shows the model card.

use std::io::Write;

use model_card::{printable, printable_lines};
use sampler::{Engine, read_card};

use super::{failure::Failure, output::Output};

/// Prints the card as a table, or as JSON.
pub fn info(model: &[u8], engine: &Engine, json: bool) -> Result<(), Failure> {
    let card = read_card(model)?;
    let mut output = Output::new();
    if json {
        writeln!(output, "{}", printable_lines(&card.to_json()))?;
    } else {
        let file = [("file", format!("{} bytes", model.len())), ("engine", engine.backend.to_string())];
        for (label, value) in card.facts().into_iter().chain(file) {
            // The card is part of the model's file, which anybody may have made.
            writeln!(output, "{label:14}{}", printable(&value))?;
        }
    }
    Ok(output.flush()?)
}
