//! The cells that follow a feature best, beside a cell chosen at random and untrained networks.
//!
//! The text is cut into halves. The best cells are chosen on the first half and scored on the second, so that a cell that fits
//! the first half by chance does not count. The bar that a found cell has to clear is explained in docs/cells.md.

use lstm::CharLstm;
use model_card::ModelSize;

use crate::data::{CellScore, FeatureResult, LayerStates, Scoring};
use crate::run::{Step, run};
use crate::score::{Signal, scores};
use crate::{Feature, Measure, Result};

/// Cells that are named for each feature.
const BEST: usize = 5;

/// A found cell's least AUC.
pub const LEAST_AUC: f32 = 0.8;

/// A found cell's least |r|.
pub const LEAST_CORRELATION: f32 = 0.5;

/// How far a found cell is above the untrained network at least, as a share of what is left to a perfect score.
pub const MARGIN: f32 = 0.5;

/// Untrained networks; the best cell of all of them is what a found cell is compared with. One has a lucky cell, another none.
pub const UNTRAINED: u64 = 3;

/// In each half a feature has to be there at this many tokens, and to be absent at as many.
const LEAST_TOKENS: usize = 50;

/// The same as a share of the tokens.
const LEAST_SHARE: f64 = 0.001;

/// Gathers the cell states at the first tokens of a text.
#[derive(Debug)]
pub struct States {
    tokens: usize,
    layers: Vec<LayerStates>,
}

impl States {
    /// Room for the states at `tokens` tokens: a byte for each cell and token.
    pub fn new(size: &ModelSize, tokens: usize) -> Self {
        let layer = || LayerStates { size: size.hidden, states: vec![0; tokens * size.hidden] };
        Self { tokens, layers: (0..size.layers).map(|_| layer()).collect() }
    }

    /// Takes down the states at a token.
    pub fn add(&mut self, step: &Step<'_>) {
        if step.position < self.tokens {
            for (layer, cells) in self.layers.iter_mut().zip(step.cells()) {
                let states = &mut layer.states[step.position * layer.size..][..layer.size];
                states.iter_mut().zip(cells).for_each(|(state, &cell)| *state = quantised(cell));
            }
        }
    }

    /// The states of each layer, (T, H).
    pub fn layers(&self) -> &[LayerStates] {
        &self.layers
    }

    /// The states at the first tokens alone.
    pub fn first(&self, tokens: usize) -> Vec<LayerStates> {
        let first = |layer: &LayerStates| {
            let states = layer.states[..tokens.min(self.tokens) * layer.size].to_vec();
            LayerStates { size: layer.size, states }
        };
        self.layers.iter().map(first).collect()
    }
}

/// tanh(c) in steps of 1/127.
fn quantised(cell: f32) -> i8 {
    (cell.tanh() * 127.0).round() as i8
}

/// The states of a network at these tokens.
pub fn states(network: &CharLstm, tokens: &[u32], streams: usize, report: &mut dyn FnMut(usize)) -> Result<States> {
    let mut states = States::new(network.size(), tokens.len());
    run(network, tokens, streams, report, &mut |step| states.add(&step))?;
    Ok(states)
}

/// How cells are chosen and scored on this many tokens.
pub fn scoring(source: String, tokens: usize) -> Scoring {
    Scoring {
        source,
        chosen_on: tokens / 2,
        scored_on: tokens - tokens / 2,
        least_auc: LEAST_AUC,
        least_correlation: LEAST_CORRELATION,
        margin: MARGIN,
    }
}

