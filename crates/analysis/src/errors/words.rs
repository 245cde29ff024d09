//! The words that a network did not expect.

use std::collections::HashMap;

use model_card::Vocabulary;

use super::tables::Kinds;
use crate::data::SurprisingWord;
use crate::predictions::Predictions;

/// Words that are listed.
const LISTED: usize = 20;

/// Tokens of the text that are shown on either side of a word.
const AROUND: usize = 30;

/// How often each word of `tokens` is in the training text.
pub fn count_in<'t>(training: &[u32], kinds: &Kinds, tokens: &'t [u32]) -> HashMap<&'t [u32], usize> {
    let mut counts: HashMap<&[u32], usize> = kinds.words(tokens).into_iter().map(|word| (&tokens[word], 0)).collect();
    for word in kinds.words(training) {
        if let Some(count) = counts.get_mut(&training[word]) {
            *count += 1;
        }
    }
    counts
}

/// The words with the most bits, mean over the times that they are there.
pub fn surprising(
    vocabulary: &Vocabulary,
    kinds: &Kinds,
    tokens: &[u32],
    predictions: &Predictions,
    in_training: &HashMap<&[u32], usize>,
) -> Vec<SurprisingWord> {
    struct Seen {
        times: usize,
        bits: f64,
        most: f64,
        place: std::ops::Range<usize>,
    }
    let mut seen: HashMap<&[u32], Seen> = HashMap::new();
    // Nothing predicts the first token, so that a word there has fewer bits than it should.
    for place in kinds.words(tokens).into_iter().filter(|word| word.start > 0) {
        let bits = predictions.nats[place.clone()].iter().sum::<f64>() / std::f64::consts::LN_2;
        let word = seen.entry(&tokens[place.clone()]).or_insert(Seen { times: 0, bits: 0.0, most: -1.0, place: 0..0 });
        word.times += 1;
        word.bits += bits;
        if bits > word.most {
            (word.most, word.place) = (bits, place);
        }
    }
    let mut words: Vec<(f64, &[u32], Seen)> =
        seen.into_iter().map(|(word, seen)| (seen.bits / seen.times as f64, word, seen)).collect();
    words.sort_by(|(one, _, first), (other, _, second)| {
        other.total_cmp(one).then(first.place.start.cmp(&second.place.start))
    });
    let listed = |(bits, word, Seen { times, place, .. }): (f64, &[u32], Seen)| {
        let before = vocabulary.decode(&tokens[place.start.saturating_sub(AROUND)..place.start]);
        let after = vocabulary.decode(&tokens[place.end..tokens.len().min(place.end + AROUND)]);
        let text = vocabulary.decode(word);
        SurprisingWord {
            bits,
            times,
            times_in_training: in_training.get(word).copied().unwrap_or(0),
            start: before.len(),
            end: before.len() + text.len(),
            excerpt: format!("{before}{text}{after}"),
            word: text,
        }
    };
    words.into_iter().take(LISTED).map(listed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model_card::Unit;

    #[test]
    fn words_are_ordered_by_their_mean_bits_and_shown_where_they_surprised_most() {
        let text = "the cat, the dog; the cat.";
        let vocabulary = Vocabulary::from_text(Unit::Char, text);
        let tokens = vocabulary.encode(text).unwrap();
        let kinds = Kinds::new(&vocabulary);
        let mut predictions = Predictions::new(&tokens, 0);
        predictions.nats[4..7].fill(std::f64::consts::LN_2);
        predictions.nats[22..25].fill(3.0 * std::f64::consts::LN_2);
        predictions.nats[13..16].fill(1.5 * std::f64::consts::LN_2);
        let training = vocabulary.encode("the the cat cat cat a dog").unwrap();
        let counts = count_in(&training, &kinds, &tokens);
        let words = surprising(&vocabulary, &kinds, &tokens, &predictions, &counts);
        let found: Vec<_> = words
            .iter()
            .map(|word| {
                let shown = &word.excerpt[word.start..word.end];
                (shown, word.word.as_str(), (word.bits * 10.0).round() / 10.0, word.times, word.times_in_training)
            })
            .collect();
        // The first `the` is not counted.
        assert_eq!(found, [("cat", "cat", 6.0, 2, 3), ("dog", "dog", 4.5, 1, 1), ("the", "the", 0.0, 2, 2)]);
        assert!(words[0].excerpt.ends_with("cat."), "{words:?}");
    }
}
