//! How well a network predicts a text: cross-entropy in nats a character, in one of the ways that the field measures it.

use candle_core::{Device, Tensor};
use corpus::{Tokens, Windows};
use lstm::{CharLstm, Outputs, State};
use serde::Serialize;

use crate::Result;

/// Characters of a forward pass, in all sequences together: memory stays the same for any text.
const CHARACTERS_A_PASS: usize = 1 << 14;

/// How much of the text before a stream is read to warm its state up.
const WARM_UP: usize = 512;

/// Streams side by side when a text is measured in training.
pub const STREAMS: usize = 64;

/// A way to measure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Protocol {
    /// One state, from zeros at the first character, carried over the whole text.
    Carried,
    /// The same, but read as so many streams side by side, each warmed up on the characters before it: far faster, and
    /// the same to three digits.
    Streams(usize),
    /// Windows of so many characters side by side, each from a zero state, every position counted: nanoGPT's way.
    Windows(usize),
    /// Overlapping windows of `length` characters every `step`, each from a zero state, the one character after each
    /// counted: the lecture's way.
    Last {
        /// Characters in a window.
        length: usize,
        /// Characters from one window's start to the next one's.
        step: usize,
    },
    /// One carried state, and weights that go on learning: see [`crate::dynamic`].
    Dynamic(crate::dynamic::Settings),
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// Mean cross-entropy, in nats a character.
    pub nats: f64,
    /// The same in bits.
    pub bits: f64,
    /// e to the nats: between how many characters the network wavers.
    pub perplexity: f64,
    /// Characters predicted.
    pub characters: u64,
}

impl Score {
    pub(crate) fn new(sum: f64, characters: u64) -> Self {
        let nats = sum / characters as f64;
        Self { nats, bits: nats / std::f64::consts::LN_2, perplexity: nats.exp(), characters }
    }
}

/// Measures a network on a text; `None` where the text is too short to predict one character.
pub fn evaluate(network: &CharLstm, tokens: Tokens<'_>, protocol: Protocol) -> Result<Option<Score>> {
    if tokens.len() < 2 {
        return Ok(None);
    }
    match protocol {
        Protocol::Carried => streams(network, tokens, 1, 0).map(Some),
        Protocol::Streams(count) => {
            let count = count.min(tokens.len() / (4 * WARM_UP)).max(1);
            streams(network, tokens, count, WARM_UP).map(Some)
        }
        Protocol::Windows(length) => every_position(network, tokens, length).map(Some),
        Protocol::Last { length, step } => last_position(network, tokens, length, step),
        Protocol::Dynamic(settings) => crate::dynamic::evaluate(network, tokens, settings).map(Some),
    }
}

/// Parts of equal length side by side, the first `warm_up` targets of all but the first part not counted.
fn streams(network: &CharLstm, tokens: Tokens<'_>, count: usize, warm_up: usize) -> Result<Score> {
    let device = network.device();
    let targets = tokens.len() - 1;
    let part = targets / count;
    let mut sum = Sum::default();
    // Each stream is a part and what comes before it; the first one, which has nothing before it, is read by itself.
    if count > 1 {
        let length = part + warm_up;
        let time = (CHARACTERS_A_PASS / (count - 1)).clamp(1, length);
        let mut state = None;
        let mut done = 0;
        while done < length {
            // The warm-up ends with a pass, so that a pass counts as a whole or not.
            let end = if done < warm_up { warm_up.min(done + time) } else { length.min(done + time) };
            let starts = (1..count).map(|stream| stream * part - warm_up + done);
            let counted = done >= warm_up;
            state = Some(pass(network, tokens, starts, end - done, state.as_ref(), device, &mut sum, counted)?);
            done = end;
        }
    }
    // The first part, and what does not divide evenly.
    let mut alone = |range: std::ops::Range<usize>, warm_up: usize| -> Result<()> {
        let (mut state, mut position) = (None, range.start - warm_up);
        while position < range.end {
            let end = if position < range.start { range.start } else { range.end };
            let time = (end - position).min(CHARACTERS_A_PASS);
            let counted = position >= range.start;
            let starts = std::iter::once(position);
            state = Some(pass(network, tokens, starts, time, state.as_ref(), device, &mut sum, counted)?);
            position += time;
        }
        Ok(())
    };
    alone(0..if count > 1 { part } else { targets }, 0)?;
    if count > 1 && count * part < targets {
        alone(count * part..targets, warm_up)?;
    }
    Ok(Score::new(sum.nats, sum.characters))
}

#[derive(Default)]
struct Sum {
    nats: f64,
    characters: u64,
}

/// Reads `time` characters from each start on, and adds their loss up if they count.
#[expect(clippy::too_many_arguments, reason = "one loop's body, named")]
fn pass(
    network: &CharLstm,
    tokens: Tokens<'_>,
    starts: impl Iterator<Item = usize>,
    time: usize,
    state: Option<&State>,
    device: &Device,
    sum: &mut Sum,
    counted: bool,
) -> Result<State> {
    let rows: Vec<Vec<u32>> = starts.map(|start| tokens.slice(start..start + time + 1).to_vec(0..time + 1)).collect();
    let batch = rows.len();
    let ids: Vec<u32> = rows.iter().flat_map(|row| &row[..time]).copied().collect();
    let targets: Vec<u32> = rows.iter().flat_map(|row| &row[1..]).copied().collect();
    let ids = Tensor::from_vec(ids, (batch, time), device)?; // (N, T)
    let targets = Tensor::from_vec(targets, (batch, time), device)?; // (N, T)
    let (loss, state) = network.loss(&ids, &targets, state, Outputs::All)?;
    if counted {
        sum.nats += f64::from(loss.to_scalar::<f32>()?) * (batch * time) as f64;
        sum.characters += (batch * time) as u64;
    }
    Ok(state.detach())
}

