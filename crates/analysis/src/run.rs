//! Runs a network over a text, and hands over what it computed at each token.
//!
//! The state is carried, but the text is read in several streams at once, which is many times as fast. Each stream but the first
//! is warmed up on the tokens before it, so that what comes out is what one carried state gives to about three digits. The
//! streams are those of [`trainer::Protocol::Streams`]: losses agree with `carve evaluate --protocol streams`.

use candle_core::{Device, Tensor};
use lstm::{CharLstm, Recording, State};

use crate::Result;

/// Tokens before a stream that are read to warm up its state.
const WARM_UP: usize = 512;

/// Tokens of all streams in one pass. It bounds memory: 4 · (5 L H + 7 H + V) bytes for each of them.
const TOKENS_PER_PASS: usize = 1 << 11;

/// What a network computed at one token.
#[derive(Debug, Clone, Copy)]
pub struct Step<'r> {
    /// The token's position in the text.
    pub position: usize,
    /// Logits of the token after it, (V).
    pub logits: &'r [f32],
    recording: &'r Recording,
    /// The row in (T N).
    row: usize,
}

impl<'r> Step<'r> {
    /// The cell states of each layer after the token, (H).
    pub fn cells(&self) -> impl Iterator<Item = &'r [f32]> + use<'r> {
        self.rows(|layer| &layer.cells)
    }

    /// The gates of each layer at the token, (4H) in the order i, f, g, o.
    pub fn gates(&self) -> impl Iterator<Item = &'r [f32]> + use<'r> {
        self.rows(|layer| &layer.gates)
    }

    fn rows(&self, of: fn(&lstm::Activations) -> &Vec<f32>) -> impl Iterator<Item = &'r [f32]> + use<'r> {
        let (rows, row) = (self.recording.logits.len() / self.logits.len(), self.row);
        self.recording.layers.iter().map(move |layer| {
            let numbers = of(layer);
            let length = numbers.len() / rows;
            &numbers[row * length..][..length]
        })
    }
}

/// Reads `tokens` in `streams` streams at most, and calls `visit` once for every token, in no particular order.
///
/// `report` is told how many tokens were read so far. It stops with the first error of either.
///
/// # Errors
/// What a tensor operation says.
pub fn run(
    network: &CharLstm,
    tokens: &[u32],
    streams: usize,
    report: &mut dyn FnMut(usize),
    visit: &mut dyn FnMut(Step<'_>),
) -> Result<()> {
    let plan = Plan::new(tokens.len(), streams);
    let (mut done, mut state): (usize, Option<State>) = (0, None);
    // First the warm-up of all streams but the first, then all.
    let mut position = if plan.streams.len() > 1 { 0 } else { WARM_UP };
    while position < plan.length {
        let is_warm = position >= WARM_UP;
        let first = usize::from(!is_warm);
        let count = plan.streams.len() - first;
        let end = if is_warm { plan.length } else { WARM_UP };
        let time = (TOKENS_PER_PASS / count).clamp(1, end - position);
        if position == WARM_UP {
            state = state.map(|state| joined_by_zeros(network, &state)).transpose()?;
        }
        // A stream that ends before the others reads its last token again.
        let ids = plan.streams[first..].iter().flat_map(|stream| {
            (position..position + time).map(|place| tokens[stream.token(place).min(tokens.len() - 1)])
        });
        let ids = Tensor::from_iter(ids, &Device::Cpu)?.reshape((count, time))?; // (N, T)
        let recording = network.record(&ids, state.as_ref())?;
        if is_warm {
            for (row, logits) in recording.logits.chunks_exact(network.size().vocabulary).enumerate() {
                let (place, stream) = (position + row / count, &plan.streams[row % count]);
                if stream.token(place) < stream.end {
                    visit(Step { position: stream.token(place), logits, recording: &recording, row });
                    done += 1;
                }
            }
            report(done);
        }
        state = Some(recording.state);
        position += time;
    }
    Ok(())
}

/// The state of all streams, with a first one that starts from zeros.
fn joined_by_zeros(network: &CharLstm, state: &State) -> Result<State> {
    let zeros = State::zeros(network.size(), 1, &Device::Cpu)?;
    Ok(State {
        hidden: Tensor::cat(&[&zeros.hidden, &state.hidden], 1)?, // (L, N, H)
        cell: Tensor::cat(&[&zeros.cell, &state.cell], 1)?,       // (L, N, H)
    })
}

/// A stream's part of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stream {
    start: usize,
    end: usize,
}

