//! Samples during training, as in the lecture: one seed excerpt continued at several temperatures.

use candle_core::Tensor;
use decoding::{Decoding, Options, Rng};
use lstm::{CharLstm, Outputs, State};
use model_card::{Context, Decoder, Vocabulary};

use crate::Result;
use crate::recipe::SampleSettings;

/// What to sample.
#[derive(Debug)]
pub struct Samples<'n> {
    /// The network.
    pub network: &'n CharLstm,
    /// Its tokens.
    pub vocabulary: &'n Vocabulary,
    /// What the network expects to have seen.
    pub context: Context,
    /// How much to sample, and at which temperatures.
    pub settings: &'n SampleSettings,
}

impl Samples<'_> {
    /// Continues `excerpt` at every temperature, handing over each character as it comes; returns the whole text.
    ///
    /// A network that was trained on windows reads a window of the excerpt's length from a zero state for every
    /// character, and the window slides by one, as in the lecture. One that was trained on streams reads the excerpt and
    /// then what it has written, and carries its state on. Each temperature starts from the same random seed.
    pub fn write(&self, title: &str, excerpt: &[u32], seed: u64, out: &mut dyn FnMut(&str)) -> Result<String> {
        let mut text = String::new();
        let mut push = |piece: &str| {
            if !piece.is_empty() {
                text.push_str(piece);
                out(piece);
            }
        };
        let shown = readable(self.vocabulary, excerpt);
        push(&format!("\n----- {title}, continuing {shown:?}\n"));
        for &temperature in &self.settings.temperatures {
            push(&format!("\n----- temperature {temperature}\n{shown}"));
            let continuation = Continuation { prompt: excerpt, length: self.settings.length, temperature, seed };
            continuation.write(self.network, self.vocabulary, self.context, &mut push)?;
            push("\n");
        }
        Ok(text)
    }
}

/// A text that a network continues.
#[derive(Debug, Clone, Copy)]
pub struct Continuation<'p> {
    /// What is continued; not empty.
    pub prompt: &'p [u32],
    /// Tokens to write.
    pub length: usize,
    /// The sampling temperature.
    pub temperature: f32,
    /// The random seed.
    pub seed: u64,
}

impl Continuation<'_> {
    /// Continues the prompt and hands over each piece of text as it comes, a boundary between documents as a line break.
    pub fn write(
        &self,
        network: &CharLstm,
        vocabulary: &Vocabulary,
        context: Context,
        push: &mut dyn FnMut(&str),
    ) -> Result<()> {
        let mut decoding = Decoding::new(Options { temperature: self.temperature, ..Options::default() })?;
        let mut rng = Rng::seed(self.seed);
        let mut decoder = Decoder::default();
        let mut writer = Writer::new(network, context, self.prompt);
        for _ in 0..self.length {
            let next = writer.next(&mut decoding, &mut rng)?;
            if Some(next) == vocabulary.boundary() {
                push(decoder.finish());
                push("\n");
            } else {
                push(decoder.push(vocabulary, next));
            }
        }
        push(decoder.finish());
        Ok(())
    }
}

/// The text of tokens, each boundary between documents as a line break.
pub fn readable(vocabulary: &Vocabulary, ids: &[u32]) -> String {
    let documents = ids.split(|id| Some(*id) == vocabulary.boundary());
    documents.map(|document| vocabulary.decode(document)).collect::<Vec<_>>().join("\n")
}

/// A network that goes on from a text, token by token.
pub(crate) struct Writer<'n> {
    network: &'n CharLstm,
    context: Context,
    input: Vec<u32>,
    state: Option<State>,
}

impl<'n> Writer<'n> {
    /// Goes on from `start`, which is not empty.
    pub(crate) fn new(network: &'n CharLstm, context: Context, start: &[u32]) -> Self {
        Self { network, context, input: start.to_vec(), state: None }
    }

    /// The next token, and what the network reads for the one after it.
    pub(crate) fn next(&mut self, decoding: &mut Decoding, rng: &mut Rng) -> Result<u32> {
        let ids = Tensor::from_slice(&self.input, (1, self.input.len()), self.network.device())?; // (1, T)
        let (logits, state) = self.network.forward(&ids, self.state.as_ref(), Outputs::Last)?; // (1, V)
        let logits: Vec<f32> = logits.flatten_all()?.to_vec1()?;
        let next = decoding.choose(&logits, rng) as u32;
        match self.context {
            Context::Window { .. } => {
                self.input.remove(0);
                self.input.push(next);
            }
            Context::Stateful => (self.input, self.state) = (vec![next], Some(state.detach())),
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use model_card::{InputEncoding, ModelSize, Unit};

    #[test]
    fn documents_are_kept_apart() {
        let vocabulary = Vocabulary::from_text(Unit::Char, "ab").with_boundary();
        let boundary = vocabulary.boundary().unwrap();
        assert_eq!(readable(&vocabulary, &[0, boundary, 1, 0]), "a\nba");

        let size = ModelSize { vocabulary: 3, hidden: 4, layers: 1, input: InputEncoding::OneHot };
        let network = CharLstm::init(&size, 1, &Device::Cpu).unwrap();
        // Only the boundary is ever likely.
        let bias = network.variables().pop().unwrap();
        let logits: Vec<f32> = (0..3).map(|id| if id == boundary { 100.0 } else { 0.0 }).collect();
        bias.set(&Tensor::new(logits, &Device::Cpu).unwrap()).unwrap();
        let settings = SampleSettings { length: 3, temperatures: vec![1.0], every: 0 };
        let samples =
            Samples { network: &network, vocabulary: &vocabulary, context: Context::Stateful, settings: &settings };
        let mut heard = String::new();
        let text = samples.write("Title", &[0], 1, &mut |piece| heard.push_str(piece)).unwrap();
        assert_eq!(text, "\n----- Title, continuing \"a\"\n\n----- temperature 1\na\n\n\n\n");
        assert_eq!(heard, text);
    }
}
