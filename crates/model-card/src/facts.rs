//! What a card says of a model, in words.

use crate::{Context, InputEncoding, ModelCard, Newlines, Normalisation, Unit, counted};

/// The most characters that are listed.
const MOST_SYMBOLS: usize = 200;

impl ModelCard {
    /// What a person wants to know of the model, as labels and values: the corpus, the licence, the recipe and so on. What the
    /// card does not say is left out.
    ///
    /// The values are text of the card, which anybody may have written: see [`printable`](crate::printable).
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let provenance = &self.provenance;
        let epochs = counted(provenance.epochs as u64, "epoch");
        let mut facts = vec![
            ("corpus", format!("{}, {}", provenance.dataset, counted(provenance.tokens, self.noun()))),
            ("licence", provenance.licence.clone().unwrap_or_else(|| "not stated".into())),
            ("recipe", format!("{}, {epochs}, seed {}", provenance.recipe, provenance.seed)),
            ("losses", self.losses()),
            ("vocabulary", self.tokens()),
            ("characters", self.characters()),
            ("normalisation", steps(self.normalisation)),
            ("reads", self.reads()),
            ("network", self.network()),
            ("made by", provenance.program.clone()),
        ];
        facts.retain(|(_, value)| !value.is_empty());
        facts
    }

    fn noun(&self) -> &'static str {
        if self.vocabulary.unit() == Unit::Char { "character" } else { "byte" }
    }

    fn losses(&self) -> String {
        let losses = self.provenance.losses;
        let losses = [("training", losses.train), ("validation", losses.validation)];
        let losses = losses.into_iter().filter_map(|(name, nats)| Some((name, nats?)));
        let losses = losses
            .map(|(name, nats)| format!("{name} {nats:.4} nats ({:.4} bits)", nats / std::f64::consts::LN_2))
            .collect::<Vec<_>>();
        if losses.is_empty() { "not measured".into() } else { losses.join(", ") }
    }

    fn tokens(&self) -> String {
        let symbols = counted(self.vocabulary.symbols().len() as u64, self.noun());
        let boundary = if self.vocabulary.boundary().is_some() { ", a boundary between documents" } else { "" };
        let unknown = if self.vocabulary.unknown().is_some() { ", an unknown character" } else { "" };
        format!("{symbols}{boundary}{unknown}")
    }

    /// The characters themselves, in quotes. Bytes have no text of their own.
    fn characters(&self) -> String {
        if self.vocabulary.unit() == Unit::Byte {
            return String::new();
        }
        let symbols = self.vocabulary.symbols();
        let shown: String = symbols.iter().take(MOST_SYMBOLS).filter_map(|&symbol| char::from_u32(symbol)).collect();
        let more = if symbols.len() > MOST_SYMBOLS { " \u{2026}" } else { "" };
        format!("{shown:?}{more}")
    }

    fn reads(&self) -> String {
        match self.context {
            Context::Stateful => "everything before, by its carried state".into(),
            Context::Window { length } => format!("the last {length}, from a zero state"),
        }
    }

    fn network(&self) -> String {
        let input = match self.size.input {
            InputEncoding::OneHot => "one-hot input".into(),
            InputEncoding::Embedding { size } => format!("embedding of {size}"),
            InputEncoding::TiedEmbedding => format!("embedding of {}, tied to the output", self.size.hidden),
        };
        let parameters = self.size.parameters();
        format!("{} \u{d7} {} LSTM, {input}, {parameters} parameters", self.size.layers, self.size.hidden)
    }
}

fn steps(normalisation: Normalisation) -> String {
    let steps = [
        (normalisation.newlines == Newlines::Lf, "line ends to LF"),
        (normalisation.nfc, "NFC"),
        (normalisation.lowercase, "lower case"),
        (normalisation.ascii, "ASCII only"),
    ];
    let steps: Vec<&str> = steps.iter().filter(|(taken, _)| *taken).map(|(_, name)| *name).collect();
    if steps.is_empty() { "none".into() } else { steps.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FORMAT_VERSION, Losses, ModelSize, Provenance, Vocabulary};

    #[test]
    fn a_card_is_told_in_words() {
        let vocabulary = Vocabulary::from_text(Unit::Char, "\n ab").with_boundary().with_unknown();
        let mut card = ModelCard {
            format_version: FORMAT_VERSION,
            vocabulary,
            normalisation: Normalisation { lowercase: true, ascii: true, ..Normalisation::default() },
            size: ModelSize { vocabulary: 6, hidden: 8, layers: 2, input: InputEncoding::Embedding { size: 3 } },
            context: Context::Window { length: 5 },
            seed_text: String::new(),
            provenance: Provenance {
                dataset: "tales".into(),
                tokens: 1,
                recipe: "modern".into(),
                epochs: 2,
                losses: Losses { train: None, validation: Some(1.75) },
                ..Provenance::default()
            },
        };
        let parameters = card.size.parameters();
        let expected = [
            ("corpus", "tales, 1 character".to_owned()),
            ("licence", "not stated".into()),
            ("recipe", "modern, 2 epochs, seed 0".into()),
            // 1.75 / ln 2
            ("losses", "validation 1.7500 nats (2.5247 bits)".into()),
            ("vocabulary", "4 characters, a boundary between documents, an unknown character".into()),
            ("characters", r#""\n ab""#.into()),
            ("normalisation", "lower case, ASCII only".into()),
            ("reads", "the last 5, from a zero state".into()),
            ("network", format!("2 \u{d7} 8 LSTM, embedding of 3, {parameters} parameters")),
        ];
        assert_eq!(card.facts(), expected);

        card.vocabulary = Vocabulary::from_text(Unit::Byte, "ab");
        card.provenance.losses = Losses::default();
        card.normalisation = Normalisation::default();
        let facts = card.facts();
        assert!(facts.iter().all(|(label, _)| *label != "characters"), "{facts:?}");
        for fact in [("losses", "not measured"), ("vocabulary", "2 bytes"), ("normalisation", "none")] {
            assert!(facts.contains(&(fact.0, fact.1.into())), "{fact:?} in {facts:?}");
        }
    }
}
