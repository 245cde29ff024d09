//! The sizes of the network, and the number of parameters that follows from them.

use serde::{Deserialize, Serialize};

/// How a token enters the first layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", try_from = "StoredEncoding")]
pub enum InputEncoding {
    /// As a one-hot vector, which is never built: each token selects a column of the input weights.
    #[default]
    OneHot,
    /// As a learned vector.
    Embedding {
        /// Length of the vector.
        size: usize,
    },
    /// As a learned vector of length H, which is also the token's row of the output weights (Press and Wolf 2017; Inan,
    /// Khosravi and Socher 2017).
    TiedEmbedding,
}

/// The JSON form. The derived reader of a tagged enum would keep all fields in memory to find the tag, at sixteen times
/// their size.
#[derive(Deserialize)]
struct StoredEncoding {
    kind: EncodingKind,
    size: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum EncodingKind {
    OneHot,
    Embedding,
    TiedEmbedding,
}

impl TryFrom<StoredEncoding> for InputEncoding {
    type Error = &'static str;

    fn try_from(StoredEncoding { kind, size }: StoredEncoding) -> Result<Self, Self::Error> {
        Ok(match kind {
            EncodingKind::OneHot => Self::OneHot,
            EncodingKind::TiedEmbedding => Self::TiedEmbedding,
            EncodingKind::Embedding => Self::Embedding { size: size.ok_or("an embedding has a `size`")? },
        })
    }
}

/// The sizes of a character LSTM: an input encoding, `layers` LSTM layers, and a dense layer with one logit per token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSize {
    /// Tokens in the vocabulary (V).
    pub vocabulary: usize,
    /// Hidden size (H).
    pub hidden: usize,
    /// LSTM layers (L).
    pub layers: usize,
    /// How a token enters the first layer.
    #[serde(default)]
    pub input: InputEncoding,
}

impl ModelSize {
    /// The largest hidden size, and length of a learned vector, that a card may state.
    pub const MOST_UNITS: usize = 1 << 16;
    /// The most layers that a card may state.
    pub const MOST_LAYERS: usize = 1 << 10;

    /// Length of a token's learned vector; `None` for one-hot input.
    pub fn embedding_size(&self) -> Option<usize> {
        match self.input {
            InputEncoding::OneHot => None,
            InputEncoding::Embedding { size } => Some(size),
            InputEncoding::TiedEmbedding => Some(self.hidden),
        }
    }

    /// Length of a layer's input vector.
    pub fn input_size(&self, layer: usize) -> usize {
        if layer == 0 { self.embedding_size().unwrap_or(self.vocabulary) } else { self.hidden }
    }

    /// Trainable parameters. Each layer counts one bias vector, as in Keras; PyTorch has two, of which only the sum
    /// matters. Sizes that no card may state give the largest number.
    pub fn parameters(&self) -> usize {
        let product = |left: usize, right: usize| left.saturating_mul(right);
        let embedding = product(self.vocabulary, self.embedding_size().unwrap_or(0));
        let output_weight =
            if self.input == InputEncoding::TiedEmbedding { 0 } else { product(self.vocabulary, self.hidden) };
        let layer =
            |inputs: usize| product(product(4, self.hidden), inputs.saturating_add(self.hidden).saturating_add(1));
        let first = if self.layers > 0 { layer(self.input_size(0)) } else { 0 };
        let others = product(self.layers.saturating_sub(1), layer(self.hidden));
        [first, others, output_weight, self.vocabulary].into_iter().fold(embedding, usize::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_agree_with_keras_and_with_hand_counts() {
        let lecture = ModelSize { vocabulary: 60, hidden: 128, layers: 1, input: InputEncoding::OneHot };
        // Keras' own summary of the lecture's model: LSTM 96,768 + Dense 7,740.
        assert_eq!(lecture.parameters(), 104_508);
        // 10*4 embedding; 4*8*(4+8+1) and 4*8*(8+8+1) LSTM; 10*8+10 output.
        let embedded = ModelSize { vocabulary: 10, hidden: 8, layers: 2, input: InputEncoding::Embedding { size: 4 } };
        assert_eq!(embedded.parameters(), 40 + 416 + 544 + 90);
        // 10*8 embedding, which is the output weight too; twice 4*8*(8+8+1) LSTM; 10 biases.
        let tied = ModelSize { input: InputEncoding::TiedEmbedding, ..embedded };
        assert_eq!(tied.parameters(), 80 + 2 * 544 + 10);
        let huge =
            ModelSize { vocabulary: 1, hidden: usize::MAX / 2, layers: usize::MAX, input: InputEncoding::OneHot };
        assert_eq!(huge.parameters(), usize::MAX);
    }
}
