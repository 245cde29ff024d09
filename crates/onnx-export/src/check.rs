//! Compares the exported graph with the trained network: the same text must give the same logits.
//!
//! candle-onnx 0.11 gets the layout of the LSTM's output wrong for batches above one, so it gets one text; the sampler,
//! with `lstm-engine` behind `ort`, gets two.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use candle_onnx::onnx::ModelProto;
use lstm::{CharLstm, Outputs, State};
use lstm_engine::{Arithmetic, Input, Instructions, Numbers, Plan, Session};
use prost::Message;
use sampler::{Engine, Network};

use crate::encode::encode;
use crate::graph::{Storage, model};
use crate::{Checkpoint, Error, Result};

/// The largest difference from the trained network's logits and states that an export may have: relative to the largest of
/// them, and absolute below 1. Sums in another order differ by roundings, which grow with what is summed.
pub const TOLERANCE: f32 = 1e-4;

/// The largest differences from the trained network's logits and states, as [`TOLERANCE`] measures them.
#[derive(Debug, Clone, Copy)]
pub struct Agreement {
    /// In candle-onnx, with one text.
    pub candle_onnx: f32,
    /// In the sampler's engine, with a batch of two texts through `ort`, or in floats if the file is int8.
    pub ort: f32,
}

/// Runs an ONNX file's `bytes` on the card's seed text in candle-onnx and in the sampler, from a state that is not zero.
pub fn compare(checkpoint: &Checkpoint, bytes: &[u8]) -> Result<Agreement> {
    let card = &checkpoint.card;
    let ids = card
        .vocabulary
        .encode(&card.seed_text)
        .map_err(|source| Error::Checkpoint(format!("the seed text does not match the vocabulary: {source}")))?;
    if ids.is_empty() {
        return Err(Error::NoSeedText);
    }
    let network = checkpoint.network()?;
    let (candle_onnx, ort) = (candle_onnx(&network, bytes, &ids)?, ort(&network, bytes, &ids)?);
    for (engine, difference) in [("candle-onnx", candle_onnx), ("ort", ort)] {
        if difference.is_nan() || difference > TOLERANCE {
            return Err(Error::Disagreement { engine, difference });
        }
    }
    Ok(Agreement { candle_onnx, ort })
}

/// Compares an int8 file with the network that has its weights as floats: the same graph with these floats in candle-onnx,
/// which does not know `DequantizeLinear`, and the file itself in `lstm-engine`, in floats.
pub fn compare_int8(rounded: &Checkpoint, bytes: &[u8]) -> Result<Agreement> {
    let floats = encode(&model(rounded, Storage::Float32)?);
    let Agreement { candle_onnx, .. } = compare(rounded, &floats)?;
    let ids = rounded.card.vocabulary.encode(&rounded.card.seed_text).unwrap_or_default();
    let ort = in_floats(&rounded.network()?, bytes, &ids)?;
    if ort.is_nan() || ort > TOLERANCE {
        return Err(Error::Disagreement { engine: "lstm-engine", difference: ort });
    }
    Ok(Agreement { candle_onnx, ort })
}

/// The network as `lstm-engine` runs it in floats, whatever the weights are stored as.
fn in_floats(network: &CharLstm, bytes: &[u8], ids: &[u32]) -> Result<f32> {
    let engine = |error: lstm_engine::Error| Error::Engine { engine: "lstm-engine", message: error.to_string() };
    let expected = Expected::new(network, vec![ids.to_vec()])?;
    let (ids, shape) = expected.sequence();
    let view = lstm_engine::onnx_view::Model::read(bytes)
        .map_err(|error| Error::Engine { engine: "lstm-engine", message: error.to_string() })?;
    let plan = Plan::compile_in(&view, Instructions::detect(), Arithmetic::Floats).map_err(engine)?;
    let state = [&expected.state.hidden, &expected.state.cell].map(|part| part.flatten_all()?.to_vec1::<f32>());
    let [hidden, cell] = state;
    let (hidden, cell) = (hidden?, cell?); // (L, 1, H)
    let size = network.size();
    let sizes = [size.layers, 1, size.hidden];
    let inputs = plan.inputs().iter().map(|name| match name.as_str() {
        "ids" => Input { shape: &shape, numbers: Numbers::Longs(&ids) },
        "h" => Input { shape: &sizes, numbers: Numbers::Floats(&hidden) },
        _ => Input { shape: &sizes, numbers: Numbers::Floats(&cell) },
    });
    let inputs: Vec<_> = inputs.collect();
    let outputs = ["logits", "h_next", "c_next"].map(|name| plan.outputs().iter().position(|output| output == name));
    let mut session = Session::new(Arc::new(plan), 1);
    session.run(&inputs).map_err(engine)?;
    let [logits, hidden, cell] = outputs.map(|index| index.map_or(&[][..], |index| session.output(index).1));
    expected.difference(logits, hidden, cell)
}

/// A batch of texts, an initial state, and the trained network's output for both.
struct Expected {
    ids: Vec<Vec<u32>>,
    state: State,
    logits: Vec<f32>,
    next: State,
}

impl Expected {
    /// The initial state is the one after the first quarter of the text, because zeros could hide an error in the
    /// recurrence.
    fn new(network: &CharLstm, ids: Vec<Vec<u32>>) -> Result<Self> {
        let batch = Tensor::new(ids.clone(), &Device::Cpu)?; // (N, T)
        let (_, state) = network.forward(&batch.narrow(1, 0, ids[0].len().div_ceil(4))?, None, Outputs::All)?;
        let (logits, next) = network.forward(&batch, Some(&state), Outputs::All)?; // (N, T, V)
        let logits = logits.transpose(0, 1)?.flatten_all()?.to_vec1()?; // (T, N, V)
        Ok(Self { ids, state, logits, next })
    }

