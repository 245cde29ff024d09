//! The errors by what would mend them, after Karpathy, Johnson and Fei-Fei, "Visualizing and Understanding Recurrent Networks"
//! (2015), section 4.4. docs/cells.md says where the definitions differ from the paper's.

use std::collections::HashMap;
use std::ops::Range;

use super::ngram::{LONGEST, NGrams};
use super::tables::{Kind, Kinds};
use crate::data::{Breakdown, Cause, CausePart, CauseShare};
use crate::predictions::Predictions;

/// A token with a lower probability is an error.
const RIGHT: f64 = 0.5;

/// How far back a word is looked for, in tokens.
const MEMORIES: [usize; 4] = [100, 500, 1000, 5000];

/// A word that is in the training text more often is not rare.
const RARE: usize = 5;

/// The errors of a network on `tokens` by their cause. `words` counts the words of `tokens` in the training text.
pub fn breakdown(
    kinds: &Kinds,
    tokens: &[u32],
    predictions: &Predictions,
    training: &[u32],
    words: &HashMap<&[u32], usize>,
    report: &mut dyn FnMut(usize),
) -> Breakdown {
    let is_error = |&position: &usize| predictions.probability(position) < RIGHT;
    let (errors, right): (Vec<usize>, Vec<usize>) = (1..tokens.len()).partition(is_error);
    let ngrams = NGrams::new(tokens, &errors, training, kinds.len(), report);
    let places = Places::new(kinds, tokens);
    let mut causes = Cause::ALL.map(Counts::new);
    let mut memory = (0..0, None);
    for &position in &errors {
        let word = places.word(position);
        if let Some(word) = word.clone().filter(|word| memory.0 != *word) {
            memory = (word.clone(), remembered(tokens, word));
        }
        let (cause, part) = if let Some(n) = short_context(&ngrams, tokens, position) {
            (Cause::NGram, n)
        } else if let Some(part) = memory.1.filter(|_| word.as_ref().is_some_and(|word| position > word.start)) {
            (Cause::DynamicMemory, part)
        } else if let Some(times) =
            word.and_then(|word| words.get(&tokens[word]).copied()).filter(|&times| times <= RARE)
        {
            (Cause::RareWord, times)
        } else if let Some(part) = starts_word(kinds, tokens[position - 1]) {
            (Cause::WordModel, part)
        } else if kinds.of(tokens[position]) == Kind::Punctuation {
            (Cause::Punctuation, 0)
        } else {
            // 0.4 and more needs a tenth, and so on.
            (Cause::Boost, ((RIGHT - predictions.probability(position)) * 10.0).ceil().clamp(1.0, 5.0) as usize - 1)
        };
        causes[cause as usize].add(part, predictions.nats[position]);
    }
    Breakdown {
        errors: errors.len(),
        right: right.len(),
        right_nats: right.iter().map(|&position| predictions.nats[position]).sum(),
        causes: causes.into_iter().map(|counts| counts.share(errors.len())).collect(),
        training_tokens: training.len(),
    }
}

/// The shortest context from which an n-gram model predicts a token: 0 for one token, and so on.
fn short_context(ngrams: &NGrams, tokens: &[u32], position: usize) -> Option<usize> {
    ngrams.probabilities(tokens, position).position(|probability| probability > RIGHT)
}

/// The shortest of [`MEMORIES`] that has a word in it, as its index.
fn remembered(tokens: &[u32], word: Range<usize>) -> Option<usize> {
    let far = word.start.saturating_sub(MEMORIES[MEMORIES.len() - 1]);
    let last = tokens[far..word.start].windows(word.len()).rposition(|passage| *passage == tokens[word.clone()])?;
    let distance = word.start - far - last;
    MEMORIES.iter().position(|&memory| distance <= memory)
}

