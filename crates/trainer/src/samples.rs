//! The lecture's print-out: after an epoch, one seed excerpt continued at several temperatures.

use std::io::Write;

use candle_core::{Device, Tensor};
use decoding::{Decoding, Options, Rng};
use lstm::{CharLstm, Outputs};
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
    /// The device that the network is on.
    pub device: &'n Device,
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
            let (mut input, mut state) = (excerpt.to_vec(), None);
            for _ in 0..self.settings.length {
                let ids = Tensor::from_slice(&input, (1, input.len()), self.device)?; // (1, T)
                let (logits, next_state) = self.network.forward(&ids, state.as_ref(), Outputs::Last)?; // (1, V)
                let logits: Vec<f32> = logits.flatten_all()?.to_vec1()?;
                let next = decoding.choose(&logits, &mut rng) as u32;
                page.push(decoder.push(self.vocabulary, next))?;
                match self.context {
                    Context::Window { .. } => {
                        input.rotate_left(1);
                        input.pop();
                        input.push(next);
                    }
                    Context::Stateful => (input, state) = (vec![next], Some(next_state.detach())),
                }
            }
            page.push(decoder.finish())?;
            page.push("\n")?;
        }
        Ok(page.text)
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
