//! The prompt and the stop texts, as the model reads and writes them.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::PathBuf,
    sync::Arc,
};

use model_card::{Unit, Vocabulary};
use sampler::{KnownText, Model, check_memory};

use super::{config::Prompt, escapes, failure::Failure, output::notice};

/// Tokens of a text whose sorting takes seconds.
const SLOW: usize = 4 << 20;

/// The normalised prompt: from the arguments, a file, standard input or the card. With `skip_unknown`, characters that the
/// model does not know are left out and counted.
pub fn resolve(model: &Model, prompt: Option<&Prompt>, skip_unknown: bool) -> Result<Resolved, Failure> {
    let text = match prompt {
        Some(Prompt::Text(text)) => text.clone(),
        Some(Prompt::File(path)) => {
            let name = path.display().to_string();
            let file = File::open(path);
            read(file, &format!("the prompt from {name}"))?
        }
        Some(Prompt::StandardInput) => read(Ok(io::stdin().lock()), "the prompt from standard input")?,
        // A model of documents starts a new one.
        None if model.card.vocabulary.boundary().is_some() => String::new(),
        None => model.card.seed_text.clone(),
    };
    check_memory(text.len().saturating_mul(4))?;
    let mut text = model.card.normalisation.apply(&text).into_owned();
    let mut skipped = 0;
    if skip_unknown {
        text.retain(|character| {
            let is_known = is_known(&model.card.vocabulary, character);
            skipped += u64::from(!is_known);
            is_known
        });
    }
    // Names the first unknown character before anything is written.
    model.encode(&text)?;
    Ok(Resolved { text, skipped })
}

/// A prompt as the model reads it.
#[derive(Default)]
pub struct Resolved {
    pub text: String,
    /// Number of characters that were left out.
    pub skipped: u64,
}

/// Whether a model has tokens for a character.
fn is_known(vocabulary: &Vocabulary, character: char) -> bool {
    match vocabulary.unit() {
        Unit::Char => vocabulary.id(character.into()).is_some(),
        Unit::Byte => character.encode_utf8(&mut [0; 4]).bytes().all(|byte| vocabulary.id(byte.into()).is_some()),
    }
}

/// The normalised stop texts. A text that the model cannot write is refused.
pub fn resolve_stops(model: &Model, stops: &[String]) -> Result<Vec<String>, Failure> {
    let vocabulary = &model.card.vocabulary;
    let resolve = |stop: &String| {
        let text = model.card.normalisation.apply(stop).into_owned();
        let symbols: Vec<u32> = match vocabulary.unit() {
            Unit::Char => text.chars().map(u32::from).collect(),
            Unit::Byte => text.bytes().map(u32::from).collect(),
        };
        if symbols.is_empty() {
            return Err(Failure::Input(format!("--stop {stop:?} leaves no text to stop at; leave it out")));
        }
        let unwritten = symbols.into_iter().find(|symbol| vocabulary.symbols().binary_search(symbol).is_err());
        unwritten.map_or(Ok(text), |symbol| {
            let symbol = escapes::symbol(vocabulary.unit(), symbol);
            let message = format!("--stop {stop:?} would never stop the text: this model does not write {symbol}");
            Err(Failure::Input(message))
        })
    };
    stops.iter().map(resolve).collect()
}

/// The tokens that are not written: all that `allow` leaves out, and those of `forbid`.
pub fn resolve_excluded(model: &Model, allow: Option<&str>, forbid: Option<&str>) -> Result<Vec<usize>, Failure> {
    let vocabulary = &model.card.vocabulary;
    for (option, characters) in [("--allow", allow), ("--forbid", forbid)] {
        if vocabulary.unit() == Unit::Byte && characters.is_some_and(|characters| !characters.is_ascii()) {
            let message = format!(
                "{option}: this model writes bytes, and several characters share those of one that is not ASCII; \
                 name only ASCII characters"
            );
            return Err(Failure::Usage(message));
        }
    }
    let [allow, forbid] = [allow, forbid].map(|characters| {
        let characters = model.card.normalisation.apply(characters?).into_owned();
        Some(characters.chars().map(u32::from).collect::<Vec<_>>())
    });
    let is_excluded = |symbol: &u32| {
        allow.as_ref().is_some_and(|allow| !allow.contains(symbol))
            || forbid.as_ref().is_some_and(|forbid| forbid.contains(symbol))
    };
    let symbols = vocabulary.symbols();
    if symbols.iter().all(is_excluded) {
        let message = "--allow and --forbid leave no character that this model writes; `info` shows those it knows";
        return Err(Failure::Usage(message.into()));
    }
    // A symbol's token is its place.
    Ok((0..symbols.len()).filter(|&token| is_excluded(&symbols[token])).collect())
}

/// A text that is not to be quoted, and is sorted for that.
pub fn resolve_known(model: &Model, novel: Option<&(PathBuf, usize)>) -> Result<Option<Arc<KnownText>>, Failure> {
    let Some((path, length)) = novel else { return Ok(None) };
    let text = read(File::open(path), &path.display().to_string())?;
    check_memory(text.len().saturating_mul(8))?;
    let text = model.card.normalisation.apply(&text);
    let vocabulary = &model.card.vocabulary;
    // What the model does not write is a token outside of its vocabulary.
    let token = |symbol| vocabulary.symbols().binary_search(&symbol).map_or(u32::MAX, |token| token as u32);
    let tokens: Vec<u32> = match vocabulary.unit() {
        Unit::Char => text.chars().map(|character| token(character.into())).collect(),
        Unit::Byte => text.bytes().map(|byte| token(byte.into())).collect(),
    };
    if tokens.len() > KnownText::MOST_TOKENS {
        return Err(Failure::Input(format!("{} is too long for --novel; name a part of it", path.display())));
    }
    if tokens.len() > SLOW {
        notice(&format!("sorting {} for --novel", model_card::printable(&path.display().to_string())));
    }
    Ok(Some(Arc::new(KnownText::new(tokens, *length)?)))
}

fn read(input: io::Result<impl Read>, name: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = input.and_then(|mut input| input.read_to_end(&mut bytes));
    read.map_err(|error| match error.kind() {
        ErrorKind::OutOfMemory => {
            sampler::Error::Memory(format!("{name} is larger than the memory that there is")).into()
        }
        _ => Failure::Input(format!("cannot read {name}: {error}")),
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        Failure::Input(format!("{name} is not UTF-8 at byte {place}"))
    })
}