/// Whether a word may start after this token: 0 after a space, 1 after a line end, 2 after a quote.
fn starts_word(kinds: &Kinds, before: u32) -> Option<usize> {
    match (kinds.of(before), kinds.character(before)) {
        (Kind::Space, _) => Some(0),
        (Kind::LineEnd, _) => Some(1),
        (_, Some('"' | '\'' | '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}' | '\u{ab}' | '\u{bb}')) => Some(2),
        _ => None,
    }
}

/// The word at each position.
struct Places {
    words: Vec<Range<usize>>,
}

impl Places {
    fn new(kinds: &Kinds, tokens: &[u32]) -> Self {
        Self { words: kinds.words(tokens) }
    }

    fn word(&self, position: usize) -> Option<Range<usize>> {
        let after = self.words.partition_point(|word| word.end <= position);
        self.words.get(after).filter(|word| word.contains(&position)).cloned()
    }
}

impl Cause {
    /// All causes, in the order that they are tried in.
    pub const ALL: [Self; 6] =
        [Self::NGram, Self::DynamicMemory, Self::RareWord, Self::WordModel, Self::Punctuation, Self::Boost];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::NGram => "n-gram",
            Self::DynamicMemory => "dynamic long memory",
            Self::RareWord => "rare words",
            Self::WordModel => "word model",
            Self::Punctuation => "punctuation",
            Self::Boost => "boost",
        }
    }

    /// Its definition in one sentence.
    pub fn definition(self) -> &'static str {
        match self {
            Self::NGram => {
                "A model of the training text that sees the last n characters, n from 1 to 9, gives the character a \
                 probability above 0.5."
            }
            Self::DynamicMemory => {
                "The character is in a word, after its first character, that is also among the last 100, 500, 1,000 or \
                 5,000 characters before the word."
            }
            Self::RareWord => "The character is in a word that is in the training text five times at most.",
            Self::WordModel => "The character follows a space, a line end or a quote.",
            Self::Punctuation => "The character is punctuation.",
            Self::Boost => "All others, by what their probability lacks to 0.5.",
        }
    }

    fn parts(self) -> Vec<String> {
        match self {
            Self::NGram => (1..=LONGEST).map(|n| format!("n = {n}")).collect(),
            Self::DynamicMemory => MEMORIES.map(|memory| format!("last {memory}")).into(),
            Self::RareWord => (0..=RARE).map(|times| model_card::counted(times as u64, "time")).collect(),
            Self::WordModel => ["space", "line end", "quote"].map(|before| format!("after a {before}")).into(),
            Self::Punctuation => vec!["all".into()],
            Self::Boost => (1..=5).map(|tenths| format!("by 0.{tenths}")).collect(),
        }
    }
}

/// The errors of one cause so far.
struct Counts {
    cause: Cause,
    parts: Vec<CausePart>,
    nats: f64,
}

impl Counts {
    fn new(cause: Cause) -> Self {
        let parts = cause.parts().into_iter().map(|name| CausePart { name, errors: 0 }).collect();
        Self { cause, parts, nats: 0.0 }
    }

    fn add(&mut self, part: usize, nats: f64) {
        self.parts[part].errors += 1;
        self.nats += nats;
    }

