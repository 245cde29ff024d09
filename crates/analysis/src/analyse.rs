//! From a checkpoint and its text to everything that is found.

use std::fs;
use std::path::{Path, PathBuf};

use corpus::{Corpus, Split};
use lstm::CharLstm;
use model_card::{ModelCard, Unit, Vocabulary, counted};
use trainer::observer::{Event, Observer};
use trainer::{DeviceName, Pairing};

use crate::cells::{States, UNTRAINED, follow, scoring, states};
use crate::data::{Analysis, ErrorAnalysis, FeatureValues, LayerStates, Passage};
use crate::detect::detect;
use crate::errors::{Kinds, breakdown, confusion, count_in, kinds, surprising};
use crate::gates::GateCounts;
use crate::predictions::Predictions;
use crate::run::run;
use crate::sample::{SampleConfig, copied};
use crate::text::Text;
use crate::{Error, Feature, Result};

/// Different unknown characters that a message names.
const NAMED: usize = 10;

/// What to analyse, and how much of it.
#[derive(Debug, Clone)]
pub struct AnalysisConfig {
    /// Folder of the checkpoint, or of a run, whose best checkpoint is analysed.
    pub checkpoint: PathBuf,
    /// Folder of the shards that were trained on.
    pub shards: PathBuf,
    /// A text file to show; the start of the held-out text if `None`. Cells are found and errors counted on held-out text in
    /// any case.
    pub text: Option<PathBuf>,
    /// Whether to leave out what the model does not know of that file.
    pub skip_unknown: bool,
    /// How much of a text is used.
    pub limits: Limits,
    /// Random seed of the first untrained network; the others have the next ones.
    pub seed: u64,
    /// What to sample, to say how much of it is copied; `None` to leave that out.
    pub sample: Option<SampleConfig>,
}

/// How much of a text is used, in tokens: they bound time and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Tokens that are shown.
    pub shown: usize,
    /// Held-out tokens that errors are counted on.
    pub measured: usize,
    /// Held-out tokens that cells are chosen and scored on: a byte each for every cell of the trained and of three
    /// untrained networks.
    pub scored: usize,
    /// Tokens of the training text, its last ones, that n-grams and words are counted in.
    pub training: usize,
    /// Streams that a text is read in at once; 1 carries one state over all of it, as `carve evaluate` does without
    /// options, and takes many times as long.
    pub streams: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            shown: 1000,
            measured: 150_000,
            scored: 20_000,
            training: 4_000_000,
            streams: trainer::evaluation::STREAMS,
        }
    }
}

/// Analyses a network.
///
/// # Errors
/// As [`Pairing::open`]; and for a text file that cannot be read, has fewer than two characters, or has some that the model
/// does not know.
pub fn analyse(config: &AnalysisConfig, observer: &mut dyn Observer) -> Result<Analysis> {
    let Limits { shown, streams, .. } = config.limits;
    let pairing = Pairing::open(&config.checkpoint, &config.shards, DeviceName::Cpu, false, observer)?;
    let Pairing { network, card, .. } = &pairing;
    // What the user named is looked at first: it is the likeliest to be wrong.
    let text = config.text.as_deref().map(|path| read(path, card, config.skip_unknown)).transpose()?;
    let held_out = HeldOut::read(&pairing, config.limits.measured)?;
    let tokens = &held_out.tokens;
    let scored = config.limits.scored.min(tokens.len());

    let mut predictions = Predictions::new(tokens, shown);
    let mut trained = States::new(&card.size, scored.max(shown.min(tokens.len())));
    let mut gates: Vec<GateCounts> = (0..card.size.layers).map(|_| GateCounts::new(card.size.hidden)).collect();
    run(network, tokens, streams, &mut progress(observer, "reading the held-out text", tokens.len()), &mut |step| {
        predictions.add(tokens, step.position, step.logits);
        trained.add(&step);
        gates.iter_mut().zip(step.gates()).for_each(|(counts, gates)| counts.add(gates));
    })?;

    let mut untrained = vec![];
    for place in 0..UNTRAINED {
        let network = CharLstm::init(&card.size, config.seed.wrapping_add(place), network.device())?;
        let mut report = progress(observer, "reading it with untrained networks", UNTRAINED as usize * scored);
        let mut report = |done| report(place as usize * scored + done);
        untrained.push(states(&network, &tokens[..scored], streams, &mut report)?);
    }
    let untrained: Vec<&[LayerStates]> = untrained.iter().map(States::layers).collect();
    let scoring = scoring(first_of(&held_out.source, scored, tokens.len(), card), scored);
    let values: Vec<_> = values(&card.vocabulary, tokens)
        .into_iter()
        .map(|(feature, values)| (feature, values.map(|values| values[..scored].to_vec())))
        .collect();
    let features = follow(&values, trained.layers(), &untrained, &scoring);

    let passage = if let Some((name, text)) = &text {
        let text = &text[..shown.min(text.len())];
        let (predictions, cells) = read_alone(network, text, streams, observer)?;
        passage(name.clone(), card, text, &predictions, &cells)
    } else {
        let text = &tokens[..shown.min(tokens.len())];
        passage(first_of(&held_out.source, text.len(), tokens.len(), card), card, text, &predictions, &trained)
    };
    let errors = errors(&pairing, &held_out, &predictions, config.limits.training, observer)?;
    let copied = config.sample.map(|sample| copied(&pairing, sample, observer)).transpose()?;
    Ok(Analysis { passage, scoring, features, gates: gates.iter().map(GateCounts::shares).collect(), errors, copied })
}