fn every_position(network: &CharLstm, tokens: Tokens<'_>, length: usize) -> Result<Score> {
    let device = network.device();
    let (targets, mut sum) = (tokens.len() - 1, Sum::default());
    let starts: Vec<usize> = (0..targets / length).map(|window| window * length).collect();
    for starts in starts.chunks((CHARACTERS_A_PASS / length).max(1)) {
        pass(network, tokens, starts.iter().copied(), length, None, device, &mut sum, true)?;
    }
    let rest = targets % length;
    if rest > 0 {
        pass(network, tokens, std::iter::once(targets - rest), rest, None, device, &mut sum, true)?;
    }
    Ok(Score::new(sum.nats, sum.characters))
}

fn last_position(network: &CharLstm, tokens: Tokens<'_>, length: usize, step: usize) -> Result<Option<Score>> {
    let windows = Windows::new(tokens, length, step);
    let mut sum = Sum::default();
    let all: Vec<usize> = (0..windows.len()).collect();
    for chunk in all.chunks((CHARACTERS_A_PASS / length).max(1)) {
        let mut ids = vec![0; chunk.len() * length];
        for (row, &window) in ids.chunks_exact_mut(length).zip(chunk) {
            windows.window(window, row);
        }
        let targets: Vec<u32> = chunk.iter().map(|&window| windows.target(window)).collect();
        let ids = Tensor::from_vec(ids, (chunk.len(), length), network.device())?; // (N, T)
        let targets = Tensor::from_vec(targets, chunk.len(), network.device())?; // (N)
        let (loss, _) = network.loss(&ids, &targets, None, Outputs::Last)?;
        sum.nats += f64::from(loss.to_scalar::<f32>()?) * chunk.len() as f64;
        sum.characters += chunk.len() as u64;
    }
    Ok((sum.characters > 0).then(|| Score::new(sum.nats, sum.characters)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model_card::{InputEncoding, ModelSize};

    fn network() -> CharLstm {
        let size = ModelSize { vocabulary: 7, hidden: 12, layers: 2, input: InputEncoding::OneHot };
        let network = CharLstm::init(&size, 3, &Device::Cpu).unwrap();
        // Larger weights: the first ones hardly remember anything.
        for variable in network.variables() {
            variable.set(&(variable.as_tensor() * 2.0).unwrap()).unwrap();
        }
        network
    }

    fn text(length: usize) -> Vec<u32> {
        (0..length as u64).map(|place| ((place * place * 31 + place / 3) % 7) as u32).collect()
    }

    /// Character by character, with the loss from the logits in f64.
    fn naive(
        network: &CharLstm,
        ids: &[u32],
        from_zero: impl Fn(usize) -> bool,
        counts: impl Fn(usize) -> bool,
    ) -> f64 {
        let (mut state, mut sum, mut count) = (None, 0.0, 0);
        for place in 0..ids.len() - 1 {
            if from_zero(place) {
                state = None;
            }
            let input = Tensor::new(&[[ids[place]]], &Device::Cpu).unwrap();
            let (logits, next) = network.forward(&input, state.as_ref(), Outputs::Last).unwrap();
            state = Some(next);
            if counts(place) {
                let logits: Vec<f32> = logits.flatten_all().unwrap().to_vec1().unwrap();
                let total: f64 = logits.iter().map(|logit| f64::from(*logit).exp()).sum();
                sum += total.ln() - f64::from(logits[ids[place + 1] as usize]);
                count += 1;
            }
        }
        sum / f64::from(count)
    }

    #[test]
    fn every_protocol_agrees_with_a_reading_character_by_character() {
        let (network, ids) = (network(), text(1_003));
        let found = |protocol| evaluate(&network, Tokens::of(&ids), protocol).unwrap().unwrap();
        let cases = [
            (found(Protocol::Carried), naive(&network, &ids, |_| false, |_| true), 1002),
            (found(Protocol::Windows(100)), naive(&network, &ids, |place| place % 100 == 0, |_| true), 1002),
            (
                found(Protocol::Last { length: 10, step: 10 }),
                naive(&network, &ids, |place| place % 10 == 0, |place| place % 10 == 9),
                100,
            ),
        ];
        for (place, (found, expected, characters)) in cases.into_iter().enumerate() {
            assert!((found.nats - expected).abs() < 1e-5, "case {place}: {} should be {expected}", found.nats);
            assert_eq!(found.characters, characters, "case {place}");
        }
    }

    #[test]
    fn streams_count_every_character_once_and_come_near_the_carried_state() {
        let (network, ids) = (network(), text(9_001));
        let found = |protocol| evaluate(&network, Tokens::of(&ids), protocol).unwrap().unwrap();
        let (carried, streams) = (found(Protocol::Carried), found(Protocol::Streams(4)));
        assert_eq!(streams.characters, carried.characters);
        assert!((streams.nats - carried.nats).abs() < 1e-3, "{} and {}", streams.nats, carried.nats);
    }

    #[test]
    fn a_text_without_a_character_to_predict_has_no_score() {
        for length in [0, 1] {
            assert!(evaluate(&network(), Tokens::of(&text(length)), Protocol::Carried).unwrap().is_none());
        }
        let short = text(5);
        assert!(evaluate(&network(), Tokens::of(&short), Protocol::Last { length: 10, step: 1 }).unwrap().is_none());
    }

    #[test]
    fn bits_and_perplexity_follow_from_nats() {
        let score = Score::new(2.0 * std::f64::consts::LN_2, 2);
        assert!((score.bits - 1.0).abs() < 1e-12 && (score.perplexity - 2.0).abs() < 1e-12);
    }
}
