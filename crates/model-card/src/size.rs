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
    /// Length of a layer's input vector.
    pub fn input_size(&self, layer: usize) -> usize {
        match (layer, self.input) {
            (0, InputEncoding::OneHot) => self.vocabulary,
            (0, InputEncoding::Embedding { size }) => size,
            _ => self.hidden,
        }
    }

    /// Trained numbers, counting one bias vector per layer as Keras does (PyTorch keeps two that act as their sum).
    pub fn parameters(&self) -> usize {
        let embedding = match self.input {
            InputEncoding::OneHot => 0,
            InputEncoding::Embedding { size } => self.vocabulary * size,
        };
        let lstm: usize =
            (0..self.layers).map(|layer| 4 * self.hidden * (self.input_size(layer) + self.hidden + 1)).sum();
        embedding + lstm + self.vocabulary * (self.hidden + 1)
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
    }
}
