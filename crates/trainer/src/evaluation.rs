//! How well a network predicts a text: cross-entropy in nats per character, measured in one of the ways that the field
//! uses.

use std::ops::Range;

use candle_core::Tensor;
use corpus::{Split, Tokens, Windows};
use lstm::{CharLstm, Outputs, State};
use serde::Serialize;

use crate::{Error, Result, dynamic};

/// Characters of one forward pass, in all sequences together, so that memory stays the same for any text.
const CHARACTERS_PER_PASS: usize = 1 << 14;

/// Characters before a stream that are read to warm up its state.
const WARM_UP: usize = 512;

/// Streams in parallel when a text is measured during training.
pub const STREAMS: usize = 64;

/// Characters per window for [`Protocol::Windows`], unless another number is named: nanoGPT's.
pub const WINDOW_LENGTH: usize = 256;

/// Characters per window for [`Protocol::Last`], unless another number is named: the lecture's.
pub const LECTURE_LENGTH: usize = 40;

/// Characters between two windows for [`Protocol::Last`]: the lecture's.
pub const LECTURE_STEP: usize = 3;

/// A way to measure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Protocol {
    /// One state, zero at the first character, carried over the whole text.
    Carried,
    /// The same in this many parallel streams, each warmed up on the characters before it: far faster, and the same to
    /// three digits.
    Streams(usize),
    /// Adjacent windows of this many characters, each from a zero state, every position counted (as in nanoGPT).
    Windows(usize),
    /// Overlapping windows of `length` characters every `step`, each from a zero state, only the character after each
    /// counted (as in the lecture).
    Last {
        /// Characters in a window.
        length: usize,
        /// Characters from one window's start to the next one's.
        step: usize,
    },
    /// One carried state, and weights that go on learning from what they were measured on: see [`crate::dynamic`].
    Dynamic(dynamic::Settings),
}

impl Protocol {
    /// Checks every number against its range.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] with what it has to be.
    pub fn validate(&self) -> Result<()> {
        let at_least_one = |what, value: usize| {
            let error = Error::OutOfRange { what, value: value as f64, range: "at least 1" };
            if value == 0 { Err(error) } else { Ok(()) }
        };
        match *self {
            Self::Carried => Ok(()),
            Self::Streams(count) => at_least_one("the number of streams", count),
            Self::Windows(length) => at_least_one("the length of a window", length),
            Self::Last { length, step } => {
                at_least_one("the length of a window", length)?;
                at_least_one("the step between windows", step)
            }
            Self::Dynamic(settings) => {
                at_least_one("the length of a segment", settings.segment)?;
                let (what, value) = ("the rate of dynamic evaluation", settings.learning_rate);
                if !(0.0..f64::INFINITY).contains(&value) {
                    return Err(Error::OutOfRange { what, value, range: "at least 0" });
                }
                let (what, value) = ("the decay of dynamic evaluation", settings.decay);
                if !(0.0..=1.0).contains(&value) {
                    return Err(Error::OutOfRange { what, value, range: "from 0 to 1" });
                }
                Ok(())
            }
        }
    }

    /// Characters of a window or segment, for a message that a text is shorter than one.
    pub(crate) fn length(&self) -> usize {
        match *self {
            Self::Carried | Self::Streams(_) | Self::Dynamic(_) => 1,
            Self::Windows(length) | Self::Last { length, .. } => length,
        }
    }
}

/// What was measured on one split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured {
    /// The split.
    pub split: Split,
    /// The measure.
    #[serde(flatten)]
    pub score: Score,
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// Mean cross-entropy, in nats per character.
    pub nats: f64,
    /// The same in bits.
    pub bits: f64,
    /// e to the power of the nats: the number of equally likely characters that would be as hard to predict.
    pub perplexity: f64,
    /// Characters predicted.
    pub characters: u64,
}

impl Score {
    fn new(sum: f64, characters: u64) -> Self {
        let nats = sum / characters as f64;
        Self { nats, bits: nats / std::f64::consts::LN_2, perplexity: nats.exp(), characters }
    }
}