    /// The ids in the graph's order, (T, N), and that shape.
    fn sequence(&self) -> (Vec<i64>, [usize; 2]) {
        let (batch, time) = (self.ids.len(), self.ids[0].len());
        let ids = (0..time).flat_map(|step| self.ids.iter().map(move |text| i64::from(text[step]))).collect();
        (ids, [time, batch])
    }

    fn difference(&self, logits: &[f32], hidden: &[f32], cell: &[f32]) -> Result<f32> {
        let pairs = [
            (logits, self.logits.clone()),
            (hidden, self.next.hidden.flatten_all()?.to_vec1()?),
            (cell, self.next.cell.flatten_all()?.to_vec1()?),
        ];
        let mut largest = 0.0_f32;
        for (found, expected) in pairs {
            let difference = difference(found, &expected);
            // `max` would drop a NaN.
            if difference.is_nan() {
                return Ok(difference);
            }
            largest = largest.max(difference);
        }
        Ok(largest)
    }
}

/// The largest difference of two lists, over the largest number expected if that is above 1. NaN if any number is.
fn difference(found: &[f32], expected: &[f32]) -> f32 {
    if found.len() != expected.len() {
        return f32::INFINITY;
    }
    let mut largest = 0.0_f32;
    for (found, expected) in found.iter().zip(expected) {
        let difference = (found - expected).abs();
        if difference.is_nan() {
            return difference;
        }
        largest = largest.max(difference);
    }
    largest / expected.iter().fold(1.0, |scale, number| number.abs().max(scale))
}

fn candle_onnx(network: &CharLstm, bytes: &[u8], ids: &[u32]) -> Result<f32> {
    let engine = |error: candle_core::Error| Error::Engine { engine: "candle-onnx", message: error.to_string() };
    let expected = Expected::new(network, vec![ids.to_vec()])?;
    let (sequence, shape) = expected.sequence();
    let inputs = HashMap::from([
        ("ids".to_string(), Tensor::from_vec(sequence, &shape[..], &Device::Cpu)?),
        ("h".to_string(), expected.state.hidden.clone()),
        ("c".to_string(), expected.state.cell.clone()),
    ]);
    let model = ModelProto::decode(bytes)
        .map_err(|error| Error::Engine { engine: "candle-onnx", message: error.to_string() })?;
    let outputs = candle_onnx::simple_eval(&model, inputs).map_err(engine)?;
    let numbers = |name: &str| outputs[name].flatten_all()?.to_vec1::<f32>();
    let [logits, hidden, cell] = ["logits", "h_next", "c_next"].map(numbers);
    expected.difference(&logits.map_err(engine)?, &hidden.map_err(engine)?, &cell.map_err(engine)?)
}

/// The network as the sampler runs it, through `ort`.
fn ort(network: &CharLstm, bytes: &[u8], ids: &[u32]) -> Result<f32> {
    let reversed: Vec<u32> = ids.iter().rev().copied().collect();
    let expected = Expected::new(network, vec![ids.to_vec(), reversed])?;
    let state = [&expected.state.hidden, &expected.state.cell].map(|part| part.flatten_all()?.to_vec1::<f32>());
    let [hidden, cell] = state;
    let (hidden, cell) = (hidden?, cell?); // (L, N, H)
    let size = *network.size();
    let run = || -> sampler::Result<[Vec<f32>; 3]> {
        let mut network = Network::open(bytes, size, &Engine::default())?;
        network.restart(2)?;
        // The sampler keeps the state of one text after another, (2, L, H).
        let parts = |text: usize| {
            let layers = hidden.chunks_exact(2 * size.hidden).chain(cell.chunks_exact(2 * size.hidden));
            layers.flat_map(move |layer| &layer[text * size.hidden..][..size.hidden]).copied().collect::<Vec<_>>()
        };
        (0..2).try_for_each(|text| network.set_state(text, &parts(text)))?;
        let (sequence, _) = expected.sequence();
        network.run(sequence.into_iter().map(|id| id as u32))?;
        let states = [network.state(0)?, network.state(1)?];
        let part = |part: usize| {
            let layers = part * size.layers..(part + 1) * size.layers;
            let layer =
                |layer: usize| states.iter().flat_map(move |state| &state[layer * size.hidden..][..size.hidden]);
            layers.flat_map(layer).copied().collect()
        };
        Ok([network.logits().to_vec(), part(0), part(1)])
    };
    let [logits, hidden, cell] = run().map_err(|error| Error::Engine { engine: "ort", message: error.to_string() })?;
    expected.difference(&logits, &hidden, &cell)
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn differences_are_relative_to_numbers_above_one() {
        let (nan, infinity) = (f32::NAN, f32::INFINITY);
        for (found, expected, largest) in [
            (&[0.25, -0.5][..], &[0.25, -0.25][..], 0.25),
            (&[0.25, -8.0], &[0.5, -8.0], 0.03125),
            (&[1.0], &[1.0, 2.0], infinity),
            (&[], &[], 0.0),
        ] {
            assert_eq!(difference(found, expected).to_bits(), f32::to_bits(largest), "{found:?} {expected:?}");
        }
        assert!(difference(&[nan, 1.0], &[1.0, 1.0]).is_nan() && difference(&[1.0], &[nan]).is_nan());
    }
}
