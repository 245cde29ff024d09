//! Counts symbols (characters or bytes), and decides which of them get a token.

use model_card::{Unit, Vocabulary};

use super::text::Piece;
use crate::{Documents, Error, Result, Settings};

/// Symbols are counted in pages of 256. A page exists once one of its symbols occurs, so few scripts need little
/// memory.
const PAGE: usize = 256;
/// Pages in all of Unicode.
const PAGES: usize = 0x11_0000 / PAGE;
/// Bytes are counted in four tables in turn, so that equal neighbours do not wait for each other's increment.
const LANES: usize = 4;
/// A model needs at least this many symbols, or there is nothing to predict.
const LEAST_SYMBOLS: usize = 2;

/// How often each symbol occurs.
pub struct Histogram {
    low: Box<[[u64; PAGE]; LANES]>,
    pages: Vec<Option<Box<[u64; PAGE]>>>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { low: Box::new([[0; PAGE]; LANES]), pages: vec![None; PAGES] }
    }
}

impl Histogram {
    /// Counts the symbols of a piece. A boundary has none.
    pub fn add(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Boundary => {}
            Piece::Bytes(bytes) => self.add_bytes(bytes),
            Piece::Characters(text) if text.is_ascii() => self.add_bytes(text.as_bytes()),
            Piece::Characters(text) => {
                for character in text.chars() {
                    let value = character as usize;
                    match &mut self.pages[value / PAGE] {
                        Some(page) => page[value % PAGE] += 1,
                        page @ None => page.insert(Box::new([0; PAGE]))[value % PAGE] = 1,
                    }
                }
            }
        }
    }

    /// Adds the counts of another histogram.
    pub fn merge(&mut self, other: &Self) {
        for (symbol, count) in other.counts() {
            self.add_count(symbol, count);
        }
    }

    /// Adds to the count of a symbol.
    ///
    /// # Panics
    /// If it is no character's number.
    pub fn add_count(&mut self, symbol: u32, count: u64) {
        let page = self.pages[symbol as usize / PAGE].get_or_insert_with(|| Box::new([0; PAGE]));
        page[symbol as usize % PAGE] += count;
    }

    /// How often a symbol occurs.
    pub fn count(&self, symbol: u32) -> u64 {
        let (page, place) = (symbol as usize / PAGE, symbol as usize % PAGE);
        let low = if page == 0 { self.low.iter().map(|lane| lane[place]).sum() } else { 0 };
        low + self.pages[page].as_ref().map_or(0, |page| page[place])
    }

    /// The symbols that occur, in ascending order, and how often they do.
    pub fn counts(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        let pages = (0..PAGES).filter(|&page| page == 0 || self.pages[page].is_some());
        let symbols = pages.flat_map(|page| (page * PAGE..(page + 1) * PAGE).map(|symbol| symbol as u32));
        symbols.map(|symbol| (symbol, self.count(symbol))).filter(|&(_, count)| count > 0)
    }

    /// The vocabulary that follows from the settings, and the number of symbols in the text that are outside it.
    ///
    /// # Errors
    /// [`Error::Options`] if the settings leave fewer than two symbols, though the text has more.
    pub fn vocabulary(&self, settings: &Settings) -> Result<(Vocabulary, u64)> {
        let folds = settings.min_count.is_some() || settings.max_vocabulary.is_some();
        let bounded = settings.documents != Documents::Joined;
        let mut kept: Vec<(u32, u64)> = self.counts().collect();
        let all: u64 = kept.iter().map(|&(_, count)| count).sum();
        // The most frequent first. The sort is stable, so of equals the lower symbol comes first.
        kept.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        let frequent: Vec<u64> = kept.iter().take(LEAST_SYMBOLS).map(|&(_, count)| count).collect();
        kept.retain(|&(_, count)| count >= settings.min_count.unwrap_or(1));
        if let Some(most) = settings.max_vocabulary {
            kept.truncate(most.saturating_sub(1 + usize::from(bounded)));
        }
        if kept.len() < frequent.len() {
            return Err(too_few_symbols(settings, kept.len(), &frequent));
        }
        let known: u64 = kept.iter().map(|&(_, count)| count).sum();
        let symbols = kept.into_iter().map(|(symbol, _)| symbol);
        // This cannot fail: every symbol was a `char` or a `u8`.
        let vocabulary = Vocabulary::new(settings.unit, symbols).map_err(|error| Error::Options(error.to_string()))?;
        let vocabulary = if bounded { vocabulary.with_boundary() } else { vocabulary };
        Ok((if folds { vocabulary.with_unknown() } else { vocabulary }, all - known))
    }

    /// Number of NUL characters. They usually mean that a file is not text.
    pub fn nul(&self, unit: Unit) -> u64 {
        if unit == Unit::Char { self.count(0) } else { 0 }
    }

    fn add_bytes(&mut self, bytes: &[u8]) {
        let [first, second, third, fourth] = &mut *self.low;
        let (quads, rest) = bytes.as_chunks::<LANES>();
        for &[a, b, c, d] in quads {
            first[usize::from(a)] += 1;
            second[usize::from(b)] += 1;
            third[usize::from(c)] += 1;
            fourth[usize::from(d)] += 1;
        }
        for &byte in rest {
            first[usize::from(byte)] += 1;
        }
    }
}

/// The error for settings that leave `kept` symbols, when `frequent` are the counts of the text's most frequent ones.
fn too_few_symbols(settings: &Settings, kept: usize, frequent: &[u64]) -> Error {
    let what = match settings.unit {
        Unit::Char => "character",
        Unit::Byte => "byte",
    };
    let kept = if kept == 0 { format!("no {what}") } else { format!("only {kept} {what}") };
    Error::Options(match (settings.min_count, frequent.last()) {
        (Some(least), Some(&most)) if most < least => format!(
            "--min-count {least} leaves {kept} in the vocabulary, and a model needs at least {LEAST_SYMBOLS}; use \
             --min-count {most} or less"
        ),
        _ => format!(
            "--max-vocabulary {} leaves {kept} beside the special tokens, and a model needs at least \
             {LEAST_SYMBOLS}; use a larger --max-vocabulary",
            settings.max_vocabulary.unwrap_or(0)
        ),
    })
}
