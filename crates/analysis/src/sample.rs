//! How much of what a network writes is copied from its training text.

use candle_core::{Device, Tensor};
use corpus::Split;
use decoding::{Decoding, Options, Rng};
use lstm::{CharLstm, Outputs};
use model_card::{Context, ModelCard};
use trainer::Pairing;
use trainer::novelty::{Novelty, PassageIndex, SEPARATOR};
use trainer::observer::{Event, Observer};

use crate::Result;
use crate::data::Copied;

/// Samples that are written at once: one step of many costs little more than one of one.
const SAMPLES: usize = 8;

/// How to sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleConfig {
    /// Tokens in all.
    pub length: usize,
    /// Sampling temperature.
    pub temperature: f32,
    /// Random seed.
    pub seed: u64,
}

/// Samples, and compares with the training text. The sample is eight, written side by side; no passage goes from one to the
/// next.
pub fn copied(pairing: &Pairing, config: SampleConfig, observer: &mut dyn Observer) -> Result<Copied> {
    let Pairing { network, card, corpus, .. } = pairing;
    let samples = write(network, card, config, observer)?;
    // The text's own numbers, which are the model's unless that is of another text.
    let theirs = |&id: &u32| card.vocabulary.symbol(id).and_then(|symbol| corpus.vocabulary().id(symbol));
    let sample = samples.iter().flat_map(|ids| ids.iter().map(|id| theirs(id).unwrap_or(SEPARATOR)).chain([SEPARATOR]));
    let sample: Vec<u32> = sample.collect();
    observer.observe(&Event::Progress { task: "indexing the training text", done: 0, total: None });
    let index = PassageIndex::build(corpus.training()).map_err(trainer::Error::from)?;
    let mut novelty = Novelty::against(&index, &sample, corpus.split(Split::Validation), corpus.vocabulary());
    novelty.sample.length -= samples.len();
    Ok(Copied { temperature: config.temperature, seed: config.seed, novelty })
}

fn write(
    network: &CharLstm,
    card: &ModelCard,
    config: SampleConfig,
    observer: &mut dyn Observer,
) -> Result<Vec<Vec<u32>>> {
    let SampleConfig { length, temperature, seed } = config;
    let count = SAMPLES.min(length).max(1);
    let start = card.vocabulary.encode(&card.seed_text).unwrap_or_default();
    let start = if start.is_empty() { vec![0] } else { start };
    // What the network reads next, (N, T).
    let mut inputs = vec![start; count];
    let mut samples = vec![vec![]; count];
    let mut decodings = vec![];
    for sample in 0..count {
        let decoding = Decoding::new(Options { temperature, ..Options::default() }).map_err(trainer::Error::from)?;
        decodings.push((decoding, Rng::seed(seed.wrapping_add(sample as u64))));
    }
    let mut state = None;
    let each = length.div_ceil(count);
    for step in 0..each {
        let time = inputs[0].len();
        let ids = Tensor::from_vec(inputs.concat(), (count, time), &Device::Cpu)?; // (N, T)
        let (logits, next) = network.forward(&ids, state.as_ref(), Outputs::Last)?; // (N, V)
        let logits: Vec<Vec<f32>> = logits.to_vec2()?;
        for (row, logits) in logits.iter().enumerate() {
            let (decoding, rng) = &mut decodings[row];
            let token = decoding.choose(logits, rng) as u32;
            samples[row].push(token);
            match card.context {
                Context::Window { .. } => {
                    inputs[row].remove(0);
                    inputs[row].push(token);
                }
                Context::Stateful => inputs[row] = vec![token],
            }
        }
        if card.context == Context::Stateful {
            state = Some(next.detach());
        }
        let (done, total) = (((step + 1) * count) as u64, Some((each * count) as u64));
        observer.observe(&Event::Progress { task: "sampling", done, total });
    }
    Ok(samples)
}
