//! How often each symbol occurs, and which of them get a token.

use model_card::{Unit, Vocabulary};

use super::text::Piece;
use crate::{Documents, Result, Settings};

/// Symbols are counted by pages of 256, and pages made when they are met: a text of few scripts takes little memory.
const PAGE: usize = 256;
/// Pages of all of Unicode.
const PAGES: usize = 0x11_0000 / PAGE;
/// Bytes are counted in four rows in turn: equal neighbours do not wait for each other.
const LANES: usize = 4;

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
    /// Counts a piece; a boundary is no symbol.
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

    /// Adds what another counted.
    pub fn merge(&mut self, other: &Self) {
        for (symbol, count) in other.counts() {
            let page = self.pages[symbol as usize / PAGE].get_or_insert_with(|| Box::new([0; PAGE]));
            page[symbol as usize % PAGE] += count;
        }
    }

    /// How often a symbol occurs.
    pub fn count(&self, symbol: u32) -> u64 {
        let (page, place) = (symbol as usize / PAGE, symbol as usize % PAGE);
        let low = if page == 0 { self.low.iter().map(|lane| lane[place]).sum() } else { 0 };
        low + self.pages[page].as_ref().map_or(0, |page| page[place])
    }

    /// The symbols that occur and how often, in ascending order.
    pub fn counts(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        let pages = (0..PAGES).filter(|&page| page == 0 || self.pages[page].is_some());
        let symbols = pages.flat_map(|page| (page * PAGE..(page + 1) * PAGE).map(|symbol| symbol as u32));
        symbols.map(|symbol| (symbol, self.count(symbol))).filter(|&(_, count)| count > 0)
    }

    /// The vocabulary that the settings make of the counts, and how many symbols of the text are outside it.
    pub fn vocabulary(&self, settings: &Settings) -> Result<(Vocabulary, u64)> {
        let folds = settings.min_count.is_some() || settings.max_vocabulary.is_some();
        let bounded = settings.documents != Documents::Joined;
        let mut kept: Vec<(u32, u64)> = self.counts().collect();
        let all: u64 = kept.iter().map(|&(_, count)| count).sum();
        kept.retain(|&(_, count)| count >= settings.min_count.unwrap_or(1));
        if let Some(most) = settings.max_vocabulary {
            // The most frequent stay; among equals the first in the order of the symbols (the sort is stable).
            kept.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
            kept.truncate(most.saturating_sub(1 + usize::from(bounded)));
        }
        let known: u64 = kept.iter().map(|&(_, count)| count).sum();
        let symbols = kept.into_iter().map(|(symbol, _)| symbol);
        // Symbols come from a `char` or a `u8` and are valid as such.
        let vocabulary = Vocabulary::new(settings.unit, symbols)
            .map_err(|error| crate::Error::Options(format!("no vocabulary: {error}")))?;
        let vocabulary = if bounded { vocabulary.with_boundary() } else { vocabulary };
        Ok((if folds { vocabulary.with_unknown() } else { vocabulary }, all - known))
    }

    /// NUL characters, which a text seldom holds on purpose.
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
