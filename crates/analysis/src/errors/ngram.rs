//! N-gram models of the training text, as far as the errors of a network ask for them.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// The longest context, in tokens.
pub const LONGEST: usize = 9;

/// How often the tokens after each context are in the training text, for the contexts of some positions of another text
/// alone: memory is bounded by the errors, whatever the length of the training text.
///
/// A model of n tokens interpolates with that of n - 1 as Witten and Bell (1991) do: with N(c) the times of a context c,
/// and D(c) the different tokens after it,
///
/// ```text
/// p(x | c) = (N(c x) + D(c) · p(x | c without its first token)) / (N(c) + D(c))
/// ```
///
/// The model of no tokens is (N(x) + 1) / (N + V).
#[derive(Debug)]
pub struct NGrams {
    /// By the hash of the context, (LONGEST + 1 per position at most).
    contexts: HashMap<u64, Continuations, BuildHasherDefault<Identity>>,
    vocabulary: usize,
}

/// What follows a context.
#[derive(Debug, Default)]
struct Continuations {
    total: u64,
    /// Tokens and how often they follow, roughly the commonest first.
    counts: Vec<(u32, u32)>,
}

impl Continuations {
    fn add(&mut self, token: u32) {
        self.total += 1;
        let Some(place) = self.counts.iter().position(|&(other, _)| other == token) else {
            return self.counts.push((token, 1));
        };
        self.counts[place].1 += 1;
        if place > 0 && self.counts[place].1 > self.counts[place - 1].1 {
            self.counts.swap(place, place - 1);
        }
    }

    fn of(&self, token: u32) -> u32 {
        self.counts.iter().find(|&&(other, _)| other == token).map_or(0, |&(_, count)| count)
    }
}

impl NGrams {
    /// The models for what precedes `positions` of `tokens`, counted in `training`. `report` is told the tokens counted.
    pub fn new(
        tokens: &[u32],
        positions: &[usize],
        training: &[u32],
        vocabulary: usize,
        report: &mut dyn FnMut(usize),
    ) -> Self {
        let mut contexts: HashMap<u64, Continuations, BuildHasherDefault<Identity>> = HashMap::default();
        contexts.insert(EMPTY, Continuations::default());
        for &position in positions {
            for hash in hashes(tokens, position) {
                contexts.entry(hash).or_default();
            }
        }
        for (position, &next) in training.iter().enumerate() {
            if position.is_multiple_of(1 << 16) {
                report(position);
            }
            if let Some(all) = contexts.get_mut(&EMPTY) {
                all.add(next);
            }
            // Contexts grow at their start: if one is not asked for, no longer one is.
            for hash in hashes(training, position) {
                match contexts.get_mut(&hash) {
                    Some(context) => context.add(next),
                    None => break,
                }
            }
        }
        Self { contexts, vocabulary }
    }

    /// The probability of the token at a position by the models of 1, 2, … tokens before it; fewer than [`LONGEST`] at the
    /// text's start.
    pub fn probabilities(&self, tokens: &[u32], position: usize) -> impl Iterator<Item = f64> {
        let token = tokens[position];
        let all = &self.contexts[&EMPTY];
        let mut probability = f64::from(all.of(token) + 1) / (all.total + self.vocabulary as u64) as f64;
        hashes(tokens, position).map(move |hash| {
            if let Some(context) = self.contexts.get(&hash).filter(|context| context.total > 0) {
                let (times, different) = (f64::from(context.of(token)), context.counts.len() as f64);
                probability = (times + different * probability) / (context.total as f64 + different);
            }
            probability
        })
    }
}

/// The hash of no tokens.
const EMPTY: u64 = 0x5851_F42D_4C95_7F2D;

/// Hashes of the 1, 2, … tokens before a position.
fn hashes(tokens: &[u32], position: usize) -> impl Iterator<Item = u64> + use<'_> {
    let mut hash = EMPTY;
    tokens[position.saturating_sub(LONGEST)..position].iter().rev().map(move |&token| {
        let mixed = (hash.rotate_left(23) ^ (u64::from(token) + 1)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        hash = mixed ^ (mixed >> 32);
        hash
    })
}

/// The hash of a number that is a hash.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The recursion by counting in the whole text.
    fn naive(training: &[u32], context: &[u32], token: u32, vocabulary: usize) -> f64 {
        let followers: Vec<u32> = (context.len()..training.len())
            .filter(|&place| training[place - context.len()..place] == *context)
            .map(|place| training[place])
            .collect();
        let times = followers.iter().filter(|&&other| other == token).count() as f64;
        if context.is_empty() {
            return (times + 1.0) / (followers.len() + vocabulary) as f64;
        }
        let shorter = naive(training, &context[1..], token, vocabulary);
        let mut different = followers.clone();
        different.sort_unstable();
        different.dedup();
        if followers.is_empty() {
            return shorter;
        }
        let (total, different) = (followers.len() as f64, different.len() as f64);
        (times + different * shorter) / (total + different)
    }

    #[test]
    fn probabilities_are_those_of_the_recursion() {
        let text = |length: u64, salt: u64| -> Vec<u32> {
            (0..length).map(|place| ((place * place * 31 + place / 3 + salt) % 11 % 5) as u32).collect()
        };
        let training = text(500, 0);
        let tokens = [&text(40, 7)[..], &training[100..120]].concat();
        let positions: Vec<usize> = (0..60).collect();
        let models = NGrams::new(&tokens, &positions, &training, 5, &mut |_| ());
        let mut seen_long = false;
        for position in positions {
            let found: Vec<f64> = models.probabilities(&tokens, position).collect();
            assert_eq!(found.len(), position.min(LONGEST));
            for (n, found) in (1..).zip(found) {
                let context = &tokens[position - n..position];
                let expected = naive(&training, context, tokens[position], 5);
                assert!((found - expected).abs() < 1e-12, "{context:?}: {found} and not {expected}");
                seen_long |= n == LONGEST && training.windows(n).any(|window| window == context);
            }
        }
        assert!(seen_long, "the text has contexts of every length");
    }
}
