//! What a user asks for, in the characters of a model: the prompt, stop texts, characters to leave out, a text not to quote.

use std::sync::Arc;

use model_card::{ModelCard, Unit, Vocabulary};

use crate::{Error, KnownText, Plan, Result, check_memory, model::encode};

/// Texts as a user gives them. Start from the default, which asks for nothing in particular.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'r> {
    /// The text to continue. Without one, a model of documents begins a new one, and any other continues its seed text.
    pub prompt: Option<&'r str>,
    /// Leave out characters of the prompt that the model does not know. They are an error otherwise.
    pub skip_unknown: bool,
    /// The text ends after any of these.
    pub stops: &'r [String],
    /// The only characters to write.
    pub allow: Option<&'r str>,
    /// Characters not to write.
    pub forbid: Option<&'r str>,
    /// A text that is not quoted, and how many characters in a row (of a model of bytes, bytes) are a quotation: at least 1.
    pub known: Option<(&'r str, usize)>,
}

/// What a model makes of a [`Request`].
#[derive(Debug, Clone, Default)]
pub struct Resolved {
    /// The prompt, normalised.
    pub prompt: String,
    /// Its tokens.
    pub tokens: Vec<u32>,
    /// Number of characters that were left out of it.
    pub skipped: u64,
    stops: Vec<String>,
    excluded: Vec<usize>,
    known: Option<Arc<KnownText>>,
}

impl Request<'_> {
    /// Normalises every text as the card says, and looks its characters up.
    ///
    /// # Errors
    /// [`Error::Text`] if the model does not know a character of the prompt; [`Error::EmptyStop`] and
    /// [`Error::UnwrittenStop`] for stop texts that never end a text; [`Error::NothingAllowed`] and [`Error::NotAscii`];
    /// [`Error::KnownTooLong`]; [`Error::Memory`].
    pub fn resolve(&self, card: &ModelCard) -> Result<Resolved> {
        let (prompt, skipped) = self.prompt(card)?;
        // Names the first unknown character before anything is written.
        let tokens = encode(card, &prompt)?;
        let stops = self.stops.iter().map(|stop| resolve_stop(card, stop)).collect::<Result<_>>()?;
        let excluded = self.excluded(card)?;
        let known = self.known.map(|(text, length)| resolve_known(card, text, length)).transpose()?;
        Ok(Resolved { prompt, tokens, skipped, stops, excluded, known })
    }

    /// The normalised prompt, and how many characters were left out of it.
    fn prompt(&self, card: &ModelCard) -> Result<(String, u64)> {
        let text = match self.prompt {
            Some(text) => text,
            None if card.vocabulary.boundary().is_some() => "",
            None => &card.seed_text,
        };
        check_memory(text.len().saturating_mul(4))?;
        let mut text = card.normalisation.apply(text).into_owned();
        let mut skipped = 0;
        if self.skip_unknown {
            text.retain(|character| {
                let is_known = is_known(&card.vocabulary, character);
                skipped += u64::from(!is_known);
                is_known
            });
        }
        Ok((text, skipped))
    }

    /// The tokens that are not written: all that `allow` leaves out, and those of `forbid`.
    fn excluded(&self, card: &ModelCard) -> Result<Vec<usize>> {
        let texts = [self.allow, self.forbid];
        let vocabulary = &card.vocabulary;
        if vocabulary.unit() == Unit::Byte && texts.iter().flatten().any(|text| !text.is_ascii()) {
            return Err(Error::NotAscii);
        }
        let [allow, forbid] =
            texts.map(|text| Some(vocabulary.unit().symbols(&card.normalisation.apply(text?)).collect::<Vec<_>>()));
        let is_excluded = |symbol: &u32| {
            allow.as_ref().is_some_and(|allow| !allow.contains(symbol))
                || forbid.as_ref().is_some_and(|forbid| forbid.contains(symbol))
        };
        let symbols = vocabulary.symbols();
        if symbols.iter().all(is_excluded) {
            return Err(Error::NothingAllowed);
        }
        // A symbol's token is its place.
        Ok((0..symbols.len()).filter(|&token| is_excluded(&symbols[token])).collect())
    }
}

impl Resolved {
    /// A plan with the request's stop texts, characters and known text in place of its own.
    #[must_use]
    pub fn plan(&self, mut plan: Plan) -> Plan {
        plan.stops.clone_from(&self.stops);
        plan.options.excluded.clone_from(&self.excluded);
        plan.known.clone_from(&self.known);
        plan
    }
}

/// Whether a model has tokens for a character.
fn is_known(vocabulary: &Vocabulary, character: char) -> bool {
    let mut bytes = [0; 4];
    let mut symbols = vocabulary.unit().symbols(character.encode_utf8(&mut bytes));
    symbols.all(|symbol| vocabulary.id(symbol).is_some())
}

/// The normalised stop text.
fn resolve_stop(card: &ModelCard, stop: &str) -> Result<String> {
    let text = card.normalisation.apply(stop).into_owned();
    if text.is_empty() {
        return Err(Error::EmptyStop(stop.into()));
    }
    let unit = card.vocabulary.unit();
    let unwritten = unit.symbols(&text).find(|symbol| card.vocabulary.symbols().binary_search(symbol).is_err());
    match unwritten {
        Some(symbol) => Err(Error::UnwrittenStop { stop: stop.into(), symbol: unit.describe(symbol) }),
        None => Ok(text),
    }
}

/// A text that is not to be quoted, sorted.
fn resolve_known(card: &ModelCard, text: &str, length: usize) -> Result<Arc<KnownText>> {
    check_memory(text.len().saturating_mul(8))?;
    let text = card.normalisation.apply(text);
    let vocabulary = &card.vocabulary;
    // What the model does not write is a token outside of its vocabulary.
    let token = |symbol| vocabulary.symbols().binary_search(&symbol).map_or(u32::MAX, |token| token as u32);
    let tokens: Vec<u32> = vocabulary.unit().symbols(&text).map(token).collect();
    if tokens.len() > KnownText::MOST_TOKENS {
        return Err(Error::KnownTooLong);
    }
    Ok(Arc::new(KnownText::new(tokens, length)?))
}
