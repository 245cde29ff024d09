//! What its cells do: a passage that the reader colours by any cell, the cells that follow a feature of the text, and how
//! often the gates are open or shut.
//!
//! The page's script draws the passage from the data that [`data`] puts into it; everything else is here.

use std::collections::BTreeMap;

use analysis::{Analysis, CellScore, FeatureResult, Measure, Passage};
use maud::{Markup, html};
use serde::Serialize;

use crate::escape;
use crate::numbers::{percent, thousands};
use crate::pack::{self, Packed};
use crate::plot::saturation;

/// A probability of 1 is this in the page's data.
const WHOLE: f32 = 255.0;

/// Bits are counted in these parts of one; what is beyond a byte counts as the largest.
const PARTS_OF_A_BIT: f32 = 16.0;

/// The passage as the page's script reads it.
#[derive(Serialize)]
pub struct Data {
    /// The text of each token, nothing hidden in it.
    symbols: Vec<String>,
    /// Tokens that end a line.
    breaks: Vec<usize>,
    /// Packed words: the tokens.
    tokens: String,
    /// Packed bytes: the surprise of each token in sixteenths of a bit.
    surprise: String,
    /// Guesses after each token.
    guesses: usize,
    /// Packed words and bytes: the tokens that are guessed, and their probabilities in parts of 255.
    guessed: String,
    probabilities: String,
    cells: Packed,
    /// Packed bytes for each yes/no feature that the passage has: 1 where it holds.
    features: BTreeMap<&'static str, String>,
}

/// What the script needs.
pub fn data(passage: &Passage) -> Data {
    let guesses = passage.guesses.iter().map(Vec::len).min().unwrap_or(0);
    let all = || passage.guesses.iter().flat_map(|guess| &guess[..guesses]);
    let byte = |number: f32| number.round().clamp(0.0, 255.0) as u8;
    let is_break = |(_, symbol): &(usize, &String)| ["\n", "\u{25a0}"].contains(&symbol.as_str());
    Data {
        symbols: passage.symbols.iter().map(|symbol| escape::token(symbol)).collect(),
        breaks: passage.symbols.iter().enumerate().filter(is_break).map(|(token, _)| token).collect(),
        tokens: pack::words(passage.tokens.iter().copied()),
        surprise: pack::bytes(&passage.surprise.iter().map(|bits| byte(bits * PARTS_OF_A_BIT)).collect::<Vec<u8>>()),
        guesses,
        guessed: pack::words(all().map(|guess| guess.token)),
        probabilities: pack::bytes(&all().map(|guess| byte(guess.probability * WHOLE)).collect::<Vec<u8>>()),
        cells: pack::states(&passage.layers, passage.tokens.len(), pack::ROOM),
        features: passage
            .features
            .iter()
            .filter(|values| values.feature.measure() == Measure::Auc)
            .map(|values| (values.feature.name(), pack::bytes(&values.values)))
            .collect(),
    }
}

/// The section. `data` is what the passage is drawn from.
pub fn section(analysis: &Analysis, data: &Data) -> Markup {
    let passage = &analysis.passage;
    html! {
        section id="cells" {
            h2 { "What its cells do" }
            p {
                "The network reads a text character by character: " (escape::text(&passage.source)) ". Pick a cell, and each character takes the colour of the cell\u{2019}s state after it, tanh(c), from "
                span.ink-cold { "\u{2212}1" } " to " span.ink-hot { "+1" } ". Beneath each are the characters that the network then expects, likeliest first, the darker the likelier; the one that comes is underlined."
            }
            @if data.cells.tokens < passage.tokens.len() {
                p.note { "To keep the page small, states are shown for the first " (thousands(data.cells.tokens as u64)) " of " (thousands(passage.tokens.len() as u64)) " characters." }
            }
            div.bench {
                (found(analysis))
                (viewer(analysis, data))
            }
            (gates(analysis))
        }
    }
}

