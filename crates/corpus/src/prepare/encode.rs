//! Encodes symbols (characters or bytes) as ids, in the bytes that a shard holds.

use model_card::Vocabulary;

use super::text::Piece;
use crate::shard::format::Width;

/// Symbols are looked up in pages of 256. Only pages with a symbol of the vocabulary exist.
const PAGE: usize = 256;

/// A table of the ids of all symbols.
pub struct Encoder {
    width: Width,
    boundary: u32,
    /// The id of symbols on a page that does not exist.
    other: u32,
    pages: Vec<Option<Box<[u32; PAGE]>>>,
    /// A copy of the first page, for ids of one byte.
    bytes: [u8; PAGE],
}

impl Encoder {
    /// The table for a vocabulary.
    ///
    /// A symbol without an id becomes the unknown token, or 0 if there is none. The latter only happens when a text
    /// changes between the two passes, which its hash shows.
    pub fn new(vocabulary: &Vocabulary) -> Self {
        let other = vocabulary.unknown().unwrap_or(0);
        let mut pages = vec![None; 0x11_0000 / PAGE];
        pages[0] = Some(Box::new([other; PAGE]));
        for (id, &symbol) in vocabulary.symbols().iter().enumerate() {
            let page = pages[symbol as usize / PAGE].get_or_insert_with(|| Box::new([other; PAGE]));
            page[symbol as usize % PAGE] = id as u32;
        }
        let mut bytes = [0; PAGE];
        if let Some(page) = &pages[0] {
            bytes.iter_mut().zip(page.iter()).for_each(|(byte, &id)| *byte = id as u8);
        }
        let width = Width::of_vocabulary(vocabulary.len());
        Self { width, boundary: vocabulary.boundary().unwrap_or(0), other, pages, bytes }
    }

    /// Appends the ids of a piece and returns their number.
    pub fn encode(&self, piece: Piece<'_>, ids: &mut Vec<u8>) -> usize {
        match (piece, self.width) {
            (Piece::Boundary, _) => {
                self.push(std::iter::once(self.boundary), ids);
                1
            }
            (Piece::Bytes(bytes), Width::One) => {
                ids.extend(bytes.iter().map(|&byte| self.bytes[usize::from(byte)]));
                bytes.len()
            }
            (Piece::Characters(text), Width::One) if text.is_ascii() => {
                ids.extend(text.bytes().map(|byte| self.bytes[usize::from(byte)]));
                text.len()
            }
            (Piece::Bytes(bytes), _) => self.push(bytes.iter().map(|&byte| self.id(u32::from(byte))), ids),
            (Piece::Characters(text), _) => self.push(text.chars().map(|character| self.id(character as u32)), ids),
        }
    }

    /// Bytes of one id.
    pub fn width(&self) -> Width {
        self.width
    }

    fn id(&self, symbol: u32) -> u32 {
        self.pages[symbol as usize / PAGE].as_ref().map_or(self.other, |page| page[symbol as usize % PAGE])
    }

    fn push(&self, symbols: impl Iterator<Item = u32>, ids: &mut Vec<u8>) -> usize {
        let start = ids.len();
        match self.width {
            Width::One => ids.extend(symbols.map(|id| id as u8)),
            Width::Two => symbols.for_each(|id| ids.extend_from_slice(&(id as u16).to_le_bytes())),
            Width::Four => symbols.for_each(|id| ids.extend_from_slice(&id.to_le_bytes())),
        }
        (ids.len() - start) / self.width.bytes()
    }
}
