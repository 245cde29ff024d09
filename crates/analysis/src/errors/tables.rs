//! The loss by kind of character, and which token was taken for which.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;

use model_card::{Unit, Vocabulary};

use crate::data::{Confusion, KindLoss};
use crate::predictions::Predictions;

/// Tokens in the table of confusions.
const COMMONEST: usize = 20;

/// A kind of character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Letter,
    Capital,
    Digit,
    Space,
    LineEnd,
    Punctuation,
    Other,
}

impl Kind {
    const ALL: [Self; 7] =
        [Self::Letter, Self::Capital, Self::Digit, Self::Space, Self::LineEnd, Self::Punctuation, Self::Other];

    fn name(self) -> &'static str {
        match self {
            Self::Letter => "letters",
            Self::Capital => "capitals",
            Self::Digit => "digits",
            Self::Space => "spaces",
            Self::LineEnd => "line ends",
            Self::Punctuation => "punctuation",
            Self::Other => "others",
        }
    }

    fn of(character: char) -> Self {
        match character {
            '\n' | '\r' => Self::LineEnd,
            _ if character.is_whitespace() => Self::Space,
            _ if character.is_control() => Self::Other,
            _ if character.is_uppercase() => Self::Capital,
            _ if character.is_alphabetic() => Self::Letter,
            _ if character.is_numeric() => Self::Digit,
            _ => Self::Punctuation,
        }
    }
}

/// The kinds of a vocabulary's tokens.
#[derive(Debug)]
pub struct Kinds {
    /// By token; `None` for the special tokens and for bytes above 0x7f.
    characters: Vec<Option<char>>,
    kinds: Vec<Kind>,
}

impl Kinds {
    /// A byte above 0x7f is part of a character, most often of a letter, and counts as a letter.
    pub fn new(vocabulary: &Vocabulary) -> Self {
        let symbols: Vec<Option<u32>> = (0..vocabulary.len() as u32).map(|token| vocabulary.symbol(token)).collect();
        let is_part = |symbol: u32| vocabulary.unit() == Unit::Byte && symbol >= 0x80;
        let character = |symbol: &Option<u32>| symbol.filter(|&symbol| !is_part(symbol)).and_then(char::from_u32);
        let kind = |symbol: &Option<u32>| match (symbol, character(symbol)) {
            (_, Some(character)) => Kind::of(character),
            (Some(_), None) => Kind::Letter,
            (None, None) => Kind::Other,
        };
        Self { characters: symbols.iter().map(character).collect(), kinds: symbols.iter().map(kind).collect() }
    }

    /// Tokens in the vocabulary.
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// The kind of a token.
    pub fn of(&self, token: u32) -> Kind {
        self.kinds[token as usize]
    }

    /// The character of a token, if it has one.
    pub fn character(&self, token: u32) -> Option<char> {
        self.characters[token as usize]
    }

    /// The words of a text: runs of letters and digits, with apostrophes between two letters.
    pub fn words(&self, tokens: &[u32]) -> Vec<Range<usize>> {
        let is_letter = |place: usize| {
            tokens.get(place).is_some_and(|&token| matches!(self.of(token), Kind::Letter | Kind::Capital))
        };
        let in_word = |place: usize| match self.character(tokens[place]) {
            Some('\'' | '\u{2019}') => place > 0 && is_letter(place - 1) && is_letter(place + 1),
            _ => matches!(self.of(tokens[place]), Kind::Letter | Kind::Capital | Kind::Digit),
        };
        let mut words: Vec<Range<usize>> = vec![];
        for place in (0..tokens.len()).filter(|&place| in_word(place)) {
            match words.last_mut() {
                Some(word) if word.end == place => word.end += 1,
                _ => words.push(place..place + 1),
            }
        }
        words
    }
}

/// The loss by kind of character.
pub fn kinds(kinds: &Kinds, tokens: &[u32], predictions: &Predictions) -> Vec<KindLoss> {
    let mut sums = [(0, 0.0); Kind::ALL.len()];
    for (&token, nats) in tokens.iter().zip(&predictions.nats).skip(1) {
        let (count, sum) = &mut sums[kinds.of(token) as usize];
        *count += 1;
        *sum += nats;
    }
    let whole: f64 = sums.iter().map(|(_, sum)| sum).sum();
    let row = |(kind, (tokens, sum)): (Kind, (usize, f64))| KindLoss {
        kind: kind.name(),
        tokens,
        nats: if tokens > 0 { sum / tokens as f64 } else { 0.0 },
        share: if whole > 0.0 { sum / whole } else { 0.0 },
    };
    Kind::ALL.into_iter().zip(sums).map(row).collect()
}