/// The list of features, each with the cell that follows it best.
fn found(analysis: &Analysis) -> Markup {
    let (found, others): (Vec<_>, Vec<_>) = analysis.features.iter().partition(|feature| feature.found);
    let scoring = &analysis.scoring;
    html! {
        div.found {
            h3 { "Cells that follow a feature" }
            @if found.is_empty() { p.note { "No cell clears the bar." } }
            ul.features { @for feature in &found { li { (choice(feature, &feature.best[0])) } } }
            details {
                summary { "All features, scores and the bar" }
                p.small {
                    "Cells were chosen on the first half of a text (" (escape::text(&scoring.source)) ") and scored on the other, " (thousands(scoring.scored_on as u64)) " characters. A cell counts as found if its AUC is at least " (format!("{:.2}", scoring.least_auc)) " (|r| at least "
                    (format!("{:.2}", scoring.least_correlation)) " for depths and positions) and it goes at least " (percent(f64::from(scoring.margin)))
                    " of the way from the best cell of three untrained networks to a perfect score."
                }
                div.scroll tabindex="0" role="region" aria-label="All features" {
                    table {
                        thead { tr {
                            th scope="col" { "feature" } th scope="col" { "cells, best first" } th.n scope="col" { "score" } th.n scope="col" { "untrained" } th.n scope="col" { "random" } th.n scope="col" { "holds" }
                        } }
                        tbody {
                            @for feature in found.iter().chain(&others) {
                                tr {
                                    th scope="row" { (feature.name) @if feature.found { " \u{2713}" } br; span.small { (feature.definition) } }
                                    @if let Some(why) = &feature.absent { td colspan="4" { "not scored: " (why) } }
                                    @else {
                                        td { @for cell in &feature.best { (link(feature, cell)) " " } }
                                        td.n { (measure(feature)) " " (feature.best.first().map_or("-".into(), |cell| score(cell.score))) }
                                        td.n { (score(feature.untrained)) }
                                        td.n { (score(feature.random)) }
                                    }
                                    td.n { (percent(f64::from(feature.positives))) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn choice(feature: &FeatureResult, cell: &CellScore) -> Markup {
    html! {
        button type="button" data-layer=(cell.layer) data-cell=(cell.cell) data-feature=(feature.name) aria-pressed="false" title=(feature.definition) {
            span.name { (feature.name) }
            span.which { "layer " (cell.layer + 1) ", cell " (cell.cell) ", " (if cell.rises { "high" } else { "low" }) " there" }
            span.score { strong { (measure(feature)) " " (score(cell.score)) } " \u{b7} untrained " (score(feature.untrained)) " \u{b7} random " (score(feature.random)) }
        }
    }
}

fn link(feature: &FeatureResult, cell: &CellScore) -> Markup {
    html! {
        button.link type="button" data-layer=(cell.layer) data-cell=(cell.cell) data-feature=(feature.name) aria-pressed="false"
            aria-label=(format!("layer {}, cell {}", cell.layer + 1, cell.cell)) { (cell.layer + 1) "." (cell.cell) }
    }
}

fn measure(feature: &FeatureResult) -> &'static str {
    match feature.measure {
        Measure::Auc => "AUC",
        Measure::Correlation => "|r|",
    }
}

fn score(score: f32) -> String {
    format!("{score:.3}")
}

/// The passage with its controls. The script fills it.
fn viewer(analysis: &Analysis, data: &Data) -> Markup {
    let layers = &analysis.passage.layers;
    let followed = analysis.features.iter().find(|feature| feature.found);
    let first = followed.and_then(|feature| feature.best.first());
    let (layer, cell) = first.map_or((layers.len().saturating_sub(1), 0), |cell| (cell.layer, cell.cell));
    let last = layers.get(layer).map_or(0, |layer| layer.size.saturating_sub(1));
    html! {
        div.viewer id="viewer" data-layer=(layer) data-cell=(cell) data-feature=[followed.map(|feature| feature.name)] {
            noscript { p.note { "The passage is drawn by the page\u{2019}s own script, which this browser does not run." } }
            div.controls {
                fieldset {
                    legend { "Colour by" }
                    label { input type="radio" name="colour" value="cell" checked; " cell" }
                    label { input type="radio" name="colour" value="surprise"; " surprise" }
                    label { input type="radio" name="colour" value="none"; " nothing" }
                }
                label { "Layer " select id="layer" { @for number in 0..layers.len() { option value=(number) selected[number == layer] { (number + 1) } } } }
                label { "Cell " input id="cell" type="number" min="0" max=(last) step="1" value=(cell) inputmode="numeric"; }
                label.switch { input id="guesses" type="checkbox" checked; " guesses" }
            }
            canvas id="strip" height="28" aria-hidden="true" {}
            div.pager {
                button type="button" id="back" aria-label="Earlier text" { "\u{2190}" }
                input id="page" type="range" min="0" max="0" value="0" aria-label="Place in the passage";
                button type="button" id="forth" aria-label="Later text" { "\u{2192}" }
            }
            p.readout id="readout" aria-live="polite" { "\u{a0}" }
            div.passage id="passage" tabindex="0" role="group" aria-label="The passage; arrow keys move from character to character" dir="ltr" {}
            p.scale aria-hidden="true" { span { "\u{2212}1" } span.bar {} span { "+1" } span.key-holds hidden id="holds" { span.holds { "underlined" } ": " span {} } }
            p.small { "States are rounded to steps of " (format!("{:.2}", 1.0 / f64::from(data.cells.steps))) "." }
        }
    }
}

fn gates(analysis: &Analysis) -> Markup {
    html! {
        h3 { "Gates" }
        p { "A dot is a cell: across, the share of time that its gate is nearly open (above 0.9); up, the share that it is nearly shut (below 0.1); after Karpathy, Johnson and Fei-Fei (2015). A cell whose forget gate is at the far right remembers nearly always." }
        @for (number, layer) in analysis.gates.iter().enumerate() {
            div.gates {
                @for (name, gates) in [("input", &layer.input), ("forget", &layer.forget), ("output", &layer.output)] {
                    (saturation(&format!("gate-{number}-{name}"), &format!("Layer {}, {name} gates", number + 1), gates))
                }
            }
        }
    }
}
