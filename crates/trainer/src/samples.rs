//! The lecture's print-out: after an epoch, one seed excerpt continued at several temperatures.

use std::io::Write;

use candle_core::Tensor;
use decoding::{Decoding, Options, Rng};
use lstm::{CharLstm, Outputs, State};
use model_card::{Context, Decoder, Vocabulary};

use crate::recipe::SampleSettings;
use crate::{Error, Result};

/// What to print after an epoch.
#[derive(Debug)]
pub struct Printout<'n> {
    /// The network as it is now.
    pub network: &'n CharLstm,
    /// Its tokens.
    pub vocabulary: &'n Vocabulary,
    /// What the network expects to have seen.
    pub context: Context,
    /// How much, and at which temperatures.
    pub settings: &'n SampleSettings,
}

impl Printout<'_> {
    /// Continues `excerpt` at every temperature, writing each character as it comes; returns all that was written.
    ///
    /// A network trained on windows reads one of the excerpt's length from a zero state for every character, and the window
    /// slides by one, as in the lecture; one trained on streams reads the excerpt and then what it has written, carrying its
    /// state on. Each temperature starts from the same seed of the random numbers.
    pub fn write(&self, title: &str, excerpt: &[u32], seed: u64, out: &mut dyn Write) -> Result<String> {
        let mut page = Page { out, text: String::new() };
        let shown = self.vocabulary.decode(excerpt);
        page.push(&format!("\n----- {title}, continuing {shown:?}\n"))?;
        for &temperature in &self.settings.temperatures {
            page.push(&format!("\n----- temperature {temperature}\n{shown}"))?;
            let mut decoding = Decoding::new(Options { temperature, ..Options::default() })?;
            let mut rng = Rng::seed(seed);
            let mut decoder = Decoder::default();
            let mut writer = Writer::new(self.network, self.context, excerpt);
            for _ in 0..self.settings.length {
                let next = writer.next(&mut decoding, &mut rng)?;
                page.push(decoder.push(self.vocabulary, next))?;
            }
            page.push(decoder.finish())?;
            page.push("\n")?;
        }
        Ok(page.text)
    }
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

/// Writes and remembers.
struct Page<'o> {
    out: &'o mut dyn Write,
    text: String,
}

impl Page<'_> {
    fn push(&mut self, text: &str) -> Result<()> {
        self.text.push_str(text);
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        match written {
            // Nobody reads any more; the training goes on.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(Error::Print),
        }
    }
}