/// The cells that follow each feature best. `values` are a feature's values at each token, or why there are none.
pub fn follow(
    values: &[(Feature, std::result::Result<Vec<u8>, String>)],
    trained: &[LayerStates],
    untrained: &[&[LayerStates]],
    scoring: &Scoring,
) -> Vec<FeatureResult> {
    let half = scoring.chosen_on;
    let reasons: Vec<Option<String>> = values
        .iter()
        .map(|(_, values)| match values {
            Err(reason) => Some(reason.clone()),
            Ok(values) => too_little(&values[..half]).or_else(|| too_little(&values[half..])),
        })
        .collect();
    let scored: Vec<(Measure, &[u8])> = values
        .iter()
        .zip(&reasons)
        .filter(|(_, reason)| reason.is_none())
        .filter_map(|((feature, values), _)| Some((feature.measure(), values.as_deref().ok()?)))
        .collect();
    let networks = || std::iter::once(trained).chain(untrained.iter().copied());
    // By half, network and signal: the scores of all cells.
    let [chosen_by, judged_by] = [0..half, half..half + scoring.scored_on].map(|range| {
        let signals: Vec<Signal> =
            scored.iter().map(|(measure, values)| Signal::new(*measure, &values[range.clone()])).collect();
        networks().map(|layers| of_all_cells(layers, range.start, &signals)).collect::<Vec<_>>()
    });
    let mut place = 0;
    values
        .iter()
        .zip(reasons)
        .map(|((feature, values), absent)| {
            let mut result = FeatureResult {
                feature: *feature,
                name: feature.name(),
                definition: feature.definition(),
                measure: feature.measure(),
                positives: values.as_ref().map_or(0.0, |values| share(values)),
                best: vec![],
                random: 0.0,
                untrained: 0.0,
                found: false,
                absent,
            };
            if result.absent.is_none() {
                let halves = chosen_by.iter().zip(&judged_by);
                let of_networks: Vec<[&[f64]; 2]> =
                    halves.map(|(chosen, judged)| [&chosen[place][..], &judged[place]]).collect();
                judge(&mut result, &of_networks, scoring, trained[0].size);
                place += 1;
            }
            result
        })
        .collect()
}

/// The share of tokens at which a feature is there.
fn share(values: &[u8]) -> f32 {
    let there = values.iter().filter(|value| **value > 0).count();
    (there as f64 / values.len().max(1) as f64) as f32
}

/// Why a half of the text is not enough to score a feature on.
fn too_little(values: &[u8]) -> Option<String> {
    let least = LEAST_TOKENS.max((values.len() as f64 * LEAST_SHARE).ceil() as usize);
    let there = values.iter().filter(|value| **value > 0).count();
    let tokens = |count: usize| model_card::counted(count as u64, "token");
    if there < least {
        Some(format!("at {} of {} only", tokens(there), values.len()))
    } else if values.len() - there < least {
        Some(format!("everywhere but at {} of {}", tokens(values.len() - there), values.len()))
    } else {
        None
    }
}

/// Scores of all cells, the lowest layer's first, for every signal.
fn of_all_cells(layers: &[LayerStates], start: usize, signals: &[Signal]) -> Vec<Vec<f64>> {
    let mut all = vec![vec![]; signals.len()];
    for layer in layers {
        for (all, scores) in all.iter_mut().zip(scores(layer, start, signals)) {
            all.extend(scores);
        }
    }
    all
}