/// Tells the observer how far a task is.
fn progress<'o>(observer: &'o mut dyn Observer, task: &'static str, total: usize) -> impl FnMut(usize) + 'o {
    move |done| observer.observe(&Event::Progress { task, done: done as u64, total: Some(total as u64) })
}

/// The values of all features at each token of a text.
fn values(vocabulary: &Vocabulary, tokens: &[u32]) -> Vec<(Feature, std::result::Result<Vec<u8>, String>)> {
    let text = Text::new(vocabulary, tokens);
    let values = |feature| detect(feature, &text.characters).map(|values| text.by_token(&values));
    Feature::ALL.map(|feature| (feature, values(feature))).into()
}

/// What a network makes of a text that is shown, and of nothing else.
fn read_alone(
    network: &CharLstm,
    text: &[u32],
    streams: usize,
    observer: &mut dyn Observer,
) -> Result<(Predictions, States)> {
    let mut predictions = Predictions::new(text, text.len());
    let mut cells = States::new(network.size(), text.len());
    run(network, text, streams, &mut progress(observer, "reading the text to show", text.len()), &mut |step| {
        predictions.add(text, step.position, step.logits);
        cells.add(&step);
    })?;
    Ok((predictions, cells))
}

/// What is shown of `text`, which is the start of what was read.
fn passage(source: String, card: &ModelCard, text: &[u32], predictions: &Predictions, cells: &States) -> Passage {
    let symbols = (0..card.vocabulary.len() as u32).map(|token| card.vocabulary.shown(token)).collect();
    let bits = |&nats: &f64| (nats / std::f64::consts::LN_2) as f32;
    let is_there = |values: &Vec<u8>| values.iter().any(|value| *value > 0);
    let features = values(&card.vocabulary, text)
        .into_iter()
        .filter_map(|(feature, values)| Some(FeatureValues { feature, values: values.ok().filter(is_there)? }))
        .collect();
    Passage {
        source,
        tokens: text.to_vec(),
        symbols,
        surprise: predictions.nats[..text.len()].iter().map(bits).collect(),
        guesses: predictions.guesses.clone(),
        layers: cells.first(text.len()),
        features,
    }
}

