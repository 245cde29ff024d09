//! The model in one line.

use model_card::{ModelCard, Unit, counted};

/// Its network, its vocabulary, its size.
pub fn summary(card: &ModelCard, bytes: usize) -> String {
    let cells = format!("{} of {} cells", counted(card.size.layers as u64, "layer"), card.size.hidden);
    let unit = if card.vocabulary.unit() == Unit::Char { "character" } else { "byte" };
    let symbols = counted(card.vocabulary.symbols().len() as u64, unit);
    format!("{cells} \u{b7} knows {symbols} \u{b7} {}", size(bytes))
}

/// The size of a file.
pub fn size(bytes: usize) -> String {
    if bytes < 1_000_000 { format!("{:.0} kB", bytes as f64 / 1e3) } else { format!("{:.2} MB", bytes as f64 / 1e6) }
}