    fn share(self, of: usize) -> CauseShare {
        let errors = self.parts.iter().map(|part| part.errors).sum();
        CauseShare {
            cause: self.cause,
            name: self.cause.name(),
            definition: self.cause.definition(),
            errors,
            share: if of > 0 { errors as f64 / of as f64 } else { 0.0 },
            nats: self.nats,
            parts: self.parts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::count_in;
    use super::*;
    use model_card::{Unit, Vocabulary};

    /// The causes of all errors, each at the character that stands under it, `.` where there is none.
    fn causes(training: &str, text: &str, probabilities: &str) -> String {
        let vocabulary = Vocabulary::from_text(Unit::Char, &format!("{training}{text}"));
        let encode = |text: &str| vocabulary.encode(text).unwrap();
        let (training, tokens, kinds) = (encode(training), encode(text), Kinds::new(&vocabulary));
        let words = count_in(&training, &kinds, &tokens);
        let tenths: Vec<u32> = probabilities.chars().map(|digit| digit.to_digit(10).unwrap()).collect();
        assert_eq!(tenths.len(), tokens.len());
        let mut whole = String::from(".");
        // One position at a time: all others are right.
        for (position, tenths) in tenths.into_iter().enumerate().skip(1) {
            let mut predictions = Predictions::new(&tokens, 0);
            let probability = f64::from(tenths) / 10.0 + 0.05;
            predictions.nats[position] = -probability.ln();
            let found = breakdown(&kinds, &tokens, &predictions, &training, &words, &mut |_| ());
            let letters = ['n', 'm', 'r', 'w', 'p', 'b'];
            let cause = found.causes.iter().find(|cause| cause.errors > 0);
            assert_eq!(found.errors, usize::from(tenths < 5));
            whole.push(cause.map_or('.', |cause| letters[cause.cause as usize]));
        }
        whole
    }

    #[test]
    fn each_error_has_the_first_cause_that_applies() {
        // Eight words in no order: which comes next is open, and its first letter has the rest of it follow.
        let words = ["alm", "bik", "cot", "dup", "eng", "fyr", "gob", "hew"];
        let training: Vec<&str> = (0..400_usize).map(|place| words[(place * place + place / 7) * 5 / 3 % 8]).collect();
        let text = "cot dup! zoo zoo; alm";
        let found = causes(&training.join(" "), text, &"1".repeat(text.len()));
        // n: n-gram, m: memory, r: rare word, w: word model, p: punctuation, b: boost.
        assert_eq!(found, ".nnnwnnpbrrrbrmmpbwnn", "of {text:?}");
        assert_eq!(causes(&training.join(" "), text, &"9".repeat(text.len())), ".".repeat(text.len()));
    }

    #[test]
    fn parts_and_shares_add_up_to_all_errors_and_their_nats_to_the_loss() {
        let text: String = (0..3000_u32)
            .map(|place| {
                char::from(b"the quick, brown \"fox\"\njumps over. "[(place * place / 7 + place) as usize % 35])
            })
            .collect();
        let vocabulary = Vocabulary::from_text(Unit::Char, &text);
        let tokens = vocabulary.encode(&text).unwrap();
        let (training, tokens) = tokens.split_at(2000);
        let kinds = Kinds::new(&vocabulary);
        let mut predictions = Predictions::new(tokens, 0);
        for (position, nats) in predictions.nats.iter_mut().enumerate().skip(1) {
            *nats = (position * 37 % 100) as f64 / 25.0;
        }
        let words = count_in(training, &kinds, tokens);
        let found = breakdown(&kinds, tokens, &predictions, training, &words, &mut |_| ());
        let sum = |of: &dyn Fn(&CauseShare) -> f64| found.causes.iter().map(of).sum::<f64>();
        assert_eq!(found.errors + found.right, tokens.len() - 1);
        assert_eq!(found.causes.iter().map(|cause| cause.errors).sum::<usize>(), found.errors);
        assert!((sum(&|cause| cause.share) - 1.0).abs() < 1e-12);
        let whole = predictions.mean() * (tokens.len() - 1) as f64;
        assert!((sum(&|cause| cause.nats) + found.right_nats - whole).abs() < 1e-9 * whole);
        for cause in &found.causes {
            assert_eq!(cause.parts.iter().map(|part| part.errors).sum::<usize>(), cause.errors);
        }
    }

    #[test]
    fn a_word_is_remembered_as_long_as_it_is_near() {
        let tokens_of = |gap: usize| {
            let text = format!("moth{}moth", " ".repeat(gap));
            let vocabulary = Vocabulary::from_text(Unit::Char, "moth ");
            vocabulary.encode(&text).unwrap()
        };
        for (gap, part) in
            [(1, Some(0)), (96, Some(0)), (97, Some(1)), (996, Some(2)), (997, Some(3)), (4996, Some(3)), (4997, None)]
        {
            let tokens = tokens_of(gap);
            assert_eq!(remembered(&tokens, 4 + gap..8 + gap), part, "{gap} characters between");
        }
    }
}