/// Measures a network on a text, in the network's precision; `None` if the text is too short to predict one character.
///
/// `report` is told the characters predicted so far, and how many there are to predict.
///
/// # Errors
/// [`Error::OutOfRange`] if a number of the protocol is; or what a tensor operation says.
pub fn measure(
    network: &CharLstm,
    tokens: Tokens<'_>,
    protocol: Protocol,
    report: &mut dyn FnMut(u64, u64),
) -> Result<Option<Score>> {
    protocol.validate()?;
    if tokens.len() < 2 {
        return Ok(None);
    }
    let total = match protocol {
        Protocol::Last { length, step } => Windows::new(tokens, length, step).len() as u64,
        _ => tokens.len() as u64 - 1,
    };
    let mut sum = Sum { nats: 0.0, characters: 0, report: &mut |done| report(done, total) };
    match protocol {
        Protocol::Carried => streams(network, tokens, 1, 0, &mut sum)?,
        Protocol::Streams(count) => {
            let count = count.min(tokens.len() / (4 * WARM_UP)).max(1);
            streams(network, tokens, count, WARM_UP, &mut sum)?;
        }
        Protocol::Windows(length) => every_position(network, tokens, length, &mut sum)?,
        Protocol::Last { length, step } => last_position(network, tokens, length, step, &mut sum)?,
        Protocol::Dynamic(settings) => {
            dynamic::evaluate(network, tokens, settings, &mut |nats, characters| sum.add(nats, characters))?;
        }
    }
    Ok((sum.characters > 0).then(|| Score::new(sum.nats, sum.characters)))
}

/// The loss so far.
struct Sum<'r> {
    nats: f64,
    characters: u64,
    report: &'r mut dyn FnMut(u64),
}

impl Sum<'_> {
    fn add(&mut self, nats: f64, characters: usize) {
        self.nats += nats;
        self.characters += characters as u64;
        (self.report)(self.characters);
    }
}

/// Parts of equal length in parallel; the first `warm_up` targets of all but the first part are not counted.
fn streams(network: &CharLstm, tokens: Tokens<'_>, count: usize, warm_up: usize, sum: &mut Sum<'_>) -> Result<()> {
    let targets = tokens.len() - 1;
    let part = targets / count;
    // Each stream is a part and what comes before it. The first one has nothing before it, and is read by itself.
    if count > 1 {
        let length = part + warm_up;
        let time = (CHARACTERS_PER_PASS / (count - 1)).clamp(1, length);
        let mut state = None;
        let mut done = 0;
        while done < length {
            // The warm-up ends with a pass, so that a pass counts as a whole or not.
            let end = if done < warm_up { warm_up.min(done + time) } else { length.min(done + time) };
            let starts = (1..count).map(|stream| stream * part - warm_up + done);
            let (nats, characters, next) = pass(network, tokens, starts, end - done, state.as_ref())?;
            if done >= warm_up {
                sum.add(nats, characters);
            }
            (state, done) = (Some(next), end);
        }
    }
    // The first part, and what does not divide evenly.
    let mut alone = |range: Range<usize>, warm_up: usize| -> Result<()> {
        let (mut state, mut position) = (None, range.start - warm_up);
        while position < range.end {
            let end = if position < range.start { range.start } else { range.end };
            let time = (end - position).min(CHARACTERS_PER_PASS);
            let (nats, characters, next) = pass(network, tokens, std::iter::once(position), time, state.as_ref())?;
            if position >= range.start {
                sum.add(nats, characters);
            }
            state = Some(next);
            position += time;
        }
        Ok(())
    };
    alone(0..if count > 1 { part } else { targets }, 0)?;
    if count > 1 && count * part < targets {
        alone(count * part..targets, warm_up)?;
    }
    Ok(())
}

/// Reads `time` characters from each start on: the sum of their losses, how many they are, and the state behind them.
fn pass(
    network: &CharLstm,
    tokens: Tokens<'_>,
    starts: impl Iterator<Item = usize>,
    time: usize,
    state: Option<&State>,
) -> Result<(f64, usize, State)> {
    let rows: Vec<Vec<u32>> = starts.map(|start| tokens.to_vec(start..start + time + 1)).collect();
    let batch = rows.len();
    let ids: Vec<u32> = rows.iter().flat_map(|row| &row[..time]).copied().collect();
    let targets: Vec<u32> = rows.iter().flat_map(|row| &row[1..]).copied().collect();
    let ids = Tensor::from_vec(ids, (batch, time), network.device())?; // (N, T)
    let targets = Tensor::from_vec(targets, (batch, time), network.device())?; // (N, T)
    let (loss, state) = network.loss(&ids, &targets, state, Outputs::All)?;
    let characters = batch * time;
    Ok((f64::from(loss.to_scalar::<f32>()?) * characters as f64, characters, state.detach()))
}