/// Which of the commonest tokens was taken for which.
pub fn confusion(tokens: &[u32], predictions: &Predictions) -> Confusion {
    let mut times: HashMap<u32, usize> = HashMap::new();
    for &token in &tokens[1..] {
        *times.entry(token).or_default() += 1;
    }
    let mut common: Vec<(u32, usize)> = times.into_iter().collect();
    common.sort_by_key(|&(token, times)| (Reverse(times), token));
    let common: Vec<u32> = common.into_iter().take(COMMONEST).map(|(token, _)| token).collect();
    let place: HashMap<u32, usize> = common.iter().enumerate().map(|(place, &token)| (token, place)).collect();
    let mut counts = vec![vec![0; common.len()]; common.len()];
    let mut other = vec![0; common.len()];
    for (token, guess) in tokens.iter().zip(&predictions.likeliest).skip(1) {
        match (place.get(token), place.get(guess)) {
            (Some(&row), Some(&column)) => counts[row][column] += 1,
            (Some(&row), None) => other[row] += 1,
            (None, _) => {}
        }
    }
    Confusion { tokens: common, counts, other }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_those_of_the_characters() {
        let vocabulary = Vocabulary::from_text(Unit::Char, "a\u{6f22}B7 \t\n.\u{2014}\u{7}").with_boundary();
        let kinds = Kinds::new(&vocabulary);
        let cases = [
            ('a', Kind::Letter),
            ('\u{6f22}', Kind::Letter),
            ('B', Kind::Capital),
            ('7', Kind::Digit),
            (' ', Kind::Space),
            ('\t', Kind::Space),
            ('\n', Kind::LineEnd),
            ('.', Kind::Punctuation),
            ('\u{2014}', Kind::Punctuation),
            ('\u{7}', Kind::Other),
        ];
        for (character, kind) in cases {
            assert_eq!(kinds.of(vocabulary.id(character.into()).unwrap()), kind, "{character:?}");
        }
        assert_eq!(kinds.of(vocabulary.boundary().unwrap()), Kind::Other);
        let bytes = Kinds::new(&Vocabulary::new(Unit::Byte, 0..256).unwrap());
        assert_eq!((bytes.of(0xc3), bytes.character(0xc3), bytes.of(0x2e)), (Kind::Letter, None, Kind::Punctuation));
    }

    #[test]
    fn words_keep_their_apostrophes() {
        let text = "'Tis don't 42nd--x' y";
        let vocabulary = Vocabulary::from_text(Unit::Char, text);
        let tokens = vocabulary.encode(text).unwrap();
        let words = Kinds::new(&vocabulary).words(&tokens);
        let words: Vec<String> = words.into_iter().map(|word| vocabulary.decode(&tokens[word])).collect();
        assert_eq!(words, ["Tis", "don't", "42nd", "x", "y"]);
    }

    #[test]
    fn shares_of_the_loss_add_up_and_the_first_token_does_not_count() {
        let vocabulary = Vocabulary::from_text(Unit::Char, "aB ");
        let (space, capital, letter) = (0, 1, 2);
        let tokens = [capital, letter, space, letter];
        let mut predictions = Predictions::new(&tokens, 0);
        predictions.nats = vec![0.0, 1.0, 2.0, 5.0];
        let losses = kinds(&Kinds::new(&vocabulary), &tokens, &predictions);
        let of = |kind: Kind| {
            let loss = &losses[kind as usize];
            (loss.kind, loss.tokens, loss.nats, loss.share)
        };
        assert_eq!(of(Kind::Letter), ("letters", 2, 3.0, 0.75));
        assert_eq!(of(Kind::Space), ("spaces", 1, 2.0, 0.25));
        assert_eq!(of(Kind::Capital), ("capitals", 0, 0.0, 0.0));
    }

    #[test]
    fn the_commonest_tokens_stand_first_and_others_are_counted_together() {
        // Token 30 - n comes n times, so that twenty of the thirty are in the table.
        let mut tokens = vec![0];
        for token in 0..30_u32 {
            tokens.extend(vec![token; 30 - token as usize]);
        }
        let mut predictions = Predictions::new(&tokens, 0);
        let guess = |&token: &u32| if token == 3 { 29 } else { token / 2 };
        predictions.likeliest = tokens.iter().map(guess).collect();
        let Confusion { tokens, counts, other } = confusion(&tokens, &predictions);
        assert_eq!(tokens, (0..20).collect::<Vec<_>>());
        assert_eq!((counts[10][5], counts[10][10], other[10]), (20, 0, 0));
        assert_eq!((counts[3].iter().sum::<u64>(), other[3]), (0, 27));
    }
}
