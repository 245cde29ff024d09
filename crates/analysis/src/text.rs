//! The characters of a text beside its tokens.

use model_card::{Decoder, Vocabulary};

/// Stands for the boundary between documents among the characters: a control character that no text has any use for.
pub const BOUNDARY: char = '\u{1c}';

/// The characters of a sequence of tokens.
///
/// In a character vocabulary there is one for each token. In a byte vocabulary up to four tokens make a character, and a
/// token in the middle of one has what was complete before it.
#[derive(Debug, Clone)]
pub struct Text {
    /// The characters; [`BOUNDARY`] between documents, U+FFFD for what has no character.
    pub characters: Vec<char>,
    /// Characters that are complete after each token, (T).
    complete: Vec<usize>,
}

impl Text {
    /// The characters of these tokens.
    pub fn new(vocabulary: &Vocabulary, tokens: &[u32]) -> Self {
        let (mut characters, mut complete) = (vec![], Vec::with_capacity(tokens.len()));
        let mut decoder = Decoder::default();
        for &token in tokens {
            characters.extend(decoder.push(vocabulary, token).chars());
            if vocabulary.symbol(token).is_none() {
                let is_boundary = vocabulary.boundary() == Some(token);
                characters.push(if is_boundary { BOUNDARY } else { char::REPLACEMENT_CHARACTER });
            }
            complete.push(characters.len());
        }
        characters.extend(decoder.finish().chars());
        Self { characters, complete }
    }

    /// Values of the characters as values of the tokens, (T).
    pub fn by_token(&self, values: &[u8]) -> Vec<u8> {
        self.complete.iter().map(|&complete| complete.checked_sub(1).map_or(0, |last| values[last])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model_card::Unit;

    #[test]
    fn every_token_has_the_value_of_the_last_whole_character() {
        let values: Vec<u8> = (1..=9).collect();
        let characters = Vocabulary::from_text(Unit::Char, "a\u{e9}b").with_boundary().with_unknown();
        let text = Text::new(&characters, &[0, 3, 2, 4, 1]);
        assert_eq!(text.characters, ['a', BOUNDARY, '\u{e9}', '\u{fffd}', 'b']);
        assert_eq!(text.by_token(&values), [1, 2, 3, 4, 5]);

        let bytes = Vocabulary::new(Unit::Byte, 0..256).unwrap();
        let ids = |text: &[u8]| text.iter().copied().map(u32::from).collect::<Vec<_>>();
        let text = Text::new(&bytes, &ids("\u{1f40b}a\u{e9}".as_bytes()));
        assert_eq!(text.characters, ['\u{1f40b}', 'a', '\u{e9}']);
        assert_eq!(text.by_token(&values), [0, 0, 0, 1, 2, 2, 3]);
        // A text that ends within a character.
        assert_eq!(Text::new(&bytes, &ids(b"a\xc3")).characters, ['a', '\u{fffd}']);
    }
}
