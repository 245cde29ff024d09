//! Turns lines of a text into a model's tokens.

use std::borrow::Cow;

use model_card::{ModelCard, Unit};

use super::{failure::Failure, lines::Line};

/// Turns lines into a model's tokens.
pub struct Encoder<'c> {
    card: &'c ModelCard,
    lossy: bool,
    skip_unknown: bool,
    /// Number of characters left out.
    pub skipped: u64,
}

impl<'c> Encoder<'c> {
    /// `lossy` reads invalid UTF-8 as U+FFFD, `skip_unknown` leaves out characters that the model does not know.
    pub fn new(card: &'c ModelCard, lossy: bool, skip_unknown: bool) -> Self {
        Self { card, lossy, skip_unknown, skipped: 0 }
    }

    /// The tokens of a line. `name` is the text's, for messages.
    pub fn encode(&mut self, line: &Line, name: &str) -> Result<Vec<u32>, Failure> {
        let vocabulary = &self.card.vocabulary;
        if vocabulary.unit() == Unit::Byte && self.card.normalisation.is_identity() {
            return line
                .bytes
                .iter()
                .map(|&byte| u32::from(byte))
                .filter_map(|byte| self.token(byte, line, name))
                .collect();
        }
        let text = match std::str::from_utf8(&line.bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) if self.lossy => String::from_utf8_lossy(&line.bytes),
            Err(error) => {
                let place = line.offset + error.valid_up_to() as u64;
                let message = format!(
                    "{name} is not UTF-8 at byte {place} (line {}); --lossy reads such bytes as U+FFFD",
                    line.number
                );
                return Err(Failure::Input(message));
            }
        };
        let text = self.card.normalisation.apply(&text);
        vocabulary.unit().symbols(&text).filter_map(|symbol| self.token(symbol, line, name)).collect()
    }

    /// The token of a symbol; `None` if it is left out. If the model has a boundary and no line end, each line is a document.
    fn token(&mut self, symbol: u32, line: &Line, name: &str) -> Option<Result<u32, Failure>> {
        let vocabulary = &self.card.vocabulary;
        let line_end = symbol == u32::from('\n') && vocabulary.symbols().binary_search(&symbol).is_err();
        if let Some(boundary) = vocabulary.boundary().filter(|_| line_end) {
            return Some(Ok(boundary));
        }
        if let Some(token) = vocabulary.id(symbol) {
            return Some(Ok(token));
        }
        if self.skip_unknown {
            self.skipped += 1;
            return None;
        }
        let symbol = vocabulary.unit().describe(symbol);
        let message = format!(
            "the model does not know {symbol} in {name}, line {}; --skip-unknown leaves such characters out",
            line.number
        );
        Some(Err(Failure::Input(message)))
    }
}
