//! The states of every cell at every character, small enough to mail.
//!
//! 896 cells over 20,000 characters are 18 million states. A reader sees a state as a colour, so a state is rounded to one
//! of `2 · steps + 1` levels, and a level is kept until the state is more than three quarters of a step away from it, which
//! saves changes that nobody would see. Each cell's levels, as differences between neighbours where that is shorter, are
//! deflated on their own: the page unpacks one cell when it is picked, in a millisecond. The number of steps is the largest
//! of [`STEPS`] whose pages fit into [`ROOM`]; if the smallest does not, the passage is cut.

use std::io::Write;

use analysis::LayerStates;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde::Serialize;

/// Steps from 0 to 1 that are tried, the finest first.
const STEPS: [i32; 4] = [10, 7, 5, 3];

/// Bytes of base64 for all states. With everything else the page stays below 5 MB.
pub const ROOM: usize = 4_200_000;

/// Every so many cells are packed to estimate what all would take.
const SAMPLED: usize = 16;

/// The state of every cell at every token that is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Packed {
    /// Levels from 0 to 1, without 0: a level divided by it is tanh(c).
    pub steps: i32,
    /// Tokens (T).
    pub tokens: usize,
    /// For each layer and cell: `=` for levels or `+` for differences, then base64 of deflated bytes.
    pub layers: Vec<Vec<String>>,
}

/// Packs the states of a passage of `tokens` tokens into about `room` bytes.
pub fn states(layers: &[LayerStates], tokens: usize, room: usize) -> Packed {
    let size = |steps, tokens| {
        let cells = layers.iter().flat_map(|layer| (0..layer.size).map(move |cell| (layer, cell)));
        let count = layers.iter().map(|layer| layer.size).sum::<usize>();
        let sampled: Vec<usize> =
            cells.step_by(SAMPLED).map(|(layer, cell)| pack_cell(layer, cell, tokens, steps).len()).collect();
        sampled.iter().sum::<usize>() * count / sampled.len().max(1)
    };
    let fitting = STEPS.into_iter().find(|steps| size(*steps, tokens) <= room);
    let (steps, tokens) = fitting.map_or_else(
        || {
            let steps = STEPS[STEPS.len() - 1];
            // What is left of the passage fills the room.
            (steps, (tokens as f64 * room as f64 / size(steps, tokens) as f64) as usize)
        },
        |steps| (steps, tokens),
    );
    let pack = |layer: &LayerStates| (0..layer.size).map(|cell| pack_cell(layer, cell, tokens, steps)).collect();
    Packed { steps, tokens, layers: layers.iter().map(pack).collect() }
}

/// Bytes as base64 of raw deflate, which the browser inflates itself.
pub fn bytes(bytes: &[u8]) -> String {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    // Writing to memory cannot fail.
    let deflated = encoder.write_all(bytes).and_then(|()| encoder.finish()).unwrap_or_default();
    BASE64_STANDARD.encode(deflated)
}

/// Numbers of 16 bits, low byte first, packed as [`bytes`].
pub fn words(words: impl IntoIterator<Item = u32>) -> String {
    bytes(&words.into_iter().flat_map(|word| (word as u16).to_le_bytes()).collect::<Vec<u8>>())
}

fn pack_cell(layer: &LayerStates, cell: usize, tokens: usize, steps: i32) -> String {
    let levels = levels(layer.states.iter().skip(cell).step_by(layer.size).take(tokens).copied(), steps);
    let plain: Vec<u8> = levels.iter().map(|level| (level + steps) as u8).collect();
    let mut before = 0;
    let differences: Vec<u8> = levels
        .iter()
        .map(|&level| (level - std::mem::replace(&mut before, level)).rem_euclid(2 * steps + 1) as u8)
        .collect();
    let (plain, differences) = (bytes(&plain), bytes(&differences));
    if plain.len() <= differences.len() { format!("={plain}") } else { format!("+{differences}") }
}

/// The levels of states, from `-steps` to `steps`.
fn levels(states: impl Iterator<Item = i8>, steps: i32) -> Vec<i32> {
    const KEPT: f32 = 0.75;
    let mut level = 0;
    states
        .map(|state| {
            let exact = f32::from(state) / 127.0 * steps as f32;
            if (exact - level as f32).abs() > KEPT {
                level = exact.round() as i32;
            }
            level
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::DeflateDecoder;

    use super::*;

    /// What the page does.
    fn unpack(packed: &str, steps: i32) -> Vec<i32> {
        let mut inflated = vec![];
        DeflateDecoder::new(&BASE64_STANDARD.decode(&packed[1..]).unwrap()[..]).read_to_end(&mut inflated).unwrap();
        let mut sum = 0;
        let difference = |byte: u8| {
            sum = (sum + i32::from(byte) + steps).rem_euclid(2 * steps + 1) - steps;
            sum
        };
        match &packed[..1] {
            "=" => inflated.into_iter().map(|byte| i32::from(byte) - steps).collect(),
            _ => inflated.into_iter().map(difference).collect(),
        }
    }

    fn layer(cells: usize, tokens: usize) -> LayerStates {
        let state = |at: usize| {
            let (token, cell) = (at / cells, at % cells);
            // A cell that counts, one that holds, one that jumps, and so on.
            (127.0 * ((token as f32) / (1.0 + cell as f32)).sin()) as i8
        };
        LayerStates { size: cells, states: (0..cells * tokens).map(state).collect() }
    }

    #[test]
    fn every_state_comes_back_within_its_step() {
        let layers = [layer(40, 500), layer(7, 500)];
        let packed = states(&layers, 500, usize::MAX);
        assert_eq!((packed.steps, packed.tokens), (STEPS[0], 500));
        for (layer, cells) in layers.iter().zip(&packed.layers) {
            assert_eq!(cells.len(), layer.size);
            for (cell, packed_cell) in cells.iter().enumerate() {
                let levels = unpack(packed_cell, packed.steps);
                assert_eq!(levels.len(), 500);
                for (token, level) in levels.into_iter().enumerate() {
                    let state = f32::from(layer.states[token * layer.size + cell]) / 127.0;
                    let error = (state - level as f32 / packed.steps as f32).abs();
                    assert!(error <= 0.751 / packed.steps as f32, "cell {cell}, token {token}: {error}");
                }
            }
        }
    }

    #[test]
    fn less_room_means_coarser_states_and_then_a_shorter_passage() {
        let layers = [layer(64, 2_000)];
        let all = |room| {
            let packed = states(&layers, 2_000, room);
            let size: usize = packed.layers.iter().flatten().map(String::len).sum();
            (packed.steps, packed.tokens, size)
        };
        let (finest, tokens, size) = all(usize::MAX);
        let (coarser, same, smaller) = all(size * 3 / 4);
        assert!(coarser < finest && same == tokens && smaller < size, "{coarser} {same} {smaller} of {size}");
        let (coarsest, fewer, small) = all(size / 20);
        assert_eq!(coarsest, STEPS[STEPS.len() - 1]);
        assert!(fewer < tokens && fewer > 0 && small < size / 4, "{fewer} {small} of {size}");
    }
}