impl Stream {
    /// The token that the stream reads at a place: it starts at the place [`WARM_UP`].
    fn token(&self, place: usize) -> usize {
        (self.start + place).saturating_sub(WARM_UP)
    }
}

/// Which stream reads which part.
#[derive(Debug)]
struct Plan {
    streams: Vec<Stream>,
    /// Places to read, the warm-up's included.
    length: usize,
}

impl Plan {
    /// Equal parts as `trainer` cuts them, and what does not divide evenly as one stream more.
    fn new(tokens: usize, streams: usize) -> Self {
        let count = streams.min(tokens / (4 * WARM_UP)).max(1);
        // `trainer` counts targets, and the last token has none.
        let part = if count == 1 { tokens } else { (tokens - 1) / count };
        let mut all: Vec<Stream> =
            (0..count).map(|stream| Stream { start: stream * part, end: (stream + 1) * part }).collect();
        if count * part < tokens {
            all.push(Stream { start: count * part, end: tokens });
        }
        Self { streams: all, length: WARM_UP + part }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corpus::Tokens;
    use model_card::{InputEncoding, ModelSize};
    use trainer::{Protocol, evaluation};

    fn network(layers: usize) -> CharLstm {
        let size = ModelSize { vocabulary: 7, hidden: 12, layers, input: InputEncoding::OneHot };
        let network = CharLstm::init(&size, 3, &Device::Cpu).unwrap();
        for variable in network.variables() {
            variable.set(&(variable.as_tensor() * 2.0).unwrap()).unwrap();
        }
        network
    }

    fn text(length: usize) -> Vec<u32> {
        (0..length as u64).map(|place| ((place * place * 31 + place / 3) % 7) as u32).collect()
    }

    /// Logits, cells and gates by position.
    fn all(network: &CharLstm, tokens: &[u32], streams: usize) -> Vec<[Vec<f32>; 3]> {
        let mut found = vec![[vec![], vec![], vec![]]; tokens.len()];
        let mut reported = 0;
        run(network, tokens, streams, &mut |done| reported = done, &mut |step| {
            let place = &mut found[step.position];
            assert!(place[0].is_empty(), "position {} comes once", step.position);
            let join = |layers: &mut dyn Iterator<Item = &[f32]>| layers.collect::<Vec<_>>().concat();
            *place = [step.logits.to_vec(), join(&mut step.cells()), join(&mut step.gates())];
        })
        .unwrap();
        assert_eq!(reported, tokens.len());
        assert!(found.iter().all(|place| !place[0].is_empty()), "every position comes");
        found
    }

    #[test]
    fn one_stream_is_one_carried_state() {
        let (network, tokens) = (network(2), text(3000));
        let found = all(&network, &tokens, 1);
        let ids = Tensor::new(&tokens[..], &Device::Cpu).unwrap().unsqueeze(0).unwrap();
        let whole = network.record(&ids, None).unwrap();
        for (place, [logits, cells, gates]) in found.iter().enumerate() {
            let [one, other] = [0, 1].map(|layer| &whole.layers[layer]);
            assert_eq!(*logits, whole.logits[place * 7..][..7]);
            assert_eq!(*cells, [&one.cells[place * 12..][..12], &other.cells[place * 12..][..12]].concat());
            assert_eq!(*gates, [&one.gates[place * 48..][..48], &other.gates[place * 48..][..48]].concat());
        }
    }

    #[test]
    fn streams_have_the_loss_that_evaluate_measures() {
        let network = network(1);
        // One stream, several, several with a rest, and one that ends with the first token of the rest.
        for length in [2, 2047, 4097, 4096 + 2048 + 1, 9001] {
            let tokens = text(length);
            let nats: f64 = all(&network, &tokens, 64)
                .iter()
                .zip(&tokens[1..])
                .map(|([logits, ..], &next)| -decoding::log_probability(logits, next as usize))
                .sum();
            let expected = evaluation::measure(&network, Tokens::of(&tokens), Protocol::Streams(64), &mut |_, _| ());
            let expected = expected.unwrap().unwrap().nats;
            let found = nats / (length - 1) as f64;
            assert!((found - expected).abs() < 1e-6 * expected, "{length} tokens: {found} and not {expected}");
        }
    }

    #[test]
    fn streams_are_close_to_one_carried_state() {
        let (network, tokens) = (network(1), text(9001));
        let (streams, carried) = (all(&network, &tokens, 64), all(&network, &tokens, 1));
        for (streams, carried) in streams.iter().zip(&carried) {
            for (one, other) in streams.concat().iter().zip(carried.concat()) {
                assert!((one - other).abs() < 1e-3, "{one} and {other}");
            }
        }
    }
}