fn errors(
    pairing: &Pairing,
    held_out: &HeldOut,
    predictions: &Predictions,
    limit: usize,
    observer: &mut dyn Observer,
) -> Result<ErrorAnalysis> {
    let vocabulary = &pairing.card.vocabulary;
    let (tokens, of_tokens) = (&held_out.tokens, Kinds::new(vocabulary));
    let training = pairing.corpus.training();
    let training = pairing.ids(training.slice(training.len().saturating_sub(limit)..training.len()))?;
    let in_training = count_in(&training, &of_tokens, tokens);
    let mut report = progress(observer, "counting n-grams of the training text", training.len());
    let breakdown = breakdown(&of_tokens, tokens, predictions, &training, &in_training, &mut report);
    Ok(ErrorAnalysis {
        source: held_out.source.clone(),
        nats: predictions.mean(),
        tokens: tokens.len() - 1,
        kinds: kinds(&of_tokens, tokens, predictions),
        confusion: confusion(tokens, predictions),
        words: surprising(vocabulary, &of_tokens, tokens, predictions, &in_training),
        breakdown,
    })
}

/// The text that the network was not trained on, if there is any.
struct HeldOut {
    source: String,
    tokens: Vec<u32>,
}

impl HeldOut {
    /// The validation split, otherwise the test split, otherwise the text that was trained on; at most `limit` tokens of it.
    fn read(pairing: &Pairing, limit: usize) -> Result<Self> {
        let Pairing { corpus, card, .. } = pairing;
        let (split, name) = [Split::Validation, Split::Test]
            .into_iter()
            .find(|split| corpus.split(*split).is_some_and(|tokens| tokens.len() > 1))
            .map_or((Split::Train, "training split (nothing is held out)".into()), |split| {
                (split, format!("{split} split"))
            });
        let all = of_split(corpus, split);
        let length = limit.max(2).min(all.len());
        if length < 2 {
            return Err(Error::TooShort { what: format!("the {name}"), tokens: length });
        }
        let tokens = pairing.ids(all.slice(0..length))?;
        Ok(Self { source: first_of(&name, length, all.len(), card), tokens })
    }
}

fn of_split(corpus: &Corpus, split: Split) -> corpus::Tokens<'_> {
    corpus.split(split).unwrap_or_else(|| corpus.training())
}

/// The name of the start of a text.
fn first_of(source: &str, length: usize, of: usize, card: &ModelCard) -> String {
    let unit = if card.vocabulary.unit() == Unit::Byte { "byte" } else { "character" };
    if length == of { source.into() } else { format!("first {} of the {source}", counted(length as u64, unit)) }
}

/// A text file's name and tokens.
fn read(path: &Path, card: &ModelCard, skip_unknown: bool) -> Result<(String, Vec<u32>)> {
    let text = fs::read_to_string(path).map_err(|source| Error::Read { path: path.into(), source })?;
    let text = card.normalisation.apply(&text);
    let symbols: Vec<u32> = match card.vocabulary.unit() {
        Unit::Char => text.chars().map(u32::from).collect(),
        Unit::Byte => text.bytes().map(u32::from).collect(),
    };
    let is_unknown = |symbol: &u32| card.vocabulary.id(*symbol).is_none();
    let unknown: Vec<u32> = symbols.iter().copied().filter(is_unknown).collect();
    if !unknown.is_empty() && !skip_unknown {
        let characters = named(&unknown, card.vocabulary.unit());
        return Err(Error::UnknownCharacters { path: path.into(), count: unknown.len(), characters });
    }
    let tokens: Vec<u32> = symbols.iter().filter_map(|&symbol| card.vocabulary.id(symbol)).collect();
    if tokens.len() < 2 {
        return Err(Error::TooShort { what: path.display().to_string(), tokens: tokens.len() });
    }
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    Ok((name, tokens))
}

/// The different symbols of a list, in the order that they come in, as far as a message has room.
fn named(symbols: &[u32], unit: Unit) -> String {
    let mut different: Vec<u32> = vec![];
    for &symbol in symbols {
        if !different.contains(&symbol) {
            different.push(symbol);
        }
    }
    let name = |&symbol: &u32| match (unit, char::from_u32(symbol)) {
        (Unit::Char, Some(character)) => format!("{character:?} (U+{symbol:04X})"),
        _ => format!("byte {symbol:#04x}"),
    };
    let more = different.len().saturating_sub(NAMED);
    let names: Vec<String> = different.iter().take(NAMED).map(name).collect();
    let rest = if more > 0 { format!(" and {more} others") } else { String::new() };
    names.join(", ") + &rest
}
