//! The sizes of the network and what follows from them.

use serde::{Deserialize, Serialize};

/// How a token enters the first layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum InputEncoding {
    /// One column of the input weights per token; the one-hot vector itself is never built.
    #[default]
    OneHot,
    /// A learned vector per token.
    Embedding {
        /// Length of that vector.
        size: usize,
    },
    /// A learned vector of H numbers per token, which is also the token's column of the output weights (Press and Wolf
    /// 2017; Inan, Khosravi and Socher 2017).
    TiedEmbedding,
}

/// The sizes of a character LSTM: tokens in, `layers` LSTM layers, a dense layer to one logit per token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSize {
    /// Tokens: V.
    pub vocabulary: usize,
    /// Hidden size: H.
    pub hidden: usize,
    /// LSTM layers: L.
    pub layers: usize,
    /// How a token enters the first layer.
    #[serde(default)]
    pub input: InputEncoding,
}

impl ModelSize {
    /// Length of a token's learned vector; a one-hot input has none.
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

    /// Trained numbers, counting one bias vector per layer as Keras does (PyTorch keeps two that act as their sum).
    pub fn parameters(&self) -> usize {
        let embedding = self.vocabulary * self.embedding_size().unwrap_or(0);
        let output_weight = if self.input == InputEncoding::TiedEmbedding { 0 } else { self.vocabulary * self.hidden };
        let lstm: usize =
            (0..self.layers).map(|layer| 4 * self.hidden * (self.input_size(layer) + self.hidden + 1)).sum();
        embedding + lstm + output_weight + self.vocabulary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_those_of_the_field() {
        let lecture = ModelSize { vocabulary: 60, hidden: 128, layers: 1, input: InputEncoding::OneHot };
        // Keras' own summary of the lecture's model: LSTM 96,768 + Dense 7,740.
        assert_eq!(lecture.parameters(), 104_508);
        // 10*4 embedding; 4*8*(4+8+1) and 4*8*(8+8+1) LSTM; 10*8+10 output.
        let embedded = ModelSize { vocabulary: 10, hidden: 8, layers: 2, input: InputEncoding::Embedding { size: 4 } };
        assert_eq!(embedded.parameters(), 40 + 416 + 544 + 90);
        // 10*8 embedding, which is the output weight too; twice 4*8*(8+8+1) LSTM; 10 biases.
        let tied = ModelSize { input: InputEncoding::TiedEmbedding, ..embedded };
        assert_eq!(tied.parameters(), 80 + 2 * 544 + 10);
    }
}
