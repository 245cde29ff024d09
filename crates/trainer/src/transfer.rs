//! A trained network for another text: characters that both know keep their weights, the others get new ones.

use std::path::Path;

use candle_core::{Device, Tensor};
use lstm::CharLstm;
use model_card::{InputEncoding, ModelCard, ModelSize, Vocabulary, tensors};

use crate::{Error, Result};

/// For each token of `vocabulary`, the token that means the same in `other`.
pub fn tokens_in(other: &Vocabulary, vocabulary: &Vocabulary) -> Vec<Option<u32>> {
    let same_unit = other.unit() == vocabulary.unit();
    let meaning = |token: u32| match vocabulary.symbol(token) {
        Some(symbol) => other.id(symbol).filter(|_| same_unit),
        None if vocabulary.boundary() == Some(token) => other.boundary(),
        None => other.unknown(),
    };
    (0..vocabulary.len() as u32).map(meaning).collect()
}

/// The network of `card` for another vocabulary, and how many of its tokens the old one knows; `seed` draws the weights
/// of the others. `checkpoint` and `corpus` are for the message.
pub fn transfer(
    network: &CharLstm,
    card: &ModelCard,
    vocabulary: &Vocabulary,
    seed: u64,
    checkpoint: &Path,
    corpus: &str,
    device: &Device,
) -> Result<(CharLstm, usize)> {
    let sources = tokens_in(&card.vocabulary, vocabulary);
    let matched = sources.iter().flatten().count();
    if matched == 0 {
        let (checkpoint, corpus, tokens) = (checkpoint.into(), corpus.into(), vocabulary.len());
        return Err(Error::NothingInCommon { checkpoint, corpus, tokens });
    }
    let size = ModelSize { vocabulary: vocabulary.len(), ..card.size };
    let mut new = CharLstm::init(&size, seed, &Device::Cpu)?.tensors()?;
    for (name, old) in network.tensors()? {
        let old = old.to_device(&Device::Cpu)?;
        let one_hot = size.input == InputEncoding::OneHot && name == tensors::weight_ih(0);
        let by_token =
            [tensors::EMBEDDING_WEIGHT, tensors::OUTPUT_WEIGHT, tensors::OUTPUT_BIAS].contains(&name.as_str());
        let Some(target) = new.get_mut(&name) else { continue };
        *target = if one_hot {
            rows(&old.t()?.contiguous()?, &target.t()?.contiguous()?, &sources)?.t()?.contiguous()? // (4H, V)
        } else if by_token {
            rows(&old, target, &sources)?
        } else {
            old
        };
    }
    Ok((CharLstm::load(new, &size, device)?, matched))
}

/// For each row the row of `old` that its source names, or the row of `new` if there is no source.
fn rows(old: &Tensor, new: &Tensor, sources: &[Option<u32>]) -> Result<Tensor> {
    let row = |(index, source): (usize, &Option<u32>)| match source {
        Some(source) => old.get(*source as usize),
        None => new.get(index),
    };
    let rows = sources.iter().enumerate().map(row).collect::<candle_core::Result<Vec<_>>>()?;
    Ok(Tensor::stack(&rows, 0)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lstm::Outputs;
    use model_card::{Context, FORMAT_VERSION, Normalisation, Provenance, Unit};

    fn card(vocabulary: Vocabulary, input: InputEncoding) -> ModelCard {
        ModelCard {
            format_version: FORMAT_VERSION,
            size: ModelSize { vocabulary: vocabulary.len(), hidden: 5, layers: 2, input },
            vocabulary,
            normalisation: Normalisation::default(),
            context: Context::Stateful,
            seed_text: String::new(),
            provenance: Provenance::default(),
        }
    }

    /// Logits after a text, by character, of the characters in `shown`.
    fn logits(network: &CharLstm, vocabulary: &Vocabulary, text: &str, shown: &str) -> Vec<f32> {
        let ids = Tensor::new(vocabulary.encode(text).unwrap(), &Device::Cpu).unwrap().unsqueeze(0).unwrap(); // (1, T)
        let (logits, _) = network.forward(&ids, None, Outputs::Last).unwrap();
        let logits: Vec<f32> = logits.flatten_all().unwrap().to_vec1().unwrap();
        vocabulary.encode(shown).unwrap().into_iter().map(|id| logits[id as usize]).collect()
    }

    #[test]
    fn characters_in_common_are_predicted_as_before() {
        for input in [InputEncoding::OneHot, InputEncoding::Embedding { size: 3 }, InputEncoding::TiedEmbedding] {
            let old = card(Vocabulary::from_text(Unit::Char, "acegi"), input);
            let network = CharLstm::init(&old.size, 4, &Device::Cpu).unwrap();
            let new = Vocabulary::from_text(Unit::Char, "abcdeé");
            let (moved, matched) = transfer(&network, &old, &new, 9, Path::new("C"), "text", &Device::Cpu).unwrap();
            assert_eq!((moved.size().vocabulary, matched), (6, 3));
            let expected = logits(&network, &old.vocabulary, "ceca", "ace");
            assert_eq!(logits(&moved, &new, "ceca", "ace"), expected, "{input:?}");
        }
    }

    #[test]
    fn nothing_in_common_is_refused() {
        let old = card(Vocabulary::from_text(Unit::Char, "ab"), InputEncoding::OneHot);
        let network = CharLstm::init(&old.size, 4, &Device::Cpu).unwrap();
        for other in [Vocabulary::from_text(Unit::Char, "xyz"), Vocabulary::from_text(Unit::Byte, "ab")] {
            let error = transfer(&network, &old, &other, 9, Path::new("C"), "text", &Device::Cpu).unwrap_err();
            assert!(matches!(error, Error::NothingInCommon { .. }), "{error}");
        }
    }
}