/// Fills in a feature's result from the scores of all cells on the two halves, of the trained and of each untrained network.
fn judge(result: &mut FeatureResult, of_networks: &[[&[f64]; 2]], scoring: &Scoring, hidden: usize) {
    let measure = result.measure;
    // A cell that is low where the feature is high follows it as well.
    let strength = |score: f64| match measure {
        Measure::Auc => 0.5 + score.abs() as f32,
        Measure::Correlation => score.abs() as f32,
    };
    let ranked = |scores: &[f64]| {
        let mut cells: Vec<usize> = (0..scores.len()).collect();
        cells.sort_by(|&one, &other| scores[other].abs().total_cmp(&scores[one].abs()).then(one.cmp(&other)));
        cells.truncate(BEST);
        cells
    };
    let ([chosen, judged], untrained) = (of_networks[0], &of_networks[1..]);
    let score = |cell: usize| {
        let score = judged[cell];
        CellScore { layer: cell / hidden, cell: cell % hidden, score: strength(score), rises: score > 0.0 }
    };
    result.best = ranked(chosen).into_iter().map(score).collect();
    let sum: f64 = judged.iter().map(|score| f64::from(strength(*score))).sum();
    result.random = (sum / judged.len() as f64) as f32;
    let best_of = |[chosen, judged]: &[&[f64]; 2]| ranked(chosen).first().map_or(0.0, |&cell| strength(judged[cell]));
    result.untrained = untrained.iter().map(best_of).fold(0.0, f32::max);
    let least = match measure {
        Measure::Auc => scoring.least_auc,
        Measure::Correlation => scoring.least_correlation,
    };
    let bar = least.max(result.untrained + scoring.margin * (1.0 - result.untrained));
    result.found = result.best.first().is_some_and(|best| best.score >= bar);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENS: usize = 400;

    /// A feature that holds in stretches of ten.
    fn values() -> Vec<u8> {
        (0..TOKENS).map(|place| (place / 10 % 2) as u8).collect()
    }

    /// Cells by their state at a token.
    fn layer(cells: &[&dyn Fn(usize) -> i8]) -> LayerStates {
        let states = (0..TOKENS).flat_map(|place| cells.iter().map(move |cell| cell(place))).collect();
        LayerStates { size: cells.len(), states }
    }

    fn result(values: Vec<u8>, trained: &[LayerStates], untrained: &[&[LayerStates]]) -> FeatureResult {
        let scoring = scoring("a text".into(), TOKENS);
        follow(&[(Feature::InsideQuotes, Ok(values))], trained, untrained, &scoring).remove(0)
    }

    /// A cell that is right at nine of ten tokens, in another way in each half.
    fn good(place: usize) -> i8 {
        let follows = (place / 10 % 2) as i8;
        if (place + place / 200).is_multiple_of(10) { 1 - follows } else { follows }
    }

    #[test]
    fn the_best_cell_is_found_whatever_its_sign_and_layer() {
        let still = |_| 3;
        let noise = |place: usize| (place * 7 % 11) as i8;
        for sign in [1, -1] {
            let trained = [layer(&[&still, &noise]), layer(&[&noise, &|place| sign * good(place)])];
            let untrained = [layer(&[&noise, &still]), layer(&[&noise, &still])];
            let result = result(values(), &trained, &[&untrained]);
            let best = result.best[0];
            assert_eq!((best.layer, best.cell, best.rises, result.found), (1, 1, sign > 0, true), "{result:?}");
            assert!((best.score - 0.9).abs() < 1e-6, "{result:?}");
            assert_eq!(result.best.len(), 4);
            assert!(result.untrained < 0.6 && result.random < 0.65, "{result:?}");
            assert!((result.positives - 0.5).abs() < 1e-6);
        }
    }

    #[test]
    fn a_cell_that_an_untrained_network_has_too_is_not_found() {
        let trained = [layer(&[&good])];
        // The best of several untrained networks counts, whichever it is.
        let still = [layer(&[&|_| 0])];
        let result = result(values(), &trained, &[&still, &trained, &still]);
        assert!(!result.found && (result.untrained - 0.9).abs() < 1e-6, "{result:?}");
    }

    #[test]
    fn a_cell_that_fits_the_first_half_alone_is_not_found() {
        let lucky = |place: usize| if place < TOKENS / 2 { (place / 10 % 2) as i8 } else { (place % 2) as i8 };
        let trained = [layer(&[&lucky])];
        let untrained = [layer(&[&|_| 0])];
        let result = result(values(), &trained, &[&untrained]);
        assert!(!result.found && result.best[0].score < 0.6, "{result:?}");
    }

    #[test]
    fn a_feature_that_a_half_lacks_is_absent_and_says_so() {
        let trained = [layer(&[&good])];
        let cases: [(&dyn Fn(usize) -> u8, &str); 4] = [
            (&|_| 0, "at 0 tokens of 200 only"),
            (&|place| u8::from(place % 100 == 0), "at 2 tokens of 200 only"),
            (&|place| u8::from(place < 200 && place % 2 == 0), "at 0 tokens of 200 only"),
            (&|place| u8::from(place != 7), "everywhere but at 1 token of 200"),
        ];
        for (value, reason) in cases {
            let result = result((0..TOKENS).map(value).collect(), &trained, &[&trained]);
            assert_eq!(result.absent.as_deref(), Some(reason));
            assert!(result.best.is_empty() && !result.found);
        }
        let scoring = scoring("a text".into(), TOKENS);
        let values = [(Feature::InsideComment, Err("no program".to_owned())), (Feature::InsideQuotes, Ok(values()))];
        let results = follow(&values, &trained, &[&trained], &scoring);
        assert_eq!(results[0].absent.as_deref(), Some("no program"));
        assert!(results[1].absent.is_none() && results[1].best.len() == 1, "the next one is scored all the same");
    }

    #[test]
    fn states_are_tanh_in_127_steps() {
        for (cell, state) in [(0.0, 0), (100.0, 127), (-100.0, -127), (0.5, 59), (-0.004, -1), (0.003, 0)] {
            assert_eq!(quantised(cell), state, "{cell}");
        }
    }
}