fn every_position(network: &CharLstm, tokens: Tokens<'_>, length: usize, sum: &mut Sum<'_>) -> Result<()> {
    let targets = tokens.len() - 1;
    let starts: Vec<usize> = (0..targets / length).map(|window| window * length).collect();
    for starts in starts.chunks((CHARACTERS_PER_PASS / length).max(1)) {
        let (nats, characters, _) = pass(network, tokens, starts.iter().copied(), length, None)?;
        sum.add(nats, characters);
    }
    let rest = targets % length;
    if rest > 0 {
        let (nats, characters, _) = pass(network, tokens, std::iter::once(targets - rest), rest, None)?;
        sum.add(nats, characters);
    }
    Ok(())
}

fn last_position(network: &CharLstm, tokens: Tokens<'_>, length: usize, step: usize, sum: &mut Sum<'_>) -> Result<()> {
    let windows = Windows::new(tokens, length, step);
    let all: Vec<usize> = (0..windows.len()).collect();
    for chunk in all.chunks((CHARACTERS_PER_PASS / length).max(1)) {
        let mut ids = vec![0; chunk.len() * length];
        for (row, &window) in ids.chunks_exact_mut(length).zip(chunk) {
            windows.window(window, row);
        }
        let targets: Vec<u32> = chunk.iter().map(|&window| windows.target(window)).collect();
        let ids = Tensor::from_vec(ids, (chunk.len(), length), network.device())?; // (N, T)
        let targets = Tensor::from_vec(targets, chunk.len(), network.device())?; // (N)
        let (loss, _) = network.loss(&ids, &targets, None, Outputs::Last)?;
        sum.add(f64::from(loss.to_scalar::<f32>()?) * chunk.len() as f64, chunk.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
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

    fn score(network: &CharLstm, ids: &[u32], protocol: Protocol) -> Option<Score> {
        let mut last = (0, 0);
        let score = measure(network, Tokens::of(ids), protocol, &mut |done, total| {
            assert!(done > last.0, "progress goes on: {done} after {last:?}");
            last = (done, total);
        });
        let score = score.unwrap();
        let characters = score.map_or(0, |score| score.characters);
        assert_eq!(last, (characters, characters), "progress ends at the whole");
        score
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
        let found = |protocol| score(&network, &ids, protocol).unwrap();
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
        let found = |protocol| score(&network, &ids, protocol).unwrap();
        let (carried, streams) = (found(Protocol::Carried), found(Protocol::Streams(4)));
        assert_eq!(streams.characters, carried.characters);
        assert!((streams.nats - carried.nats).abs() < 1e-3, "{} and {}", streams.nats, carried.nats);
    }

    #[test]
    fn a_text_without_a_character_to_predict_has_no_score() {
        for length in [0, 1] {
            assert!(score(&network(), &text(length), Protocol::Carried).is_none());
        }
        assert!(score(&network(), &text(5), Protocol::Last { length: 10, step: 1 }).is_none());
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let dynamic = |change: fn(&mut dynamic::Settings)| {
            let mut settings = dynamic::Settings::default();
            change(&mut settings);
            Protocol::Dynamic(settings)
        };
        let cases = [
            (Protocol::Streams(0), "the number of streams is 0, and has to be at least 1"),
            (Protocol::Windows(0), "the length of a window is 0"),
            (Protocol::Last { length: 0, step: 1 }, "the length of a window is 0"),
            (Protocol::Last { length: 1, step: 0 }, "the step between windows is 0"),
            (dynamic(|settings| settings.segment = 0), "the length of a segment is 0"),
            (dynamic(|settings| settings.learning_rate = -1.0), "the rate of dynamic evaluation is -1"),
            (dynamic(|settings| settings.decay = 1.5), "the decay of dynamic evaluation is 1.5"),
        ];
        for (protocol, expected) in cases {
            let error = measure(&network(), Tokens::of(&text(9)), protocol, &mut |_, _| ()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn bits_and_perplexity_follow_from_nats() {
        let score = Score::new(2.0 * std::f64::consts::LN_2, 2);
        assert!((score.bits - 1.0).abs() < 1e-12 && (score.perplexity - 2.0).abs() < 1e-12);
    }
}
