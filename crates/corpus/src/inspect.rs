//! What a corpus contains: counts, entropies, first lines, and whether the shards are undamaged.

use xxhash_rust::xxh3::xxh3_64;

use crate::{Corpus, Split, Tokens};

/// Tokens of context for the conditional entropy.
pub const CONTEXT: usize = 5;
/// The conditional entropy uses at most this many tokens, because it keeps two hashes of eight bytes for each.
const SAMPLE: usize = 8_000_000;
/// Tokens that are read at a time.
const STEP: usize = 64 * 1024;
/// Most tokens in the excerpt of a split.
const EXCERPT: usize = 240;
/// Most lines in the excerpt of a split.
const LINES: usize = 3;

/// What a corpus contains.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The id of every token that occurs, and how often it does; the most frequent first.
    pub counts: Vec<(u32, u64)>,
    /// Entropy of single tokens over the whole corpus, in bits per token.
    pub unigram_bits: f64,
    /// Entropy of a token given the five before it, over the sample, in bits per token; `None` if the training split is
    /// too short. A model that has merely memorised short contexts comes close to it on this text.
    pub context_bits: Option<f64>,
    /// Tokens in the sample: the start of the training split.
    pub context_tokens: usize,
    /// The first lines of each split, without blank ones.
    pub excerpts: Vec<(Split, Vec<String>)>,
    /// For each shard, in the order of the index, what is wrong with it.
    pub verdicts: Vec<Option<String>>,
}

/// Inspects a whole corpus.
pub fn inspect(corpus: &Corpus) -> Inspection {
    let mut counts: Vec<(u32, u64)> = (0_u32..).zip(count(corpus)).filter(|&(_, count)| count > 0).collect();
    counts.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    let unigram_bits = entropy(counts.iter().map(|&(_, count)| count));
    let training = corpus.training();
    let sample = training.slice(0..training.len().min(SAMPLE));
    let excerpts = Split::ALL
        .into_iter()
        .filter_map(|split| corpus.split(split).map(|tokens| (split, excerpt(corpus, tokens))))
        .collect();
    let verdicts = corpus.verdicts().map(|verdict| verdict.err().map(|error| error.to_string())).collect();
    Inspection {
        counts,
        unigram_bits,
        context_bits: context_entropy(sample),
        context_tokens: sample.len(),
        excerpts,
        verdicts,
    }
}

/// How often each id occurs. Ids past the vocabulary, which only a damaged shard contains, are left out.
fn count(corpus: &Corpus) -> Vec<u64> {
    let mut counts = vec![0; corpus.vocabulary().len()];
    let tokens = corpus.tokens();
    let mut ids = vec![0; STEP];
    for start in (0..tokens.len()).step_by(STEP) {
        let ids = &mut ids[..STEP.min(tokens.len() - start)];
        tokens.read(start, ids);
        for &mut id in ids {
            if let Some(count) = counts.get_mut(id as usize) {
                *count += 1;
            }
        }
    }
    counts
}

/// The Shannon entropy of counts in bits: the sum of -p log2 p.
fn entropy(counts: impl Iterator<Item = u64> + Clone) -> f64 {
    let all = counts.clone().sum::<u64>() as f64;
    // Adding 0.0 turns the -0 of a single symbol into 0.
    -counts.map(|count| count as f64 / all).map(|share| share * share.log2()).sum::<f64>() + 0.0
}

/// H(token | context) = H(context, token) - H(context), with the frequencies in the text itself (Shannon, *Prediction
/// and Entropy of Printed English*, 1951, equation 1). Sequences are compared by a 64-bit hash; the probability that
/// two of 8 million collide is 2 in a million.
fn context_entropy(tokens: Tokens<'_>) -> Option<f64> {
    let places = tokens.len().checked_sub(CONTEXT).filter(|&places| places > 0)?;
    let hashes = |length: usize| {
        let mut hashes = Vec::with_capacity(places);
        let mut ids = Vec::new();
        for start in (0..places).step_by(STEP) {
            let here = STEP.min(places - start);
            ids.resize(here + CONTEXT, 0);
            tokens.read(start, &mut ids);
            let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
            hashes.extend((0..here).map(|place| xxh3_64(&bytes[4 * place..4 * (place + length)])));
        }
        hashes.sort_unstable();
        hashes
    };
    let bits = |hashes: Vec<u64>| entropy(hashes.chunk_by(|left, right| left == right).map(|run| run.len() as u64));
    Some((bits(hashes(CONTEXT + 1)) - bits(hashes(CONTEXT))).max(0.0))
}

/// The first lines of a split that are not blank. Each document starts a new line.
fn excerpt(corpus: &Corpus, tokens: Tokens<'_>) -> Vec<String> {
    let vocabulary = corpus.vocabulary();
    let ids = tokens.to_vec(0..tokens.len().min(EXCERPT));
    let documents = ids.split(|&id| Some(id) == vocabulary.boundary());
    let texts = documents.map(|ids| vocabulary.decode(ids));
    let lines = texts.flat_map(|text| text.lines().map(String::from).collect::<Vec<_>>());
    lines.filter(|line| !line.trim().is_empty()).take(LINES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropies_follow_the_formula() {
        let cases: [(&[u64], f64); 4] = [(&[1, 1], 1.0), (&[5], 0.0), (&[2, 1, 1], 1.5), (&[1; 8], 3.0)];
        for (counts, bits) in cases {
            assert!((entropy(counts.iter().copied()) - bits).abs() < 1e-12, "{counts:?}");
        }
    }

    #[test]
    fn context_lowers_the_entropy_by_what_it_predicts() {
        // Five tokens predict the next of a period of seven exactly; coin flips predict nothing.
        let period: Vec<u32> = (0..70_000).map(|place| place % 7).collect();
        assert!(context_entropy(Tokens::of(&period)).unwrap() < 1e-3);
        let coins: Vec<u32> = (0..200_000_u64).map(|place| xxh3_64(&place.to_le_bytes()) as u32 & 1).collect();
        assert!((context_entropy(Tokens::of(&coins)).unwrap() - 1.0).abs() < 1e-3);
        assert_eq!(context_entropy(Tokens::of(&[1; 5])), None);
    }
}
