//! Shows the model card.

use std::io::Write;

use model_card::{Context, InputEncoding, ModelCard, Newlines, Normalisation, Unit, printable, printable_lines};
use sampler::{Engine, read_card};

use super::{failure::Failure, output::Output};

/// Prints the card as a table, or as JSON.
pub fn info(model: &[u8], engine: &Engine, json: bool) -> Result<(), Failure> {
    let card = read_card(model)?;
    let mut output = Output::new();
    if json {
        writeln!(output, "{}", printable_lines(&card.to_json()))?;
    } else {
        for (name, value) in rows(&card, model.len(), engine) {
            // The card is part of the model's file, which anybody may have made.
            writeln!(output, "{name:14}{}", printable(&value))?;
        }
    }
    Ok(output.flush()?)
}

fn rows(card: &ModelCard, bytes: usize, engine: &Engine) -> Vec<(&'static str, String)> {
    let provenance = &card.provenance;
    let vocabulary = &card.vocabulary;
    let unit = if vocabulary.unit() == Unit::Char { "characters" } else { "bytes" };
    let losses = [("training", provenance.losses.train), ("validation", provenance.losses.validation)];
    let losses: Vec<String> = losses
        .iter()
        .filter_map(|(name, loss)| loss.map(|nats| (name, nats)))
        .map(|(name, nats)| format!("{name} {nats:.4} nats ({:.4} bits)", nats / std::f64::consts::LN_2))
        .collect();
    let boundary = if vocabulary.boundary().is_some() { ", a boundary between documents" } else { "" };
    let unknown = if vocabulary.unknown().is_some() { ", an unknown character" } else { "" };
    let input = match card.size.input {
        InputEncoding::OneHot => "one-hot input".into(),
        InputEncoding::Embedding { size } => format!("embedding of {size}"),
        InputEncoding::TiedEmbedding => format!("embedding of {}, tied to the output", card.size.hidden),
    };
    let context = match card.context {
        Context::Stateful => "everything before, by its carried state".into(),
        Context::Window { length } => format!("the last {length}, from a zero state"),
    };
    let symbols: String = vocabulary.symbols().iter().take(200).filter_map(|&symbol| char::from_u32(symbol)).collect();
    let more = if vocabulary.symbols().len() > 200 { " \u{2026}" } else { "" };
    let epochs = match provenance.epochs {
        1 => "1 epoch".into(),
        epochs => format!("{epochs} epochs"),
    };
    let mut rows = vec![
        ("corpus", format!("{}, {} {unit}", provenance.dataset, provenance.tokens)),
        ("licence", provenance.licence.clone().unwrap_or_else(|| "not stated".into())),
        ("recipe", format!("{}, {epochs}, seed {}", provenance.recipe, provenance.seed)),
        ("losses", if losses.is_empty() { "not measured".into() } else { losses.join(", ") }),
        ("vocabulary", format!("{} {unit}{boundary}{unknown}", vocabulary.symbols().len())),
        ("", format!("{symbols:?}{more}")),
        ("normalisation", normalisation(card.normalisation)),
        ("reads", context),
        (
            "network",
            format!(
                "{} \u{d7} {} LSTM, {input}, {} parameters",
                card.size.layers,
                card.size.hidden,
                card.size.parameters()
            ),
        ),
        ("file", format!("{bytes} bytes, written by {}", provenance.program)),
        ("engine", engine.backend.to_string()),
    ];
    rows.retain(|(_, value)| !value.is_empty());
    rows
}

fn normalisation(normalisation: Normalisation) -> String {
    let steps = [
        (normalisation.newlines == Newlines::Lf, "line ends to LF"),
        (normalisation.nfc, "NFC"),
        (normalisation.lowercase, "lower case"),
        (normalisation.ascii, "ASCII only"),
    ];
    let steps: Vec<&str> = steps.iter().filter(|(taken, _)| *taken).map(|(_, name)| *name).collect();
    if steps.is_empty() { "none".into() } else { steps.join(", ") }
}
