//! What the card says of the model, in words.

use model_card::{Context, InputEncoding, ModelCard, Unit, counted};

/// The model in one line: its network, its vocabulary, its size.
pub fn summary(card: &ModelCard, bytes: usize) -> String {
    let cells = format!("{} of {} cells", counted(card.size.layers as u64, "layer"), card.size.hidden);
    let symbols = counted(card.vocabulary.symbols().len() as u64, unit(card));
    format!("{cells} \u{b7} knows {symbols} \u{b7} {}", size(bytes))
}

/// Names and values, in the order of `scrimshaw info`.
pub fn rows(card: &ModelCard, bytes: usize) -> Vec<(&'static str, String)> {
    let provenance = &card.provenance;
    let losses = [("training", provenance.losses.train), ("validation", provenance.losses.validation)];
    let losses: Vec<String> = losses
        .iter()
        .filter_map(|(name, loss)| Some((name, (*loss)?)))
        .map(|(name, nats)| format!("{name} {nats:.4} nats ({:.4} bits)", nats / std::f64::consts::LN_2))
        .collect();
    let input = match card.size.input {
        InputEncoding::OneHot => "one-hot input".into(),
        InputEncoding::Embedding { size } => format!("embedding of {size}"),
        InputEncoding::TiedEmbedding => format!("embedding of {}, tied to the output", card.size.hidden),
    };
    let context = match card.context {
        Context::Stateful => "everything before, by its carried state".into(),
        Context::Window { length } => format!("the last {length}, from a zero state"),
    };
    let epochs = counted(provenance.epochs as u64, "epoch");
    let layers = counted(card.size.layers as u64, "layer");
    let mut rows = vec![
        ("Corpus", format!("{}, {}", provenance.dataset, counted(provenance.tokens, unit(card)))),
        ("Licence", provenance.licence.clone().unwrap_or_else(|| "not stated".into())),
        ("Recipe", format!("{}, {epochs}, seed {}", provenance.recipe, provenance.seed)),
        ("Losses", if losses.is_empty() { "not measured".into() } else { losses.join(", ") }),
        ("Network", format!("{layers} of {} cells, {input}", card.size.hidden)),
        ("Reads", context),
        ("Characters", symbols(card)),
        ("File", size(bytes)),
        ("Made by", provenance.program.clone()),
    ];
    rows.retain(|(_, value)| !value.is_empty());
    rows
}

fn unit(card: &ModelCard) -> &'static str {
    if card.vocabulary.unit() == Unit::Char { "character" } else { "byte" }
}

/// The characters themselves, at most 200. Bytes have no text of their own.
fn symbols(card: &ModelCard) -> String {
    const MOST: usize = 200;
    let symbols = card.vocabulary.symbols();
    if card.vocabulary.unit() == Unit::Byte {
        return String::new();
    }
    let shown: String = symbols.iter().take(MOST).filter_map(|&symbol| char::from_u32(symbol)).collect();
    if symbols.len() > MOST { shown + " \u{2026}" } else { shown }
}

fn size(bytes: usize) -> String {
    if bytes < 1_000_000 { format!("{:.0} kB", bytes as f64 / 1e3) } else { format!("{:.2} MB", bytes as f64 / 1e6) }
}
